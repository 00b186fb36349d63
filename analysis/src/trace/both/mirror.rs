//! Brings what one end sees onto the glass as the other end tells it.

use silkline_protocol::unit::OpticalLength;

use super::{AT_END_M, FEWEST_LISTED, HALF_95, LEAST_STRETCH, Metres, lengths_differ};
use crate::trace::anchor;
use crate::trace::event::Event;

/// B's positions as A would tell them: `length - scale · b`.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    pub(super) length: Metres,
    pub(super) scale: f64,
    /// Which joint of A is which of B, by their numbers.
    pub(super) pairs: Vec<(usize, usize)>,
    /// What their distances add up to.
    pub(super) sum: Option<Metres>,
    pub(super) notes: Vec<String>,
}

impl Mirror {
    pub(super) fn of(a: &[Event], b: &[Event], guess: Metres, index: f64) -> Self {
        let mut mirror = Self {
            length: guess,
            scale: index,
            pairs: Vec::new(),
            sum: None,
            notes: Vec::new(),
        };
        let flipped: Vec<Event> = b.iter().map(|event| mirror.event(event)).collect();
        let Some(anchored) = mirror.anchored(&flipped, (a, b)) else {
            mirror.notes.push(
                "too few joints seen from both ends to align by: aligned by the fibre's ends"
                    .into(),
            );
            return mirror;
        };
        anchored
    }

    /// Aligned by joints seen from both ends, where they agree with what the ends say.
    fn anchored(&self, flipped: &[Event], (a, b): (&[Event], &[Event])) -> Option<Self> {
        let mut mirror = self.clone();
        let anchors = anchor::anchor(flipped, a)?;
        let stretch = anchors.scale() - 1.0;
        if stretch.abs() > LEAST_STRETCH.max(3.0 * anchors.scale_sd()) {
            mirror.scale *= 1.0 + stretch;
            mirror.notes.push(format!(
                "B's positions are stretched by {:+.2} ‰: the group indices are not set alike",
                stretch * 1_000.0
            ));
        }
        mirror.pairs = anchors.pairs_of(flipped, a);
        let one = |(i, j): &(usize, usize)| {
            let (b, a) = (b.get(*i)?, a.get(*j)?);
            Some(Metres {
                at: a.at.get() + mirror.scale * b.at.get(),
                sd: a.plus_minus.get().hypot(b.plus_minus.get()) / HALF_95,
            })
        };
        let sums: Vec<Metres> = mirror.pairs.iter().filter_map(one).collect();
        let sum = sums.into_iter().reduce(Metres::with)?;
        // Joints at even distances agree with themselves one drum farther, too.
        if lengths_differ(sum.at, self.length.at) {
            return None;
        }
        mirror.sum = Some(sum);
        mirror.length = sum;
        Some(mirror)
    }

    /// The pairs, and beside them every two joints left over that lie at one place: where few are
    /// seen from both ends, nothing but the fibre's ends says which is which.
    pub(super) fn paired(&self, a: &[Event], b: &[Event]) -> Vec<(usize, usize)> {
        let mut pairs = self.pairs.clone();
        for (i, seen) in b.iter().enumerate() {
            let flipped = self.event(seen);
            let taken = |j: usize| pairs.iter().any(|(_, of_a)| *of_a == j);
            let off = |known: &Event| (known.at - flipped.at).abs().get();
            let gate = |known: &Event| {
                let halves = known.plus_minus.get().hypot(seen.plus_minus.get());
                2.0 * halves.hypot(HALF_95 * self.length.sd) + AT_END_M
            };
            let free = a
                .iter()
                .enumerate()
                .filter(|(j, known)| !taken(*j) && off(known) < gate(known));
            let nearest = free.min_by(|(_, x), (_, y)| off(x).total_cmp(&off(y)));
            let known = nearest.map(|(j, _)| j);
            let is_paired = pairs.iter().any(|(of_b, _)| *of_b == i);
            pairs.extend(known.filter(|_| !is_paired).map(|j| (i, j)));
        }
        pairs
    }

    pub(super) fn at(&self, b: f64) -> f64 {
        self.length.at - self.scale * b
    }

    /// Where in B's trace a position of A's lies.
    pub(super) fn back(&self, at: f64) -> f64 {
        (self.length.at - at) / self.scale
    }

    pub(super) fn event(&self, event: &Event) -> Event {
        Event {
            at: OpticalLength::of(self.at(event.at.get())),
            ..*event
        }
    }
}

/// How many joints lie at the same distance from both zeros, where that is no chance.
pub(super) fn unmirrored(a: &[Event], b: &[Event], index: f64) -> usize {
    let scaled = |event: &Event| Event {
        at: event.at * index,
        ..*event
    };
    let b: Vec<Event> = b.iter().map(scaled).collect();
    let together = anchor::anchor(&b, a).filter(|it| it.offset().abs().get() < AT_END_M);
    let matches = together.map_or(0, |it| it.matches());
    if matches < FEWEST_LISTED { 0 } else { matches }
}
