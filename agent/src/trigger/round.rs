//! The round of an optical switch: each fibre at least once in its time, whatever comes between. Pure.
//!
//! The fibre that is due first goes first, so an alarm that takes the instrument away moves nothing:
//! the round goes on where it was. Every trace counts, for whatever reason its shot was taken. A fibre
//! is due earlier than its time by what all others may take before it, so that the promise holds also
//! where all are due at once.
//!
//! ```text
//!   waits ── due ──▶ due ── trace ──▶ waits (from now on)
//!                     └── shot in vain ─▶ due again, after the others
//! ```

use core::time::Duration;

use crate::clock::Moment;

/// What a shot takes beside its average: switching, fetching, writing the file.
const BESIDE: Duration = Duration::from_secs(5);
/// How much of the time the round may fill, so that alarms, commands and failures find room.
const FILLED_PERCENT: u32 = 80;

/// One fibre of the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// At least one trace within this.
    pub every: Duration,
    /// How long a shot averages.
    pub average: Duration,
}

/// The round of one instrument.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    fibres: Vec<Option<Fibre>>,
}

#[derive(Clone, Copy, Debug)]
struct Fibre {
    /// From one trace to when the next is due.
    period: Duration,
    due: Moment,
    /// Shots in vain since the last trace: those who fail go after those who do not.
    vain: u32,
}

/// Why `turns` do not fit on one instrument, if they do not.
#[must_use]
pub fn overfull<'a>(turns: impl Iterator<Item = &'a Turn> + Clone) -> Option<String> {
    let all: Duration = turns.clone().map(|turn| turn.average + BESIDE).sum();
    let load: f64 = turns
        .clone()
        .map(|turn| (turn.average + BESIDE).as_secs_f64() / turn.every.as_secs_f64().max(1e-3))
        .sum();
    let shortest = turns.map(|turn| turn.every).min()?;
    if load * 100.0 > f64::from(FILLED_PERCENT) {
        let percent = (load * 100.0).round();
        return Some(format!(
            "the round takes {percent} % of the instrument's time, at most {FILLED_PERCENT} leave room \
             for alarms"
        ));
    }
    let room = shortest.as_secs_f64() * f64::from(FILLED_PERCENT) / 100.0;
    (all.as_secs_f64() > room).then(|| {
        let (all, shortest) = (all.as_secs(), shortest.as_secs());
        format!("all fibres once take {all} s, too long for one every {shortest} s")
    })
}

impl Round {
    /// The round of these fibres, by their place; nothing stands for a fibre that is not in it. All
    /// are due `now`.
    pub(super) fn new(turns: &[Option<Turn>], now: Moment) -> Self {
        let all: Duration = turns
            .iter()
            .flatten()
            .map(|turn| turn.average + BESIDE)
            .sum();
        let fibres = turns.iter().map(|turn| {
            turn.map(|turn| Fibre {
                // A quarter more for the alarms that come between.
                period: turn.every.saturating_sub(all + all / 4),
                due: now,
                vain: 0,
            })
        });
        Self {
            fibres: fibres.collect(),
        }
    }

    /// The fibres that are due at `now`, the most urgent first.
    pub(super) fn due(&self, now: Moment) -> Vec<usize> {
        let known = self.fibres.iter().enumerate();
        let due = known.filter_map(|(at, fibre)| Some((at, (*fibre)?)));
        let mut due: Vec<(usize, Fibre)> = due.filter(|(_, fibre)| fibre.due <= now).collect();
        due.sort_by_key(|(at, fibre)| (fibre.vain, fibre.due, *at));
        due.into_iter().map(|(at, _)| at).collect()
    }

    /// A trace of the fibre `at` came.
    pub(super) fn traced(&mut self, at: usize, now: Moment) {
        if let Some(Some(fibre)) = self.fibres.get_mut(at) {
            fibre.due = now + fibre.period;
            fibre.vain = 0;
        }
    }

    /// A shot of the fibre `at` could not be had: the others go first, and it is tried again after the
    /// time a round takes.
    pub(super) fn missed(&mut self, at: usize, now: Moment) {
        if let Some(Some(fibre)) = self.fibres.get_mut(at) {
            fibre.vain = fibre.vain.saturating_add(1);
            let rest = fibre.period / 10;
            fibre.due = now + rest.max(BESIDE).min(fibre.period);
        }
    }

    /// When the next fibre comes due after `now`.
    pub(super) fn deadline(&self, now: Moment) -> Option<Moment> {
        let later = self.fibres.iter().flatten().map(|fibre| fibre.due);
        later.filter(|due| *due > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn at(count: u64) -> Moment {
        Moment::after_start(seconds(count))
    }

    fn turn(every: u64, average: u64) -> Option<Turn> {
        Some(Turn {
            every: seconds(every),
            average: seconds(average),
        })
    }

    #[test]
    fn the_longest_due_goes_first_and_a_trace_sends_it_to_the_end() {
        let turns = [turn(600, 10), None, turn(600, 10)];
        let mut round = Round::new(&turns, at(0));
        assert_eq!(round.due(at(0)), [0, 2]);
        round.traced(0, at(15));
        assert_eq!(round.due(at(15)), [2]);
        round.traced(2, at(30));
        assert_eq!(round.due(at(30)), [0; 0]);
        assert_eq!(
            round.deadline(at(30)),
            Some(at(15 + 600 - 37))
                .map(|due| due - at(0))
                .map(|_| round.fibres[0].unwrap().due)
        );
        round.traced(1, at(30));
        assert_eq!(round.due(at(700)), [0, 2]);
    }

    #[test]
    fn a_fibre_that_fails_does_not_hold_up_the_others() {
        let turns = [turn(600, 10), turn(600, 10)];
        let mut round = Round::new(&turns, at(0));
        round.missed(0, at(10));
        assert_eq!(round.due(at(10)), [1]);
        assert_eq!(
            round.due(at(200)),
            [1, 0],
            "behind the one that never failed"
        );
    }

    #[test]
    fn a_round_that_does_not_fit_says_so() {
        let of = |turns: &[Option<Turn>]| {
            let turns: Vec<Turn> = turns.iter().flatten().copied().collect();
            overfull(turns.iter())
        };
        assert_eq!(of(&[turn(600, 10); 8]), None);
        assert!(of(&[turn(60, 10); 8]).unwrap().contains("200 %"));
        let one_short = [turn(40, 5), turn(86_400, 30)];
        assert!(
            of(&one_short)
                .unwrap()
                .contains("too long for one every 40 s")
        );
        assert_eq!(of(&[]), None);
    }

    /// An instrument that is taken away at random for alarms, for up to a fifth of the time.
    fn longest_gap(seed: u64, fibres: usize, every: u64, average: u64) -> u64 {
        let turns = vec![turn(every, average); fibres];
        let mut round = Round::new(&turns, at(0));
        let mut last = vec![0; fibres];
        let (mut now, mut longest, mut state) = (0_u64, 0, seed | 1);
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut busy, mut lent) = (0_u64, 0_u64);
        while now < 40 * every {
            if lent * 10 < busy && random(4) == 0 {
                // An alarm takes the shot of another fibre, which counts for that one.
                let fibre = usize::try_from(random(fibres as u64)).unwrap();
                now += average;
                lent += average;
                longest = longest.max(now - last[fibre]);
                last[fibre] = now;
                round.traced(fibre, at(now));
                continue;
            }
            let Some(next) = round.due(at(now)).first().copied() else {
                now += 1;
                continue;
            };
            now += average + 5;
            busy += average + 5;
            longest = longest.max(now - last[next]);
            last[next] = now;
            round.traced(next, at(now));
        }
        longest
    }

    #[test]
    fn fibres_of_different_times_keep_theirs_where_all_are_due_at_once() {
        let turns = [turn(120, 10), turn(600, 20), turn(86_400, 30), None];
        let given: Vec<Turn> = turns.iter().flatten().copied().collect();
        assert_eq!(overfull(given.iter()), None);
        let mut round = Round::new(&turns, at(0));
        let (mut now, mut last) = (0, [0_u64; 3]);
        while now < 200_000 {
            let Some(next) = round.due(at(now)).first().copied() else {
                now += 1;
                continue;
            };
            now += given[next].average.as_secs() + 5;
            let gap = now - last[next];
            assert!(gap <= given[next].every.as_secs(), "fibre {next}: {gap} s");
            last[next] = now;
            round.traced(next, at(now));
        }
        assert!(last.iter().all(|at| *at > 86_000), "{last:?}");
    }

    #[test]
    fn each_fibre_has_its_trace_in_time_whatever_alarms_come_between() {
        for seed in 1..40 {
            for (fibres, every, average) in
                [(1, 60, 10), (8, 600, 20), (24, 3600, 60), (12, 600, 30)]
            {
                let turns: Vec<Turn> = vec![turn(every, average).unwrap(); fibres];
                assert_eq!(overfull(turns.iter()), None, "{fibres} {every} {average}");
                let gap = longest_gap(seed, fibres, every, average);
                assert!(
                    gap <= every,
                    "seed {seed}: {gap} s of {every} s with {fibres} fibres"
                );
            }
        }
    }
}
