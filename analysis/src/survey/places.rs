//! Events of many shots put together by place.
//!
//! Shots of one view differ in pulse, averaging and wavelength. Positions go by the settings of one
//! of them, the reference; those of a shot with another index or wavelength are told from the
//! events that both show.

use silkline_protocol::plant::View;
use silkline_protocol::unit::OpticalLength;

use super::{Seen, Shot};
use crate::trace::{Event, EventKind, anchor};

/// Nearer to the node than this a place is the connector there, in metres.
pub(super) const START_M: f64 = 5.0;

/// Places of two shots are one within so many standard deviations, and this many metres.
const SAME_SIGMAS: f64 = 3.5;
const SAME_M: f64 = 2.0;

/// What the zero of a trace may be off by: the instrument's trigger, one standard deviation in metres.
const ZERO_SD_M: f64 = 0.3;

/// Half the width of a 95 % interval, in standard deviations.
const HALF_95: f64 = 1.96;

/// Something on the fibre, from the view's node, in metres.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sighted {
    pub(super) at: f64,
    pub(super) sd: f64,
    pub(super) seen: Vec<Seen>,
}

/// One event of one shot.
#[derive(Clone, Copy, Debug)]
struct Sight {
    at: f64,
    sd: f64,
    seen: Seen,
}

/// The shot whose settings count: the view's wavelength, then the most events.
pub(super) fn reference(view: &View, shots: &[Shot<'_>]) -> Option<usize> {
    let usable = shots.iter().enumerate();
    let usable = usable.filter(|(_, shot)| shot.analysis.fault.is_none());
    let rank = |shot: &Shot<'_>| {
        let wavelength = shot.trace.settings().wavelength.unwrap_or(view.wavelength);
        let same = (wavelength.get() - view.wavelength.get()).abs() < 25.0;
        (
            same,
            shot.analysis.end.is_some(),
            shot.analysis.events.len(),
        )
    };
    // Of equals the first.
    usable
        .rev()
        .max_by_key(|(_, shot)| rank(shot))
        .map(|(number, _)| number)
}

/// All places along the fibre, and its end.
pub(super) fn together(
    view: &View,
    shots: &[Shot<'_>],
    reference: usize,
) -> (Vec<Sighted>, Option<Sighted>) {
    let mut along = Vec::new();
    let mut ends = Vec::new();
    for (number, shot) in shots.iter().enumerate() {
        if shot.analysis.fault.is_some() {
            continue;
        }
        let scale = Scale::of(shots.get(reference), shot);
        let zero = zero(view, shot);
        for event in &shot.analysis.events {
            let sight = scale.sight(number, event, zero);
            match event.kind {
                EventKind::Ghost => {}
                EventKind::End => {
                    ends.push(sight);
                    break;
                }
                _ => along.push(sight),
            }
        }
    }
    let end = clustered(ends).into_iter().max_by_key(|end| end.seen.len());
    (clustered(along), end)
}

/// What lies between a file's zero and the view's node: the launch fibre, unless the file counts
/// from behind it.
pub(super) fn zero(view: &View, shot: &Shot<'_>) -> f64 {
    let own = shot.trace.settings().launch;
    if own.abs() <= OpticalLength::of(0.01) {
        view.launch.get()
    } else {
        0.0
    }
}

/// How a shot's positions become the reference's.
enum Scale {
    Same,
    Anchored(anchor::Anchors),
    /// Nothing in common but the glass: by the settings of the index.
    Index(f64),
}

impl Scale {
    fn of(reference: Option<&Shot<'_>>, shot: &Shot<'_>) -> Self {
        let Some(reference) = reference else {
            return Self::Same;
        };
        let (own, other) = (shot.trace.settings(), reference.trace.settings());
        let nm = |settings: &crate::trace::Settings| settings.wavelength.map_or(0.0, |nm| nm.get());
        let same_glass = (nm(own) - nm(other)).abs() < 25.0;
        let index = own.group_index.get() / other.group_index.get();
        if same_glass && (index - 1.0).abs() < 1e-7 {
            return Self::Same;
        }
        let anchors = anchor::anchor(&shot.analysis.events, &reference.analysis.events);
        match anchors {
            Some(anchors) => Self::Anchored(anchors),
            None if same_glass => Self::Index(index),
            None => Self::Same,
        }
    }

    fn sight(&self, shot: usize, event: &Event, zero: f64) -> Sight {
        let (at, plus_minus) = match self {
            Self::Same => (event.at, event.plus_minus),
            Self::Index(index) => (event.at * *index, event.plus_minus),
            Self::Anchored(anchors) => {
                let anchored = anchors.to_reference(event.at, event.plus_minus);
                (anchored.at, anchored.plus_minus)
            }
        };
        Sight {
            at: at.get() - zero,
            sd: (plus_minus.get() / HALF_95).max(0.02),
            seen: Seen {
                shot,
                kind: event.kind,
                loss: event.loss,
                loss_plus_minus: event.loss_plus_minus,
                reflectance: event.reflectance,
            },
        }
    }
}

/// Sights of one place together; no two of one shot.
fn clustered(mut sights: Vec<Sight>) -> Vec<Sighted> {
    // The surest first: they say where a place is, and the vague ones join them.
    sights.sort_by(|a, b| a.sd.total_cmp(&b.sd));
    let mut clusters: Vec<Vec<Sight>> = Vec::new();
    for sight in sights {
        let fits = |cluster: &&mut Vec<Sight>| {
            let own = cluster
                .iter()
                .any(|other| other.seen.shot == sight.seen.shot);
            let (at, sd) = mean(cluster);
            let gate = SAME_SIGMAS * sd.hypot(sight.sd) + SAME_M;
            !own && (at - sight.at).abs() < gate
        };
        let off = |cluster: &&mut Vec<Sight>| (mean(cluster).0 - sight.at).abs();
        let nearest = clusters
            .iter_mut()
            .filter(fits)
            .min_by(|a, b| off(a).total_cmp(&off(b)));
        match nearest {
            Some(cluster) => cluster.push(sight),
            None => clusters.push(vec![sight]),
        }
    }
    let mut places: Vec<Sighted> = clusters.iter().map(|it| sighted(it)).collect();
    places.sort_by(|a, b| a.at.total_cmp(&b.at));
    places
}

fn sighted(cluster: &[Sight]) -> Sighted {
    let (at, sd) = mean(cluster);
    let mut seen: Vec<Seen> = cluster.iter().map(|sight| sight.seen).collect();
    seen.sort_by_key(|seen| seen.shot);
    Sighted {
        at,
        sd: sd.hypot(ZERO_SD_M),
        seen,
    }
}

/// The mean by inverse variance; wider where the shots disagree more than they should.
fn mean(cluster: &[Sight]) -> (f64, f64) {
    let (mut sum, mut weights) = (0.0, 0.0);
    for sight in cluster {
        let weight = 1.0 / (sight.sd * sight.sd);
        sum += weight * sight.at;
        weights += weight;
    }
    let at = sum / weights;
    let square = |sight: &Sight| ((sight.at - at) / sight.sd).powi(2);
    let freedom = cluster.len().saturating_sub(1).max(1) as f64;
    let excess = cluster.iter().map(square).sum::<f64>() / freedom;
    let sd = (excess.max(1.0) / weights).sqrt();
    (at, sd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(shot: usize, at: f64, sd: f64) -> Sight {
        let seen = Seen {
            shot,
            kind: EventKind::Loss,
            loss: None,
            loss_plus_minus: None,
            reflectance: None,
        };
        Sight { at, sd, seen }
    }

    #[test]
    fn shots_of_one_place_become_one() {
        let places = clustered(vec![
            sight(0, 4_000.0, 2.0),
            sight(1, 4_003.0, 2.0),
            sight(2, 3_990.0, 20.0),
            sight(0, 8_000.0, 2.0),
        ]);
        let shape: Vec<_> = places
            .iter()
            .map(|it| (it.at.round(), it.seen.len()))
            .collect();
        assert_eq!(shape, [(4_001.0, 3), (8_000.0, 1)]);
        assert!(places[0].sd < 2.0 && places[0].sd > 1.0, "{places:?}");
    }

    #[test]
    fn two_events_of_one_shot_stay_two() {
        let places = clustered(vec![sight(0, 4_000.0, 5.0), sight(0, 4_004.0, 5.0)]);
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn shots_that_disagree_widen_the_place() {
        let quiet = clustered(vec![sight(0, 100.0, 2.0), sight(1, 100.5, 2.0)]);
        let torn = clustered(vec![sight(0, 100.0, 2.0), sight(1, 108.0, 2.0)]);
        assert!(torn[0].sd > 1.5 * quiet[0].sd, "{torn:?} {quiet:?}");
    }
}
