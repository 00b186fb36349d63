//! The alive envelope of a light input: how little light its far receiver can live on.
//!
//! A is the lowest input that the far receiver was seen to live on, D the highest one that left it
//! dark. Light below min(D + 1 dB, A) is no light, whatever the meter's number says. Both are
//! learnt from the path's own past, so every path gets its real limit. The first time the receiver
//! is waited for, and the failure is dated back to the fall; afterwards it is said at once, and
//! the receiver's own darkness is its effect.
//!
//! ```text
//!   lit ──below anything alive──► low ──receiver dark in time──► dark
//!    ▲ ▲                           │                              │
//!    │ └──receiver lives on it: A falls──────────┘                │
//!    │      below min(D + 1 dB, A), twice in its upper half ─────►│
//!    └────────────────────────────────────── not below any more ──┘
//! ```

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Dbm;

use super::onset::{Bad, Onset};
use super::past::{thousandths, whole};
use super::{Change, Severity};

/// What lies between light that was dark and light that may be alive.
const MARGIN: i64 = 1000;

/// Light further than this above what was dark is believed to be none only where it stays so low, or
/// its receiver says so: noise on a level between dead and alive is no failure.
const NEAR: i64 = MARGIN / 2;

/// How long a receiver takes to notice, apart from its polls: 10 to 30 s serve alike, 7 s do not.
pub const LAG: Duration = Duration::from_secs(15);

/// Inputs that wait to be judged; more are thinned out.
const WAITING: usize = 40;

/// One input and one receiver further on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// A, in thousandths of a dBm.
    alive: Option<i64>,
    /// D, in thousandths of a dBm.
    dead: Option<i64>,
    /// Inputs of which the receiver's fate is not known yet, oldest first.
    waiting: VecDeque<(Timestamp, i64)>,
    far: Far,
    /// Since when the input is lower than any that was alive.
    low: Option<Timestamp>,
    /// When it was last lower than its limit, but not by much, and not believed yet.
    #[serde(default)]
    near: Option<Timestamp>,
    onset: Onset,
}

/// The receiver as it was last heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Far {
    /// Not yet.
    #[default]
    Unknown,
    /// Alive since, and last heard.
    Alive(Timestamp, Timestamp),
    /// Dark since, and last heard.
    Dark(Timestamp, Timestamp),
}

impl Envelope {
    /// Takes an input of `at`; the receiver notices within `lag`.
    pub fn input(&mut self, level: Dbm, at: Timestamp, lag: Duration) -> Option<Change> {
        let value = thousandths(level.get());
        self.wait(value, at, lag);
        self.judge(lag);
        let below = |limit: Option<i64>| limit.is_some_and(|limit| value < limit);
        if below(self.limit()) {
            self.low.get_or_insert(at);
            let known = below(self.dead.map(|dead| dead + NEAR));
            let first = self.near.replace(at);
            let sure = known || first.is_some() || self.onset.is_raised();
            return sure
                .then(|| self.dark(first.unwrap_or(at), value))
                .flatten();
        }
        self.near = None;
        let ended = self.onset.end(at);
        if below(self.alive) {
            self.low.get_or_insert(at);
        } else {
            self.low = None;
        }
        ended
    }

    /// Takes what the receiver says: whether it is alive at `at`.
    pub fn receiver(&mut self, alive: bool, at: Timestamp, lag: Duration) -> Option<Change> {
        self.far = match (self.far, alive) {
            (Far::Alive(since, _), true) => Far::Alive(since, at),
            (Far::Dark(since, _), false) => Far::Dark(since, at),
            (_, true) => {
                // What the input was while the receiver was dark says nothing about now.
                self.waiting.clear();
                Far::Alive(at, at)
            }
            (_, false) => {
                let fallen = self.fallen(at, lag);
                self.waiting.clear();
                self.far = Far::Dark(at, at);
                return fallen;
            }
        };
        self.judge(lag);
        None
    }

    /// Whether light is lost by what was learnt.
    #[must_use]
    pub const fn is_dark(&self) -> bool {
        self.onset.is_raised()
    }

    /// Whether the receiver's darkness at `at` follows from the input.
    #[must_use]
    pub fn explains(&self, at: Timestamp, lag: Duration) -> bool {
        self.is_dark() || self.low.is_some_and(|since| at - since <= lag)
    }

    /// Below this light is no light, in dBm, where that is known.
    #[must_use]
    pub fn threshold(&self) -> Option<Dbm> {
        self.limit().map(|limit| Dbm::of(whole(limit)))
    }

    /// The least light that was ever seen alive.
    #[must_use]
    pub fn least_alive(&self) -> Option<Dbm> {
        self.alive.map(|alive| Dbm::of(whole(alive)))
    }

    fn limit(&self) -> Option<i64> {
        self.alive
            .zip(self.dead)
            .map(|(alive, dead)| (dead + MARGIN).min(alive))
    }

    fn wait(&mut self, value: i64, at: Timestamp, lag: Duration) {
        let step = lag / u32::try_from(WAITING).unwrap_or(u32::MAX);
        let last = self.waiting.back();
        // A lower one is never let go: it is the one that matters.
        if last.is_some_and(|(then, low)| *then + step > at && *low <= value) {
            return;
        }
        if self.waiting.len() > WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((at, value));
    }

    /// Learns from inputs whose receiver has had its time.
    fn judge(&mut self, lag: Duration) {
        while let Some((at, value)) = self.waiting.front().copied() {
            match self.far {
                Far::Alive(since, heard) if heard >= at + lag => {
                    if since <= at {
                        self.alive = Some(self.alive.map_or(value, |alive| alive.min(value)));
                    }
                }
                // A clear fall below what was alive, and still dark: it is not enough light.
                Far::Dark(since, heard) if heard >= at + lag && since <= at => {
                    self.is_dead(value);
                }
                Far::Dark(_, heard) if heard >= at + lag => {}
                Far::Unknown | Far::Alive(..) | Far::Dark(..) => return,
            }
            self.waiting.pop_front();
        }
    }

    fn is_dead(&mut self, value: i64) {
        if self.alive.is_some_and(|alive| value <= alive - MARGIN) {
            self.dead = Some(self.dead.map_or(value, |dead| dead.max(value)));
        }
    }

    /// The receiver turned dark at `at`: is it the input that fell?
    fn fallen(&mut self, at: Timestamp, lag: Duration) -> Option<Change> {
        let recent = self.waiting.iter().filter(|(then, _)| at - *then <= lag);
        let least = recent.map(|(_, value)| *value).min()?;
        self.is_dead(least);
        let low = self.low.filter(|since| at - *since <= lag)?;
        if self.limit().is_none_or(|limit| least >= limit) {
            return None;
        }
        self.dark(low, least)
    }

    fn dark(&mut self, from: Timestamp, value: i64) -> Option<Change> {
        let bad = Bad {
            severity: Severity::Critical,
            in_a_row: 1,
        };
        let limit = whole(self.limit().unwrap_or_default());
        self.onset.take(Some(bad), from, || {
            let value = whole(value);
            format!("no light: {value:.1} dBm, its far receiver needs more than {limit:.1} dBm")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L: Duration = Duration::from_secs(20);

    struct Rig {
        envelope: Envelope,
        second: i64,
        said: Vec<(i64, Change)>,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                envelope: Envelope::default(),
                second: 0,
                said: Vec::new(),
            }
        }

        /// Polls for `seconds`; the receiver is alive or not.
        fn run(&mut self, seconds: i64, level: f64, alive: bool) -> &mut Self {
            for _ in 0..seconds {
                self.second += 1;
                let at = Timestamp::from_seconds(self.second);
                let of_input = self.envelope.input(Dbm::of(level), at, L);
                let of_far = self.envelope.receiver(alive, at, L);
                let said = of_input.into_iter().chain(of_far);
                self.said.extend(said.map(|change| (self.second, change)));
            }
            self
        }
    }

    #[test]
    fn the_first_time_the_receiver_is_waited_for_and_then_it_is_said_at_once() {
        let mut rig = Rig::new();
        rig.run(100, -23.0, true);
        // The receiver notices after three seconds.
        rig.run(3, -38.0, true).run(40, -38.0, false);
        rig.run(6, -23.0, false).run(100, -23.0, true);
        rig.run(3, -38.0, true).run(40, -38.0, false);
        rig.run(6, -23.0, false).run(100, -23.0, true);
        let [first, back, second, again] = &rig.said[..] else {
            panic!("{:?}", rig.said)
        };
        let (from, at) = match first {
            (at, Change::Began { from, .. }) => (*from, *at),
            other => panic!("{other:?}"),
        };
        assert_eq!((from, at), (Timestamp::from_seconds(101), 104));
        assert!(matches!(back, (144, Change::Ended { .. })), "{back:?}");
        assert!(matches!(second, (250, Change::Began { .. })), "{second:?}");
        assert!(matches!(again, (293, Change::Ended { .. })), "{again:?}");
    }

    #[test]
    fn light_that_the_receiver_lives_on_is_light_however_far_it_falls() {
        let mut rig = Rig::new();
        rig.run(100, -10.0, true)
            .run(100, -28.0, true)
            .run(100, -12.0, true);
        rig.run(100, -28.0, true);
        assert!(rig.said.is_empty(), "{:?}", rig.said);
        assert_eq!(rig.envelope.least_alive(), Some(Dbm::of(-28.0)));
    }

    #[test]
    fn a_receiver_that_dies_by_itself_says_nothing_of_the_input() {
        let mut rig = Rig::new();
        rig.run(100, -23.0, true)
            .run(100, -23.0, false)
            .run(100, -23.0, true);
        assert!(rig.said.is_empty() && rig.envelope.threshold().is_none());
        assert!(!rig.envelope.explains(Timestamp::from_seconds(150), L));
    }

    #[test]
    fn between_dead_and_alive_the_receiver_is_asked_again() {
        let mut rig = Rig::new();
        rig.run(100, -23.0, true)
            .run(50, -38.0, false)
            .run(100, -23.0, true);
        assert_eq!(rig.envelope.threshold(), Some(Dbm::of(-37.0)));
        let told = rig.said.len();
        rig.run(60, -30.0, true);
        assert_eq!(rig.said.len(), told, "it lives on -30 dBm");
        rig.run(50, -34.0, false).run(60, -23.0, true);
        assert_eq!(rig.said.len(), told + 2);
        assert_eq!(rig.envelope.threshold(), Some(Dbm::of(-33.0)));
    }

    #[test]
    fn noise_on_a_level_just_above_the_dead_is_no_failure() {
        let mut rig = Rig::new();
        rig.run(100, -21.0, true).run(50, -26.0, false);
        rig.run(100, -21.0, true).run(60, -24.5, true);
        let told = rig.said.len();
        assert_eq!(rig.envelope.threshold(), Some(Dbm::of(-25.0)));
        for _ in 0..50 {
            rig.run(9, -24.8, true).run(1, -25.2, true);
        }
        assert_eq!(rig.said.len(), told, "{:?}", &rig.said[told..]);
        // Twice in a row, or nearer to what was dark, and it is said; dated to the first.
        rig.run(2, -25.4, true).run(60, -21.0, true);
        rig.run(1, -25.6, true).run(60, -21.0, true);
        assert_eq!(rig.said.len(), told + 4, "{:?}", &rig.said[told..]);
    }

    #[test]
    fn a_snapshot_restores_it_bit_for_bit() {
        let mut rig = Rig::new();
        rig.run(100, -23.0, true).run(50, -38.0, false);
        let text = serde_json::to_string(&rig.envelope).unwrap();
        assert_eq!(
            serde_json::from_str::<Envelope>(&text).unwrap(),
            rig.envelope
        );
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut envelope = Envelope::default();
        for k in 0..10_000 {
            let at = Timestamp::from_nanos(k * 1_000_000);
            envelope.input(Dbm::of(-20.0 - k as f64 / 1000.0), at, L);
        }
        assert!(envelope.waiting.len() <= WAITING + 1);
    }
}
