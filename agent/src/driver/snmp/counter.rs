//! Counters as rates: what was counted a second since the last poll, over the counter's end too.
//!
//! A counter that went back either passed its end or began at zero again when the device did. The
//! protocol does not say which, so a wrap is believed only where it makes a step of less than half
//! the counter's range: a device that restarts costs one reading, not a wrong one.

use std::collections::BTreeMap;

use silkline_protocol::id::PointName;
use silkline_protocol::sample::{BadReading, Reading};

use crate::clock::Moment;
use crate::driver::Taken;
use crate::driver::readings::ByName;
use crate::profile::{Raw, SnmpPoint, tidied};

use super::{Answer, SnmpValue};

/// Counters that are remembered: more than any table of any profile has.
const MOST: usize = 16_384;

/// Where the counters of a device stood at the last poll.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    last: BTreeMap<PointName, (u64, Moment)>,
}

impl Counters {
    /// Makes the reading of `name` the rate of its counter, where `point` wants that; takes it out
    /// where there is nothing to compare with yet.
    pub(super) fn rate(
        &mut self,
        point: &SnmpPoint,
        name: &PointName,
        answer: &Answer,
        readings: &mut ByName,
    ) {
        let counted = readings.get(name).and_then(|taken| taken.raw);
        let (true, Some(Raw::Whole(counted))) = (point.rate, counted) else {
            return;
        };
        let Ok(now) = u64::try_from(counted) else {
            readings.insert(name.clone(), Taken::bad(BadReading::Garbled));
            return;
        };
        let wide = now > u64::from(u32::MAX) || is_wide(answer, point);
        let before = self.last.get(name).copied();
        if before.is_some() || self.last.len() < MOST {
            self.last.insert(name.clone(), (now, answer.at));
        }
        let Some((then, since)) = before else {
            readings.remove(name);
            return;
        };
        let seconds = (answer.at - since).as_secs_f64();
        let reading = match step(then, now, wide) {
            Some(step) if seconds > 0.0 => {
                let rate = tidied(real(step) / seconds);
                point.point.meaning.reading(Raw::Real(rate))
            }
            _ => Reading::Bad(BadReading::Invalid),
        };
        let raw = Some(Raw::Whole(counted));
        readings.insert(name.clone(), Taken { raw, reading });
    }
}

/// Whether the point's counters have 64 bits.
fn is_wide(answer: &Answer, point: &SnmpPoint) -> bool {
    let values = answer.values.as_ref().ok();
    let first = values.and_then(|values| values.range(point.oid.clone()..).next());
    matches!(first, Some((_, SnmpValue::Counter64(_))))
}

/// How far a counter went from `then` to `now`; `None` where it began anew.
const fn step(then: u64, now: u64, wide: bool) -> Option<u64> {
    if now >= then {
        return Some(now - then);
    }
    let (step, half) = if wide {
        (now.wrapping_sub(then), u64::MAX / 2)
    } else {
        (
            (1u64 << 32).wrapping_sub(then).wrapping_add(now),
            1u64 << 31,
        )
    };
    if step < half { Some(step) } else { None }
}

const fn real(step: u64) -> f64 {
    step as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_over_its_end() {
        assert_eq!(step(10, 25, false), Some(15));
        assert_eq!(step(u64::from(u32::MAX), 4, false), Some(5));
        assert_eq!(step(u64::MAX - 1, 3, true), Some(5));
    }

    #[test]
    fn a_counter_that_began_anew_makes_no_step() {
        assert_eq!(step(1_000_000, 5, false), None);
        assert_eq!(step(1_000_000, 5, true), None);
    }
}
