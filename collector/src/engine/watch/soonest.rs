//! A bound for the next moment at which any device may fall silent.
//!
//! With every sample one of a thousand deadlines moves on. Looking at all of them each time would cost
//! more than the sample does, so only a bound from below is kept: whoever reaches it looks, and what
//! is decided is decided by the deadlines themselves. No state: it is found anew after every start.

use silkline_protocol::time::Timestamp;

/// Nothing is due before this moment; at first nobody knows of any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Soonest(Timestamp);

/// A moment that never comes.
const NEVER: Timestamp = Timestamp::from_nanos(i64::MAX);

impl Soonest {
    /// Whether nothing can be due at `now`.
    pub(super) fn is_after(self, now: Timestamp) -> bool {
        self.0 > now
    }

    /// All deadlines were looked at: this is the first.
    pub(super) fn is(&mut self, first: Option<Timestamp>) {
        self.0 = first.unwrap_or(NEVER);
    }

    /// One deadline is another now.
    pub(super) fn moved(&mut self, to: Option<Timestamp>) {
        self.0 = self.0.min(to.unwrap_or(NEVER));
    }

    /// Any deadline may be another now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// It follows from the deadlines, and is the same where those are.
impl PartialEq for Soonest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_before_the_bound_and_everybody_after() {
        let second = Timestamp::from_seconds;
        let mut soonest = Soonest::default();
        assert!(!soonest.is_after(Timestamp::EPOCH), "nothing is known yet");
        soonest.is(Some(second(30)));
        soonest.moved(Some(second(40)));
        assert!(soonest.is_after(second(29)) && !soonest.is_after(second(30)));
        soonest.moved(Some(second(20)));
        soonest.moved(None);
        assert!(!soonest.is_after(second(20)));
        soonest.is(None);
        assert!(soonest.is_after(second(1_000_000)));
        soonest.forget();
        assert!(!soonest.is_after(second(1)));
    }
}
