//! A coherent receiver: what its bit errors and its OSNR together say of the light.
//!
//! ```text
//!     BER   OSNR
//!      0     0      dark: no light, not perfection
//!      0    > 0     unlocked, where errors were counted before and it lasts
//!     > 0    –      alive
//! ```

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::dark::Light;
use super::onset::{Bad, Onset};
use super::{Change, Severity};

/// A receiver finds its signal again within seconds; one that has not after this will not.
const RELOCK: Duration = Duration::from_secs(30);

/// The two values belong together where they were read within this time.
const TOGETHER: Duration = Duration::from_secs(30);

/// One coherent receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    errors: Sign,
    osnr: Sign,
    light: Light,
    since: Timestamp,
    /// Whether errors were ever counted: an old slow system may have none at all.
    counts: bool,
    idle: Option<Timestamp>,
    /// Until then its darkness is known to end by itself.
    excused: Option<Timestamp>,
    dark: Onset,
    unlocked: Onset,
}

/// Whether a value is zero, and when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sign {
    zero: Option<bool>,
    at: Timestamp,
}

/// What a receiver has to say after a poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// About its light.
    pub dark: Option<Change>,
    /// About its lock.
    pub unlocked: Option<Change>,
}

impl Receiver {
    /// Takes what one poll brought.
    pub fn reading(
        &mut self,
        errors: Option<Reading>,
        osnr: Option<Reading>,
        at: Timestamp,
    ) -> Heard {
        self.errors.take(errors, at);
        self.osnr.take(osnr, at);
        let errors = self.errors.fresh(at);
        self.counts |= errors == Some(false);
        let light = match (errors, self.osnr.fresh(at)) {
            (Some(true), Some(true)) | (None, Some(true)) => Light::Dark,
            (Some(false), _) | (None, Some(false)) => Light::Lit,
            (Some(true), Some(false) | None) | (None, None) => Light::Unknown,
        };
        if light != Light::Unknown && light != self.light {
            self.light = light;
            self.since = at;
        }
        let idle = light == Light::Unknown && self.counts && self.osnr.fresh(at) == Some(false);
        self.idle = idle.then(|| self.idle.unwrap_or(at));
        let gone = |severity| Bad {
            severity,
            in_a_row: 1,
        };
        let excused = self.excused.is_some_and(|until| at <= until);
        let dark = (light == Light::Dark && !excused).then(|| gone(Severity::Critical));
        let unlocked = self.idle.is_some_and(|since| at - since >= RELOCK);
        let unlocked = unlocked.then(|| gone(Severity::Major));
        Heard {
            dark: match (light, self.dark.is_raised()) {
                // No errors with some OSNR: the light is back, if not the signal.
                (Light::Unknown, true) if errors.is_none() => None,
                _ => self
                    .dark
                    .take(dark, at, || "no light: BER 0, OSNR 0".to_owned()),
            },
            unlocked: self
                .unlocked
                .take(unlocked, at, || "no signal found: BER 0".to_owned()),
        }
    }

    /// Its light is back at `at`, as others know: it has until `until` to notice.
    pub fn excuse(&mut self, at: Timestamp, until: Timestamp) -> Option<Change> {
        self.excused = Some(until);
        self.dark.end(at)
    }

    /// What it sees.
    #[must_use]
    pub const fn light(&self) -> Light {
        self.light
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }
}

impl Sign {
    fn take(&mut self, reading: Option<Reading>, at: Timestamp) {
        let zero = match reading {
            Some(Reading::Value(value)) => value <= 0.0,
            Some(Reading::Dark) => true,
            Some(Reading::Bad(_)) | None => return,
        };
        self.zero = Some(zero);
        self.at = at;
    }

    fn fresh(self, at: Timestamp) -> Option<bool> {
        self.zero.filter(|_| at - self.at <= TOGETHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(receiver: &mut Receiver, ber: f64, osnr: f64, second: i64) -> Heard {
        let (ber, osnr) = (Reading::Value(ber), Reading::Value(osnr));
        receiver.reading(Some(ber), Some(osnr), Timestamp::from_seconds(second))
    }

    #[test]
    fn no_errors_and_no_osnr_are_no_light() {
        let mut receiver = Receiver::default();
        assert_eq!(poll(&mut receiver, 1e-3, 18.0, 1), Heard::default());
        let heard = poll(&mut receiver, 0.0, 0.0, 2);
        assert!(matches!(
            heard.dark,
            Some(Change::Began {
                severity: Severity::Critical,
                ..
            })
        ));
        assert_eq!(receiver.light(), Light::Dark);
        assert_eq!(poll(&mut receiver, 0.0, 0.0, 3), Heard::default());
        let heard = poll(&mut receiver, 0.02, 17.0, 4);
        assert!(matches!(heard.dark, Some(Change::Ended { .. })));
    }

    #[test]
    fn no_errors_alone_is_a_lost_lock_once_it_lasts() {
        let mut receiver = Receiver::default();
        poll(&mut receiver, 1e-3, 18.0, 1);
        assert_eq!(poll(&mut receiver, 0.0, 18.0, 2), Heard::default());
        assert_eq!(poll(&mut receiver, 0.0, 18.0, 31), Heard::default());
        let heard = poll(&mut receiver, 0.0, 18.0, 32);
        assert!(heard.dark.is_none() && matches!(heard.unlocked, Some(Change::Began { .. })));
        assert_eq!(receiver.light(), Light::Lit, "light it still has");
        let heard = poll(&mut receiver, 1e-3, 18.0, 33);
        assert!(matches!(heard.unlocked, Some(Change::Ended { .. })));
    }

    #[test]
    fn a_system_without_errors_is_well() {
        let mut receiver = Receiver::default();
        for second in 0..200 {
            assert_eq!(poll(&mut receiver, 0.0, 22.0, second), Heard::default());
        }
    }

    #[test]
    fn values_of_different_polls_belong_together_only_when_near() {
        let mut receiver = Receiver::default();
        let zero = Some(Reading::Value(0.0));
        receiver.reading(zero, None, Timestamp::from_seconds(1));
        let heard = receiver.reading(None, zero, Timestamp::from_seconds(2));
        assert!(heard.dark.is_some());
        let mut receiver = Receiver::default();
        receiver.reading(Some(Reading::Value(1e-3)), zero, Timestamp::from_seconds(1));
        assert_eq!(receiver.light(), Light::Lit);
    }

    #[test]
    fn a_receiver_whose_light_is_back_is_given_time_to_notice() {
        let mut receiver = Receiver::default();
        poll(&mut receiver, 0.0, 0.0, 1);
        let at = Timestamp::from_seconds(2);
        let ended = receiver.excuse(at, Timestamp::from_seconds(20));
        assert_eq!(ended, Some(Change::Ended { to: at }));
        assert_eq!(poll(&mut receiver, 0.0, 0.0, 10).dark, None);
        assert!(
            poll(&mut receiver, 0.0, 0.0, 21).dark.is_some(),
            "it was its own"
        );
    }

    #[test]
    fn no_answer_says_nothing() {
        let mut receiver = Receiver::default();
        poll(&mut receiver, 0.0, 0.0, 2);
        let bad = Some(Reading::Bad(silkline_protocol::sample::BadReading::Timeout));
        assert_eq!(
            receiver.reading(bad, bad, Timestamp::from_seconds(3)),
            Heard::default()
        );
        assert_eq!(
            receiver.reading(bad, bad, Timestamp::from_seconds(300)),
            Heard::default()
        );
    }
}
