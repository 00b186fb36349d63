//! How much of what neighbours share is the receiver's, and how much the glass's.
//!
//! A receiver's noise grows in decibels as light fades, the glass's own unevenness does not. Near the
//! panel the mean of many points strays by what the glass does, near the end by what the receiver does,
//! and the two share differently between neighbours: one factor for a whole trace is too small where it
//! begins and too large where it ends.

use super::grid::Noise;
use crate::trace::line::quantile;

/// How far something strays, in units of the noise of a point, and one over the square of that noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Stray {
    pub(super) size: f64,
    pub(super) inverse: f64,
}

/// The share of sizes that is believed.
const SHARE: f64 = 0.30;

/// Fewer in either half say nothing.
const FEWEST: usize = 12;

/// Noise that varies by less says nothing: the ratio of squares between the halves.
const LEAST_SPREAD: f64 = 1.5;

/// So many deviations of their ratio must tell the halves apart; each half of `n` is known to
/// `1.6 / √n` by that quantile.
const SURE: f64 = 1.5;
const KNOWN: f64 = 1.6;

/// Halvings of the unknown's logarithm, between shares of the noise that are next to none and all.
const HALVINGS: usize = 14;
const NEXT_TO_NONE: f64 = 0.05;
const ALL: f64 = 300.0;

/// The variance that the glass adds for each part of the receiver's: what makes the quieter half of a
/// trace stray as far as the other, in square decibels. None where nothing tells.
pub(super) fn glass(all: &[Stray]) -> f64 {
    let mut inverses: Vec<f64> = all.iter().map(|stray| stray.inverse).collect();
    let middle = quantile(&mut inverses, 0.5);
    let (quiet, loud): (Vec<Stray>, Vec<Stray>) =
        all.iter().partition(|stray| stray.inverse > middle);
    let fewest = quiet.len().min(loud.len());
    let typical = |part: &[Stray]| {
        quantile(
            &mut part.iter().map(|s| s.inverse).collect::<Vec<f64>>(),
            0.5,
        )
    };
    let (high, low) = (typical(&quiet), typical(&loud));
    if fewest < FEWEST || high < LEAST_SPREAD * low {
        return 0.0;
    }
    let doubt = 1.0 + SURE * KNOWN * (2.0 / fewest as f64).sqrt();
    let ratio = |glass: f64| spread(&quiet, glass) / spread(&loud, glass).max(1e-12);
    if ratio(0.0) < doubt {
        return 0.0;
    }
    let (mut least, mut most) = ((NEXT_TO_NONE / high).ln(), (ALL / low).ln());
    for _ in 0..HALVINGS {
        let between = f64::midpoint(least, most);
        if ratio(between.exp()) > 1.0 {
            least = between;
        } else {
            most = between;
        }
    }
    f64::midpoint(least, most).exp()
}

/// So much of it that what is `believed` of white noise is left for the receiver's at the least: means
/// of many stray no less than white noise lets them.
pub(super) fn at_most(all: &[Stray], glass: f64, believed: impl Fn(&mut [f64]) -> f64) -> f64 {
    let left = |glass: f64| believed(&mut scaled(all, glass).collect::<Vec<f64>>());
    if glass <= 0.0 || left(glass) >= 1.0 {
        return glass;
    }
    let (mut least, mut most) = (0.0, glass);
    for _ in 0..HALVINGS {
        let between = f64::midpoint(least, most);
        if left(between) > 1.0 {
            least = between;
        } else {
            most = between;
        }
    }
    least
}

/// What is believed of how far they stray where glass adds so much.
pub(super) fn spread(part: &[Stray], glass: f64) -> f64 {
    let mut sizes: Vec<f64> = if glass > 0.0 {
        scaled(part, glass).collect()
    } else {
        part.iter().map(|stray| stray.size).collect()
    };
    quantile(&mut sizes, SHARE)
}

/// Sizes in units of noise to which glass adds so much.
pub(super) fn scaled(part: &[Stray], glass: f64) -> impl Iterator<Item = f64> + '_ {
    let scale = move |stray: &Stray| stray.size / (1.0 + glass * stray.inverse).sqrt();
    part.iter().map(scale)
}

/// Noise of which the receiver's part is so much larger than that of a point, with what the glass adds
/// to each part of it.
pub(super) fn noise(factor: f64, glass: f64, single: f64) -> Noise {
    Noise {
        factor,
        glass: factor * glass.sqrt(),
        single,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Strays of white noise of one part and of glass beside it, the receiver's growing tenfold in
    /// deviation along the trace from 0.01 dB.
    fn strays(glass_db: f64, count: u32, seed: u64) -> Vec<Stray> {
        let mut dice = Dice::new(seed);
        let stray = |i: u32| {
            let sigma = 0.01 * 10_f64.powf(f64::from(i) / f64::from(count));
            Stray {
                size: (dice.normal() * sigma.hypot(glass_db) / sigma).abs(),
                inverse: sigma.powi(-2),
            }
        };
        (0..count).map(stray).collect()
    }

    #[test]
    fn what_glass_adds_is_told_from_where_the_receiver_is_quiet() {
        for seed in 1..20 {
            let found = glass(&strays(0.05, 800, seed)).sqrt();
            assert!((0.03..0.08).contains(&found), "seed {seed}: {found}");
        }
    }

    #[test]
    fn a_receiver_alone_has_none_of_it() {
        let told = (1..60).filter(|seed| glass(&strays(0.0, 400, *seed)) > 0.0);
        let told = told.count();
        assert!(told <= 8, "{told} of 59");
    }

    #[test]
    fn even_noise_and_few_strays_tell_nothing() {
        let even = strays(0.0, 400, 1);
        let even: Vec<Stray> = even.iter().map(|s| Stray { inverse: 1e4, ..*s }).collect();
        assert!(glass(&even) <= 0.0);
        assert!(glass(&strays(0.05, 20, 1)) <= 0.0);
    }

    #[test]
    fn no_more_is_the_glass_s_than_leaves_white_noise_to_the_receiver() {
        let all = strays(0.03, 2_000, 3);
        let believed = |sizes: &mut [f64]| quantile(sizes, SHARE) / 0.385_3;
        let most = at_most(&all, 1.0, believed);
        assert!((0.02..0.045).contains(&most.sqrt()), "{}", most.sqrt());
        let left = believed(&mut scaled(&all, most).collect::<Vec<f64>>());
        assert!((left - 1.0).abs() < 0.01, "{left}");
        assert!(at_most(&all, 0.0, believed) <= 0.0);
    }
}
