//! What goes over a link that costs: gaps, events, traces of alarm shots, and now and then a sample of
//! each device. All else stays in the spool for a link that does not. Pure.
//!
//! The sender is the same over every link; over a metered one it looks at the spool through [`Thin`],
//! which shows only what may go. Nothing is marked or dropped: over the next link that does not cost
//! the sender looks again, at everything that is not committed.
//!
//! A receiver keeps a bounded number of closed ranges, and each record that goes alone opens one. So
//! samples go the more seldom the more ranges there are, and stop at half of them; the other half is
//! for events and alarms. Where even that runs out, the smallest holes are filled.

use core::time::Duration;

use super::sender::{Class, Entry, Spool};
use super::{Limits, Monotonic, Ranges, Seq};

/// Records of a hole that are let through at a time.
const FILL: u64 = 500;

/// A spool that knows which traces were taken for an alarm or because somebody asked.
pub trait Alarms: Spool {
    /// The lowest such trace held in `from..=to`.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read.
    fn first_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Self::Error>;

    /// The highest such trace held in `from..=to`.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read.
    fn last_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Self::Error>;
}

/// What of one stream may go over a metered link.
#[derive(Clone, Debug)]
pub struct Thrift {
    every: Duration,
    limits: Limits,
    due: Monotonic,
    allowed: Ranges,
}

/// A spool as the sender sees it over a metered link.
#[derive(Debug)]
pub struct Thin<'a, S> {
    spool: &'a S,
    allowed: &'a Ranges,
}

impl Thrift {
    /// Of a stream that is sent over a metered link from `now` on: a sample of each device `every` so
    /// often, the first at once.
    #[must_use]
    pub const fn new(every: Duration, limits: Limits, now: Monotonic) -> Self {
        Self {
            every,
            limits,
            due: now,
            allowed: Ranges::new(),
        }
    }

    /// When the next samples may go.
    #[must_use]
    pub const fn due(&self) -> Monotonic {
        self.due
    }

    /// Lets `newest` go, the newest sample of each device, where it is time to: what was let go and has
    /// not gone is let go no more. `committed` is the stream's state.
    pub fn allow(
        &mut self,
        newest: impl IntoIterator<Item = Seq>,
        committed: &Ranges,
        now: Monotonic,
    ) {
        let ranges = committed.len();
        let eighths = (ranges * 8 / self.limits.ranges.max(1)).min(8);
        self.allowed = Ranges::new();
        // Each eighth of the ranges that is used doubles the time; at half of them samples stop.
        let wait = self.every * (1 << eighths.min(4));
        self.due = now + wait;
        if eighths < 4 {
            newest
                .into_iter()
                .for_each(|seq| self.allowed.insert(seq, seq));
        } else if eighths >= 7
            && let Some((lo, hi)) = smallest_hole(committed)
        {
            let last = Seq::new(lo.get().saturating_add(FILL - 1)).unwrap_or(hi);
            self.allowed.insert(lo, hi.min(last));
            self.due = now + self.every;
        }
    }

    /// The spool as the sender may see it.
    #[must_use]
    pub const fn view<'a, S>(&'a self, spool: &'a S) -> Thin<'a, S> {
        let allowed = &self.allowed;
        Thin { spool, allowed }
    }
}

/// The fewest numbers that are missing between two closed ranges.
fn smallest_hole(committed: &Ranges) -> Option<(Seq, Seq)> {
    let after = committed.iter().skip(1);
    let holes = committed
        .iter()
        .zip(after)
        .filter_map(|((_, hi), (lo, _))| {
            let last = lo.previous()?;
            Some((hi.next(), last))
        });
    holes.min_by_key(|(lo, hi)| hi.get() - lo.get())
}

impl<S: Alarms> Thin<'_, S> {
    /// The lowest record of `class` in what is allowed of `from..=to`.
    fn allowed(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, S::Error> {
        for (lo, hi) in self.allowed.iter() {
            let (lo, hi) = (lo.max(from), hi.min(to));
            if lo <= hi
                && let Some(entry) = self.spool.first(class, lo, hi)?
            {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl<S: Alarms> Spool for Thin<'_, S> {
    type Error = S::Error;

    fn first(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, S::Error> {
        match class {
            Some(Class::Gap | Class::Event) => self.spool.first(class, from, to),
            Some(Class::Trace) => {
                let alarm = self.spool.first_alarm(from, to)?;
                Ok(lower(alarm, self.allowed(class, from, to)?))
            }
            Some(Class::Sample) => self.allowed(class, from, to),
            None => {
                let mut found = self.allowed(None, from, to)?;
                for class in [Class::Gap, Class::Event, Class::Trace] {
                    found = lower(found, self.first(Some(class), from, to)?);
                }
                Ok(found)
            }
        }
    }

    fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, S::Error> {
        match class {
            Class::Trace => self.spool.last_alarm(from, to),
            // Asked for traces alone.
            Class::Gap | Class::Event | Class::Sample => self.spool.last(class, from, to),
        }
    }
}

fn lower(a: Option<Entry>, b: Option<Entry>) -> Option<Entry> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.seq < a.seq { b } else { a }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use super::*;
    use crate::delivery::sender::Sender;

    /// Records by their classes, from 1; alarms by their numbers.
    struct Held(Vec<Class>, Vec<u64>);

    impl Held {
        fn entry(&self, from: Seq, to: Seq, fits: impl Fn(usize) -> bool) -> Option<Entry> {
            let numbers = 1..=self.0.len();
            let within = numbers.filter(|n| (from.get()..=to.get()).contains(&(*n as u64)));
            within.into_iter().find(|n| fits(*n)).map(|n| Entry {
                seq: Seq::new(n as u64).unwrap(),
                bytes: 10,
            })
        }
    }

    impl Spool for Held {
        type Error = Infallible;

        fn first(
            &self,
            class: Option<Class>,
            from: Seq,
            to: Seq,
        ) -> Result<Option<Entry>, Infallible> {
            let fits = |n: usize| class.is_none_or(|class| self.0[n - 1] == class);
            Ok(self.entry(from, to, fits))
        }

        fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
            let highest = (from.get()..=to.get()).rev().find_map(|n| {
                let seq = Seq::new(n)?;
                self.entry(seq, seq, |n| self.0[n - 1] == class)
            });
            Ok(highest)
        }
    }

    impl Alarms for Held {
        fn first_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
            Ok(self.entry(from, to, |n| self.1.contains(&(n as u64))))
        }

        fn last_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
            let seqs = (from.get()..=to.get()).rev().filter_map(Seq::new);
            let alarms = seqs.filter(|seq| self.1.contains(&seq.get()));
            Ok(alarms
                .into_iter()
                .find_map(|seq| self.entry(seq, seq, |_| true)))
        }
    }

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// What a sender sends of ten samples with an event, an alarm trace and a plain one between.
    fn sent(sender: &mut Sender, held: &Held, thrift: Option<&Thrift>, now: Monotonic) -> Vec<u64> {
        let mut numbers = Vec::new();
        loop {
            let next = match thrift {
                Some(thrift) => sender.poll(now, &thrift.view(held)).unwrap(),
                None => sender.poll(now, held).unwrap(),
            };
            let Some(next) = next else { return numbers };
            numbers.push(next.seq.get());
        }
    }

    #[test]
    fn over_a_metered_link_go_events_alarms_and_the_newest_samples_and_later_all_the_rest() {
        let mut classes = vec![Class::Sample; 10];
        (classes[2], classes[4], classes[6]) = (Class::Event, Class::Trace, Class::Trace);
        let held = Held(classes, vec![7]);
        let mut sender = Sender::new(Limits::default(), Some(seq(10)), Ranges::new());
        let mut thrift = Thrift::new(MINUTE, Limits::default(), at(0));
        thrift.allow([seq(9), seq(10)], &Ranges::new(), at(0));
        sender.connected(at(0));
        sender.committed(&Ranges::new(), at(0));
        let thin = sent(&mut sender, &held, Some(&thrift), at(0));
        assert_eq!(thin, [3, 7, 9, 10]);
        assert_eq!(thrift.due(), at(60));
        let mut stored = Ranges::new();
        thin.iter().for_each(|n| stored.insert(seq(*n), seq(*n)));
        sender.committed(&stored, at(1));
        assert!(sent(&mut sender, &held, Some(&thrift), at(2)).is_empty());

        sender.connected(at(3));
        sender.committed(&stored, at(3));
        let rest = sent(&mut sender, &held, None, at(3));
        assert_eq!(
            rest,
            [5, 1, 2, 4, 6, 8],
            "everything else, and nothing twice"
        );
    }

    #[test]
    fn samples_go_the_more_seldom_the_more_ranges_there_are() {
        let limits = Limits::default();
        let holed = |count: u64| {
            let mut ranges = Ranges::new();
            (0..count).for_each(|n| ranges.insert(seq(1000 * n + 1), seq(1000 * n + 10)));
            ranges
        };
        for (ranges, factor, samples) in
            [(0, 1, true), (32, 2, true), (96, 8, true), (128, 16, false)]
        {
            let mut thrift = Thrift::new(MINUTE, limits, at(0));
            thrift.allow([seq(7)], &holed(ranges), at(0));
            assert_eq!(thrift.due(), at(60 * factor), "{ranges} ranges");
            assert_eq!(!thrift.allowed.is_empty(), samples, "{ranges} ranges");
        }
        let mut crowded = holed(250);
        crowded.insert(seq(5_020), seq(5_998));
        let mut thrift = Thrift::new(MINUTE, limits, at(0));
        thrift.allow([], &crowded, at(0));
        let filled: Vec<_> = thrift.allowed.iter().collect();
        assert_eq!(filled, [(seq(5_999), seq(6_000))], "the smallest hole");
        thrift.allow([], &holed(250), at(60));
        let filled: Vec<_> = thrift.allowed.iter().collect();
        assert_eq!(filled, [(seq(11), seq(510))], "a part of a large one");
    }
}
