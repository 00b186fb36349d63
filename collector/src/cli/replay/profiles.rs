//! The points of the device profiles that ship with silkline: names, roles, units, limits.
//!
//! The profiles belong to the agent; here only what a history needs of them is read.

use rust_embed::RustEmbed;
use silkline_protocol::device::PointAbout;
use silkline_protocol::id::ProfileId;

#[derive(RustEmbed)]
#[folder = "../agent/profiles"]
struct Profiles;

/// The points of a profile; none for one that does not ship with silkline.
pub(super) fn points(profile: &ProfileId) -> Vec<PointAbout> {
    let Some(file) = Profiles::get(&format!("{profile}.toml")) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&file.data);
    let Ok(top) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let of = |table: &toml::Table| -> Vec<PointAbout> {
        let points = table.get("point").and_then(toml::Value::as_array);
        points.into_iter().flatten().filter_map(point).collect()
    };
    let mut all = of(&top);
    let tables = top.get("table").and_then(toml::Value::as_array);
    for table in tables
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
    {
        all.extend(of(table));
    }
    all
}

fn point(value: &toml::Value) -> Option<PointAbout> {
    let table = value.as_table()?;
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or("");
    let limits = table.get("limits").cloned();
    Some(PointAbout {
        name: text("name").parse().ok()?,
        unit: serde_json::from_value(text("unit").into()).ok()?,
        role: serde_json::from_value(text("role").into()).ok()?,
        limits: limits
            .and_then(|limits| limits.try_into().ok())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::device::Role;

    #[test]
    fn the_points_of_a_shipped_profile_are_known() {
        let points = points(&"silkline-edfa".parse().unwrap());
        let of = |name: &str| points.iter().find(|point| point.name.as_str() == name);
        assert_eq!(of("in_power").unwrap().role, Role::LightIn);
        assert_eq!(of("module_temp").unwrap().limits.high_warning, Some(65.0));
        assert!(super::points(&"nobody-knows-it".parse().unwrap()).is_empty());
    }
}
