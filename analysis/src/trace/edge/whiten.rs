//! Noise made white: what a receiver adds afresh to every sample, and fading, which multiplies
//! the light and changes slowly along the glass.

use crate::trace::samples::rest;

/// What is known of the noise, relative to the light before the edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// What a sample without light scatters.
    pub(crate) receiver: f64,
    /// What a sample scatters more where there is light, as a share of it, each sample afresh.
    pub(crate) rough: f64,
    /// The same, shared by neighbours.
    pub(crate) fading: f64,
    /// Length over which fading changes.
    pub(crate) reach: f64,
}

/// What is known of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lit {
    /// Its light, relative to that of the line.
    pub(super) light: f64,
    /// The receiver's noise in it, over what is told of that.
    pub(super) dark: f64,
    /// What the model may err there.
    pub(super) error: f64,
}

/// A filter that leaves independent numbers of deviation 1, sample by sample.
///
/// # Source
///
/// The innovations of a Kalman filter that follows the fading as a first-order process.
#[derive(Clone, Debug)]
pub(super) struct Whitener {
    steps: Vec<Step>,
}

/// What it does to one sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Light in the sample, which fading multiplies.
    light: f64,
    /// What of the fading believed before is believed of the next sample, and what this one adds.
    keep: f64,
    learn: f64,
    /// One over the deviation of what is new in it.
    inverse: f64,
}

impl Whitener {
    /// For samples `step` apart and each an average of `group`.
    pub(super) fn new(samples: &[Lit], noise: &Noise, step: f64, group: f64) -> Self {
        let keep = (-step / noise.reach.max(1e-9)).exp();
        let mut spread = 1.0;
        let next = |lit: &Lit| {
            let (light, rough) = (lit.light * noise.fading, lit.light * noise.rough);
            let receiver = lit.dark * noise.receiver;
            let own = (receiver.powi(2) + rough.powi(2)) / group + lit.error.powi(2);
            let variance = light * light * spread + own.max(1e-16);
            let gain = spread * light / variance;
            let left = spread * (1.0 - gain * light);
            spread = keep * keep * left + 1.0 - keep * keep;
            Step {
                light,
                keep: keep * (1.0 - gain * light),
                learn: keep * gain,
                inverse: variance.sqrt().recip(),
            }
        };
        let steps = samples.iter().map(next).collect();
        Self { steps }
    }

    /// The samples with white noise.
    pub(super) fn apply(&self, samples: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut carried = 0.0;
        let next = |(step, sample): (&Step, f64)| {
            let (white, next) = step.white(sample, carried);
            carried = next;
            white
        };
        self.steps.iter().zip(samples).map(next).collect()
    }

    /// What it does to the samples from one on.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = Step> + '_ {
        rest(&self.steps, index).iter().copied()
    }

    /// Samples of 1 with white noise, and the fading believed of each before it is seen.
    pub(super) fn lit(&self) -> (Vec<f64>, Vec<f64>) {
        let mut faded = 0.0;
        let next = |step: &Step| {
            let before = faded;
            let (white, after) = step.white(1.0, faded);
            faded = after;
            (white, before)
        };
        self.steps.iter().map(next).unzip()
    }
}

impl Step {
    /// The sample with white noise, and the fading believed of the next, given that of this one.
    pub(super) fn white(&self, sample: f64, faded: f64) -> (f64, f64) {
        let news = sample - self.light * faded;
        let next = self.keep * faded + self.learn * sample;
        (news * self.inverse, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    #[test]
    fn fading_and_receiver_noise_become_white() {
        let mut dice = Dice::new(3);
        let keep = 0.8_f64;
        let noise = Noise {
            receiver: 0.01,
            rough: 0.02,
            fading: 0.05,
            reach: -keep.ln().recip(),
        };
        let mut fading = dice.normal();
        let samples: Vec<f64> = (0..20_000)
            .map(|_| {
                fading = keep * fading + (1.0 - keep * keep).sqrt() * dice.normal();
                noise.fading * fading + noise.receiver.hypot(noise.rough) * dice.normal()
            })
            .collect();
        let one = Lit {
            light: 1.0,
            dark: 1.0,
            error: 0.0,
        };
        let lit = vec![one; samples.len()];
        let white = Whitener::new(&lit, &noise, 1.0, 1.0).apply(samples.into_iter());
        let mean = |lag: usize| {
            let pairs = white.iter().zip(white.iter().skip(lag));
            pairs.map(|(a, b)| a * b).sum::<f64>() / white.len() as f64
        };
        assert!((mean(0) - 1.0).abs() < 0.05, "{}", mean(0));
        for lag in [1, 2, 5] {
            assert!(mean(lag).abs() < 0.03, "{lag}: {}", mean(lag));
        }
    }
}
