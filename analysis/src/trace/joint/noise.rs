//! The noise of a whole trace, from what its glass leaves over: all of it passed one receiver.
//!
//! ```text
//! variance of a sample = fading² + rough² + (receiver / power)²      in nepers of power
//!                        shared   afresh in every sample
//!                        along `reach`
//! ```

use crate::trace::line::Line;
use crate::trace::product::dot;
use crate::trace::samples::{self, Trace, whole};

/// Relative power a one-way decibel.
pub(super) const POWER_A_DB: f64 = std::f64::consts::LN_10 / 5.0;

/// Noise of a sample is at least what rounding to a thousandth of a decibel makes of it.
const ROUNDING_DB: f64 = 0.000_289;

/// Glass is looked at in pieces of at most so many pulses and samples, and of at least so many.
const MOST_PULSES: f64 = 60.0;
const MOST_SAMPLES: usize = 1_500;
const FEWEST_SAMPLES: usize = 24;

/// Where samples are sparse, so many pulses and samples do.
const SPARSE_PULSES: f64 = 5.0;
const SPARSE_SAMPLES: usize = 10;

/// Samples looked at, at the most.
const MOST_LOOKED_AT: usize = 30_000;

/// Lags that tell what neighbours share, at the most.
const MOST_LAGS: usize = 8;

/// Fading of fibre and laser changes over this part of a pulse, until the trace tells.
const USUAL_REACH: f64 = 1.0 / 3.0;
const LEAST_REACH: f64 = 0.15;
const MOST_REACH: f64 = 1.5;

/// The trace tells where it is this many pulses long and neighbours share this much of the noise.
const TELLS_PULSES: f64 = 150.0;
const TELLS_SHARE: f64 = 0.2;

/// A piece that scatters so much more than the middle one of its level holds more than noise.
const ODD: f64 = 4.0;

/// Pieces count as if they scattered at least this share of what the quieter ones do.
const LEAST_SHARE: f64 = 0.5;

/// Noise of a trace; as shares of the light but for the receiver's, which is a power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    pub(super) receiver: f64,
    pub(super) rough: f64,
    pub(super) fading: f64,
    /// Metres over which fading changes.
    pub(super) reach: f64,
}

/// What one piece of glass scatters.
#[derive(Clone, Copy, Debug)]
struct Piece {
    count: f64,
    /// Its light.
    power: f64,
    /// Variance of a sample in square nepers.
    variance: f64,
    /// Covariances summed over the first lags, and over as many more.
    near: f64,
    far: f64,
}

/// How far apart samples are compared.
#[derive(Clone, Copy, Debug)]
struct Lags {
    step: usize,
    count: usize,
}

impl Lags {
    fn sum(&self, from: usize, keep: f64) -> f64 {
        let lags = (from + 1..=from + self.count).map(|k| (k * self.step) as f64);
        lags.map(|lag| keep.powf(lag)).sum()
    }
}

/// Learns the noise from stretches of glass, as samples from one to before another; none where
/// there is too little of it.
pub(super) fn learn(trace: &Trace, glass: &[[usize; 2]]) -> Option<Noise> {
    let pulse = trace.pulse().get() / trace.step_m();
    let most =
        whole(MOST_PULSES * pulse).clamp(3 * FEWEST_SAMPLES, MOST_SAMPLES.max(whole(12.0 * pulse)));
    let near = whole((USUAL_REACH * pulse).round()).max(1);
    let lags = Lags {
        step: near.div_ceil(MOST_LAGS),
        count: near / near.div_ceil(MOST_LAGS),
    };
    let cuts = glass.iter().flat_map(|[from, to]| {
        let count = to.saturating_sub(*from).div_ceil(most).max(1);
        let length = to.saturating_sub(*from) / count;
        (0..count).map(move |k| [from + k * length, from + (k + 1) * length])
    });
    let fewest = whole(SPARSE_PULSES * pulse).clamp(SPARSE_SAMPLES, FEWEST_SAMPLES);
    let cuts: Vec<[usize; 2]> = cuts.filter(|[a, b]| b - a >= fewest).collect();
    let skip = (cuts.len() * most).div_ceil(MOST_LOOKED_AT).max(1);
    let pieces: Vec<Piece> = cuts
        .iter()
        .step_by(skip)
        .filter_map(|cut| Piece::of(trace, *cut, lags))
        .collect();
    told(&usual(pieces), pulse, lags).map(|noise| Noise {
        reach: noise.reach * trace.step_m(),
        ..noise
    })
}

impl Piece {
    fn of(trace: &Trace, [from, to]: [usize; 2], lags: Lags) -> Option<Self> {
        let levels = trace.stretch(from, to);
        let line = Line::fit(levels, from)?;
        let off = |(i, level): (usize, &f64)| (level - line.at((from + i) as f64)) * POWER_A_DB;
        let rest: Vec<f64> = levels.iter().enumerate().map(off).collect();
        let count = rest.len() as f64;
        let shared =
            |lag: usize| dot(&rest, samples::rest(&rest, lag)) / (count - lag as f64).max(1.0);
        let sum = |from: usize| {
            let lags = (from + 1..=from + lags.count).map(|k| shared(k * lags.step));
            lags.sum::<f64>()
        };
        Some(Self {
            count,
            power: 10_f64.powf(line.level / 5.0),
            variance: dot(&rest, &rest) / count,
            near: sum(0),
            far: sum(lags.count),
        })
    }
}

/// The pieces without those that scatter far more than others with as much light do, as a share of the
/// light and as light: the receiver's noise is no share.
fn usual(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by(|a, b| a.power.total_cmp(&b.power));
    let odd = |k: usize, scatters: fn(&Piece) -> f64| {
        let near = pieces.get(k.saturating_sub(3)..(k + 4).min(pieces.len()));
        let mut near: Vec<f64> = near.unwrap_or_default().iter().map(scatters).collect();
        let own = pieces.get(k).map_or(f64::MAX, scatters);
        own > ODD * crate::trace::line::median(&mut near)
    };
    let share = |p: &Piece| p.variance;
    let light = |p: &Piece| p.variance * p.power.powi(2);
    (0..pieces.len())
        .filter(|k| !odd(*k, share) || !odd(*k, light))
        .filter_map(|k| pieces.get(k).copied())
        .collect()
}

/// The noise that pieces tell, its reach in samples.
fn told(pieces: &[Piece], pulse: f64, lags: Lags) -> Option<Noise> {
    let count: f64 = pieces.iter().map(|p| p.count).sum();
    let power = pieces.iter().map(|p| p.power).fold(0.0, f64::max);
    if pieces.is_empty() || power <= 0.0 {
        return None;
    }
    let mean = |weight: &dyn Fn(&Piece) -> f64, value: &dyn Fn(&Piece) -> f64| {
        let all: f64 = pieces.iter().map(weight).sum();
        pieces.iter().map(|p| weight(p) * value(p)).sum::<f64>() / all.max(f64::MIN_POSITIVE)
    };
    // A piece far quieter than the others is no glass.
    let mut all: Vec<f64> = pieces.iter().map(|p| p.variance).collect();
    let least = LEAST_SHARE * crate::trace::line::quantile(&mut all, 0.25);
    let quiet = |p: &Piece| p.count / p.variance.max(least).powi(2).max(1e-18);
    let variance = mean(&quiet, &|p| p.variance);
    let (near, far) = (mean(&quiet, &|p| p.near), mean(&quiet, &|p| p.far));
    let width = (lags.count * lags.step) as f64;
    let mut reach = USUAL_REACH * pulse;
    if count > TELLS_PULSES * pulse && near > TELLS_SHARE * variance * lags.count as f64 {
        let fallen = (far / near).clamp(1e-3, 0.98);
        reach = (-width / fallen.ln()).clamp(LEAST_REACH * pulse, MOST_REACH * pulse);
    }
    let keep = (-1.0 / reach).exp();
    let wanted = lags.sum(0, keep);
    let mut fading = (near / wanted).clamp(0.0, variance);
    // A line takes its share of what it leaves over, and shared noise more of it.
    let length = (1.0 + keep) / (1.0 - keep);
    let taken =
        |p: &Piece, fading: f64| 2.0 * ((p.variance - fading).max(0.0) + fading * length) / p.count;
    for _ in 0..3 {
        let near = mean(&quiet, &|p| p.near + taken(p, fading) * lags.count as f64);
        fading = (near / wanted).clamp(
            0.0,
            0.999 * mean(&quiet, &|p| p.variance + taken(p, fading)),
        );
    }
    let white = |p: &Piece| p.variance + taken(p, fading) - fading;
    let dim = |p: &Piece| p.count / (p.variance * p.power.powi(2)).powi(2).max(1e-300);
    let receiver = mean(&dim, &|p| white(p) * p.power.powi(2)).max(0.0);
    let rounding = (ROUNDING_DB * POWER_A_DB).powi(2);
    let rough = mean(&quiet, &|p| white(p) - receiver / p.power.powi(2)).max(rounding);
    Some(Noise {
        receiver: receiver.sqrt(),
        rough: rough.sqrt(),
        fading: fading.sqrt(),
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::samples::Settings;
    use crate::trace::synth::{Dice, Plan};

    #[test]
    fn what_is_mixed_is_told_apart() {
        let settings = Settings {
            launch: silkline_protocol::unit::OpticalLength::of(0.0),
            ..*Plan::default().trace().settings()
        };
        let blank = Trace::new(settings, vec![0.0; 20], None).unwrap();
        let pulse = blank.pulse().get() / blank.step_m();
        let mut dice = Dice::new(5);
        let keep = (-3.0 / pulse).exp();
        let (fading, receiver) = (0.004_f64, 2e-5_f64);
        let mut faded = dice.normal();
        let mut level = |i: usize, dice: &mut Dice| {
            faded = keep * faded + (1.0 - keep * keep).sqrt() * dice.normal();
            let glass = -8.0 - 10.0 * i as f64 / 30_000.0 + fading * faded / POWER_A_DB;
            let power = 10_f64.powf(glass / 5.0) + receiver * dice.normal();
            5.0 * power.log10()
        };
        let levels: Vec<f64> = (0..30_000).map(|i| level(i, &mut dice)).collect();
        let trace = Trace::new(settings, levels, None).unwrap();
        let noise = learn(&trace, &[[0, 12_000], [12_100, 30_000]]).unwrap();
        assert!((noise.fading / fading - 1.0).abs() < 0.1, "{noise:?}");
        assert!((noise.receiver / receiver - 1.0).abs() < 0.1, "{noise:?}");
        let reach = pulse / 3.0 * trace.step_m();
        assert!((noise.reach / reach - 1.0).abs() < 0.25, "{noise:?}");
    }

    #[test]
    fn dim_glass_is_kept_and_glass_with_an_event_in_it_is_not() {
        let piece = |power: f64, variance: f64| Piece {
            count: 100.0,
            power,
            variance,
            near: 0.0,
            far: 0.0,
        };
        let mut pieces: Vec<Piece> = (0..6).map(|_| piece(1.0, 1e-4)).collect();
        pieces.extend([piece(0.2, 25e-4), piece(1.01, 25e-4)]);
        let kept = usual(pieces);
        assert_eq!(kept.len(), 7);
        assert!(kept[0].power < 0.5, "{kept:?}");
    }

    #[test]
    fn too_little_glass_tells_nothing() {
        let trace = Plan::default().trace();
        assert!(learn(&trace, &[[100, 110]]).is_none());
        assert!(learn(&trace, &[]).is_none());
    }

    #[test]
    fn sparse_samples_tell_in_short_glass() {
        let plan = Plan {
            pulse_ns: 10_000.0,
            step_m: 400.0,
            range_m: 100_000.0,
            end_m: 90_000.0,
            ..Plan::default()
        };
        let trace = plan.trace();
        let glass = [[10, 24], [30, 44], [50, 63]];
        let noise = learn(&trace, &glass).unwrap();
        let all = noise.fading.hypot(noise.rough) / POWER_A_DB;
        assert!((0.4..2.0).contains(&(all / plan.roughness_db)), "{noise:?}");
        let dense = Plan::default().trace();
        assert!(learn(&dense, &glass).is_none());
    }
}
