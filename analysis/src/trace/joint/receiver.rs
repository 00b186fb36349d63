//! What a receiver with one pole shows of an edge, with its slope: lengths in any unit.

/// A rectangular pulse behind one pole, in glass whose light fades.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    pulse: f64,
    constant: f64,
    /// One over the constant, and the constant in pulses.
    rate: f64,
    lag: f64,
    fade: f64,
    /// What of a long pulse has come at its end, and how that goes with the constant's logarithm.
    risen: f64,
    risen_more: f64,
    /// One over the light that fading glass holds more along a pulse; 0 where none counts.
    share: f64,
}

/// How much of an edge shows at a place behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Share of the new light.
    pub(super) step: f64,
    /// Share of a reflection.
    pub(super) rise: f64,
    /// How fast that grows.
    pub(super) slope: f64,
    /// How both shares go with the logarithm of the constant; fading hardly counts there.
    pub(super) step_more: f64,
    pub(super) rise_more: f64,
}

impl Seen {
    /// All of the new light, and nothing of a reflection any more.
    pub(super) const COMPLETE: Self = Self {
        step: 1.0,
        rise: 0.0,
        slope: 0.0,
        step_more: 0.0,
        rise_more: 0.0,
    };
}

impl Seen {
    fn mean(&self, other: &Self) -> Self {
        Self {
            step: 0.5 * (self.step + other.step),
            rise: 0.5 * (self.rise + other.rise),
            slope: 0.5 * (self.slope + other.slope),
            step_more: 0.5 * (self.step_more + other.step_more),
            rise_more: 0.5 * (self.rise_more + other.rise_more),
        }
    }
}

/// Two places as far before a middle as behind it: what exponentials come to there on average, over
/// what they are in the middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    off: f64,
    /// The receiver's own, and half of the difference between both places.
    even: f64,
    odd: f64,
    /// That of fading glass, and of both together.
    fading: f64,
    both: f64,
    /// Whether the places lie near enough for numbers to hold all this.
    tells: bool,
}

impl Pair {
    /// One place alone.
    const ONE: Self = Self {
        off: 0.0,
        even: 1.0,
        odd: 0.0,
        fading: 1.0,
        both: 1.0,
        tells: true,
    };
}

/// Places more constants apart are looked at one by one.
const FAR: f64 = 12.0;

/// Less fading along a pulse shows nowhere.
const LEAST_FADE: f64 = 1e-4;

/// After so many constants nothing is left to come.
const COMPLETE: f64 = 22.0;

impl Receiver {
    /// For light that fades by `fade` a unit of length, as a natural logarithm of power.
    pub(super) fn new(pulse: f64, constant: f64, fade: f64) -> Self {
        let faded = fade * pulse;
        let share = if faded < LEAST_FADE {
            0.0
        } else {
            faded.exp_m1().recip()
        };
        Self {
            pulse,
            constant,
            rate: constant.recip(),
            lag: constant / pulse,
            fade,
            risen: -(-pulse / constant).exp_m1(),
            risen_more: -pulse / constant * (-pulse / constant).exp(),
            share,
        }
    }

    /// Whether nothing is left to come `u` behind the edge.
    pub(super) fn is_complete(&self, u: f64) -> bool {
        u - self.pulse > COMPLETE * self.constant
    }

    /// What shows `u` behind the edge.
    #[inline]
    pub(super) fn at(&self, u: f64) -> Seen {
        if u <= 0.0 {
            return Seen::default();
        }
        if self.is_complete(u) {
            return Seen::COMPLETE;
        }
        self.between_corners(u, &Pair::ONE)
    }

    /// Two places `off` to both sides of one, for [`Receiver::around`].
    pub(super) fn pair(&self, off: f64) -> Pair {
        let far = off / self.constant;
        let (grown, left) = (far.exp(), (-far).exp());
        let (even, odd) = (0.5 * (grown + left), 0.5 * (grown - left));
        let faded = self.fade * off;
        let (fading, rising) = (faded.cosh(), faded.sinh());
        Pair {
            off,
            even,
            odd,
            fading,
            both: even * fading - odd * rising,
            tells: far < FAR,
        }
    }

    /// The mean of what shows at the two places of a pair around `u`.
    #[inline]
    pub(super) fn around(&self, u: f64, pair: &Pair) -> Seen {
        let (low, high) = (u - pair.off, u + pair.off);
        let inside = low > 0.0 && high <= self.pulse;
        let behind = low > self.pulse && !self.is_complete(high);
        if pair.tells && (inside || behind) {
            return self.between_corners(u, pair);
        }
        self.at(low).mean(&self.at(high))
    }

    /// The same where both places lie within the pulse or both behind it, not too far.
    ///
    /// # Source
    ///
    /// The answer of one pole to a ramp as long as the pulse, in glass that is brighter behind
    /// than in front by as much as it fades. Sums of exponentials: at two places their mean is that
    /// between them by the hyperbolic cosine of the distance.
    #[inline]
    fn between_corners(&self, u: f64, pair: &Pair) -> Seen {
        let Self {
            pulse,
            constant,
            rate,
            lag,
            share,
            ..
        } = *self;
        let behind = u - pulse;
        let way = if behind <= 0.0 { u } else { behind };
        let middle = (-way * rate).exp();
        let left = middle * pair.even;
        // The mean of what is left times how many constants ago it came.
        let gone = middle * (way * pair.even - pair.off * pair.odd) * rate;
        if behind <= 0.0 {
            let rise = 1.0 - left;
            let step = if share > 0.0 {
                let slow = self.fade * constant;
                let back = grown(self.fade * u);
                share * (back * ((1.0 - slow) * pair.fading + slow * middle * pair.both) - 1.0)
            } else {
                (u - constant * rise) / pulse
            };
            return Seen {
                step,
                rise,
                slope: left * rate,
                step_more: -lag * (rise - gone),
                rise_more: -gone,
            };
        }
        let rise = self.risen * left;
        let rise_more = self.risen_more * left + self.risen * gone;
        let lacking = if share > 0.0 {
            let back = grown(self.fade * u);
            share * self.fade * constant * back * self.risen * middle * pair.both
        } else {
            lag * rise
        };
        Seen {
            step: 1.0 - lacking,
            rise,
            slope: -rise * rate,
            step_more: -lag * (rise + rise_more),
            rise_more,
        }
    }
}

/// The exponential of little, by its series.
pub(super) fn grown(x: f64) -> f64 {
    const LITTLE: f64 = 0.03;
    if x.abs() < LITTLE {
        1.0 + x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 6.0 + x * (1.0 / 24.0))))
    } else {
        x.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_the_sum_of_its_rise() {
        let receiver = Receiver::new(100.0, 38.0, 0.0);
        let mut sum = 0.0;
        for i in 0..40_000 {
            let u = (f64::from(i) + 0.5) * 0.02;
            sum += receiver.at(u).rise * 0.02 / 100.0;
            let step = receiver.at(u + 0.01).step;
            assert!((sum - step).abs() < 1e-5, "{u}: {sum} {step}");
        }
        assert!((sum - 1.0).abs() < 1e-6);
    }

    /// By how much the shares of two places differ, at the most.
    fn off(a: &Seen, b: &Seen) -> f64 {
        let shares = |seen: &Seen| {
            [
                seen.step,
                seen.rise,
                seen.slope,
                seen.step_more,
                seen.rise_more,
            ]
        };
        let pairs = shares(a).into_iter().zip(shares(b));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_pair_shows_the_mean_of_its_places() {
        for (fade, apart) in [(0.0, 0.5), (0.0, 60.0), (2e-3, 12.0), (2e-3, 60.0)] {
            let receiver = Receiver::new(100.0, 20.0, fade);
            let pair = receiver.pair(apart);
            for i in -10..60 {
                let u = f64::from(i) * 9.7;
                let wanted = receiver.at(u - apart).mean(&receiver.at(u + apart));
                // Fading is a series of four terms where it is little.
                let off = off(&receiver.around(u, &pair), &wanted);
                assert!(off < 1e-8, "{fade} {apart} {u}: {off}");
            }
        }
    }

    #[test]
    fn the_slope_is_the_rises() {
        for fade in [0.0, 2e-3] {
            let receiver = Receiver::new(100.0, 20.0, fade);
            for u in [5.0, 60.0, 99.0, 101.0, 180.0] {
                let (low, high) = (receiver.at(u - 1e-4), receiver.at(u + 1e-4));
                let slope = (high.rise - low.rise) / 2e-4;
                assert!((slope - receiver.at(u).slope).abs() < 1e-6, "{u} {slope}");
            }
        }
    }

    #[test]
    fn shares_go_with_the_constant_as_told() {
        for u in [3.0, 50.0, 99.0, 101.0, 180.0] {
            let by = 1e-5_f64;
            let [low, high] = [-by, by].map(|by| Receiver::new(100.0, 20.0 * by.exp(), 0.0).at(u));
            let seen = Receiver::new(100.0, 20.0, 0.0).at(u);
            let step = (high.step - low.step) / (2.0 * by);
            let rise = (high.rise - low.rise) / (2.0 * by);
            assert!((step - seen.step_more).abs() < 1e-6, "{u} {step} {seen:?}");
            assert!((rise - seen.rise_more).abs() < 1e-6, "{u} {rise} {seen:?}");
        }
    }

    #[test]
    fn nothing_shows_before_and_all_far_behind() {
        let receiver = Receiver::new(100.0, 20.0, 1e-3);
        assert!(receiver.at(-1.0).step.abs() < 1e-12);
        assert!((receiver.at(900.0).step - 1.0).abs() < 1e-12);
        let (before, behind) = (receiver.at(100.0 - 1e-6), receiver.at(100.0 + 1e-6));
        assert!((before.step - behind.step).abs() < 1e-5);
    }
}
