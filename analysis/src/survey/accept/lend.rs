//! What one end sees and the other does not: a splice between unlike glasses shows from one side.

use silkline_protocol::plant::View;
use silkline_protocol::unit::{GroupIndex, OpticalLength};

use super::super::{Identity, Place, Shot, Survey};
use super::Acceptance;
use crate::place::glass_to_mm;

/// A place this near another is no new one, in metres.
const BESIDE_M: f64 = 30.0;

impl Survey {
    /// Takes over closures that are certain from the `other` end and not seen from this one, where
    /// `accepted` tells how much glass lies between both by the group index of this survey.
    pub fn take_over(
        &mut self,
        (other, accepted): (&Self, &Acceptance),
        (view, shots): (&View, &[Shot<'_>]),
    ) {
        let index = |survey: &Self| survey.group_index.map(GroupIndex::get);
        let same = index(self)
            .zip(index(other))
            .is_some_and(|(one, two)| (one - two).abs() < 1e-6);
        let Some(joined) = accepted.length.filter(|_| same) else {
            return;
        };
        // The end that this side sees is the other's node: often surer than the joints between.
        let surer = |end: &(OpticalLength, OpticalLength)| {
            let off = (end.0 - joined.0).abs().get();
            end.1 < joined.1 && off < 2.0 * end.1.get().hypot(joined.1.get())
        };
        let (length, doubt) = self.end.filter(surer).unwrap_or(joined);
        for seen in other.places.iter().filter(|place| Self::is_certain(place)) {
            let at = length - seen.at;
            let Identity::Landmark {
                name, probability, ..
            } = &seen.is
            else {
                continue;
            };
            let missing = self
                .missing
                .iter()
                .position(|missing| missing.name == *name);
            let beside = |place: &Place| (place.at - at).abs().get() < BESIDE_M;
            let Some(number) = missing.filter(|_| !self.places.iter().any(beside)) else {
                continue;
            };
            let missing = self.missing.remove(number);
            let half = seen.plus_minus.get().hypot(doubt.get());
            self.places.push(Place {
                at: glass_to_mm(at),
                plus_minus: glass_to_mm(OpticalLength::of(half)),
                is: Identity::Landmark {
                    name: name.clone(),
                    probability: *probability,
                    expected: missing.expected,
                    plus_minus: missing.plus_minus,
                },
                seen: Vec::new(),
            });
        }
        self.places
            .sort_by(|a, b| a.at.get().total_cmp(&b.at.get()));
        self.propose(view, shots);
    }
}
