//! Splitters: fibre that goes on as several legs.
//!
//! Light that a splitter shares out over N legs comes back through it once more, so that one leg shows
//! 10·log N decibels of loss and c legs of equal length 5·log c less. Where a leg ends, its share of
//! the light goes: 1/c at the first, 1/(c - 1) at the second, up to all of it at the end of the
//! trace. Both together, legs counted by their shares and ways by the loss, are what no row of bad
//! connectors behind a bend is likely to show. It is still only likely, and told as such.

use super::event::{Event, EventKind};

/// A splitter of two ways loses so much at the least, in decibels as the trace shows them.
const LEAST_LOSS_DB: f64 = 1.2;

/// The share of the light that goes with a leg, times the legs there are: legs and connectors lose
/// more and less than one another.
const SHARE: std::ops::RangeInclusive<f64> = 0.7..=1.4;

/// What takes less than this part of a leg's share is a connector on a leg.
const NO_LEG: f64 = 0.3;

/// Ways that splitters are made with.
const WAYS: [u32; 7] = [2, 4, 8, 16, 32, 64, 128];

/// What a splitter loses beyond sharing out, in decibels: at the least, and at the most for one and
/// for each further doubling. IEC 60869 types: 0.2 to 0.4 dB a doubling with connectors of their own.
const EXCESS_DB: [f64; 3] = [-0.3, 0.8, 0.35];

/// What looks like a splitter.
#[derive(Clone, Debug, PartialEq)]
struct Splitter {
    /// Where, from the user offset, in metres.
    at_m: f64,
    /// Its loss as the trace shows it, in decibels.
    loss_db: f64,
    /// Over how many ways it shares light out.
    ways: u32,
    /// Where the legs that can be seen end, in metres, the last one at the trace's end.
    ends_m: Vec<f64>,
}

/// What a reader should know of splitters: one line, if anything looks like one.
pub(crate) fn told(events: &[Event]) -> Option<String> {
    let end = events
        .iter()
        .position(|event| event.kind == EventKind::End)?;
    let (fibre, behind) = events.split_at(end + 1);
    match first(fibre) {
        Some(it) => Some(format!(
            "the loss of {:.2} dB at {:.0} m may be a splitter 1:{}: {} of its legs are seen, which end \
             at {} m",
            it.loss_db,
            it.at_m,
            it.ways,
            it.ends_m.len(),
            list(&it.ends_m)
        )),
        None => beyond(fibre.last()?, behind),
    }
}

/// Reflectors behind an end that are no images of others say that light goes on there.
fn beyond(end: &Event, behind: &[Event]) -> Option<String> {
    let reflects = |event: &&Event| event.kind == EventKind::Reflective;
    let places: Vec<f64> = behind
        .iter()
        .filter(reflects)
        .map(|event| event.at.get())
        .collect();
    (!places.is_empty()).then(|| {
        format!(
            "light comes back from {} m, behind the end at {:.0} m: the fibre may go on there, behind a \
             splitter or a strong bend",
            list(&places),
            end.at.get()
        )
    })
}

/// The first event that looks like a splitter, of those up to the end of the fibre.
fn first(fibre: &[Event]) -> Option<Splitter> {
    fibre.iter().enumerate().find_map(|(k, event)| {
        let loss_db = event
            .loss
            .map(silkline_protocol::unit::Db::get)
            .filter(|db| *db >= LEAST_LOSS_DB)?;
        let ends_m = legs(fibre.get(k + 1..)?)?;
        Some(Splitter {
            at_m: event.at.get(),
            loss_db,
            ways: ways(loss_db, ends_m.len())?,
            ends_m,
        })
    })
}

/// Where the legs of a splitter end, counted from the last one on: each takes its share of the light.
/// None where something takes what no leg would, or fewer than two are seen.
fn legs(behind: &[Event]) -> Option<Vec<f64>> {
    let (end, before) = behind.split_last()?;
    let mut ends = vec![end.at.get()];
    for event in before.iter().rev() {
        let share = 1.0 - 10_f64.powf(-event.loss?.get() / 5.0);
        let of_a_leg = share * (ends.len() + 1) as f64;
        if event.kind == EventKind::Reflective && SHARE.contains(&of_a_leg) {
            ends.push(event.at.get());
        } else if of_a_leg.abs() >= NO_LEG {
            return None;
        }
    }
    ends.reverse();
    (ends.len() > 1).then_some(ends)
}

/// How many ways a splitter has that shows so much loss with so many of its legs in sight.
fn ways(loss_db: f64, legs: usize) -> Option<u32> {
    let shared = loss_db + 5.0 * (legs as f64).log10();
    let [least, one, more] = EXCESS_DB;
    WAYS.into_iter().find(|ways| {
        let doublings = f64::from(ways.ilog2());
        let excess = shared - 10.0 * f64::from(*ways).log10();
        *ways as usize >= legs && (least..=one + more * (doublings - 1.0)).contains(&excess)
    })
}

/// Places in words.
fn list(places: &[f64]) -> String {
    let words: Vec<String> = places.iter().map(|at| format!("{at:.0}")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::analyse;
    use crate::trace::synth::{Dice, Feature, Plan};

    /// A splitter of so many ways at 8 km with these legs, each of which reflects at its end.
    fn plan(ways: u32, ends: &[f64], excess_db: f64) -> Plan {
        let legs = ends.len() as f64;
        let loss_db = 10.0 * f64::from(ways).log10() - 5.0 * legs.log10() + excess_db;
        let splitter = Feature {
            at_m: 8_000.0,
            loss_db,
            reflectance_db: None,
        };
        let leg = |(k, at_m): (usize, &f64)| {
            let left = legs - k as f64;
            Feature {
                at_m: *at_m,
                loss_db: 5.0 * (left / (left - 1.0)).log10(),
                reflectance_db: Some(-30.0 - 10.0 * left.log10()),
            }
        };
        let seen = ends.iter().enumerate().take(ends.len() - 1).map(leg);
        Plan {
            features: std::iter::once(splitter).chain(seen).collect(),
            end_m: ends[ends.len() - 1],
            end_reflectance_db: Some(-20.0),
            pulse_ns: 100.0,
            step_m: 1.0,
            range_m: 20_000.0,
            dynamic_db: 20.0,
            ..Plan::default()
        }
    }

    fn warnings(plan: &Plan) -> String {
        analyse(&plan.trace()).warnings.join("; ")
    }

    #[test]
    fn a_splitter_is_named_with_its_ways_and_the_ends_of_its_legs() {
        let ends = [9_000.0, 9_700.0, 10_900.0, 12_000.0];
        for (ways, legs, excess) in [
            (2, 2, 0.3),
            (4, 4, 0.5),
            (8, 4, 0.4),
            (8, 3, 1.2),
            (16, 4, 0.9),
        ] {
            let ends = &ends[4 - legs..];
            let told = warnings(&plan(ways, ends, excess));
            let what = format!("may be a splitter 1:{ways}: {legs} of its legs are seen");
            assert!(told.contains(&what), "1:{ways}, {legs} legs: {told}");
            assert!(told.contains(" and 12000 m"), "{told}");
        }
    }

    #[test]
    fn light_from_behind_an_end_is_told() {
        let mut hidden = plan(64, &[9_000.0, 9_713.0, 12_000.0], 1.0);
        hidden.pulse_ns = 30.0;
        hidden.step_m = 0.5;
        hidden.dynamic_db = 12.0;
        let told = warnings(&hidden);
        let what = "light comes back from 9000, 9713 and 12000 m, behind the end at 8000 m";
        assert!(told.contains(what), "{told}");
    }

    #[test]
    fn rows_of_connectors_behind_a_bend_are_no_splitter() {
        let mut named = 0;
        for seed in 0..100 {
            let mut dice = Dice::new(seed);
            let bend = Feature {
                at_m: 8_000.0,
                loss_db: dice.between(1.0, 5.0),
                reflectance_db: None,
            };
            let connector = |k: f64| Feature {
                at_m: 8_000.0 + 1_000.0 * k,
                loss_db: -0.3 * dice.uniform().max(1e-9).ln(),
                reflectance_db: Some(-45.0),
            };
            let connectors = [1.0, 2.0, 3.0].map(connector);
            let plan = Plan {
                features: [&[bend], &connectors[..]].concat(),
                end_m: 12_000.0,
                end_reflectance_db: Some(-20.0),
                pulse_ns: 100.0,
                step_m: 1.0,
                range_m: 16_000.0,
                dynamic_db: 20.0,
                seed,
                ..Plan::default()
            };
            named += usize::from(warnings(&plan).contains("splitter"));
        }
        assert!(named <= 4, "{named} of 100");
    }

    #[test]
    fn a_loss_fits_splitters_of_two_powers_only() {
        assert_eq!(ways(2.0, 2), Some(2));
        assert_eq!(ways(3.6, 4), Some(4));
        assert_eq!(ways(6.4, 4), Some(8));
        assert_eq!(ways(3.3, 2), None, "between 1:2 and 1:4");
        assert_eq!(ways(0.3, 4), None, "less than sharing costs");
        assert_eq!(list(&[1.0]), "1");
        assert_eq!(list(&[1.0, 2.0, 3.4]), "1, 2 and 3");
        assert_eq!(told(&[]), None);
    }
}
