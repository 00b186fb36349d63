//! What of a group's events may reflect though it does not seem to.

use super::super::fit::{Belief, Problem};
use super::super::model::Layout;
use super::super::noise::POWER_A_DB;
use super::super::veil::{self, Path, Try, Veil};
use super::{Group, Parts, Solved};

/// A reflection is looked for where it seems to gain so much, in squared deviations.
const PROMISING: f64 = 4.0;

impl Group<'_> {
    /// Finds events that reflect after all, and weighs for the others that they may.
    pub(super) fn unveil(&mut self, constant: Belief) {
        let mut paths = self.paths(constant);
        while self.shines(&paths, constant) {
            paths = self.paths(constant);
        }
        let Some(solved) = &self.solved else { return };
        let doubt = solved.bottom.excess() * solved.doubt.powi(2);
        let veil = |(k, path): &(usize, Path)| {
            let [loss, _] = solved.answer(*k)?.loss;
            path.veil((veil::share(loss), self.heights(*k)?), doubt)
        };
        let veils: Vec<Veil> = paths.iter().filter_map(veil).collect();
        if let Some(solved) = &mut self.solved {
            solved.veils = veils;
        }
    }

    fn paths(&self, constant: Belief) -> Vec<(usize, Path)> {
        let path = |k: usize| Some((k, self.path(k, constant)?));
        (0..self.starts.len()).filter_map(path).collect()
    }

    /// Takes the first explanation in which one more event reflects that is worth its price.
    fn shines(&mut self, paths: &[(usize, Path)], constant: Belief) -> bool {
        let promising = |(k, path): &(usize, Path)| {
            let (height, gain) = path.best()?;
            (gain > PROMISING).then_some((*k, height))
        };
        let all: Vec<(usize, f64)> = paths.iter().filter_map(promising).collect();
        let chosen = |(k, height): (usize, f64)| {
            let begun = self.shining(k, height, constant);
            begun.is_some_and(|(parts, values)| self.choose(parts, constant, Some(values)))
        };
        all.into_iter().any(chosen)
    }

    /// Heights over an event's step that reflections have.
    fn heights(&self, k: usize) -> Option<[f64; 2]> {
        let [step, unit] = self.step(k)?;
        Some(self.course.heights.map(|height| height * unit / step.abs()))
    }

    /// The light that the glass behind an event has more than that before, and what its reflection
    /// counts in.
    fn step(&self, k: usize) -> Option<[f64; 2]> {
        let Solved { layout, bottom, .. } = self.solved.as_ref()?;
        let value = |at: usize| bottom.values.get(at).copied().unwrap_or(0.0);
        let at = value(layout.edges.get(k)?.place);
        let light = |k: usize| {
            let ([level, slope], from) = layout.glass.get(k)?;
            Some((value(*level) + value(*slope) * (at - from)).exp())
        };
        let start = self.starts.get(k)?;
        let unit = ((start.before.level - self.unit) * POWER_A_DB).exp();
        Some([light(k + 1)? - light(k)?, unit])
    }

    /// The explanation in which an event reflects by a height over its step, and where its unknowns
    /// begin: shifted so that this shows least.
    fn shining(&self, k: usize, height: f64, constant: Belief) -> Option<(Parts, Vec<f64>)> {
        let parts = self.parts.shining(k)?;
        let (model, values, _) = self.model(&parts, constant);
        let values = self.shifted(&model.layout, values, (k, height))?;
        Some((parts, values))
    }

    fn shifted(
        &self,
        layout: &Layout,
        values: Vec<f64>,
        (k, height): (usize, f64),
    ) -> Option<Vec<f64>> {
        let mut values = self.solved.as_ref()?.led(layout, values);
        let [step, unit] = self.step(k)?;
        let edge = layout.edges.get(k)?;
        *values.get_mut(edge.place)? += veil::shift(height) * self.pulse * step.signum();
        *values.get_mut(edge.height?)? = height * step.abs() / unit;
        Some(values)
    }

    /// Heights that an event that does not reflect may have, and what they cost; none where all of them
    /// would be seen.
    fn path(&self, k: usize, constant: Belief) -> Option<Path> {
        let solved = self.solved.as_ref()?;
        if *self.parts.reflects.get(k)? {
            return None;
        }
        let [step, unit] = self.step(k)?;
        let heights = veil::tries(self.heights(k)?);
        if heights.is_empty() {
            return None;
        }
        let (own, _, beliefs) = self.model(&self.parts, constant);
        let problem = Problem {
            model: &own,
            beliefs: &beliefs,
            noise: self.noise,
        };
        let values = &solved.bottom.values;
        let place = solved.layout.edges.get(k)?.place;
        let at = *values.get(place)?;
        let shift = |height: f64| veil::shift(height) * self.pulse * step.signum();
        let other = |height: &f64| [at + shift(*height), height * step.abs() / unit];
        let others: Vec<[f64; 2]> = heights.iter().map(other).collect();
        let (changes, follow) = problem.beside(values, &own.changes(values, k, &others)?)?;
        let tried = |(height, mut moved): (f64, Vec<f64>)| {
            let own = moved.iter_mut().skip(place).take(1);
            own.for_each(|own| *own += shift(height));
            Try { height, moved }
        };
        let tries: Vec<Try> = heights.into_iter().zip(follow).map(tried).collect();
        Some(Path { tries, changes })
    }
}
