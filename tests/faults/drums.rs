//! Route errors under stated assumptions, by the production's fusion alone: a span of 80 km of 4 km
//! drums, each with its own excess of 0 to 2 % known to 0.1 %, coils of 15 ± 5 m on both sides of
//! every closure known to a fifth, landmarks surveyed to 5 m of which 2 % have no survey and 1 % are
//! 100 m off, marks good to 2 m, and one error of 2e-4 of the group index in marks and shot alike.
//!
//! Beside each interval stands the one of somebody who knows all this and nothing else: the
//! same unknowns as one large system of normal equations, solved here without the analysis.

use std::fmt::Write;

use silkline_analysis::fuse;
use silkline_analysis::place::{Dossier, Evidence, Finding, Sighting};
use silkline_protocol::plant::Plant;
use silkline_protocol::unit::{GroupIndex, OpticalLength};

use crate::chance::Chance;
use crate::posterior::quantile;

const DRUMS: usize = 20;
const DRUM_M: f64 = 4_000.0;
const EXCESS_SD: f64 = 0.001;
const SLACK_SHARE: f64 = 0.2;
const LANDMARK_SD: f64 = 5.0;
const MARK_SD: f64 = 2.0;
const INDEX_SD: f64 = 2e-4;
const NO_SURVEY: f64 = 1_000.0;
const WRONG_BY: f64 = 100.0;
const WRONG_SHARE: f64 = 0.01;
const MISSING_SHARE: f64 = 0.02;
/// A closure that nobody wrote down lies where drums end, with coils as everywhere.
const UNMARKED_SD: f64 = 120.0;
const UNKNOWN_SLACK_SD: f64 = 5.9;
const NORMAL_95: f64 = 1.959_964;

/// What lies beside the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Whatever chance brings.
    Any,
    Wrong,
    Missing,
    /// A closure that nobody wrote down, with its coils and its mark.
    Forgotten,
}

/// What came of many draws.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) errors: Vec<f64>,
    pub(crate) inside: usize,
    pub(crate) width: f64,
    pub(crate) best_width: f64,
    pub(crate) best_inside: usize,
}

impl Figures {
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.errors, 0.5)
    }

    pub(crate) fn most(&self) -> f64 {
        quantile(&self.errors, 0.95)
    }

    pub(crate) fn coverage(&self) -> f64 {
        self.inside as f64 / self.errors.len().max(1) as f64
    }

    pub(crate) fn best_coverage(&self) -> f64 {
        self.best_inside as f64 / self.errors.len().max(1) as f64
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.width / self.best_width
    }
}

/// `count` spans with a fault each, whose place on the glass is known to `glass_sd`.
pub(crate) fn campaign(count: u64, seed: u64, glass_sd: f64, beside: Beside) -> Figures {
    let mut figures = Figures::default();
    for k in 0..count {
        let span = Span::drawn(
            &mut Chance::new(seed * 100_000 + k, "drums"),
            glass_sd,
            beside,
        );
        let place = span.told();
        let [low, high] = place.interval95_m.unwrap().map(|end| end.get());
        let at = place.chainage_m.map_or((low + high) / 2.0, |at| at.get());
        figures.errors.push((at - span.fault_m).abs());
        figures.inside += usize::from(low <= span.fault_m && span.fault_m <= high);
        figures.width += high - low;
        let [low, high] = span.best();
        figures.best_width += high - low;
        figures.best_inside += usize::from(low <= span.fault_m && span.fault_m <= high);
    }
    figures.errors.sort_by(f64::total_cmp);
    figures
}

/// One span: what is stated of it, and where its fault is.
struct Span {
    joints: Vec<Joint>,
    /// Stated excess of each drum.
    excess: Vec<f64>,
    fault_m: f64,
    /// Where the shot shows it, along the glass.
    seen_m: f64,
    glass_sd: f64,
}

/// A closure as stated.
struct Joint {
    at_m: f64,
    at_sd: f64,
    slack: [f64; 2],
    mark_m: f64,
    forgotten: bool,
    /// Where one drum's cable ends and the next begins, by the records.
    border_m: f64,
}

/// Makes the records of one of the joints `near` the fault wrong.
fn spoil(joints: &mut [Joint], near: &[usize], beside: Beside, chance: &mut Chance) {
    if let (Some(k), true) = (near.first(), beside != Beside::Any) {
        let k = if near.len() > 1 && chance.happens(0.5) {
            near[1]
        } else {
            *k
        };
        match beside {
            Beside::Wrong => {
                joints[k].at_m += WRONG_BY * if chance.happens(0.5) { 1.0 } else { -1.0 }
            }
            Beside::Missing => {
                joints[k].at_sd = NO_SURVEY;
                joints[k].at_m += chance.normal(300.0);
            }
            Beside::Forgotten => {
                joints[k].forgotten = true;
                joints[k].at_sd = NO_SURVEY;
                joints[k].slack = [15.0; 2];
            }
            Beside::Any => {}
        }
    }
}

impl Span {
    fn drawn(chance: &mut Chance, glass_sd: f64, beside: Beside) -> Self {
        let index = 1.0 + chance.normal(INDEX_SD);
        let fault_m = chance.between(0.02, 0.98) * DRUMS as f64 * DRUM_M;
        let (mut ground, mut glass) = (0.0, 0.0);
        let (mut joints, mut excess) = (Vec::new(), Vec::new());
        let (mut seen_m, mut near) = (0.0, Vec::new());
        let mut after = 0.0;
        for k in 0..DRUMS {
            let last = k + 1 == DRUMS;
            let end = if last {
                DRUMS as f64 * DRUM_M
            } else {
                (k as f64 + 1.0 + chance.between(-0.05, 0.05)) * DRUM_M
            };
            let stated = chance.between(0.0, 0.02);
            let own = stated + chance.normal(EXCESS_SD);
            excess.push(stated);
            if ground <= fault_m && fault_m < end {
                seen_m = (glass + after + (fault_m - ground) * (1.0 + own)) * index
                    + chance.normal(glass_sd);
                near = [k.checked_sub(1), Some(k).filter(|_| !last)]
                    .into_iter()
                    .flatten()
                    .collect();
            }
            let slack = [0, 1].map(|_| (15.0 + chance.normal(5.0)).max(1.0));
            let coils = slack.map(|s| s + chance.normal(SLACK_SHARE * s));
            glass += after + (end - ground) * (1.0 + own) + coils[0];
            (ground, after) = (end, coils[1]);
            if last {
                break;
            }
            let (missing, wrong) = (chance.happens(MISSING_SHARE), chance.happens(WRONG_SHARE));
            let off = if chance.happens(0.5) {
                WRONG_BY
            } else {
                -WRONG_BY
            };
            let wrong_by = if wrong && !missing { off } else { 0.0 };
            joints.push(Joint {
                at_m: end + wrong_by + chance.normal(LANDMARK_SD),
                at_sd: if missing { NO_SURVEY } else { LANDMARK_SD },
                slack,
                mark_m: glass * index + chance.normal(MARK_SD),
                forgotten: false,
                border_m: end + chance.normal(LANDMARK_SD),
            });
            if missing {
                joints[k].at_m += chance.normal(300.0);
            }
        }
        spoil(&mut joints, &near, beside, chance);
        Self {
            joints,
            excess,
            fault_m,
            seen_m,
            glass_sd,
        }
    }

    /// What the production says.
    fn told(&self) -> silkline_analysis::place::Place {
        let plant = self.plant();
        let sighting = Sighting {
            view: "v".parse().unwrap(),
            optical_m: OpticalLength::of(self.seen_m),
            random_m: OpticalLength::of(self.glass_sd),
            systematic_m: OpticalLength::of(0.0),
            group_index: Some(GroupIndex::of(1.4682)),
            after: None,
        };
        let evidence = Evidence {
            id: "shot".to_owned(),
            at: None,
            source: String::new(),
            finding: Finding::Otdr(sighting),
        };
        let dossier = Dossier {
            line: "l".parse().unwrap(),
            evidence: vec![evidence],
        };
        fuse::locate(&plant, &dossier).unwrap()
    }

    /// The joints that the plant file knows.
    fn stated(&self) -> impl Iterator<Item = (usize, &Joint)> {
        let joints = self.joints.iter().enumerate();
        joints.filter(|(_, joint)| !joint.forgotten)
    }

    fn plant(&self) -> Plant {
        let end = DRUMS as f64 * DRUM_M;
        let mut text = String::from(
            "[[site]]\nid = \"a\"\nlat = 40\nlon = 46\n[[site]]\nid = \"b\"\nlat = 40.7\nlon = 46\n\
             [[line]]\nid = \"l\"\nkind = \"terrestrial\"\na = \"a\"\nb = \"b\"\n",
        );
        let _ = writeln!(
            text,
            "route = [[40, 46, 0], [40.7, 46, {end}]]\nfibre = [{{ id = \"f\" }}]"
        );
        let _ = writeln!(
            text,
            "node = [{{ id = \"a\", kind = \"terminal\", chainage_m = 0, site = \"a\" }}, \
             {{ id = \"b\", kind = \"terminal\", chainage_m = {end}, site = \"b\" }}]"
        );
        text += "view = [{ id = \"v\", fibre = \"f\", node = \"a\", toward = \"B\", until = \"b\", wavelength_nm = 1550 }]\n";
        text += "section = [\n";
        let plus_minus = EXCESS_SD * NORMAL_95 * 100.0;
        let mut from = 0.0;
        for (k, excess) in self.excess.iter().enumerate() {
            let to = self.joints.get(k).map_or(end, |joint| joint.border_m);
            let percent = 100.0 * excess;
            let _ = writeln!(
                text,
                "{{ from_m = {from}, to_m = {to}, excess_percent = {percent:.6}, \
                 excess_plus_minus = {plus_minus:.6}, group_index = {{ 1550 = 1.4682 }} }},"
            );
            from = to;
        }
        text += "]\nlandmark = [\n";
        for (k, joint) in self.stated() {
            let _ = writeln!(
                text,
                "{{ name = \"c{k}\", kind = \"closure\", at = {{ chainage_m = {:.3} }}, plus_minus_m = {:.3}, \
                 slack_before_m = {:.3}, slack_after_m = {:.3} }},",
                joint.at_m,
                joint.at_sd * NORMAL_95,
                joint.slack[0],
                joint.slack[1]
            );
        }
        text += "]\nmark = [\n";
        for (k, joint) in self.stated() {
            let _ = writeln!(
                text,
                "{{ view = \"v\", landmark = \"c{k}\", optical_m = {:.3}, plus_minus_m = {:.3}, group_index = 1.4682 }},",
                joint.mark_m,
                MARK_SD * NORMAL_95
            );
        }
        text += "]\n";
        match silkline_protocol::plant::read("drums.toml", &text) {
            Ok(checked) => checked.plant,
            Err(mistakes) => panic!("{mistakes}\n{text}"),
        }
    }

    /// The 95 % interval of somebody who knows how it came about.
    fn best(&self) -> [f64; 2] {
        let own = self
            .joints
            .iter()
            .take_while(|joint| joint.mark_m <= self.seen_m)
            .count();
        let window = own.saturating_sub(6)..self.joints.len().min(own + 6);
        let mut system = System::of(self, window.clone(), own);
        system.solve();
        let (mean, variance) = system.fault();
        // Any landmark may be wrong, one way or the other.
        let mut parts = vec![(1.0 - WRONG_SHARE, mean)];
        for (n, joint) in self.joints[window].iter().enumerate() {
            if joint.at_sd > LANDMARK_SD {
                continue;
            }
            let told = LANDMARK_SD * LANDMARK_SD;
            let (at, spread, with_fault) = system.joint(n);
            let alone = 1.0 / (1.0 / spread - 1.0 / told);
            let guess = alone * (at / spread - joint.at_m / told);
            let density =
                |by: f64| (-0.5 * (joint.at_m - by - guess).powi(2) / (alone + told)).exp();
            for by in [WRONG_BY, -WRONG_BY] {
                let odds = 0.5 * WRONG_SHARE * density(by) / density(0.0).max(1e-300);
                parts.push((odds, mean - with_fault / told * by));
            }
        }
        let whole: f64 = parts.iter().map(|(weight, _)| weight).sum();
        let sd = variance.sqrt();
        let below = |x: f64| {
            let each = parts
                .iter()
                .map(|(weight, mean)| weight * normal_below((x - mean) / sd));
            each.sum::<f64>() / whole
        };
        [0.025, 0.975].map(|share| {
            let (mut low, mut high) = (mean - 400.0, mean + 400.0);
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if below(middle) < share {
                    low = middle
                } else {
                    high = middle
                }
            }
            f64::midpoint(low, high)
        })
    }
}

/// All unknowns around the fault and what is known of them, as normal equations.
struct System<'a> {
    span: &'a Span,
    window: core::ops::Range<usize>,
    /// The drum that holds the fault.
    own: usize,
    size: usize,
    normal: Vec<f64>,
    right: Vec<f64>,
    values: Vec<f64>,
    inverse: Vec<f64>,
}

impl<'a> System<'a> {
    fn of(span: &'a Span, window: core::ops::Range<usize>, own: usize) -> Self {
        // Ground, glass, two coils for each joint; excess for each drum; fault, its glass, index.
        let size = 5 * window.len() + 1 + 3;
        let mut values = vec![0.0; size];
        for (n, joint) in span.joints[window.clone()].iter().enumerate() {
            // What has no survey starts from its mark.
            let by_glass = joint.mark_m / 1.02;
            values[n] = if joint.at_sd > LANDMARK_SD {
                by_glass
            } else {
                joint.at_m
            };
        }
        let mut system = Self {
            span,
            window,
            own,
            size,
            normal: Vec::new(),
            right: Vec::new(),
            values,
            inverse: Vec::new(),
        };
        let (fault, count) = (system.size - 3, system.window.len());
        let before = system.own.checked_sub(system.window.start + 1);
        let start = before.map_or(0.0, |n| system.values[n.min(count - 1)]);
        system.values[fault] = start + DRUM_M / 2.0;
        system
    }

    fn solve(&mut self) {
        for _ in 0..4 {
            self.normal = vec![0.0; self.size * self.size];
            self.right = vec![0.0; self.size];
            self.known();
            self.drums();
            self.inverse = inverse(&self.normal, self.size);
            for r in 0..self.size {
                let row = &self.inverse[r * self.size..(r + 1) * self.size];
                self.values[r] = row.iter().zip(&self.right).map(|(a, b)| a * b).sum();
            }
        }
    }

    /// `sum of factors · unknowns = value`, known to `sd`.
    fn equation(&mut self, terms: &[(usize, f64)], value: f64, sd: f64) {
        let weight = 1.0 / (sd * sd);
        for (r, a) in terms {
            for (c, b) in terms {
                self.normal[r * self.size + c] += weight * a * b;
            }
            self.right[*r] += weight * a * value;
        }
    }

    fn known(&mut self) {
        let (count, span) = (self.window.len(), self.span);
        let (glass_of_fault, index) = (self.size - 2, self.size - 1);
        self.equation(&[(index, 1.0)], 0.0, INDEX_SD);
        self.equation(
            &[(glass_of_fault, 1.0), (index, span.seen_m)],
            span.seen_m,
            span.glass_sd,
        );
        for (n, k) in self.window.clone().enumerate() {
            let joint = &span.joints[k];
            self.equation(&[(n, 1.0)], joint.at_m, joint.at_sd);
            let terms = [(count + n, 1.0), (index, joint.mark_m)];
            let mark_sd = if joint.forgotten {
                UNMARKED_SD
            } else {
                MARK_SD
            };
            self.equation(&terms, joint.mark_m, mark_sd);
            for side in 0..2 {
                let stated = joint.slack[side];
                let sd = if joint.forgotten {
                    UNKNOWN_SLACK_SD
                } else {
                    SLACK_SHARE * stated
                };
                self.equation(&[(2 * count + 2 * n + side, 1.0)], stated, sd);
            }
        }
        for n in 0..=count {
            let stated = span.excess[self.window.start + n];
            self.equation(&[(4 * count + n, 1.0)], stated, EXCESS_SD);
        }
    }

    /// Each drum's glass is its ground and excess; the fault's drum is two.
    fn drums(&mut self) {
        let count = self.window.len();
        let (fault, glass_of_fault) = (self.size - 3, self.size - 2);
        for n in 0..=count {
            let drum = self.window.start + n;
            let excess = 4 * count + n;
            let from = n
                .checked_sub(1)
                .map(|m| (m, count + m, 2 * count + 2 * m + 1));
            let to = (n < count).then_some((n, count + n, 2 * count + 2 * n));
            // Before the window's first joint lies more than one drum, unless it is the first.
            let from = from.or_else(|| (drum == 0).then_some((usize::MAX, usize::MAX, usize::MAX)));
            if drum == self.own {
                let middle = (fault, glass_of_fault, usize::MAX);
                if let Some(from) = from {
                    self.link(from, middle, excess);
                }
                if let Some(to) = to {
                    self.link(middle, to, excess);
                }
            } else if let (Some(from), Some(to)) = (from, to) {
                self.link(from, to, excess);
            }
        }
    }

    /// `(X₂ - X₁)·(1 + e) + s₁ + s₂ = g₂ - g₁`, linear around what is known so far.
    fn link(&mut self, from: (usize, usize, usize), to: (usize, usize, usize), excess: usize) {
        let value = |system: &Self, at: usize| {
            if at == usize::MAX {
                0.0
            } else {
                system.values[at]
            }
        };
        let e = self.span.excess[self.window.start + excess - 4 * self.window.len()];
        let ground = value(self, to.0) - value(self, from.0);
        let terms = [
            (to.0, 1.0 + e),
            (from.0, -(1.0 + e)),
            (excess, ground),
            (from.2, 1.0),
            (to.2, 1.0),
            (to.1, -1.0),
            (from.1, 1.0),
        ];
        let terms: Vec<_> = terms
            .into_iter()
            .filter(|(at, _)| *at != usize::MAX)
            .collect();
        self.equation(&terms, ground * e, 0.02);
    }

    fn fault(&self) -> (f64, f64) {
        let at = self.size - 3;
        (self.values[at], self.inverse[at * self.size + at])
    }

    /// A joint's place, its variance, and how it varies with the fault's.
    fn joint(&self, n: usize) -> (f64, f64, f64) {
        let fault = self.size - 3;
        (
            self.values[n],
            self.inverse[n * self.size + n],
            self.inverse[n * self.size + fault],
        )
    }
}

/// The inverse of a symmetric matrix, by Gauss and Jordan with scaled rows.
fn inverse(matrix: &[f64], size: usize) -> Vec<f64> {
    let scale: Vec<f64> = (0..size)
        .map(|k| matrix[k * size + k].max(1e-12).sqrt())
        .collect();
    let mut a: Vec<f64> = (0..size * size)
        .map(|at| matrix[at] / (scale[at / size] * scale[at % size]))
        .collect();
    for p in 0..size {
        let pivot = 1.0 / a[p * size + p];
        for c in 0..size {
            if c != p {
                a[p * size + c] *= pivot;
            }
        }
        for r in 0..size {
            if r == p {
                continue;
            }
            let factor = a[r * size + p];
            for c in 0..size {
                if c != p {
                    a[r * size + c] -= factor * a[p * size + c];
                }
            }
            a[r * size + p] = -factor * pivot;
        }
        a[p * size + p] = pivot;
    }
    for (at, cell) in a.iter_mut().enumerate() {
        *cell /= scale[at / size] * scale[at % size];
    }
    a
}

/// Probability of a standard normal value below `z`, to seven digits (Abramowitz and Stegun 7.1.26).
fn normal_below(z: f64) -> f64 {
    let x = z.abs() * core::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let sum = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let erf = 1.0 - sum * (-x * x).exp();
    if z > 0.0 {
        0.5 * (1.0 + erf)
    } else {
        0.5 * (1.0 - erf)
    }
}
