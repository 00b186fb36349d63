//! Whether a shot is of another fibre than the reference.
//!
//! What is lost at a splice stays lost, or more is lost there: a known loss that is surely smaller than
//! before, or gone, is rare on the same fibre and usual on another one. Each known loss that can be
//! told from the light around it counts its odds; few of them decide nothing, so a repair at one or two
//! closures of many stays what it is.

use super::super::Watch;
use super::super::steps::Noise;
use super::Sight;
use crate::trace::analyse::Analysis;
use crate::trace::event::{Event, EventKind};
use crate::trace::samples::{cut, whole};

/// How often a known loss is surely smaller than before, in a shot that shows changes: on the same
/// fibre, where a closure was opened, and on another one.
const LESS: [f64; 2] = [0.01, 0.5];

/// How often it is as before, by its own noise: on the same fibre and on another one.
const AS_BEFORE: [f64; 2] = [0.95, 0.2];

/// What is this many times as likely as not is sure.
const SURE: f64 = 1_000.0;

/// A known loss tells something where it is this many deviations, and at least so many decibels.
const LEAST_SIGMAS: f64 = 8.0;
const LEAST_DB: f64 = 0.05;

/// It is smaller where it is so by so many deviations, and by this part of itself.
const SMALLER_SIGMAS: f64 = 4.0;
const SMALLER_PART: f64 = 0.3;

/// It is as before within so many deviations, or this part of itself.
const WITHIN_SIGMAS: f64 = 3.0;
const WITHIN_PART: f64 = 0.1;

/// A loss that every list of events holds, in decibels, and by how much zeros may differ, in metres.
const LISTED_DB: f64 = 0.15;
const SAME_PLACE_M: f64 = 10.0;

/// Pulses behind which a step is complete, receiver and all.
const FILLS: f64 = 2.5;

/// Bins of glass on either side that tell it, at the most and at least.
const GLASS: [usize; 2] = [64, 3];

impl Sight<'_> {
    /// Whether the shots are surely of another fibre; `events` are the known ones before the shots'
    /// own end, with the bins from which they show.
    pub(super) fn is_of_another_fibre(
        &self,
        noise: &Noise<'_>,
        events: &[(usize, &Event)],
    ) -> bool {
        let odds: f64 = (0..events.len())
            .filter_map(|k| self.odds_at(noise, events, k))
            .sum();
        odds > SURE.ln()
    }

    /// The logarithm of how much likelier another fibre makes what is seen at a known loss.
    fn odds_at(&self, noise: &Noise<'_>, events: &[(usize, &Event)], k: usize) -> Option<f64> {
        let (_, event) = events.get(k)?;
        let loss = event.loss?.get();
        let (more, sd) = self.more_at(noise, events, (k, loss))?;
        if loss < LEAST_DB.max(LEAST_SIGMAS * sd) {
            return None;
        }
        let ratio = |[same, other]: [f64; 2]| (other / same).ln();
        if more < -(SMALLER_SIGMAS * sd).max(SMALLER_PART * loss) {
            Some(ratio(LESS))
        } else if more.abs() < (WITHIN_SIGMAS * sd).max(WITHIN_PART * loss) {
            Some(ratio(AS_BEFORE))
        } else {
            // Cold, water and work on a cable make many of its closures lose more.
            None
        }
    }

    /// By how much more light is lost at a known event than before, in decibels, and its standard
    /// deviation: from the glass around it up to the next ones.
    fn more_at(
        &self,
        noise: &Noise<'_>,
        events: &[(usize, &Event)],
        (k, loss): (usize, f64),
    ) -> Option<(f64, f64)> {
        let [most, least] = GLASS;
        let edge = |k: usize| events.get(k).map(|(_, event)| self.edge(event));
        let [from, to] = edge(k)?;
        let first = k.checked_sub(1).and_then(edge).map_or(0, |[_, to]| to);
        let last = edge(k + 1).map_or(noise.sigma.len(), |[from, _]| from);
        let mean = |a: usize, b: usize| {
            let count = b.saturating_sub(a) as f64;
            let fall = cut(&self.fall, a, b).iter().sum::<f64>() / count;
            let square: f64 = cut(&noise.sigma, a, b).iter().map(|s| s * s).sum();
            (fall, noise.share * square / (count * count))
        };
        // No more glass than it takes: another fibre has other losses near.
        let mut wide = least;
        loop {
            let (ahead, behind) = (from.saturating_sub(wide).max(first), last.min(to + wide));
            if ahead + least > from || to + least > behind {
                return None;
            }
            let ((before, one), (after, two)) = (mean(ahead, from), mean(to, behind));
            let sd = (one + two).sqrt();
            if sd * LEAST_SIGMAS < loss || wide >= most {
                return Some((after - before, sd));
            }
            wide *= 2;
        }
    }

    /// The first bin that an event changes, and the first that lies wholly behind it.
    fn edge(&self, event: &Event) -> [usize; 2] {
        let (mean, bins) = (&self.watch.mean, &self.watch.bins);
        let half = event.plus_minus.get() + mean.step_m();
        let at = event.at.get();
        let from = mean.index_at(at - half);
        let to = mean.index_at(at + half + FILLS * mean.pulse().get());
        let before = |index: f64| whole(index.max(0.0)).saturating_sub(bins.from) / bins.size;
        [before(from), before(to) + 1]
    }
}

impl Watch {
    /// Whether the events of a shot are surely those of another fibre, told without the light
    /// between them: most known losses that it should show are not in its list.
    pub(in super::super) fn is_another_by_events(&self, shot: &Analysis, pulse_m: f64) -> bool {
        let own_m = self.mean.pulse().get();
        // A much shorter pulse sees less, a much longer one hides more.
        if !(0.9 * own_m..3.0 * own_m).contains(&pulse_m) {
            return false;
        }
        let reach = shot.end.as_ref().map(|end| end.at).or(shot.seen_to);
        let odds = |event: &Event| {
            let loss = event.loss?.get();
            let sd = event.loss_plus_minus?.get() / 1.96 * (self.shots as f64).sqrt();
            let seen = event.at.get() + 2.0 * pulse_m < reach?.get();
            let near = |other: &Event| {
                let apart = (other.at - event.at).abs().get();
                apart > 0.0 && apart < 2.0 * pulse_m
            };
            let alone = !self.analysis.events.iter().any(near);
            if !seen || !alone || loss < LISTED_DB.max(LEAST_SIGMAS * sd) {
                return None;
            }
            let doubt = event.plus_minus.get() + 0.5 * pulse_m;
            let there = |own: &Event| {
                (own.at - event.at).abs().get() < doubt + own.plus_minus.get() + SAME_PLACE_M
            };
            let [same, other] = if shot.events.iter().any(there) {
                AS_BEFORE
            } else {
                LESS
            };
            Some((other / same).ln())
        };
        let known = self.analysis.events.iter();
        let known = known.filter(|event| !matches!(event.kind, EventKind::End | EventKind::Ghost));
        known.filter_map(odds).sum::<f64>() > SURE.ln()
    }
}
