//! What a receiver makes of a pulse at the edge of glass.

/// Where a filter is taken to sample what it averages.
const FILTER_PARTS: [f64; 6] = [0.083, 0.25, 0.417, 0.583, 0.75, 0.917];

/// A pulse seen through a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The pulse's length.
    pub(crate) pulse: f64,
    /// The receiver's time constant, as a length.
    pub(crate) constant: f64,
}

impl Shape {
    /// The same relative to glass whose light falls by `fade` a metre (natural logarithm, both
    /// ways): a long pulse fills glass that is brighter behind than in front.
    ///
    /// # Source
    ///
    /// The answer of one pole to `(exp(fade·(L-u)) - 1) / (exp(fade·L) - 1)`, over the line.
    pub(crate) fn in_glass(&self, u: f64, fade: f64) -> (f64, f64) {
        let (fall, rise) = self.at(u);
        let (pulse, constant) = (self.pulse, self.constant);
        if u <= 0.0 || fade * pulse < 1e-4 {
            return (fall, rise);
        }
        let (slow, back) = (fade * constant, (fade * u).exp());
        let share = (fade * pulse).exp_m1().recip();
        let fall = if u <= pulse {
            1.0 + share - share * back * (1.0 - slow + slow * (-u / constant).exp())
        } else {
            let left = share * slow * -(-pulse / constant).exp_m1();
            left * back * (-(u - pulse) / constant).exp()
        };
        (fall, rise * back)
    }

    /// The same behind a filter that averages over `length`.
    #[cfg(test)]
    fn filtered(&self, u: f64, fade: f64, length: f64) -> (f64, f64) {
        if length <= 0.0 || u <= 0.0 {
            return self.in_glass(u, fade);
        }
        let all = FILTER_PARTS.map(|part| self.in_glass(u - part * length, fade));
        let sum = |f: fn(&(f64, f64)) -> f64| all.iter().map(f).sum::<f64>();
        let count = FILTER_PARTS.len() as f64;
        (sum(|one| one.0) / count, sum(|one| one.1) / count)
    }

    /// The smoothed ramp, from 1 to 0, and the box at `u` past the edge.
    pub(crate) fn at(&self, u: f64) -> (f64, f64) {
        if u <= 0.0 {
            return (1.0, 0.0);
        }
        let inside = u.min(self.pulse);
        let rise = 1.0 - (-inside / self.constant).exp();
        let fall = 1.0 - (inside - self.constant * rise) / self.pulse;
        if u <= self.pulse {
            return (fall, rise);
        }
        let decay = (-(u - self.pulse) / self.constant).exp();
        (fall * decay, rise * decay)
    }
}

/// A [`Shape`] in glass, for points of even spacing that average samples around them.
///
/// Within the pulse, and behind it, light is a sum of two exponentials, which the mean over the
/// samples of a point only scales: so each point costs two products. Where a point's samples lie
/// on both sides of a corner it is worked out from each.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pulse: f64,
    step: f64,
    /// Where what a point averages lies, from its middle, and what each exponential is there.
    parts: Vec<(f64, [f64; 2])>,
    /// The first, the last and the mean of them.
    low: f64,
    high: f64,
    middle: f64,
    /// How fast the two exponentials grow a metre, a step, and their means over the parts.
    rates: [f64; 2],
    growth: [f64; 2],
    means: [f64; 2],
    /// Light within the pulse: constant, a metre, and of each exponential; behind it.
    inside: [f64; 4],
    behind: [f64; 2],
}

impl Curve {
    /// For light that fades by `fade` a metre and a filter that averages over `filter`, at points
    /// a step apart whose samples lie at `offsets` around them.
    pub(crate) fn new(
        shape: Shape,
        fade: f64,
        filter: f64,
        (step, offsets): (f64, &[f64]),
    ) -> Self {
        let filters: &[f64] = if filter > 0.0 { &FILTER_PARTS } else { &[0.0] };
        let parts = offsets
            .iter()
            .flat_map(|o| filters.iter().map(move |f| o - f * filter));
        let Shape { pulse, constant } = shape;
        let fades = fade * pulse >= 1e-4;
        let fade = if fades { fade } else { 0.0 };
        let rates = [fade, fade - 1.0 / constant];
        let parts: Vec<(f64, [f64; 2])> = parts
            .map(|part| (part, rates.map(|rate| (rate * part).exp())))
            .collect();
        let count = (parts.len() as f64).max(1.0);
        let sum = |of: fn(&(f64, [f64; 2])) -> f64| parts.iter().map(of).sum::<f64>() / count;
        let means = [
            sum(|(_, [fading, _])| *fading),
            sum(|(_, [_, decaying])| *decaying),
        ];
        let gone = (pulse / constant).exp_m1();
        let (inside, fall) = if fades {
            let (slow, share) = (fade * constant, (fade * pulse).exp_m1().recip());
            let inside = [1.0 + share, 0.0, -share * (1.0 - slow), -share * slow];
            (inside, share * slow * gone)
        } else {
            let lag = constant / pulse;
            ([1.0 + lag, -1.0 / pulse, 0.0, -lag], lag * gone)
        };
        Self {
            pulse,
            step,
            low: parts.iter().map(|part| part.0).fold(f64::MAX, f64::min),
            high: parts.iter().map(|part| part.0).fold(f64::MIN, f64::max),
            middle: sum(|(part, _)| *part),
            parts,
            rates,
            growth: rates.map(|rate| (rate * step).exp()),
            means,
            inside,
            behind: [fall, gone],
        }
    }

    /// How far before an edge a point may lie and have samples behind it.
    pub(crate) const fn reach(&self) -> f64 {
        self.high
    }

    /// The shape from `u` past the edge on, a step a point.
    pub(crate) fn walk(&self, u: f64) -> Walk<'_> {
        Walk {
            curve: self,
            u,
            waves: self.rates.map(|rate| (rate * u).exp()),
        }
    }

    /// Light within the pulse, `u` past the edge, where the exponentials are this large.
    fn inside(&self, u: f64, [fading, decaying]: [f64; 2]) -> (f64, f64) {
        let [level, slope, a, b] = self.inside;
        let fall = level + slope * u + a * fading + b * decaying;
        (fall, fading - decaying)
    }

    /// Light behind the pulse.
    fn behind(&self, decaying: f64) -> (f64, f64) {
        let [fall, rise] = self.behind;
        (fall * decaying, rise * decaying)
    }

    /// The mean over the parts of a point that has some of them before a corner and some behind.
    fn one_by_one(&self, u: f64, [fading, decaying]: [f64; 2]) -> (f64, f64) {
        let sum = self.parts.iter().fold((0.0, 0.0), |sum, (part, [a, b])| {
            let u = u + part;
            let (fall, rise) = if u <= 0.0 {
                (1.0, 0.0)
            } else if u <= self.pulse {
                self.inside(u, [a * fading, b * decaying])
            } else {
                self.behind(b * decaying)
            };
            (sum.0 + fall, sum.1 + rise)
        });
        let count = (self.parts.len() as f64).max(1.0);
        (sum.0 / count, sum.1 / count)
    }
}

/// A way along a [`Curve`].
pub(crate) struct Walk<'a> {
    curve: &'a Curve,
    u: f64,
    waves: [f64; 2],
}

impl Walk<'_> {
    /// Light that is left and the reflection at this point.
    pub(crate) fn next(&mut self) -> (f64, f64) {
        let curve = self.curve;
        let (u, [fading, decaying]) = (self.u, self.waves);
        let [a, b] = curve.means;
        let here = if u + curve.low > 0.0 && u + curve.high <= curve.pulse {
            curve.inside(u + curve.middle, [a * fading, b * decaying])
        } else if u + curve.low > curve.pulse {
            curve.behind(b * decaying)
        } else {
            curve.one_by_one(u, self.waves)
        };
        let [a, b] = curve.growth;
        self.u += curve.step;
        self.waves = [fading * a, decaying * b];
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_gives_what_each_sample_does() {
        let offsets = [-1.5, -0.5, 0.5, 1.5];
        for (constant, fade, filter) in [(0.38, 0.0, 0.0), (0.05, 3e-4, 0.0), (1.4, 2e-3, 50.0)] {
            let shape = Shape {
                pulse: 100.0,
                constant: constant * 100.0,
            };
            let curve = Curve::new(shape, fade, filter, (4.0, &offsets));
            let mut walk = curve.walk(-7.3);
            for i in 0..80 {
                let u = -7.3 + 4.0 * f64::from(i);
                let (mut fall, mut rise) = (0.0, 0.0);
                for offset in offsets {
                    let (a, b) = shape.filtered(u + offset, fade, filter);
                    (fall, rise) = (fall + a / 4.0, rise + b / 4.0);
                }
                let (light, peak) = walk.next();
                assert!(
                    (light - fall).abs() < 1e-9,
                    "{u} {constant}: {light} {fall}"
                );
                assert!((peak - rise).abs() < 1e-9, "{u} {constant}: {peak} {rise}");
            }
        }
    }
}
