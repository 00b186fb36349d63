//! What is believed about a position: a mixture of normal distributions.

use silkline_protocol::unit::RouteLength;
use statrs::function::erf::erfc;

/// A belief about a chainage: normal parts that share a probability of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    parts: Vec<Part>,
}

/// One normal part of a [`Spread`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// Its probability.
    pub(crate) weight: f64,
    /// Its mean, in metres.
    pub(crate) mean: f64,
    /// Its standard deviation, in metres.
    pub(crate) sd: f64,
}

impl Spread {
    /// One normal distribution.
    #[must_use]
    pub fn normal(mean: RouteLength, sd: RouteLength) -> Self {
        Self {
            parts: vec![Part {
                weight: 1.0,
                mean: mean.get(),
                sd: sd.get().abs().max(1e-3),
            }],
        }
    }

    /// The mixture of `parts`, whose weights are made to add up to one.
    pub(crate) fn of(mut parts: Vec<Part>) -> Self {
        let sum: f64 = parts.iter().map(|part| part.weight).sum();
        for part in &mut parts {
            part.weight /= sum;
            part.sd = part.sd.max(1e-3);
        }
        Self { parts }
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> RouteLength {
        RouteLength::of(self.parts.iter().map(|p| p.weight * p.mean).sum())
    }

    /// The standard deviation.
    #[must_use]
    pub fn sd(&self) -> RouteLength {
        let mean = self.mean().get();
        let square = |p: &Part| p.weight * p.sd.mul_add(p.sd, (p.mean - mean).powi(2));
        RouteLength::of(self.parts.iter().map(square).sum::<f64>().sqrt())
    }

    /// The position below which it lies with probability `share`.
    #[must_use]
    pub fn quantile(&self, share: f64) -> RouteLength {
        let reach = |sign: f64| {
            let ends = self
                .parts
                .iter()
                .map(|p| (9.0 * sign).mul_add(p.sd, p.mean));
            if sign < 0.0 {
                ends.fold(f64::MAX, f64::min)
            } else {
                ends.fold(f64::MIN, f64::max)
            }
        };
        let (mut low, mut high) = (reach(-1.0), reach(1.0));
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            if self.below(middle) < share {
                low = middle;
            } else {
                high = middle;
            }
        }
        RouteLength::of(f64::midpoint(low, high))
    }

    /// The central interval that holds it with probability `share`.
    #[must_use]
    pub fn interval(&self, share: f64) -> [RouteLength; 2] {
        let tail = (1.0 - share) / 2.0;
        [self.quantile(tail), self.quantile(1.0 - tail)]
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Probability per metre at `x`.
    pub(crate) fn density(&self, x: f64) -> f64 {
        self.parts
            .iter()
            .map(|p| p.weight * normal_density(x - p.mean, p.sd))
            .sum()
    }

    fn below(&self, x: f64) -> f64 {
        self.parts
            .iter()
            .map(|p| p.weight * normal_below((x - p.mean) / p.sd))
            .sum()
    }
}

/// Density of a normal distribution with mean zero.
pub(crate) fn normal_density(x: f64, sd: f64) -> f64 {
    let z = x / sd;
    (-0.5 * z * z).exp() / (sd * core::f64::consts::TAU.sqrt())
}

/// Probability of a standard normal value below `z`.
pub(crate) fn normal_below(z: f64) -> f64 {
    0.5 * erfc(-z * core::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_interval_is_the_textbook_one() {
        let spread = Spread::normal(RouteLength::of(1000.0), RouteLength::of(10.0));
        let [low, high] = spread.interval(0.95);
        assert!((low.get() - 980.4).abs() < 0.01 && (high.get() - 1019.6).abs() < 0.01);
        let [low, high] = spread.interval(0.5);
        assert!((high.get() - low.get() - 13.49).abs() < 0.01);
    }

    #[test]
    fn a_mixture_spans_its_parts() {
        let part = |weight, mean| Part {
            weight,
            mean,
            sd: 1.0,
        };
        let spread = Spread::of(vec![part(3.0, 0.0), part(1.0, 100.0)]);
        assert!((spread.mean().get() - 25.0).abs() < 1e-9);
        assert!((spread.quantile(0.9).get() - 100.0).abs() < 1.0);
        assert!((spread.sd().get() - 43.31).abs() < 0.1);
    }
}
