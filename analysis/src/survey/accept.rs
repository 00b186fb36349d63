//! Acceptance: what a section of fibre loses against what its operator allows.
//!
//! With shots from both ends a splice is judged by the mean of both ways, which is its loss; from one
//! end alone by what that end sees, against a wider limit, since glass that scatters differently
//! feigns losses and gains.

mod lend;
mod limits;
mod one_way;

use silkline_protocol::plant::View;
use silkline_protocol::unit::{Db, DbPerKm, Nanometres, OpticalLength};

use super::{Identity, Shot, Survey, places};
use limits::Bounds;

use crate::trace::both::{self, BothEnds, Side};
pub use limits::{Judged, Limits, Verdict};

/// Wavelengths this near are one colour, in nanometres.
const SAME_COLOUR_NM: f64 = 25.0;

/// A place this near to an end of the fibre is the connector there, in metres.
const AT_PANEL_M: f64 = 8.0;

/// Everything at one wavelength.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceptance {
    /// The wavelength, where the files tell it.
    pub wavelength: Option<Nanometres>,
    /// The shot from A, by its number.
    pub from_a: usize,
    /// The shot from B, by its number.
    pub from_b: Option<usize>,
    /// Glass between the nodes of both views, where both ends were put together, and half of the
    /// 95 % interval.
    pub length: Option<(OpticalLength, OpticalLength)>,
    /// Splices and connectors in order from A.
    pub joints: Vec<JointRow>,
    /// The glass between them.
    pub sections: Vec<SectionRow>,
    /// Loss of the whole fibre, in decibels.
    pub total: Judged,
    /// Return loss as A and as B see it, in decibels.
    pub return_loss: [Judged; 2],
    /// Why shots from both ends were not put together, and what else to know.
    pub notes: Vec<String>,
}

/// One splice or connector.
#[derive(Clone, Debug, PartialEq)]
pub struct JointRow {
    /// How far along the glass from the view's node.
    pub at: OpticalLength,
    /// Half of its 95 % interval.
    pub plus_minus: OpticalLength,
    /// The landmark it is; none where the plant knows none.
    pub name: Option<String>,
    /// Whether it reflects.
    pub reflective: bool,
    /// Its loss as A sees it.
    pub from_a: Option<Db>,
    /// Its loss as B sees it.
    pub from_b: Option<Db>,
    /// Its loss: the mean of both, or what the one end sees; in decibels.
    pub loss: Judged,
    /// Its strongest reflectance, in decibels.
    pub reflectance: Judged,
}

/// Glass between two joints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SectionRow {
    /// Where it begins.
    pub from: OpticalLength,
    /// Where it ends.
    pub to: OpticalLength,
    /// Its attenuation, in decibels a kilometre.
    pub slope: Judged,
}

impl Acceptance {
    /// Every judgement of the report.
    pub fn judgements(&self) -> impl Iterator<Item = &Judged> {
        let joints = self
            .joints
            .iter()
            .flat_map(|row| [&row.loss, &row.reflectance]);
        let sections = self.sections.iter().map(|row| &row.slope);
        joints
            .chain(sections)
            .chain([&self.total])
            .chain(&self.return_loss)
    }

    /// How many judgements came out so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.judgements().filter(|it| it.verdict == verdict).count()
    }
}

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// The view from A.
    pub view: &'a View,
    /// Its shots.
    pub from_a: &'a [Shot<'a>],
    /// Shots from the other end.
    pub from_b: &'a [Shot<'a>],
    /// What the shots from A are on the plant.
    pub survey: &'a Survey,
    /// The view from B and what its shots are on the plant, where the plant has one.
    pub other: Option<(&'a View, &'a Survey)>,
}

/// Judges a fibre at every wavelength it was shot at from A.
#[must_use]
pub fn accept(section: &Section<'_>, limits: &Limits) -> Vec<Acceptance> {
    let mut colours: Vec<Vec<usize>> = Vec::new();
    for (number, shot) in section.from_a.iter().enumerate() {
        if shot.analysis.fault.is_some() {
            continue;
        }
        let same = |colour: &&mut Vec<usize>| {
            let first = colour.first().and_then(|first| section.from_a.get(*first));
            first.is_some_and(|first| same_colour(first, shot))
        };
        match colours.iter_mut().find(same) {
            Some(colour) => colour.push(number),
            None => colours.push(vec![number]),
        }
    }
    let mut all: Vec<Acceptance> = colours
        .iter()
        .filter_map(|colour| section.judge(colour, limits))
        .collect();
    all.sort_by(|a, b| {
        let nm = |it: &Acceptance| it.wavelength.map_or(0.0, Nanometres::get);
        nm(a).total_cmp(&nm(b))
    });
    all
}

impl Section<'_> {
    /// The report on shots of one colour.
    fn judge(&self, colour: &[usize], limits: &Limits) -> Option<Acceptance> {
        let shots = colour
            .iter()
            .filter_map(|k| Some((*k, self.from_a.get(*k)?)));
        let (number, shot) = shots
            .max_by_key(|(_, shot)| (shot.analysis.end.is_some(), shot.analysis.events.len()))?;
        let mut notes = Vec::new();
        let partner = self.partner(shot);
        let both = partner.and_then(|(k, other)| match together(shot, other) {
            Ok(both) => Some((k, both)),
            Err(why) => {
                notes.push(format!(
                    "{} and {} are no pair: {why}",
                    shot.name, other.name
                ));
                None
            }
        });
        if partner.is_none() && !self.from_b.is_empty() {
            notes.push("no shot from the other end at this wavelength".into());
        }
        let wavelength = shot.trace.settings().wavelength;
        let bounds = Bounds::of(limits, wavelength);
        let from_b = both.as_ref().map(|(k, _)| *k);
        let span = both.as_ref().map(|(k, both)| Span {
            zero: OpticalLength::of(places::zero(self.view, shot)),
            length: self.length(both, shot, self.from_b.get(*k)),
        });
        let (joints, sections, total) = match (&both, span) {
            (Some((_, both)), Some(span)) => {
                notes.extend(both.notes.iter().cloned());
                self.of_both(both, &bounds, span)
            }
            _ => one_way::rows(self, colour, shot, &bounds),
        };
        let back = |number: Option<&Shot<'_>>| {
            let loss = number.and_then(|shot| shot.analysis.return_loss);
            Judged::at_least(loss.map(Db::get), Some(limits.return_loss.get()))
        };
        let other = from_b.and_then(|k| self.from_b.get(k));
        let mut acceptance = Acceptance {
            wavelength,
            from_a: number,
            from_b,
            length: both
                .as_ref()
                .zip(span)
                .map(|((_, both), span)| (span.length, both.length_plus_minus_m)),
            joints,
            sections,
            total,
            return_loss: [back(Some(shot)), back(other)],
            notes,
        };
        let budget = acceptance.budget(limits, &bounds);
        let Judged {
            value, plus_minus, ..
        } = acceptance.total;
        acceptance.total = Judged::at_most(value, plus_minus, budget);
        Some(acceptance)
    }

    /// The shot from the other end that goes with one from this: same colour, then same pulse.
    fn partner(&self, shot: &Shot<'_>) -> Option<(usize, &Shot<'_>)> {
        let usable = self.from_b.iter().enumerate();
        let usable =
            usable.filter(|(_, other)| same_colour(shot, other) && other.analysis.fault.is_none());
        let pulse = |other: &Shot<'_>| {
            let ratio = other.trace.settings().pulse_ns / shot.trace.settings().pulse_ns;
            ratio.ln().abs()
        };
        usable.min_by(|(_, a), (_, b)| pulse(a).total_cmp(&pulse(b)))
    }

    /// Glass between the nodes of both views.
    fn length(&self, both: &BothEnds, a: &Shot<'_>, b: Option<&Shot<'_>>) -> OpticalLength {
        let here = places::zero(self.view, a);
        let there = self
            .other
            .zip(b)
            .map_or(0.0, |((view, _), b)| places::zero(view, b));
        both.length_m - OpticalLength::of(here + there)
    }

    /// What a joint is called: by what is seen from A, else from B, else by the end it stands at.
    fn name(
        &self,
        at: OpticalLength,
        half: OpticalLength,
        length: OpticalLength,
    ) -> Option<String> {
        let here = self.survey.name_at(at, half);
        let back = length - at;
        let there = || self.other.and_then(|(_, other)| other.name_at(back, half));
        here.or_else(there)
            .or_else(|| self.connector(at, Some(length)))
    }

    /// The node at whose panel a place lies, if it does.
    fn connector(&self, at: OpticalLength, length: Option<OpticalLength>) -> Option<String> {
        let near = |off: OpticalLength| off.abs().get() < AT_PANEL_M;
        let far = self.view.until.as_ref();
        let end = length.or_else(|| self.survey.end.map(|(end, _)| end));
        if near(at) {
            return Some(format!("connector at {}", self.view.node));
        }
        let node = far.filter(|_| end.is_some_and(|end| near(at - end)))?;
        Some(format!("connector at {node}"))
    }

    /// Rows from what both ends say together.
    fn of_both(
        &self,
        both: &BothEnds,
        bounds: &Bounds,
        span: Span,
    ) -> (Vec<JointRow>, Vec<SectionRow>, Judged) {
        let from_node = |at: OpticalLength| at - span.zero;
        let joint = |joint: &both::Joint| {
            let at = from_node(joint.at_m);
            let ways = [joint.from_a, joint.from_b];
            let [from_a, from_b] = ways.map(|way| way.map(|way| way.loss_db));
            let (loss, half) = match joint.loss_db {
                Some(loss) => (Some(loss), joint.loss_plus_minus_db),
                None => {
                    let way = joint.from_a.or(joint.from_b);
                    (way.map(|it| it.loss_db), way.map(|it| it.plus_minus_db))
                }
            };
            let limit = bounds.loss(joint.reflective, joint.loss_db.is_some());
            let reflectances = ways.iter().flatten().filter_map(|way| way.reflectance_db);
            let strongest = reflectances.map(Db::get).reduce(f64::max);
            JointRow {
                at,
                plus_minus: joint.plus_minus_m,
                name: self.name(at, joint.plus_minus_m, span.length),
                reflective: joint.reflective,
                from_a,
                from_b,
                loss: Judged::at_most(loss.map(Db::get), half.map(Db::get), Some(limit)),
                reflectance: Judged::at_most(strongest, None, Some(bounds.reflectance)),
            }
        };
        let section = |part: &both::Section| {
            let [from, to] = [part.from_m, part.to_m].map(from_node);
            let slope = part
                .mean_db_per_km
                .or(part.from_a_db_per_km)
                .or(part.from_b_db_per_km);
            let half = part.plus_minus_db_per_km.map(DbPerKm::get);
            bounds.section(from, to, slope.map(DbPerKm::get), half)
        };
        let total = Judged::at_most(
            both.total_loss_db.map(Db::get),
            both.total_loss_plus_minus_db.map(Db::get),
            None,
        );
        let joints = both.joints.iter().map(joint).collect();
        (joints, both.sections.iter().map(section).collect(), total)
    }
}

impl Acceptance {
    /// What the whole fibre may lose: what is said, or its glass and joints together.
    fn budget(&self, limits: &Limits, bounds: &Bounds) -> Option<f64> {
        if let Some(total) = limits.total {
            return Some(total.get());
        }
        let first = self.sections.first()?.from;
        let length = (self.sections.last()?.to - first).get();
        let joint = |row: &JointRow| {
            if row.reflective {
                bounds.connector
            } else {
                bounds.splice
            }
        };
        let joints: f64 = self.joints.iter().map(joint).sum();
        Some(bounds.slope? * length / 1_000.0 + joints)
    }
}

/// How positions from A's zero turn into positions from the nodes of both views.
#[derive(Clone, Copy, Debug)]
struct Span {
    zero: OpticalLength,
    length: OpticalLength,
}

impl Survey {
    /// The landmark at a place, if that is where one was found.
    fn name_at(&self, at: OpticalLength, plus_minus: OpticalLength) -> Option<String> {
        let named = self.places.iter().filter_map(|place| match &place.is {
            Identity::Landmark { name, .. } => Some((place, name)),
            Identity::Extra | Identity::Start => None,
        });
        let off = |place: &super::Place| (place.at - at).abs().get();
        let (place, name) = named.min_by(|(a, _), (b, _)| off(a).total_cmp(&off(b)))?;
        let gate = 2.0 * place.plus_minus.get().hypot(plus_minus.get()) + 15.0;
        (off(place) < gate).then(|| name.clone())
    }
}

fn together(a: &Shot<'_>, b: &Shot<'_>) -> Result<BothEnds, both::BothError> {
    let [a, b] = [a, b].map(|shot| Side {
        trace: shot.trace,
        analysis: shot.analysis,
    });
    both::combine(&a, &b, None)
}

fn same_colour(one: &Shot<'_>, other: &Shot<'_>) -> bool {
    let nm = |shot: &Shot<'_>| {
        shot.trace
            .settings()
            .wavelength
            .map_or(0.0, Nanometres::get)
    };
    (nm(one) - nm(other)).abs() < SAME_COLOUR_NM
}

#[cfg(test)]
mod tests;
