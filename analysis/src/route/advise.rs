//! Which closure to survey next: the one whose place, once known well, narrows the answers of a
//! stretch most.
//!
//! Worked out by the model that locates faults: what a fault anywhere on the stretch would be
//! located to now, and what to if a closure's place on the ground and in the glass were known.

use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{Landmark, Line, Mark, View};
use silkline_protocol::unit::{OpticalLength, RouteLength};

use super::chain::{Chain, Seen};
use crate::place::to_mm;

/// Half of the 95 % interval of a landmark that somebody has surveyed, on the ground.
const SURVEYED: RouteLength = RouteLength::of(2.0);
/// The same in the glass, from a trace that was taken for it.
const SHOT: OpticalLength = OpticalLength::of(1.5);
/// One standard deviation of a good shot.
const GOOD_SHOT: OpticalLength = OpticalLength::of(1.0);
/// Places of a stretch at which the answer is looked at.
const PLACES: u32 = 5;
/// Closures that are tried: of more, so many spread over the stretch.
const TRIED: usize = 24;
/// Closures that are named at most, one after the other.
const NAMED: usize = 3;

/// What to survey for the sake of a stretch.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The view whose answers it narrows.
    pub view: ViewId,
    /// The mean half width of the 95 % interval of a fault on the stretch, as it is.
    pub now: RouteLength,
    /// Landmarks in the order in which to survey them, each with the mean half width after it.
    pub steps: Vec<(String, RouteLength)>,
}

impl Advice {
    /// How many of the steps halve the interval, where they do.
    #[must_use]
    pub fn halved_by(&self) -> Option<usize> {
        let half = self.now * 0.5;
        let step = self.steps.iter().position(|(_, then)| *then <= half);
        step.map(|step| step + 1)
    }
}

/// What to survey so that `view` answers better between two places; `seen` is what its good traces
/// have shown. Nothing where the view does not look there, or nothing would help.
#[must_use]
pub fn advise(
    line: &Line,
    view: &View,
    [from, to]: [RouteLength; 2],
    seen: &[Seen],
) -> Option<Advice> {
    let chain = Chain::of(line, view, None, seen)?;
    let [low, high] = chain.range();
    let from = if from < low { low } else { from };
    let to = if to > high { high } else { to };
    if to <= from {
        return None;
    }
    let now = width(&chain, from, to);
    let mut known = line.clone();
    let mut best = now;
    let mut steps = Vec::new();
    while steps.len() < NAMED && best > now * 0.5 {
        let tried = candidates(&known, &chain, [from, to]).into_iter();
        let after = tried.filter_map(|landmark| {
            let line = surveyed(&known, view, &chain, &landmark);
            let made = Chain::of(&line, view, None, seen)?;
            Some((width(&made, from, to), landmark.name.clone(), line))
        });
        let Some((then, name, line)) = after.min_by(|a, b| a.0.get().total_cmp(&b.0.get())) else {
            break;
        };
        // Less than one part in twenty is not worth a drive.
        if then > best * 0.95 {
            break;
        }
        (best, known) = (then, line);
        steps.push((name, to_mm(then)));
    }
    (!steps.is_empty()).then(|| Advice {
        view: view.id.clone(),
        now: to_mm(now),
        steps,
    })
}

/// The mean half width of the 95 % interval of a fault between two places.
fn width(chain: &Chain, from: RouteLength, to: RouteLength) -> RouteLength {
    let half = |k: u32| {
        let share = (f64::from(k) + 0.5) / f64::from(PLACES);
        let at = from + (to - from) * share;
        let spread = chain.locate(chain.glass_at(at), GOOD_SHOT, None);
        let [low, high] = spread.interval(0.95);
        (high - low).get() / 2.0
    };
    RouteLength::of((0..PLACES).map(half).sum::<f64>() / f64::from(PLACES))
}

/// The landmarks of a stretch that are not known well yet, and the nearest beyond both its ends.
fn candidates(line: &Line, chain: &Chain, [from, to]: [RouteLength; 2]) -> Vec<Landmark> {
    let [low, high] = chain.range();
    let sure = |landmark: &&Landmark| {
        let mark = chain.marks().find(|(name, ..)| *name == landmark.name);
        mark.is_some_and(|(_, _, sd)| sd <= SHOT.get() / 1.9)
            && landmark.plus_minus.get() > 0.0
            && landmark.plus_minus <= SURVEYED
    };
    let open: Vec<&Landmark> = line
        .landmarks
        .iter()
        .filter(|it| low < it.at && it.at < high && !sure(it))
        .collect();
    let before = open.iter().rev().find(|it| it.at < from);
    let after = open.iter().find(|it| it.at > to);
    let inside = open.iter().filter(|it| from <= it.at && it.at <= to);
    let all: Vec<&Landmark> = before
        .into_iter()
        .chain(inside)
        .chain(after)
        .copied()
        .collect();
    let every = all.len().div_ceil(TRIED).max(1);
    all.into_iter().step_by(every).cloned().collect()
}

/// The line as it would be with a landmark surveyed.
fn surveyed(line: &Line, view: &View, chain: &Chain, landmark: &Landmark) -> Line {
    let mut line = line.clone();
    for known in line
        .landmarks
        .iter_mut()
        .filter(|it| it.name == landmark.name)
    {
        known.plus_minus = SURVEYED;
    }
    line.marks
        .retain(|mark| mark.view != view.id || mark.landmark != landmark.name);
    line.marks.push(Mark {
        view: view.id.clone(),
        landmark: landmark.name.clone(),
        optical: chain.glass_at(landmark.at),
        plus_minus: SHOT,
        group_index: None,
        trace: None,
        valid_from: None,
    });
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    /// The example with none but every `keep`-th closure of the first span marked.
    fn line(keep: usize) -> Line {
        let mut line = example::plant().lines.remove(0);
        let names: Vec<String> = line.landmarks.iter().map(|it| it.name.clone()).collect();
        line.marks.retain(|mark| {
            let place = names.iter().position(|name| *name == mark.landmark);
            place.is_some_and(|k| keep > 0 && (k + 1) % keep == 0)
        });
        line
    }

    fn ends(from: f64, to: f64) -> [RouteLength; 2] {
        [from, to].map(RouteLength::of)
    }

    #[test]
    fn in_a_gap_of_marks_its_middle_is_surveyed_first_and_halves_the_interval() {
        let mut line = line(1);
        // Closures of 24 to 56 km were never marked.
        let named: Vec<String> = line
            .landmarks
            .iter()
            .filter(|it| (24_000.0..=56_000.0).contains(&it.at.get()))
            .map(|it| it.name.clone())
            .collect();
        line.marks.retain(|mark| !named.contains(&mark.landmark));
        let view = line.views[0].clone();
        let advice = advise(&line, &view, ends(22_000.0, 58_000.0), &[]).unwrap();
        let first = line.landmark(&advice.steps[0].0).unwrap().at.get();
        assert!((28_000.0..=52_000.0).contains(&first), "{first} {advice:?}");
        assert!(advice.steps[0].1 < advice.now, "{advice:?}");
        let widths: Vec<f64> = advice.steps.iter().map(|(_, then)| then.get()).collect();
        assert!(
            widths.windows(2).all(|pair| pair[1] < pair[0]),
            "{widths:?}"
        );
    }

    #[test]
    fn what_is_said_to_help_does_help() {
        let line = line(0);
        let view = line.views[0].clone();
        let stretch = ends(20_000.0, 60_000.0);
        let advice = advise(&line, &view, stretch, &[]).unwrap();
        let chain = Chain::of(&line, &view, None, &[]).unwrap();
        let landmark = line.landmark(&advice.steps[0].0).unwrap().clone();
        let better = surveyed(&line, &view, &chain, &landmark);
        let made = Chain::of(&better, &view, None, &[]).unwrap();
        let now = width(&made, stretch[0], stretch[1]);
        assert!(
            (now - advice.steps[0].1).abs().get() < 0.01,
            "{now} {advice:?}"
        );
        assert!(
            advice
                .halved_by()
                .is_none_or(|steps| steps <= advice.steps.len())
        );
    }

    #[test]
    fn where_the_view_does_not_look_there_is_nothing_to_advise() {
        let line = line(0);
        let view = line.views[0].clone();
        assert_eq!(advise(&line, &view, ends(120_000.0, 150_000.0), &[]), None);
    }
}
