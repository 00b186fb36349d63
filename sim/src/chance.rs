//! Seeded randomness: every draw follows from a seed and a name, so that a run can be repeated and
//! that adding one draw somewhere changes nothing elsewhere.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What every random choice of a run follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub u64);

/// A stream of draws.
pub(crate) struct Chance(ChaCha8Rng);

impl Seed {
    /// The draws called `name`: another name gives other draws.
    pub(crate) fn draws(self, name: &str) -> Chance {
        Chance(ChaCha8Rng::seed_from_u64(self.hash(name.bytes())))
    }

    /// The draws called `name` at a moment or for a row: cheap enough for one reading each.
    pub(crate) fn draws_at(self, name: &str, tick: u64) -> Chance {
        Chance(ChaCha8Rng::seed_from_u64(
            self.hash(name.bytes().chain(tick.to_le_bytes())),
        ))
    }

    /// FNV-1a, 64 bits: unlike std's hasher it is the same in every release.
    pub(crate) fn hash(self, bytes: impl Iterator<Item = u8>) -> u64 {
        let start = 0xcbf2_9ce4_8422_2325;
        let all = self.0.to_le_bytes().into_iter().chain(bytes);
        all.fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

impl Chance {
    /// A number between `low` and `high`, all alike.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// A whole number from `low` to below `high`.
    pub(crate) fn whole(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..high.max(low + 1))
    }

    /// Whether something happens that happens with probability `p`.
    pub(crate) fn happens(&mut self, p: f64) -> bool {
        self.0.random::<f64>() < p
    }

    /// A normal draw with mean 0 and standard deviation `sigma`, by Box and Muller.
    pub(crate) fn normal(&mut self, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt();
        sigma * radius * (core::f64::consts::TAU * self.0.random::<f64>()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_draw_the_same() {
        let draw = |seed: u64, name| Seed(seed).draws(name).between(0.0, 1.0).to_bits();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        let at = |tick| Seed(1).draws_at("a", tick).between(0.0, 1.0).to_bits();
        assert_ne!(at(0), at(1));
    }

    #[test]
    fn normal_draws_have_the_asked_spread() {
        let mut chance = Seed(7).draws("spread");
        let draws: Vec<f64> = (0..20_000).map(|_| chance.normal(3.0)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Standard errors: 3/√20000 = 0.021 for the mean, 9·√(2/20000) = 0.09 for the variance.
        assert!(mean.abs() < 0.1, "{mean}");
        assert!((variance - 9.0).abs() < 0.4, "{variance}");
    }
}
