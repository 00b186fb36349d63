//! What is believed of a place, as shares of certainty along the glass.

/// Smaller shares are left out.
const NEGLIGIBLE: f64 = 1e-4;

/// Halvings that find a quantile.
const HALVINGS: usize = 40;

/// Shares, each spread evenly over a stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct Belief {
    shares: Vec<Share>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    low: f64,
    high: f64,
    weight: f64,
}

impl Belief {
    /// Of places with their weights, each of which stands for what is within half a `step`.
    pub(super) fn new(places: impl Iterator<Item = (f64, f64)>, step: f64) -> Self {
        let share = |(at, weight): (f64, f64)| Share {
            low: at - step / 2.0,
            high: at + step / 2.0,
            weight,
        };
        let kept = places.filter(|(_, weight)| *weight > NEGLIGIBLE);
        Self {
            shares: kept.map(share).collect(),
        }
    }

    /// Several of them by their weights.
    pub(super) fn of_all<'a>(all: impl Iterator<Item = (f64, &'a Self)>) -> Self {
        let weighed = all.flat_map(|(weight, one)| {
            let shares = one.shares.iter();
            shares.map(move |share| Share {
                weight: weight * share.weight,
                ..*share
            })
        });
        Self {
            shares: weighed.collect(),
        }
    }

    /// The stretch that holds this share of what is believed, with as much before as behind it.
    pub(super) fn within(&self, share: f64) -> [f64; 2] {
        let total: f64 = self.shares.iter().map(|share| share.weight).sum();
        let outside = (1.0 - share) / 2.0;
        [outside, 1.0 - outside].map(|part| self.quantile(part * total))
    }

    /// Where so much of the weight lies before.
    fn quantile(&self, weight: f64) -> f64 {
        let ends = |pick: fn(&Share) -> f64| self.shares.iter().map(pick);
        let mut low = ends(|share| share.low).fold(f64::MAX, f64::min);
        let mut high = ends(|share| share.high).fold(f64::MIN, f64::max);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            let before: f64 = self.shares.iter().map(|share| share.before(middle)).sum();
            (low, high) = if before < weight {
                (middle, high)
            } else {
                (low, middle)
            };
        }
        f64::midpoint(low, high)
    }
}

impl Share {
    fn before(&self, at: f64) -> f64 {
        let length = (self.high - self.low).max(f64::MIN_POSITIVE);
        self.weight * ((at - self.low) / length).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bell(middle: f64, sigma: f64) -> Belief {
        let places = (-40..=40).map(|k| {
            let off = f64::from(k) / 10.0;
            (middle + off * sigma, (-0.5 * off * off).exp() / 25.07)
        });
        Belief::new(places, 0.1 * sigma)
    }

    #[test]
    fn nineteen_twentieths_of_a_bell_are_two_deviations() {
        let [low, high] = bell(3.0, 2.0).within(0.95);
        assert!((low - 3.0 + 3.92).abs() < 0.02, "{low}");
        assert!((high - 3.0 - 3.92).abs() < 0.02, "{high}");
    }

    #[test]
    fn a_tenth_that_is_believed_elsewhere_is_held_too() {
        let both = [(0.9, bell(0.0, 1.0)), (0.1, bell(50.0, 1.0))];
        let [low, high] = Belief::of_all(both.iter().map(|(w, b)| (*w, b))).within(0.95);
        assert!((-3.0..-1.5).contains(&low), "{low}");
        assert!((50.0..51.5).contains(&high), "{high}");
    }

    #[test]
    fn one_place_is_its_stretch() {
        let [low, high] = Belief::new([(7.0, 1.0)].into_iter(), 2.0).within(0.95);
        assert!((low - 6.05).abs() < 1e-6 && (high - 7.95).abs() < 1e-6);
    }
}
