//! What is beyond its limit, told so that a crew finds it: by closure, kilometre and coordinates.

use silkline_analysis::route::Ground;
use silkline_analysis::survey::accept::{Acceptance, JointRow, Judged, SectionRow, Verdict};
use silkline_analysis::survey::{Identity, Place};
use silkline_protocol::unit::OpticalLength;

use super::Case;
use super::text::judged;

/// Everything at one wavelength that breaks a limit, a line each, the joints first.
pub(super) fn beyond(case: &Case<'_>, it: &Acceptance) -> Vec<String> {
    let failed = |what: &str, it: &Judged, digits| {
        (it.verdict == Verdict::Fail).then(|| format!("{what} {} dB", judged(it, digits)))
    };
    let joint = |row: &JointRow| {
        let both = [
            failed("loss", &row.loss, 3),
            failed("reflectance", &row.reflectance, 1),
        ];
        let what: Vec<String> = both.into_iter().flatten().collect();
        (!what.is_empty()).then(|| format!("{}, {}", whereabouts(case, row), what.join(", ")))
    };
    let section = |part: &SectionRow| {
        let km = |at: OpticalLength| (at.get() / 1_000.0).max(0.0);
        (part.slope.verdict == Verdict::Fail).then(|| {
            format!(
                "glass from {:.3} to {:.3} km, {} dB/km",
                km(part.from),
                km(part.to),
                judged(&part.slope, 3)
            )
        })
    };
    let [from_a, from_b] = &it.return_loss;
    let whole = [
        failed("whole fibre, loss", &it.total, 2),
        failed("return loss from A", from_a, 1),
        failed("return loss from B", from_b, 1),
    ];
    let joints = it.joints.iter().filter_map(joint);
    joints
        .chain(it.sections.iter().filter_map(section))
        .chain(whole.into_iter().flatten())
        .collect()
}

/// A joint's name or its neighbours, its distance, and where that is on the ground.
fn whereabouts(case: &Case<'_>, row: &JointRow) -> String {
    let at = row.at.get();
    let Some(name) = &row.name else {
        let beside = beside(&case.a.survey.places, row.at);
        return format!("not in the plant at {at:.1} m{beside}");
    };
    let landmark = case.line.landmarks.iter().find(|it| it.name == *name);
    let ground = landmark.map_or(String::new(), |landmark| {
        let place = Ground::of(case.plant, case.line).at(landmark.at);
        let place = place.map_or(String::new(), |at| {
            format!(", {:.5}, {:.5}", at.lat, at.lon)
        });
        format!(" (route km {:.3}{place})", landmark.at.get() / 1_000.0)
    });
    format!("{name} at {at:.1} m{ground}")
}

/// How far behind which closure, and before which, a place lies along the glass.
fn beside(places: &[Place], at: OpticalLength) -> String {
    let named = |place: &Place| match &place.is {
        Identity::Landmark { name, .. } => Some((name.clone(), (at - place.at).get())),
        Identity::Extra | Identity::Start => None,
    };
    let known: Vec<(String, f64)> = places.iter().filter_map(named).collect();
    let behind = known.iter().rev().find(|(_, off)| *off >= 0.0);
    let before = known.iter().find(|(_, off)| *off < 0.0);
    let behind = behind.map(|(name, off)| format!("{off:.0} m behind {name}"));
    let before = before.map(|(name, off)| format!("{:.0} m before {name}", -off));
    let told: Vec<String> = behind.into_iter().chain(before).collect();
    if told.is_empty() {
        String::new()
    } else {
        format!(", {}", told.join(", "))
    }
}
