//! Parts of the table as people read them.

use std::fmt::Write;

use serde_json::Value;

use super::super::compare::ChangeKind;

impl ChangeKind {
    /// What people call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Break => "break",
            Self::NewLoss => "new loss",
            Self::LossChange => "loss changed",
            Self::ReflectanceChange => "reflectance changed",
            Self::EndMoved => "end moved",
            Self::TotalLossChange => "total loss changed",
        }
    }
}

/// A number, or a dash where there is none.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

/// The place on the route: which kilometre, between which landmarks, at which coordinates.
pub(super) fn place(place: &Value, text: &mut String) -> std::fmt::Result {
    let metres = |key: &str| place.get(key).and_then(Value::as_f64);
    let word = |key: &str| place.get(key).and_then(Value::as_str);
    let Some(chainage) = metres("chainage_m") else {
        return writeln!(text, "  place: nobody can tell");
    };
    let interval = place.get("interval95_m").and_then(Value::as_array);
    let ends: Vec<f64> = interval
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let sure = match ends[..] {
        [low, high] => format!(", 95 % within {:.3} to {:.3}", low / 1e3, high / 1e3),
        _ => String::new(),
    };
    let line = word("line").unwrap_or_default();
    writeln!(text, "  place: {line} km {:.3}{sure}", chainage / 1e3)?;
    let beside = |key: &str| {
        let beside = place.get(key)?;
        let name = beside.get("landmark")?.as_str()?;
        let off = beside.get("offset_m")?.as_f64()?;
        let side = if off < 0.0 { "before" } else { "behind" };
        Some(format!("{:.0} m {side} {name}", off.abs()))
    };
    let sides: Vec<String> = ["before", "after"].into_iter().filter_map(beside).collect();
    if !sides.is_empty() {
        writeln!(text, "         {}", super::cut(&sides.join(", "), 71))?;
    }
    match (metres("lat"), metres("lon")) {
        (Some(lat), Some(lon)) => writeln!(text, "         {lat:.5}, {lon:.5}"),
        _ => Ok(()),
    }
}
