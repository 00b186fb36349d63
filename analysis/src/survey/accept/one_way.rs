//! The same report where the fibre was shot from one end alone.

use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use super::super::{Identity, Place, Shot, places};
use super::limits::Bounds;
use super::{JointRow, Judged, Section, SectionRow};
use crate::trace::EventKind;

/// Joints by what the shots of one colour say together, glass and totals by one of them.
pub(super) fn rows(
    section: &Section<'_>,
    colour: &[usize],
    shot: &Shot<'_>,
    bounds: &Bounds,
) -> (Vec<JointRow>, Vec<SectionRow>, Judged) {
    let places = section.survey.places.iter();
    let joints = places.filter_map(|place| {
        let mut row = joint(place, colour, bounds)?;
        row.name = row.name.or_else(|| section.connector(place.at, None));
        Some(row)
    });
    let zero = places::zero(section.view, shot);
    let total = Judged::at_most(
        shot.analysis.total_loss.map(Db::get),
        shot.analysis.total_loss_plus_minus.map(Db::get),
        None,
    );
    (joints.collect(), glass(shot, zero, bounds), total)
}

fn joint(place: &Place, colour: &[usize], bounds: &Bounds) -> Option<JointRow> {
    let seen: Vec<_> = place
        .seen
        .iter()
        .filter(|seen| colour.contains(&seen.shot))
        .collect();
    if seen.is_empty() {
        return None;
    }
    let losses = seen.iter().filter_map(|seen| {
        Some((
            seen.loss?.get(),
            seen.loss_plus_minus.map_or(0.05, Db::get).max(1e-3),
        ))
    });
    let (mut sum, mut weights) = (0.0, 0.0);
    for (loss, half) in losses {
        sum += loss / (half * half);
        weights += 1.0 / (half * half);
    }
    let measured = weights > 0.0;
    let loss = measured.then(|| sum / weights);
    let half = measured.then(|| weights.sqrt().recip());
    let reflective = seen.iter().any(|seen| seen.kind == EventKind::Reflective);
    let reflectances = seen.iter().filter_map(|seen| seen.reflectance);
    let strongest = reflectances.map(Db::get).reduce(f64::max);
    Some(JointRow {
        at: place.at,
        plus_minus: place.plus_minus,
        name: match &place.is {
            Identity::Landmark { name, .. } => Some(name.clone()),
            Identity::Extra | Identity::Start => None,
        },
        reflective,
        from_a: loss.map(Db::of),
        from_b: None,
        loss: Judged::at_most(loss, half, Some(bounds.loss(reflective, false))),
        reflectance: Judged::at_most(strongest, None, Some(bounds.reflectance)),
    })
}

/// The slopes that the shot's events tell of the glass before each.
fn glass(shot: &Shot<'_>, zero: f64, bounds: &Bounds) -> Vec<SectionRow> {
    let mut from = OpticalLength::of(0.0);
    let mut rows = Vec::new();
    for event in &shot.analysis.events {
        let to = event.at - OpticalLength::of(zero);
        if event.kind == EventKind::Ghost || to <= from {
            continue;
        }
        let slope = event.slope_before.map(DbPerKm::get);
        rows.push(bounds.section(from, to, slope, None));
        from = to;
    }
    rows
}
