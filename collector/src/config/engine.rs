//! Settings of detection and incidents.

use silkline_analysis::series::AnomalyKind;
use silkline_protocol::device::{Limits, Role};
use silkline_protocol::settings::{self, FromSetting, Section, Wrong};
use toml::de::DeValue;

use crate::engine::settings::{EngineSettings, Planned, PointRule};

/// The kinds of anomalies that can be switched off.
const KINDS: &str = "dark, limit, step, drift, stuck, relation, alarm";

/// Reads `[engine]`.
pub(super) fn engine(top: &mut Section<'_>) -> EngineSettings {
    let default = EngineSettings::default();
    let Some(mut section) = top.section("engine") else {
        return default;
    };
    EngineSettings {
        join: section.or("join", default.join),
        hold: section.or("hold", default.hold),
        grace: section.or("grace", default.grace),
        wake: section.or("wake", default.wake),
        settle: section.or("settle", default.settle),
        proof: section.or("proof", default.proof),
        follow: section.or("follow", default.follow),
        reopen: section.or("reopen", default.reopen),
        close: section.or("close", default.close),
        shot_every: section.or("shot_every", default.shot_every),
        points: section.sections("point").iter_mut().map(point).collect(),
        planned: section
            .sections("planned")
            .iter_mut()
            .filter_map(planned)
            .collect(),
    }
}

fn point(section: &mut Section<'_>) -> PointRule {
    let rule = PointRule {
        device: section.optional("device"),
        point: section.optional("point"),
        role: section.optional("role").map(|RoleWord(role)| role),
        usual: section.optional("usual"),
        limits: Limits {
            low_warning: section.optional("low_warning"),
            low_major: section.optional("low_major"),
            high_warning: section.optional("high_warning"),
            high_major: section.optional("high_major"),
        },
        least: section.optional("least"),
        deviations: section.optional("deviations"),
        in_a_row: section.optional("in_a_row"),
        off: section
            .or("off", Vec::<KindWord>::new())
            .into_iter()
            .map(|KindWord(kind)| kind)
            .collect(),
    };
    if rule.device.is_none() && rule.point.is_none() && rule.role.is_none() {
        section.wrong("role", "is missing: want a device, a point or a role");
    }
    if rule.least.is_some_and(|least| least <= 0.0) {
        section.wrong("least", "want more than 0");
    }
    if rule.in_a_row == Some(0) {
        section.wrong("in_a_row", "want at least 1");
    }
    rule
}

fn planned(section: &mut Section<'_>) -> Option<Planned> {
    let (from, until) = (section.required("from"), section.required("until"));
    let line = section.optional("line");
    let site = section.optional("site");
    let what = section.or("what", String::new());
    let planned = Planned {
        from: from?,
        until: until?,
        line,
        site,
        what,
    };
    if planned.until <= planned.from {
        section.wrong("until", "want a time after from");
        return None;
    }
    Some(planned)
}

struct RoleWord(Role);

impl FromSetting for RoleWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        let wrong = || Wrong::new(format!("{text:?}"), "a role such as light_in, ber, osnr");
        match settings::word::<Role>(&text, "a role")? {
            Role::Other if text != "other" => Err(wrong()),
            role => Ok(Self(role)),
        }
    }
}

#[derive(Clone, Copy)]
struct KindWord(AnomalyKind);

impl FromSetting for KindWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        settings::word(&text, KINDS).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Result<EngineSettings, String> {
        let text = format!("plant = \"p\"\ndata = \"d\"\n{text}");
        let read = super::super::read("c.toml", &text, Path::new("/"));
        read.map(|settings| settings.engine)
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn points_and_planned_work_are_read() {
        let text = "[engine]\nsettle = \"20s\"\n[[engine.point]]\nrole = \"light_in\"\n\
                    least = 2.0\noff = [\"stuck\"]\n[[engine.planned]]\n\
                    from = \"2026-01-01T00:00:00Z\"\nuntil = \"2026-01-01T04:00:00Z\"\n\
                    site = \"ganja\"\nwhat = \"new card\"\n";
        let settings = parse(text).unwrap();
        assert_eq!(settings.settle.as_secs(), 20);
        assert_eq!(settings.points[0].role, Some(Role::LightIn));
        assert_eq!(settings.points[0].off, [AnomalyKind::Stuck]);
        assert_eq!(settings.planned[0].what, "new card");
    }

    #[test]
    fn every_mistake_is_told() {
        let text = "[[engine.point]]\nleast = -1.0\nin_a_row = 0\n[[engine.point]]\n\
                    role = \"colour\"\noff = [\"noise\"]\n[[engine.planned]]\n\
                    from = \"2026-01-01T00:00:00Z\"\nuntil = \"2025-01-01T04:00:00Z\"\n";
        let said = parse(text).unwrap_err();
        for part in [
            "device, a point or a role",
            "more than 0",
            "at least 1",
            "colour",
            "noise",
            "after from",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
