//! Commissioning: which event of a view's traces is which landmark of the plant.
//!
//! ```text
//! shots ─▶ places   events of all shots, put together by place
//! plant ─▶ expect   where each closure should be along the glass, and how sure
//!                 └─▶ pair    which is which, in order, with the probability of each pair
//!                        └─▶ trust   whether all of it is this view at all
//!                               └─▶ marks to propose, what is missing, what nobody expected
//! ```
//!
//! A closure that no event fits is missing, an event that no closure fits is extra: both are said and
//! neither is forced. A mark is proposed where its pair is all but certain. Where the fibre's end is
//! where the plant says, it takes the error of group index and excess out of all that lies before.

pub mod accept;
mod expect;
mod pair;
mod places;
mod trust;

use silkline_protocol::plant::{Line, Mark, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, GroupIndex, OpticalLength};

use crate::place::glass_to_mm;
use crate::trace::{Analysis, EventKind, Trace};
use expect::{Expected, Plan};
use pair::Pairing;
use places::Sighted;
use trust::Shown;

/// A pair is believed from this probability on, and shown as doubtful from one half on.
const CERTAIN: f64 = 0.95;

/// A missing closure and an extra event this near may be one: a closure surveyed wrongly, in metres.
const PERHAPS_M: f64 = 400.0;

/// Half the width of a 95 % interval, in standard deviations.
const HALF_95: f64 = 1.96;

/// One shot of the view.
#[derive(Clone, Copy, Debug)]
pub struct Shot<'a> {
    /// What the shot is called: its file.
    pub name: &'a str,
    /// When it was taken, by the instrument's clock.
    pub taken: Option<Timestamp>,
    /// Its samples.
    pub trace: &'a Trace,
    /// What they show.
    pub analysis: &'a Analysis,
}

/// What a view's traces and the plant say of one another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// What was found along the fibre, from the view's node outwards.
    pub places: Vec<Place>,
    /// Closures that no event fits.
    pub missing: Vec<Missing>,
    /// Where the fibre ends, and half of its 95 % interval.
    pub end: Option<(OpticalLength, OpticalLength)>,
    /// The shot by whose settings all lengths are.
    pub reference: usize,
    /// Its group index.
    pub group_index: Option<GroupIndex>,
    /// Marks to put into the plant file.
    pub marks: Vec<Mark>,
    /// What a reader should know, one line each.
    pub notes: Vec<String>,
}

/// Something on the fibre, put together from all shots.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// How far along the glass from the view's node.
    pub at: OpticalLength,
    /// Half of its 95 % interval.
    pub plus_minus: OpticalLength,
    /// What it is on the plant.
    pub is: Identity,
    /// What each shot that shows it says, by the number of the shot.
    pub seen: Vec<Seen>,
}

/// What a place on the glass is on the plant.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// A landmark.
    Landmark {
        /// Its name.
        name: String,
        /// How sure that is, from 0 to 1.
        probability: f64,
        /// Where it was expected, by what lies around it.
        expected: OpticalLength,
        /// Half of the 95 % interval of `expected`.
        plus_minus: OpticalLength,
    },
    /// Nothing that the plant file knows.
    Extra,
    /// The connector where the view begins.
    Start,
}

/// What one shot says of a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The shot.
    pub shot: usize,
    /// What it is.
    pub kind: EventKind,
    /// Its loss as this shot sees it.
    pub loss: Option<Db>,
    /// Half of the loss's 95 % interval.
    pub loss_plus_minus: Option<Db>,
    /// Its reflectance.
    pub reflectance: Option<Db>,
}

/// A closure that no event fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Where it should be along the glass.
    pub expected: OpticalLength,
    /// Half of the 95 % interval of that.
    pub plus_minus: OpticalLength,
    /// An event that it may be after all, and how far that lies behind the expected place.
    pub perhaps: Option<(OpticalLength, OpticalLength)>,
}

/// Pairs what `shots` of `view` show with the landmarks of `line`.
#[must_use]
pub fn survey(line: &Line, view: &View, shots: &[Shot<'_>]) -> Survey {
    let mut survey = Survey::default();
    for shot in shots {
        let fault = shot.analysis.fault.map(|fault| fault.to_string());
        survey
            .notes
            .extend(fault.map(|fault| format!("{}: {fault}", shot.name)));
    }
    let Some(reference) = places::reference(view, shots) else {
        survey
            .notes
            .push("no shot says anything about the fibre".into());
        return survey;
    };
    survey.reference = reference;
    let index = shots
        .get(reference)
        .map(|shot| shot.trace.settings().group_index);
    survey.group_index = index;
    let (sighted, end) = places::together(view, shots, reference);
    let half = |end: &Sighted| OpticalLength::of(HALF_95 * end.sd);
    survey.end = end
        .as_ref()
        .map(|end| (OpticalLength::of(end.at), half(end)));
    let plan = expect::plan(line, view, end.as_ref().zip(index), &mut survey.notes);
    let (start, sighted): (Vec<Sighted>, Vec<Sighted>) = sighted
        .into_iter()
        .partition(|place| place.at < places::START_M.max(HALF_95 * place.sd));
    let pairing = pair::pair(&plan, &sighted);
    let shown = trust::shown(&plan, &sighted, &pairing, end.as_ref());
    survey.notes.extend(shown.note().map(String::from));
    if shown == Shown::View {
        survey.take(&plan, (start, sighted), &pairing);
        survey.propose(view, shots);
    } else {
        survey.take(&plan, (start, sighted), &Pairing::default());
    }
    survey
}

impl Survey {
    /// Puts everything in order of the glass.
    fn take(
        &mut self,
        plan: &Plan,
        (start, sighted): (Vec<Sighted>, Vec<Sighted>),
        pairing: &Pairing,
    ) {
        self.places
            .extend(start.into_iter().map(|place| place.named(Identity::Start)));
        let anchors = anchors(plan, &sighted, pairing);
        for (k, place) in sighted.iter().enumerate() {
            let known = pairing
                .landmark_of(k)
                .and_then(|(i, p)| Some((plan.expected.get(i)?, p)));
            let is = known.map_or(Identity::Extra, |(expected, probability)| {
                let around = around(&anchors, expected, plan);
                Identity::Landmark {
                    name: expected.name.clone(),
                    probability,
                    expected: glass_to_mm(OpticalLength::of(around.0)),
                    plus_minus: glass_to_mm(OpticalLength::of(HALF_95 * around.1)),
                }
            });
            self.places.push(place.clone().named(is));
        }
        for (i, expected) in plan.expected.iter().enumerate() {
            let within = self.end.is_none_or(|(end, _)| expected.at < end.get());
            if pairing.event_of(i).is_none() && within && expected.joined {
                let (at, sd) = around(&anchors, expected, plan);
                let perhaps = self.perhaps(at);
                self.missing.push(Missing {
                    name: expected.name.clone(),
                    expected: glass_to_mm(OpticalLength::of(at)),
                    plus_minus: glass_to_mm(OpticalLength::of(HALF_95 * sd)),
                    perhaps,
                });
            }
        }
    }

    /// The nearest extra event that a closure expected at `at` may be.
    fn perhaps(&self, at: f64) -> Option<(OpticalLength, OpticalLength)> {
        let extra = self
            .places
            .iter()
            .filter(|place| place.is == Identity::Extra);
        let off = |place: &Place| place.at.get() - at;
        let near = extra.filter(|place| off(place).abs() < PERHAPS_M);
        let nearest = near.min_by(|a, b| off(a).abs().total_cmp(&off(b).abs()))?;
        Some((nearest.at, glass_to_mm(OpticalLength::of(off(nearest)))))
    }

    /// The marks that are all but certain.
    fn propose(&mut self, view: &View, shots: &[Shot<'_>]) {
        let newest = shots.iter().filter_map(|shot| shot.taken).max();
        let trace = shots.get(self.reference).map(|shot| shot.name.to_owned());
        let mark = |place: &Place| match &place.is {
            Identity::Landmark {
                name, probability, ..
            } if *probability >= CERTAIN => Some(Mark {
                view: view.id.clone(),
                landmark: name.clone(),
                optical: place.at,
                plus_minus: place.plus_minus,
                group_index: self.group_index,
                trace: trace.clone(),
                valid_from: newest,
            }),
            _ => None,
        };
        self.marks = self.places.iter().filter_map(mark).collect();
    }

    /// Whether the pair of a place is sure enough for a mark.
    #[must_use]
    pub fn is_certain(place: &Place) -> bool {
        matches!(place.is, Identity::Landmark { probability, .. } if probability >= CERTAIN)
    }
}

impl Sighted {
    fn named(self, is: Identity) -> Place {
        Place {
            at: glass_to_mm(OpticalLength::of(self.at)),
            plus_minus: glass_to_mm(OpticalLength::of(HALF_95 * self.sd)),
            is,
            seen: self.seen,
        }
    }
}

/// Where certain pairs are: expected glass and seen glass, from the node outwards.
fn anchors(plan: &Plan, sighted: &[Sighted], pairing: &Pairing) -> Vec<(usize, f64, f64)> {
    let pairs = plan.expected.iter().enumerate();
    pairs
        .filter_map(|(i, expected)| {
            let (k, probability) = pairing.event_of(i)?;
            let place = sighted.get(k).filter(|_| probability >= CERTAIN)?;
            Some((i, expected.at, place.at))
        })
        .collect()
}

/// Where a landmark should be by its nearest certain neighbour on either side, not by itself; and
/// the standard deviation of that.
fn around(anchors: &[(usize, f64, f64)], expected: &Expected, plan: &Plan) -> (f64, f64) {
    let before = anchors.iter().rfind(|(_, at, _)| *at < expected.at - 1e-6);
    let after = anchors.iter().find(|(_, at, _)| *at > expected.at + 1e-6);
    let own = plan.expected.iter().position(|it| it.name == expected.name);
    let of = |(i, at, seen): &(usize, f64, f64)| {
        let variance = plan.variance(Some(*i), own);
        (expected.at + seen - at, variance.max(1e-6))
    };
    let start = (expected.at, plan.variance(None, own).max(1e-6));
    let (one, other) = (before.map_or(start, of), after.map(of));
    let (mean, variance) = other.map_or(one, |other| {
        let sum = one.1 + other.1;
        (
            (one.0 * other.1 + other.0 * one.1) / sum,
            one.1 * other.1 / sum,
        )
    });
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests;
