//! Points that are asked for more seldom than at every poll: a serial line is slow, and a temperature
//! does not change within a second.

use std::time::Duration;

use silkline_protocol::id::PointName;
use silkline_protocol::settings::Section;

use super::device::Seldom;
use crate::exception::may_be_withheld;
use crate::profile::Profile;

/// A reading that is older says nothing of today.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads them; an entry with a mistake is left out.
pub(super) fn read(
    section: &mut Section<'_>,
    profile: Option<&Profile>,
    poll: Duration,
) -> Vec<Seldom> {
    let mut taken: Vec<PointName> = Vec::new();
    let mut sections = section.sections("seldom");
    let read = sections.iter_mut().filter_map(|section| {
        let points: Option<Vec<PointName>> = section.required("points");
        let every: Option<Duration> = section.required("every");
        if every.is_some_and(|every| every < poll * 2 || every.is_zero() || every > LONGEST) {
            section.wrong("every", format!("is not between two polls and {LONGEST:?}"));
        }
        for name in points.iter().flatten() {
            let said = refusal(name, profile, &taken);
            said.into_iter()
                .for_each(|said| section.wrong("points", format!("{name} {said}")));
            taken.push(name.clone());
        }
        Some(Seldom {
            points: points?,
            every: every?,
        })
    });
    let read: Vec<Seldom> = read.collect();
    let stays = |profile: &Profile| {
        let mut points = profile.points();
        points.any(|point| !taken.contains(&point.name))
    };
    if !taken.is_empty() && profile.is_some_and(|profile| !stays(profile)) {
        section.wrong(
            "seldom",
            "names every point of the device: poll it more seldom instead",
        );
    }
    read
}

fn refusal(
    name: &PointName,
    profile: Option<&Profile>,
    taken: &[PointName],
) -> Option<&'static str> {
    let mut points = profile?.points();
    match points.find(|point| point.name == *name) {
        None => Some("is no point of this profile"),
        Some(point) if !may_be_withheld(point.role) => {
            Some("is an alarm or a state, which is asked at every poll")
        }
        Some(_) if taken.contains(name) => Some("is named twice"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use crate::config::read;

    const SMALL: &str = r#"
site = "ganja"
lines = ["baku-poti"]
[[device]]
id = "edfa-1"
profile = "silkline-edfa"
address = "10.0.0.7"
[[device.seldom]]
points = ["module_temp"]
every = "60s"
"#;

    #[test]
    fn points_are_asked_at_some_polls_only() {
        let config = read("agent.toml", SMALL).unwrap();
        let seldom = &config.devices[0].seldom[0];
        assert_eq!(seldom.points[0].as_str(), "module_temp");
        assert_eq!(seldom.every, Duration::from_secs(60));
    }

    #[test]
    fn each_mistake_is_told() {
        for (from, to, wanted) in [
            ("module_temp", "toast", "toast is no point of this profile"),
            ("module_temp", "los", "los is an alarm or a state"),
            (
                "[\"module_temp\"]",
                "[\"module_temp\", \"module_temp\"]",
                "module_temp is named twice",
            ),
            ("60s", "1500ms", "is not between two polls and 86400s"),
            ("60s", "25h", "is not between two polls and 86400s"),
        ] {
            let said = read("agent.toml", &SMALL.replace(from, to)).unwrap_err();
            let said = said.to_string();
            assert!(said.contains(wanted), "{wanted:?} not in:\n{said}");
        }
    }
}
