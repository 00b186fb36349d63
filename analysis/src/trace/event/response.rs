//! What receivers make of a pulse at an event: one pole, two poles, or an edge sharper than the
//! pulse, each of any speed; or of a pulse that is round rather than a rectangle.

use std::sync::LazyLock;

use crate::trace::edge::{Curve, Shape};
use crate::trace::samples::whole;

/// A receiver behind a pulse; lengths in pulses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Response {
    /// Length of the ramp.
    pulse: f64,
    /// Time constant of each pole.
    pub(super) constant: f64,
    /// Whether there are two equal poles rather than one: an edge that starts softly.
    soft: bool,
    /// How round the pulse is: the deviation of the Gaussian over which its light is spread.
    pub(super) round: f64,
}

pub(super) const fn one(constant: f64) -> Response {
    Response {
        pulse: 1.0,
        constant,
        soft: false,
        round: 0.0,
    }
}

const fn two(constant: f64) -> Response {
    Response {
        pulse: 1.0,
        constant,
        soft: true,
        round: 0.0,
    }
}

const fn round(round: f64, constant: f64) -> Response {
    Response {
        round,
        ..one(constant)
    }
}

/// Responses tried at first: a pulse through receivers of every speed, and an edge sharper than
/// the pulse.
pub(super) const RESPONSES: [Response; 21] = [
    Response {
        pulse: 0.05,
        constant: 0.02,
        soft: false,
        round: 0.0,
    },
    one(0.03),
    one(0.1),
    one(0.17),
    one(0.23),
    one(0.28),
    one(0.33),
    one(0.39),
    one(0.46),
    one(0.57),
    one(0.75),
    one(1.0),
    one(1.4),
    one(2.0),
    one(3.0),
    two(0.15),
    two(0.3),
    two(0.5),
    two(0.8),
    two(1.2),
    two(1.8),
];

/// Pulses that are no rectangles, through receivers that are usual. Their light begins before their
/// places, which are those of the rectangle that is as long.
pub(super) const ROUND: [Response; 9] = [
    round(0.2, 0.2),
    round(0.2, 0.35),
    round(0.2, 0.6),
    round(0.35, 0.2),
    round(0.35, 0.35),
    round(0.35, 0.6),
    round(0.5, 0.2),
    round(0.5, 0.35),
    round(0.5, 0.6),
];

/// Deviations over which a round pulse begins, and steps of its sums a deviation.
pub(super) const BEGINS: f64 = 3.0;
const STEPS_A_DEVIATION: f64 = 8.0;

/// How long a reflection stays that is cut off, and how fast it comes, in pulses.
const CUT_PULSES: f64 = 8.0;
const AT_ONCE: f64 = 0.03;

/// Receivers are usually about this fast, within a factor of e.
const USUAL: f64 = 0.35;

/// Logarithm of the odds against an edge sharper than its pulse, and against two poles.
const SHARP: f64 = 8.0;
const SOFT: f64 = 1.0;

/// Steps of a table a pulse, and pulses it reaches.
const STEPS_A_PULSE: f64 = 128.0;
const PULSES: f64 = 16.0;

/// How much of a step and of a reflection shows, at even steps.
type Table = Vec<(f64, f64)>;

/// Every response of two poles in steps of a part of the pulse, worked out once.
static TABLES: LazyLock<Vec<(Response, Table)>> = LazyLock::new(|| {
    let soft = RESPONSES.iter().filter(|response| response.soft);
    soft.map(Response::table).collect()
});

/// The same of every round pulse; few traces ask for them.
static ROUND_TABLES: LazyLock<Vec<(Response, Table)>> = LazyLock::new(|| {
    let cut = ROUND.iter().filter_map(Response::cut_off);
    ROUND
        .iter()
        .copied()
        .chain(cut)
        .map(|response| response.table())
        .collect()
});

impl Response {
    /// Whether it is one of a family that differs by nothing but its constant.
    pub(super) fn has_one_pole(&self) -> bool {
        self.pulse >= 1.0 && !self.soft && !self.is_round()
    }

    /// Whether its pulse is no rectangle.
    fn is_round(&self) -> bool {
        self.round > 0.0
    }

    /// What a round pulse makes of a reflection whose top is cut off: it comes on at once, and the light
    /// is spread over a Gaussian behind that.
    pub(super) fn cut_off(&self) -> Option<Self> {
        let cut = Self {
            pulse: CUT_PULSES,
            constant: AT_ONCE,
            ..*self
        };
        self.is_round().then_some(cut)
    }

    /// Logarithm of how likely such a receiver is before any edge is seen.
    pub(super) fn prior(&self) -> f64 {
        if self.pulse < 1.0 {
            return -SHARP;
        }
        let poles = if self.soft { 2.0 } else { 1.0 };
        let off = (poles * self.constant / USUAL).ln();
        -0.5 * off * off - if self.soft { SOFT } else { 0.0 }
    }

    /// Pulses from the start to where a step is complete to a few hundredths.
    pub(super) fn settled(&self) -> f64 {
        let constants = if self.soft { 5.0 } else { 3.5 };
        self.pulse + constants * self.constant + self.round
    }

    /// Pulses before its start at which its light begins.
    pub(super) fn begins(&self) -> f64 {
        BEGINS * self.round
    }

    /// It and what it shows, in steps of a part of the pulse from where its light begins: two poles, or
    /// a round pulse.
    fn table(&self) -> (Self, Table) {
        let steps = whole((PULSES * STEPS_A_PULSE).ceil());
        let place = |i: usize| i as f64 / STEPS_A_PULSE;
        if !self.is_round() {
            return (*self, (0..=steps).map(|i| self.of_two(place(i))).collect());
        }
        let shape = Shape {
            pulse: self.pulse,
            constant: self.constant,
        };
        let begins = self.begins();
        let sharp = |i: usize| {
            let (left, here) = shape.at(place(i) - 2.0 * begins);
            (1.0 - left, here)
        };
        let stride = whole((self.round * STEPS_A_PULSE / STEPS_A_DEVIATION).round()).max(1);
        let reach = whole(begins * STEPS_A_PULSE);
        let sharp: Vec<(f64, f64)> = (0..=steps + 3 * reach).map(sharp).collect();
        let bell = |off: usize| {
            let deviations = (place(off) - begins) / self.round;
            (-0.5 * deviations * deviations).exp()
        };
        let bell: Vec<f64> = (0..=2 * reach).step_by(stride).map(bell).collect();
        let all: f64 = bell.iter().sum();
        let spread = |from: usize| {
            let near = sharp.iter().skip(from).step_by(stride).zip(&bell);
            let sum = near.fold((0.0, 0.0), |sum, (at, weight)| {
                (sum.0 + weight * at.0, sum.1 + weight * at.1)
            });
            (sum.0 / all, sum.1 / all)
        };
        (*self, (0..=steps + reach).map(spread).collect())
    }

    /// How much of a step and of a reflection shows `u` pulses past the start: two poles.
    fn of_two(&self, u: f64) -> (f64, f64) {
        let (here, gone) = (self.answer(u), self.answer(u - self.pulse));
        ((here.1 - gone.1) / self.pulse, here.0 - gone.0)
    }

    /// The answer of two poles to light that comes on, and the same summed up to `v`.
    fn answer(&self, v: f64) -> (f64, f64) {
        if v <= 0.0 {
            return (0.0, 0.0);
        }
        let left = (-v / self.constant).exp();
        let t = self.constant;
        (
            1.0 - (1.0 + v / t) * left,
            v - 2.0 * t + (2.0 * t + v) * left,
        )
    }

    /// What the points of a grid show of it.
    pub(super) fn seen(&self, points: Sampling<'_>) -> Seen {
        let Sampling {
            pulse,
            fade,
            offsets,
        } = points;
        let tables = if self.is_round() {
            &ROUND_TABLES
        } else {
            &TABLES
        };
        let table = tables.iter().find(|(of, _)| of == self);
        if let Some((_, values)) = table {
            return Seen::Table {
                values,
                scale: STEPS_A_PULSE / pulse,
                begins: self.begins() * pulse,
            };
        }
        let shape = Shape {
            pulse: self.pulse * pulse,
            constant: self.constant * pulse,
        };
        Seen::Curve(Curve::new(shape, fade, 0.0, (1.0, offsets)))
    }
}

/// The points of a grid: lengths in points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling<'a> {
    pub(super) pulse: f64,
    /// By how much the light of the glass falls a point, both ways, as a natural logarithm.
    pub(super) fade: f64,
    /// Where what a point averages lies, from its middle.
    pub(super) offsets: &'a [f64],
}

/// A response as the points of a grid show it.
pub(super) enum Seen {
    Curve(Curve),
    /// Values a part of the pulse apart, so many a point, from so many points before the start.
    Table {
        values: &'static [(f64, f64)],
        scale: f64,
        begins: f64,
    },
}

impl Seen {
    /// How far before the start a point may lie and show something of it.
    pub(super) fn reach(&self) -> f64 {
        match self {
            Self::Curve(curve) => curve.reach(),
            Self::Table { begins, .. } => *begins,
        }
    }

    /// How far before the start its light begins.
    pub(super) const fn begins(&self) -> f64 {
        match self {
            Self::Curve(_) => 0.0,
            Self::Table { begins, .. } => *begins,
        }
    }

    /// How much of a step and of a reflection each point shows, the first `u` points past the
    /// start.
    pub(super) fn from(&self, u: f64, mut each: impl FnMut(f64, f64) -> bool) {
        match self {
            Self::Curve(curve) => {
                let mut walk = curve.walk(u);
                loop {
                    let (fall, rise) = walk.next();
                    if !each(1.0 - fall, rise) {
                        return;
                    }
                }
            }
            Self::Table {
                values,
                scale,
                begins,
            } => {
                let mut u = u + begins;
                loop {
                    let (step, rise) = table_at(values, u * scale);
                    if !each(step, rise) {
                        return;
                    }
                    u += 1.0;
                }
            }
        }
    }
}

fn table_at(values: &[(f64, f64)], steps: f64) -> (f64, f64) {
    if steps <= 0.0 {
        return (0.0, 0.0);
    }
    let index = whole(steps);
    let (Some(a), Some(b)) = (values.get(index), values.get(index + 1)) else {
        return (1.0, 0.0);
    };
    let share = steps - index as f64;
    (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(response: &Response, pulse: f64, from: f64, count: usize) -> Vec<(f64, f64)> {
        let sampling = Sampling {
            pulse,
            fade: 0.0,
            offsets: &[0.0],
        };
        let mut out = Vec::new();
        response.seen(sampling).from(from, |step, rise| {
            out.push((step, rise));
            out.len() < count
        });
        out
    }

    #[test]
    fn a_step_is_complete_where_it_says() {
        for response in &RESPONSES {
            let settled = response.settled() * 20.0;
            let step = shown(response, 20.0, settled, 1)[0].0;
            assert!((0.95..=1.001).contains(&step), "{response:?} {step}");
            assert!(shown(response, 20.0, 0.0, 1)[0].0.abs() < 1e-9);
            let (step, pulse) = shown(response, 20.0, 20.0 * 120.0, 1)[0];
            assert!((step - 1.0).abs() < 1e-9 && pulse.abs() < 1e-9);
        }
    }

    #[test]
    fn a_reflection_is_the_slope_of_a_step() {
        for response in &RESPONSES {
            let points = shown(response, 20_000.0, 0.31 * 20_000.0, 2);
            let ((here, rise), (next, _)) = (points[0], points[1]);
            let slope = (next - here) * 20_000.0 * response.pulse;
            assert!((slope - rise).abs() < 2e-2, "{response:?} {slope} {rise}");
        }
    }

    #[test]
    fn a_round_pulse_shows_before_its_start_what_it_lacks_behind() {
        for response in &ROUND {
            let dark = -response.begins() * 20.0 - 1.0;
            let (step, rise) = shown(response, 20.0, dark, 1)[0];
            assert!(step.abs() < 1e-9 && rise.abs() < 1e-9);
            let sharp = one(response.constant);
            let sum = |response: &Response| {
                let all = shown(response, 20.0, -40.0, 400);
                all.iter().map(|(step, _)| step).sum::<f64>()
            };
            let off = (sum(response) - sum(&sharp)).abs();
            assert!(off < 0.1, "{response:?} {off}");
            assert!(shown(response, 20.0, 0.0, 1)[0].0 > 0.005);
        }
    }
}
