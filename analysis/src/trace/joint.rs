//! Where events begin and what they lose, all that is unknown around them solved together.
//!
//! The search leaves events with rough places and losses. Here the samples around each, and around
//! those so near that one disturbs the other, are explained by one model in linear power: levels
//! and slopes of the glass between, places, reflections, what lingers of them, and the receiver's
//! constant. Least squares under the noise that the trace itself shows, what neighbours share of
//! it included, give every unknown with its doubt; the doubt of a loss holds that of its place,
//! of both slopes and of the receiver.
//!
//! ```text
//! glass ─▶ noise of the trace ─┐
//! events ─▶ groups ─▶ blocks ──┴▶ fit ─▶ receiver's constant by all groups ─▶ fit again
//! ```
//!
//! All groups passed the same receiver: each tells the others what it is. Where the model explains
//! the samples far worse than noise would let it, less of the glass around is looked at: events that
//! nobody found lie in it. Where that does not help either, as with instruments that have filters of
//! their own, nothing is said and the search's own answer stands.

mod blocks;
mod columns;
mod fit;
mod group;
mod model;
mod noise;
mod receiver;
mod solve;
mod unseen;
mod veil;

use crate::trace::samples::{Trace, whole};

use fit::Belief;
use group::Group;
use noise::Noise;

/// Events with less glass than so many pulses between them are one group, of at most so many.
const APART: f64 = 4.0;
const MOST_TOGETHER: usize = 3;

/// So many pulses before the end may be glass behind a closure that nobody saw.
const CLOSURE: f64 = 4.0;

/// Where the model does not hold, so many pulses of glass to both sides are tried.
const NEARER: [f64; 4] = [20.0, 10.0, 5.0, 2.5];

/// A receiver's constant in pulses before anything is seen, and how far it may lie from that, as
/// a factor's logarithm; what occurs at all.
const USUAL_CONSTANT: f64 = 0.38;
const USUAL_SPREAD: f64 = 0.6;
const CONSTANTS: [f64; 2] = [0.02, 3.0];

/// Glass as a line: level in decibels at an event, and level a metre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glass {
    pub(crate) level: f64,
    pub(crate) slope: f64,
}

/// One event as the search left it; lengths in metres from the first sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) at: f64,
    pub(crate) sigma: f64,
    /// Samples hidden by it.
    pub(crate) hidden: [usize; 2],
    pub(crate) before: Glass,
    pub(crate) after: Glass,
    /// The reflection's light over that of the glass before; 0 for none.
    pub(crate) height: f64,
    /// Whether that is beyond the receiver's range.
    pub(crate) saturated: bool,
    /// The receiver's constant.
    pub(crate) constant: f64,
    /// What lingers at the first sample behind it, over the light of the glass, and how far.
    pub(crate) tail: Option<[f64; 2]>,
}

/// What the events lie on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// The first sample of glass, and the one after the last.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// What lingers at the first sample.
    pub(crate) tail: Option<[f64; 2]>,
    /// Level from which samples say nothing.
    pub(crate) limit: f64,
    /// Usual slope of the glass, level a metre.
    pub(crate) slope: f64,
    /// Light of the faintest and of the brightest reflection there are, over that of the glass.
    pub(crate) heights: [f64; 2],
}

/// One event as all that is known of it together says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) at: f64,
    pub(crate) sigma: f64,
    /// Loss in decibels and its deviation.
    pub(crate) loss: [f64; 2],
    /// The reflection over the light of the glass before, and its deviation.
    pub(crate) height: Option<[f64; 2]>,
    /// Whether what seemed to reflect there is an image of reflections farther ahead.
    pub(crate) is_image: bool,
}

/// An image that is to be expected: light that went to and fro between reflectors, where nothing is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    /// Metres from the first sample, and the deviation.
    pub(crate) at: f64,
    pub(crate) sigma: f64,
    /// The least and the most light, over that of the glass there.
    pub(crate) heights: [f64; 2],
}

/// A receiver's constant: the logarithm of pulses, and its deviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub(crate) log: f64,
    pub(crate) sigma: f64,
}

/// Events of a trace, solved.
pub(crate) struct Joined<'a> {
    groups: Vec<Group<'a>>,
    starts: &'a [Start],
    constant: Option<Constant>,
}

impl Joined<'_> {
    /// The events, in order; none for those that the model does not explain.
    pub(crate) fn found(&self) -> Vec<Option<Found>> {
        let mut found = vec![None; self.starts.len()];
        for group in &self.groups {
            let answers = found.iter_mut().skip(group.first).zip(group.answers());
            answers.for_each(|(found, answer)| *found = answer);
        }
        found
    }

    /// What all of them say of the receiver.
    pub(crate) fn constant(&self) -> Option<Constant> {
        self.constant
    }

    /// Looks for images where they are expected; whether any shows.
    pub(crate) fn expect(&mut self, trace: &Trace, images: &[Image]) -> bool {
        let mut any = false;
        for group in &mut self.groups {
            if let Some(better) = imaged(trace, self.starts, group, images) {
                *group = better;
                any = true;
            }
        }
        any
    }
}

/// The same events with the images that show among them, on as much of the glass around them as the
/// model explains with these; none where none shows.
fn imaged<'a>(
    trace: &Trace,
    starts: &'a [Start],
    group: &Group<'a>,
    images: &[Image],
) -> Option<Group<'a>> {
    let constant = group.believed()?;
    let better = group.with_images(trace, images, constant)?;
    if better.holds() {
        return Some(better);
    }
    let shorter = |pulses: &f64| {
        let near = group.near(trace, starts, *pulses)?;
        let near = near.with_images(trace, images, constant)?;
        (near.holds() && near.places()).then_some(near)
    };
    NEARER.iter().find_map(shorter)
}

/// Solves for the events.
pub(crate) fn solve<'a>(trace: &Trace, course: &Course, starts: &'a [Start]) -> Joined<'a> {
    let none = Joined {
        groups: Vec::new(),
        starts,
        constant: None,
    };
    let Some(noise) = noise::learn(trace, &glass(course, starts)) else {
        return none;
    };
    let mut groups: Vec<Group<'_>> = ranges(trace, starts)
        .into_iter()
        .filter_map(|range| Group::of((trace, noise), *course, starts, range))
        .collect();
    let open = told(&[]);
    for group in &mut groups {
        group.decide(open);
    }
    let brief = Course {
        to: course
            .to
            .saturating_sub(whole(CLOSURE * trace.pulse().get() / trace.step_m())),
        ..*course
    };
    if let Some(last) = groups.last_mut()
        && let Some(mut group) = last.before(trace, brief, starts)
    {
        group.decide(open);
        if last.strays_from(&group) {
            *last = group;
        }
    }
    let mut groups: Vec<Group<'_>> = groups
        .into_iter()
        .map(|group| near(trace, starts, group, open))
        .flat_map(|group| alone((trace, noise), *course, starts, group))
        .map(|group| near(trace, starts, group, open))
        .collect();
    let tales: Vec<Option<[f64; 2]>> = groups.iter().map(Group::tale).collect();
    for (k, group) in groups.iter_mut().enumerate() {
        let others = tales.iter().enumerate().filter(|(other, _)| *other != k);
        let others: Vec<[f64; 2]> = others.filter_map(|(_, tale)| *tale).collect();
        let told = told(&others);
        if !others.is_empty() && group.hears(told) {
            group.decide(told);
        }
    }
    let tales: Vec<[f64; 2]> = tales.into_iter().flatten().collect();
    let all = told(&tales);
    let constant = (!tales.is_empty()).then_some(Constant {
        log: all.value,
        sigma: all.sigma,
    });
    Joined {
        groups,
        constant,
        ..none
    }
}

/// The same events on as much of the glass around them as the model explains, where it does not
/// explain all of it: events that nobody found lie in the rest.
fn near<'a>(trace: &Trace, starts: &'a [Start], group: Group<'a>, constant: Belief) -> Group<'a> {
    if group.holds() {
        return group;
    }
    let shorter = |pulses: &f64| {
        let mut near = group.near(trace, starts, *pulses)?;
        near.decide(constant);
        (near.holds() && near.places()).then_some(near)
    };
    NEARER.iter().find_map(shorter).unwrap_or(group)
}

/// Each event of a group by itself, where the model does not explain them together.
fn alone<'a>(
    (trace, noise): (&Trace, Noise),
    course: Course,
    starts: &'a [Start],
    group: Group<'a>,
) -> Vec<Group<'a>> {
    let count = group.answers().len();
    if group.holds() || count < 2 {
        return vec![group];
    }
    let one = |k: usize| {
        let mut one = Group::of((trace, noise), course, starts, [k, k + 1])?;
        one.decide(told(&[]));
        Some(one)
    };
    let all = group.first..group.first + count;
    all.filter_map(one).collect()
}

/// The glass between the events, in samples.
fn glass(course: &Course, starts: &[Start]) -> Vec<[usize; 2]> {
    let [first, last] = [
        |s: &Start| s.hidden.first().copied(),
        |s: &Start| s.hidden.last().copied(),
    ];
    let from = [course.from]
        .into_iter()
        .chain(starts.iter().filter_map(last));
    let to = starts.iter().filter_map(first).chain([course.to]);
    from.zip(to)
        .map(|(from, to)| [from, to.max(from)])
        .collect()
}

/// Which events belong together.
fn ranges(trace: &Trace, starts: &[Start]) -> Vec<[usize; 2]> {
    let near = whole(APART * trace.pulse().get() / trace.step_m());
    let mut ranges: Vec<[usize; 2]> = Vec::new();
    for (k, start) in starts.iter().enumerate() {
        let before = k.checked_sub(1).and_then(|k| starts.get(k));
        let gap = before.map_or(usize::MAX, |before| {
            let [_, end] = before.hidden;
            start
                .hidden
                .first()
                .map_or(0, |from| from.saturating_sub(end))
        });
        match ranges.last_mut() {
            Some([first, last]) if gap < near && k - *first < MOST_TOGETHER => *last = k + 1,
            _ => ranges.push([k, k + 1]),
        }
    }
    ranges
}

/// What the receiver's constant is, as others tell: logarithm of pulses, and precision.
fn told(tales: &[[f64; 2]]) -> Belief {
    let usual = [USUAL_CONSTANT.ln(), USUAL_SPREAD.powi(-2)];
    let sum: f64 = tales.iter().map(|[_, precise]| precise).sum();
    let mean = tales
        .iter()
        .map(|[log, precise]| log * precise)
        .sum::<f64>()
        / sum.max(1e-30);
    // Where they contradict one another, none is to be believed to the letter.
    let strife: f64 = tales
        .iter()
        .map(|[log, precise]| precise * (log - mean).powi(2))
        .sum();
    let fair = (strife / (tales.len() as f64 - 1.0).max(1.0)).max(1.0);
    let (precise, own) = (sum / fair, usual.last().copied().unwrap_or(1.0));
    let value = (mean * precise + usual.first().copied().unwrap_or(0.0) * own) / (precise + own);
    Belief {
        value,
        sigma: (precise + own).sqrt().recip(),
        range: CONSTANTS.map(f64::ln),
    }
}

#[cfg(test)]
mod tests;
