//! Permits to work as the agent keeps them: which hold now, and what no shot may be taken of.
//!
//! ```text
//!   collector ─ set, revoke ─┐                     ┌─ gate: asked before every shot, by whomever
//!                            ├─▶ one file a permit ┤
//!   permit add | revoke ─────┘                     └─ watch: tells the collector what changed
//! ```
//!
//! Whatever is in doubt blocks. A file that can't be read blocks every shot. A clock ends a permit, or
//! keeps one waiting for its beginning, only where it can be believed: a time server has set it, or
//! the system does not tell and the clock has not been stepped since the permit was taken, in the
//! same boot of the machine. By any other clock a permit holds from when it was taken until it is taken
//! back by hand: a wrong date must not end a permit while somebody looks into the fibre.

mod gate;
mod shelf;
mod watch;

pub use gate::{Blocked, Gate};
pub use shelf::{Shelf, ShelfError};
pub use watch::Watch;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{FibreId, LineId};
use silkline_protocol::message::ClockState;
use silkline_protocol::permit::Permit;
use silkline_protocol::time::Timestamp;

use crate::clock::{Anchor, Clock};

/// The version of a permit's file.
pub const VERSION: u32 = 1;

/// A permit in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The version of the file.
    pub v: u32,
    /// The permit.
    pub permit: Permit,
    /// Who set it.
    pub by: By,
    /// What the clock stood on when it was taken.
    pub anchor: Option<Anchor>,
    /// When it was taken back, if it was: its file stays until that has been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// Who set a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The collector.
    Collector,
    /// Somebody at the site.
    Site,
}

/// What the time is, and what that is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time of day.
    pub at: Timestamp,
    /// What the system says of it.
    pub state: ClockState,
    /// What the clock stands on.
    pub anchor: Option<Anchor>,
}

/// Where a permit is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not begun.
    Waits,
    /// It blocks.
    Holds,
    /// It has run out or was taken back.
    Over,
}

impl Now {
    /// The time by `clock`.
    #[must_use]
    pub fn by(clock: &Clock) -> Self {
        Self {
            at: clock.now(),
            state: clock.state(),
            anchor: Anchor::read(clock),
        }
    }
}

impl Kept {
    /// A permit that is taken `now`.
    #[must_use]
    pub fn taken(permit: Permit, by: By, now: &Now) -> Self {
        Self {
            v: VERSION,
            permit,
            by,
            anchor: now.anchor.clone(),
            revoked: None,
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn standing(&self, now: &Now) -> Standing {
        let fields = self.permit.fields();
        if self.revoked.is_some() {
            Standing::Over
        } else if !self.believes(now) || self.permit.holds(now.at) {
            Standing::Holds
        } else if now.at < fields.from {
            Standing::Waits
        } else {
            Standing::Over
        }
    }

    /// Whether the clock may end it.
    #[must_use]
    pub fn believes(&self, now: &Now) -> bool {
        match now.state {
            ClockState::Synchronised => true,
            ClockState::Free => false,
            ClockState::Unknown => match (&self.anchor, &now.anchor) {
                (Some(then), Some(now)) => then.agrees(now),
                (None, _) | (_, None) => false,
            },
        }
    }
}

/// The permit among `kept` that blocks a shot at `fibre` of `line` now: the one that holds longest.
#[must_use]
pub fn blocking<'a>(
    kept: &'a [Kept],
    (line, fibre): (&LineId, Option<&FibreId>),
    now: &Now,
) -> Option<&'a Kept> {
    kept.iter()
        .filter(|kept| kept.permit.covers(line, fibre) && kept.standing(now) == Standing::Holds)
        .max_by_key(|kept| kept.permit.fields().until)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use core::time::Duration;
    use silkline_protocol::permit::Fields;

    pub(crate) fn permit(id: &str, fibres: &[&str], (from, until): (i64, i64)) -> Permit {
        Permit::new(Fields {
            id: id.parse().unwrap(),
            person: "L. Mammadova".into(),
            contact: String::new(),
            line: "baku-poti".parse().unwrap(),
            fibres: fibres.iter().map(|fibre| fibre.parse().unwrap()).collect(),
            from: Timestamp::from_seconds(from),
            until: Timestamp::from_seconds(until),
        })
        .unwrap()
    }

    pub(crate) fn now(seconds: i64, state: ClockState, boot: &str) -> Now {
        let at = Timestamp::from_seconds(seconds);
        // The machine has been up since second 10.
        let booted = Timestamp::from_seconds(10);
        let boot = boot.to_owned();
        let anchor = Some(Anchor { boot, booted });
        Now { at, state, anchor }
    }

    const ALL: [ClockState; 3] = [
        ClockState::Synchronised,
        ClockState::Free,
        ClockState::Unknown,
    ];

    #[test]
    fn a_clock_that_is_believed_begins_and_ends_a_permit_and_no_other_does() {
        use Standing::{Holds, Over, Waits};
        let taken = now(50, ClockState::Unknown, "a");
        let kept = Kept::taken(permit("p", &[], (100, 200)), By::Site, &taken);
        for (seconds, wanted) in [(50, Waits), (150, Holds), (200, Over)] {
            for state in ALL {
                let here = kept.standing(&now(seconds, state, "a"));
                let rebooted = kept.standing(&now(seconds, state, "b"));
                let sure = state == ClockState::Synchronised;
                let free = state == ClockState::Free;
                assert_eq!(
                    here,
                    if free { Holds } else { wanted },
                    "{seconds} {state:?}"
                );
                assert_eq!(
                    rebooted,
                    if sure { wanted } else { Holds },
                    "{seconds} {state:?}"
                );
            }
        }
    }

    #[test]
    fn a_stepped_clock_ends_nothing_in_either_direction() {
        let taken = now(150, ClockState::Unknown, "a");
        let kept = Kept::taken(permit("p", &[], (100, 200)), By::Site, &taken);
        for seconds in [10_000, 20] {
            let mut stepped = now(seconds, ClockState::Unknown, "a");
            let Some(anchor) = &mut stepped.anchor else {
                panic!("no anchor")
            };
            anchor.booted = if seconds > 200 {
                anchor.booted + Duration::from_secs(9_850)
            } else {
                Timestamp::EPOCH
            };
            let standing = kept.standing(&stepped);
            assert_eq!(standing == Standing::Holds, seconds > 200, "{seconds}");
        }
        let mut none = now(10_000, ClockState::Unknown, "a");
        none.anchor = None;
        assert_eq!(kept.standing(&none), Standing::Holds);
    }

    #[test]
    fn what_is_taken_back_is_over_by_any_clock() {
        let taken = now(150, ClockState::Free, "a");
        let mut kept = Kept::taken(permit("p", &[], (100, 200)), By::Collector, &taken);
        kept.revoked = Some(taken.at);
        for state in ALL {
            assert_eq!(kept.standing(&now(150, state, "b")), Standing::Over);
        }
    }

    #[test]
    fn the_permit_that_lasts_longest_is_named() {
        let at = now(150, ClockState::Synchronised, "a");
        let take = |id, fibres: &[&str], until| {
            Kept::taken(permit(id, fibres, (100, until)), By::Site, &at)
        };
        let kept = [
            take("one", &["f1"], 300),
            take("two", &[], 200),
            take("gone", &["f1"], 140),
        ];
        let line = "baku-poti".parse().unwrap();
        let named = |fibre: Option<&str>| {
            let fibre = fibre.map(|fibre| fibre.parse().unwrap());
            let found = blocking(&kept, (&line, fibre.as_ref()), &at);
            found.map(|kept| kept.permit.id().to_string())
        };
        assert_eq!(named(Some("f1")).as_deref(), Some("one"));
        assert_eq!(named(Some("f2")).as_deref(), Some("two"));
        assert_eq!(named(None).as_deref(), Some("one"));
        let other = "other".parse().unwrap();
        assert!(blocking(&kept, (&other, None), &at).is_none());
    }
}
