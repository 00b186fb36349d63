//! What a receiver with one pole shows of an edge, with its slope: lengths in any unit.

/// A rectangular pulse behind one pole, in glass whose light fades.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiver {
    pulse: f64,
    constant: f64,
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
    ///
    /// # Source
    ///
    /// The answer of one pole to a ramp as long as the pulse, in glass that is brighter behind
    /// than in front by as much as it fades.
    #[inline]
    pub(super) fn at(&self, u: f64) -> Seen {
        if u <= 0.0 {
            return Seen::default();
        }
        if self.is_complete(u) {
            return Seen::COMPLETE;
        }
        let behind = u - self.pulse;
        if behind <= 0.0 {
            let left = (-u / self.constant).exp();
            let rise = 1.0 - left;
            let step = if self.share > 0.0 {
                let slow = self.fade * self.constant;
                let back = grown(self.fade * u);
                self.share * (back * (1.0 - slow + slow * left) - 1.0)
            } else {
                (u - self.constant * rise) / self.pulse
            };
            let gone = u / self.constant * left;
            return Seen {
                step,
                rise,
                slope: left / self.constant,
                step_more: -self.constant / self.pulse * (rise - gone),
                rise_more: -gone,
            };
        }
        let left = (-behind / self.constant).exp();
        let rise = self.risen * left;
        let rise_more = (self.risen_more + self.risen * behind / self.constant) * left;
        let lacking = if self.share > 0.0 {
            self.share * self.fade * self.constant * grown(self.fade * u)
        } else {
            self.constant / self.pulse
        };
        Seen {
            step: 1.0 - lacking * rise,
            rise,
            slope: -rise / self.constant,
            step_more: -self.constant / self.pulse * (rise + rise_more),
            rise_more,
        }
    }
}

/// The exponential of little, by its series.
pub(super) fn grown(x: f64) -> f64 {
    const LITTLE: f64 = 0.03;
    if x.abs() < LITTLE {
        1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0)))
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
