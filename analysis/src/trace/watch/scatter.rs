//! A good shot's noise, sample by sample, and which part of it is the receiver's.

use super::Watch;
use super::modes::{amplitude, cosine};
use super::spread::without_line;
use crate::trace::samples::cut;

/// One-way decibels that light falls by for each part of it that is missing, while that is small.
const DB_A_PART: f64 = 5.0 / std::f64::consts::LN_10;

impl Watch {
    /// A good shot's samples less the mean of all, its line and slow noise taken off, in deviations
    /// of their bins; `fall` is its bins', scaled by `own_part`.
    pub(super) fn in_sigmas(&self, power: &[f64], (fall, own_part): (&[f64], f64)) -> Vec<f64> {
        let (bins, sigma) = (&self.bins, &self.spread.sigma);
        let (rest, _) = without_line(fall, bins);
        let white: Vec<f64> = rest.iter().zip(sigma).map(|(r, s)| r / s).collect();
        let mut slow = vec![0.0; white.len()];
        for (k, extra) in (1..).zip(&self.spread.extra) {
            let strength = extra / (1.0 + extra) * amplitude(&white, k);
            cosine(k, white.len(), |bin, c| {
                if let Some(slow) = slow.get_mut(bin) {
                    *slow += strength * c;
                }
            });
        }
        let root = (bins.size as f64).sqrt();
        let bin = |((fall, rest), (sigma, slow)): ((&f64, &f64), (&f64, &f64))| {
            // What a sample would be without noise: the bin's line and slow part.
            (fall - rest + slow * sigma, sigma * root)
        };
        let expected = fall.iter().zip(&rest).zip(sigma.iter().zip(&slow));
        let expected = expected.map(bin).enumerate();
        let mut samples = Vec::with_capacity(bins.to() - bins.from);
        for (k, (under, sigma)) in expected {
            let (from, to) = (bins.start(k), bins.start(k + 1));
            // Against the mean of all a shot falls by less than against the others.
            let lit = 10_f64.powf(under * own_part / 5.0);
            let pairs = cut(power, from, to).iter().zip(cut(&self.power, from, to));
            samples.extend(pairs.map(|(own, mean)| {
                let part = if *mean > 0.0 { own / mean * lit } else { 1.0 };
                (1.0 - part) * DB_A_PART / own_part / sigma
            }));
        }
        samples
    }

    /// Which part of each bin's variance is the receiver's noise, which does not fade with the light.
    pub(super) fn receiver_part(&self) -> Vec<f64> {
        let size = self.bins.size as f64;
        let sums = self.bins.sums(&self.power);
        let part = |(sum, sigma): (&f64, &f64)| {
            let own = DB_A_PART * self.dark * size.sqrt() / sum.max(f64::MIN_POSITIVE);
            (own / sigma).powi(2).min(1.0)
        };
        sums.iter().zip(&self.spread.sigma).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::Watch;
    use crate::trace::synth::Plan;

    #[test]
    fn the_receivers_part_of_the_noise_grows_as_the_light_fades() {
        let shot = |seed: u64| {
            Plan {
                seed: seed * 1_000_003,
                ..Plan::default()
            }
            .trace()
        };
        let watch = Watch::learn(&(0..6).map(shot).collect::<Vec<_>>()).unwrap();
        let part = watch.receiver_part();
        let (near, far) = (part[part.len() / 8], part[part.len() * 7 / 8]);
        assert!(near < far && far <= 1.0, "{near} {far}");
    }
}
