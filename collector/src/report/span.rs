//! Sets of moments, as sorted stretches that do not touch.

use core::time::Duration;

use silkline_protocol::time::Timestamp;

/// Stretches of time, each from its first moment to the one after its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<[Timestamp; 2]>);

impl Spans {
    /// The moments that lie in any of `spans`; those that end before they begin are empty.
    #[must_use]
    pub fn of(spans: impl IntoIterator<Item = [Timestamp; 2]>) -> Self {
        let mut all: Vec<_> = spans.into_iter().filter(|[from, to]| from < to).collect();
        all.sort();
        let mut joined: Vec<[Timestamp; 2]> = Vec::new();
        for [from, to] in all {
            match joined.last_mut() {
                Some(last) if from <= last[1] => last[1] = last[1].max(to),
                _ => joined.push([from, to]),
            }
        }
        Self(joined)
    }

    /// The moments that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|a| other.0.iter().map(move |b| (a, b)));
        Self::of(pairs.map(|(a, b)| [a[0].max(b[0]), a[1].min(b[1])]))
    }

    /// How long they are together.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.0.iter().map(|[from, to]| *to - *from).sum()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a moment lies in them.
    #[must_use]
    pub fn hold(&self, at: Timestamp) -> bool {
        self.0.iter().any(|[from, to]| *from <= at && at < *to)
    }

    /// Every beginning and end, in order.
    pub fn edges(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.0.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(of: &[[i64; 2]]) -> Spans {
        Spans::of(of.iter().map(|pair| pair.map(Timestamp::from_seconds)))
    }

    #[test]
    fn what_touches_is_one_and_what_is_empty_is_none() {
        let joined = spans(&[[5, 7], [1, 3], [3, 4], [9, 9], [12, 11]]);
        assert_eq!(joined, spans(&[[1, 4], [5, 7]]));
        assert_eq!(
            (joined.count(), joined.length()),
            (2, Duration::from_secs(5))
        );
        assert!(joined.hold(Timestamp::from_seconds(1)));
        assert!(!joined.hold(Timestamp::from_seconds(4)));
        assert_eq!(joined.edges().count(), 4);
    }

    #[test]
    fn a_moment_is_in_both_if_it_is_in_each() {
        let (a, b) = (
            spans(&[[1, 6], [8, 12], [20, 22]]),
            spans(&[[4, 9], [11, 21]]),
        );
        let both = a.and(&b);
        for second in 0..24 {
            let at = Timestamp::from_seconds(second);
            assert_eq!(both.hold(at), a.hold(at) && b.hold(at), "{second}");
        }
        assert_eq!(a.and(&b), b.and(&a));
    }
}
