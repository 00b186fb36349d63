//! Performance of a light input in intervals of 15 minutes and 24 hours.
//!
//! A reading holds until the next one, and no longer than a few polls: what nobody saw is neither good
//! nor bad. A second without light is severely errored, whatever the signal; unavailable time begins
//! with ten of them in a row, these ten included, and ends with ten good ones in a row, these ten not
//! included.
//!
//! # Source
//!
//! ITU-T G.826, annex A (unavailable time); ITU-T G.7710, 10.1 (intervals of 15 minutes and 24 hours,
//! tide marks, intervals that are suspect because their elapsed time is wrong).

use core::time::Duration;

use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::span::Spans;
use crate::store::rows::SeriesPoint;

/// Good or bad seconds in a row that change what is available.
const TURN: Duration = Duration::from_secs(10);
/// An interval of which more than this was not seen is suspect.
const UNSEEN: Duration = Duration::from_secs(10);

/// One interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Where it begins.
    pub at: Timestamp,
    /// The low tide mark.
    pub min: Option<f64>,
    /// The high tide mark.
    pub max: Option<f64>,
    /// The mean over the time that a value held.
    pub mean: Option<f64>,
    /// Unavailable time.
    pub unavailable: Duration,
    /// Time that was seen.
    pub seen: Duration,
    /// Whether too little of it was seen to stand for all of it.
    pub suspect: bool,
}

/// One reading and how long it holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    span: [Timestamp; 2],
    reading: Reading,
}

/// The intervals of `width` that lie in `[from, to)`, by rising time. `readings` are by rising time and
/// may begin before and end after; each holds for `hold` at most.
#[must_use]
pub fn intervals(
    readings: &[SeriesPoint],
    [from, to]: [Timestamp; 2],
    width: Duration,
    hold: Duration,
) -> Vec<Interval> {
    let held = held(readings, hold);
    let gone = unavailable(&held);
    let mut rest = held.as_slice();
    let mut all = Vec::new();
    let mut at = from;
    while at + width <= to && !width.is_zero() {
        let span = [at, at + width];
        let past = rest.iter().take_while(|it| it.span[1] <= at).count();
        rest = rest.get(past..).unwrap_or_default();
        let inside = rest.iter().take_while(|it| it.span[0] < span[1]);
        all.push(interval(inside, span, &gone));
        at = span[1];
    }
    all
}

fn interval<'a>(
    held: impl Iterator<Item = &'a Held>,
    span: [Timestamp; 2],
    gone: &Spans,
) -> Interval {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut sum, mut lit, mut seen) = (0.0, 0.0, Duration::ZERO);
    for one in held {
        let length = one.span[1].min(span[1]) - one.span[0].max(span[0]);
        match one.reading {
            Reading::Bad(_) => continue,
            Reading::Dark => {}
            Reading::Value(value) => {
                (min, max) = (min.min(value), max.max(value));
                sum += value * length.as_secs_f64();
                lit += length.as_secs_f64();
            }
        }
        seen += length;
    }
    let any = lit > 0.0;
    Interval {
        at: span[0],
        min: any.then_some(min),
        max: any.then_some(max),
        mean: any.then(|| sum / lit),
        unavailable: Spans::of([span]).and(gone).length(),
        seen,
        suspect: seen + UNSEEN < span[1] - span[0],
    }
}

fn held(readings: &[SeriesPoint], hold: Duration) -> Vec<Held> {
    let next = readings.iter().skip(1).map(|next| Some(next.at));
    let pairs = readings.iter().zip(next.chain([None]));
    pairs
        .map(|(point, next)| {
            let longest = point.at + hold;
            let end = next.map_or(longest, |next| next.min(longest));
            Held {
                span: [point.at, end],
                reading: point.reading,
            }
        })
        .filter(|held| held.span[0] < held.span[1])
        .collect()
}

/// The time in which light was not available, by the rule of ten seconds; what was not seen ends it.
fn unavailable(held: &[Held]) -> Spans {
    let mut runs: Vec<([Timestamp; 2], bool)> = Vec::new();
    for one in held {
        let dark = match one.reading {
            Reading::Bad(_) => continue,
            Reading::Dark => true,
            Reading::Value(_) => false,
        };
        match runs.last_mut() {
            Some((span, was)) if *was == dark && span[1] == one.span[0] => span[1] = one.span[1],
            _ => runs.push((one.span, dark)),
        }
    }
    let mut gone: Vec<[Timestamp; 2]> = Vec::new();
    // Light that has not lasted: it counts as gone where darkness follows it at once.
    let mut short: Option<[Timestamp; 2]> = None;
    for (span, dark) in runs {
        let long = span[1] - span[0] >= TURN;
        let last = short.or_else(|| gone.last().copied());
        let open = last.is_some_and(|last| last[1] == span[0]);
        if !dark {
            short = (open && !long).then_some(span);
        } else if long || open {
            gone.extend(short.take().filter(|_| open));
            gone.push(span);
        }
    }
    Spans::of(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::sample::BadReading;

    const QUARTER: Duration = Duration::from_secs(900);
    const HOLD: Duration = Duration::from_secs(3);

    fn second(at: i64) -> Timestamp {
        Timestamp::from_seconds(at)
    }

    /// A reading each second: `L` light, `d` dark, `x` none.
    fn polled(what: &str) -> Vec<SeriesPoint> {
        let reading = |letter| match letter {
            'L' => Reading::Value(-20.0),
            'd' => Reading::Dark,
            _ => Reading::Bad(BadReading::Timeout),
        };
        let each = what.chars().zip(0..);
        each.map(|(letter, at)| SeriesPoint {
            at: second(at),
            reading: reading(letter),
        })
        .collect()
    }

    fn gone(what: &str) -> u64 {
        unavailable(&held(&polled(what), Duration::from_secs(1)))
            .length()
            .as_secs()
    }

    fn run(letter: &str, times: usize) -> String {
        letter.repeat(times)
    }

    #[test]
    fn ten_dark_seconds_begin_it_and_ten_lit_ones_end_it() {
        let lit = run("L", 20);
        assert_eq!(gone(&(lit.clone() + &run("d", 9) + &lit)), 0);
        assert_eq!(gone(&(lit.clone() + &run("d", 10) + &lit)), 10);
        let flicker = run("d", 12) + &run("L", 9) + &run("d", 3) + &run("L", 10);
        assert_eq!(
            gone(&(lit.clone() + &flicker)),
            24,
            "nine good seconds end nothing"
        );
        let twice = run("d", 12) + &run("L", 10) + &run("d", 9) + &lit;
        assert_eq!(gone(&twice), 12, "nine bad seconds begin nothing");
        assert_eq!(
            gone(&(run("d", 12) + &run("L", 4))),
            12,
            "it is light that is seen last"
        );
    }

    #[test]
    fn what_nobody_saw_is_neither() {
        assert_eq!(gone(&(run("d", 8) + &run("x", 30) + &run("d", 8))), 0);
        assert_eq!(gone(&(run("d", 11) + &run("x", 30) + &run("L", 4))), 11);
    }

    #[test]
    fn an_interval_has_its_tide_marks_and_its_share_of_the_outage() {
        let mut readings = polled(&(run("L", 890) + &run("d", 20) + &run("L", 890)));
        readings[100].reading = Reading::Value(-30.0);
        readings[1_200].reading = Reading::Value(-10.0);
        let both = intervals(&readings, [second(0), second(1_800)], QUARTER, HOLD);
        let seconds: Vec<u64> = both.iter().map(|it| it.unavailable.as_secs()).collect();
        assert_eq!(seconds, [10, 10]);
        assert_eq!((both[0].min, both[0].max), (Some(-30.0), Some(-20.0)));
        assert_eq!((both[1].min, both[1].max), (Some(-20.0), Some(-10.0)));
        let mean = (-20.0 * 889.0 - 30.0) / 890.0;
        assert!((both[0].mean.unwrap() - mean).abs() < 1e-9);
        assert!(both.iter().all(|it| !it.suspect && it.seen == QUARTER));
    }

    #[test]
    fn what_was_hardly_seen_is_suspect() {
        let few = polled(&(run("L", 880) + &run("x", 30) + &run("L", 890)));
        let both = intervals(&few, [second(0), second(1_800)], QUARTER, HOLD);
        assert_eq!([both[0].suspect, both[1].suspect], [true, false]);
        let none = intervals(&[], [second(0), second(2_000)], QUARTER, HOLD);
        assert_eq!(none.len(), 2, "only whole intervals");
        assert!(none.iter().all(|it| it.suspect && it.mean.is_none()));
    }

    #[test]
    fn intervals_add_up_to_the_whole() {
        let pattern = (run("L", 13) + &run("d", 11) + &run("L", 3) + &run("x", 2)).repeat(124);
        let readings = polled(&pattern);
        let hold = Duration::from_secs(1);
        let whole: Duration = unavailable(&held(&readings, hold))
            .and(&Spans::of([[second(0), second(3_600)]]))
            .length();
        let parts = intervals(&readings, [second(0), second(3_600)], QUARTER, hold);
        let sum: Duration = parts.iter().map(|it| it.unavailable).sum();
        assert_eq!(sum, whole);
        assert!(!whole.is_zero());
    }
}
