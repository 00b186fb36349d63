//! When something that looks bad is said, and when it is over: the same for every detector.
//!
//! ```text
//!     well ──bad so often in a row, or sure at once──► raised ──good──► well
//! ```

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::{Change, Severity};

/// Whether a finding stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    raised: Option<Severity>,
    /// Bad readings in a row that are not said yet, and the first one's time.
    beyond: u8,
    first: Timestamp,
}

/// How bad a reading looks, and whether it is believed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad {
    /// How bad.
    pub severity: Severity,
    /// Readings in a row that make it certain: one where this one is enough.
    pub in_a_row: u8,
}

impl Onset {
    /// Takes a judged reading of `at`; `detail` is asked for the words where any are needed.
    pub fn take(
        &mut self,
        bad: Option<Bad>,
        at: Timestamp,
        detail: impl FnOnce() -> String,
    ) -> Option<Change> {
        let Some(bad) = bad else {
            self.beyond = 0;
            return self.raised.take().map(|_| Change::Ended { to: at });
        };
        if let Some(raised) = self.raised {
            return (bad.severity > raised).then(|| {
                self.raised = Some(bad.severity);
                Change::Worse {
                    severity: bad.severity,
                    detail: detail(),
                }
            });
        }
        if self.beyond == 0 {
            self.first = at;
        }
        self.beyond = self.beyond.saturating_add(1);
        (self.beyond >= bad.in_a_row).then(|| {
            self.raised = Some(bad.severity);
            Change::Began {
                from: self.first,
                severity: bad.severity,
                detail: detail(),
            }
        })
    }

    /// Ends it, whatever the readings say.
    pub fn end(&mut self, at: Timestamp) -> Option<Change> {
        self.take(None, at, String::new)
    }

    /// Whether it stands.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        self.raised.is_some()
    }

    /// Whether bad readings wait for more of their kind.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.raised.is_none() && self.beyond > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(severity: Severity, in_a_row: u8) -> Option<Bad> {
        Some(Bad { severity, in_a_row })
    }

    #[test]
    fn it_is_said_after_so_many_in_a_row_and_dated_to_the_first() {
        let mut onset = Onset::default();
        let mut take =
            |bad, second| onset.take(bad, Timestamp::from_seconds(second), || "x".into());
        let minor = bad(Severity::Minor, 3);
        assert_eq!(take(minor, 1), None);
        assert_eq!(take(None, 2), None, "a good one breaks the row");
        assert_eq!((take(minor, 3), take(minor, 4)), (None, None));
        let Some(Change::Began { from, .. }) = take(minor, 5) else {
            panic!("nothing said")
        };
        assert_eq!(from, Timestamp::from_seconds(3));
        assert!(matches!(
            take(bad(Severity::Major, 3), 6),
            Some(Change::Worse { .. })
        ));
        assert_eq!(take(minor, 7), None);
        let to = Timestamp::from_seconds(8);
        assert_eq!(take(None, 8), Some(Change::Ended { to }));
        assert_eq!(take(None, 9), None);
    }

    #[test]
    fn what_is_sure_is_said_at_once() {
        let mut onset = Onset::default();
        let said = onset.take(bad(Severity::Critical, 1), Timestamp::EPOCH, String::new);
        assert!(matches!(said, Some(Change::Began { .. })) && onset.is_raised());
        assert!(onset.end(Timestamp::EPOCH).is_some() && !onset.is_raised());
    }
}
