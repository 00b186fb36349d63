//! What instruments do to their samples and files beside measuring.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use silkline_analysis::trace::{Settings, Trace};
use silkline_protocol::unit::{Db, GroupIndex};
use silkline_sim::forward::{self, Labels};

use crate::draw::Case;

/// One thing an instrument does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Nothing beside the forward model.
    None,
    /// Means of decibels over so many pulses.
    SmoothDb(f64),
    /// A Gaussian in power, of so many pulses: light whose pulse is no rectangle.
    Round(f64),
    /// The file tells so many times the pulse.
    ToldPulse(f64),
    /// Levels rounded to so many decibels.
    Coarse(f64),
    /// Every so many samples kept and straight lines drawn between.
    Interpolated(usize),
    /// Every so many samples kept and repeated.
    Stairs(usize),
    /// Polarisation: a ripple of so many decibels.
    Ripple(f64),
    /// Light lingers in the receiver: such a share of it.
    Lingers(f64),
    /// The dark stands on so many deviations of its noise.
    Offset(f64),
    /// All below so many deviations of the noise is "no light".
    CutOff(f64),
    /// The receiver overshoots: behind each fall of light it shows so much less for a pulse.
    Overshoots(f64),
    /// Decibels averaged the farther the dimmer: over so many pulses where noise is a tenth of the light.
    Dimmer(f64),
    /// Another gain from a third and from two thirds of the light's range on: each so many decibels off,
    /// with a tenth of that more noise.
    Stitched(f64),
    /// The panel blinds the receiver over so many metres; a sixth of that is where a third of its light is left.
    Blinded(f64),
    /// The first so many samples hold no light.
    DeadStart(usize),
    /// No threshold, a coefficient that is none, group index 1.
    Settings,
}

impl Effect {
    pub(crate) const ALL: [(&'static str, Self); 26] = [
        ("none", Self::None),
        ("decibels averaged over 0.3 pulses", Self::SmoothDb(0.3)),
        ("decibels averaged over 1 pulse", Self::SmoothDb(1.0)),
        ("a round pulse, 0.2", Self::Round(0.2)),
        ("a round pulse, 0.5", Self::Round(0.5)),
        ("the file tells twice the pulse", Self::ToldPulse(2.0)),
        ("the file tells half of the pulse", Self::ToldPulse(0.5)),
        ("levels rounded to 0.01 dB", Self::Coarse(0.01)),
        ("levels rounded to 0.05 dB", Self::Coarse(0.05)),
        ("every fourth sample, lines between", Self::Interpolated(4)),
        ("every fourth sample, stairs", Self::Stairs(4)),
        ("ripple of 0.01 dB", Self::Ripple(0.01)),
        ("ripple of 0.03 dB", Self::Ripple(0.03)),
        ("0.01 % of light lingers", Self::Lingers(1e-4)),
        ("0.1 % of light lingers", Self::Lingers(1e-3)),
        ("the dark is raised by 1 σ", Self::Offset(1.0)),
        ("the dark is lowered by 1 σ", Self::Offset(-1.0)),
        ("no light below 2 σ", Self::CutOff(2.0)),
        ("overshoots by 1 %", Self::Overshoots(0.01)),
        ("averaged over 0.3 pulses where dim", Self::Dimmer(0.3)),
        ("averaged over 1 pulse where dim", Self::Dimmer(1.0)),
        ("gains stitched 0.02 dB off", Self::Stitched(0.02)),
        ("gains stitched 0.1 dB off", Self::Stitched(0.1)),
        ("the panel blinds for 30 m", Self::Blinded(30.0)),
        ("20 dead samples at the start", Self::DeadStart(20)),
        ("settings that say nothing", Self::Settings),
    ];

    /// The trace with it.
    pub(crate) fn done_to(self, case: &Case, shot: &forward::Trace) -> Option<Trace> {
        let sor = silkline_sor::read(&shot.sor(&Labels::default())).ok()?;
        let trace = Trace::from_sor(&sor).ok()?;
        let mut settings = *trace.settings();
        let pulse = case.pulse_m / case.shot.spacing.get();
        let sigma = power(shot.floor.get());
        let powers = uncut(trace.levels(), sigma, case.shot.noise.0);
        let levels: Vec<f64> = match self {
            Self::None => trace.levels().to_vec(),
            Self::SmoothDb(pulses) => averaged(trace.levels(), pulses * pulse),
            Self::Round(pulses) => to_db(&rounded(&powers, pulses * pulse)),
            Self::ToldPulse(times) => {
                settings.pulse_ns *= times;
                trace.levels().to_vec()
            }
            Self::Coarse(step) => {
                let coarse = |db: &f64| (db / step).round() * step;
                trace.levels().iter().map(coarse).collect()
            }
            Self::Interpolated(every) => kept(trace.levels(), every, true),
            Self::Stairs(every) => kept(trace.levels(), every, false),
            Self::Ripple(db) => rippled(trace.levels(), db, pulse, case.shot.noise.0),
            Self::Lingers(share) => to_db(&lingering(&powers, share, case.shot.spacing.get())),
            Self::Offset(sigmas) => {
                let raised: Vec<f64> = powers.iter().map(|p| p + sigmas * sigma).collect();
                to_db(&raised)
            }
            Self::CutOff(sigmas) => {
                let cut = |p: &f64| if *p < sigmas * sigma { 0.0 } else { *p };
                to_db(&powers.iter().map(cut).collect::<Vec<f64>>())
            }
            Self::Overshoots(share) => to_db(&overshot(&powers, share, pulse)),
            Self::Dimmer(pulses) => dimmer(trace.levels(), pulses * pulse, shot.floor.get()),
            Self::Stitched(db) => stitched(trace.levels(), db, shot.floor.get(), case.shot.noise.0),
            Self::Blinded(metres) => to_db(&blinded(&powers, metres / case.shot.spacing.get())),
            Self::DeadStart(samples) => {
                let mut levels = trace.levels().to_vec();
                let dead = samples.min(levels.len());
                levels[..dead].fill(NO_LIGHT_DB);
                levels
            }
            Self::Settings => {
                settings = Settings {
                    loss_threshold: Some(Db::of(0.0)),
                    backscatter: None,
                    group_index: GroupIndex::of(1.0),
                    wavelength: None,
                    ..settings
                };
                trace.levels().to_vec()
            }
        };
        let file = |db: f64| ((db * 1_000.0).round() / 1_000.0).max(NO_LIGHT_DB);
        let levels = levels.into_iter().map(file).collect();
        Trace::new(settings, levels, Some(Db::of(NO_LIGHT_DB))).ok()
    }
}

impl Effect {
    /// Metres from the panel of which the samples say nothing.
    pub(crate) const fn hides_m(self) -> f64 {
        match self {
            Self::Blinded(metres) => 3.0 * metres,
            _ => 0.0,
        }
    }
}

/// Metres over which a receiver's stores empty.
const STORES_M: [f64; 2] = [40.0, 250.0];

/// The lowest level of a file.
const NO_LIGHT_DB: f64 = -65.535;

/// Powers, with noise below zero where the file says "no light".
fn uncut(levels: &[f64], sigma: f64, seed: u64) -> Vec<f64> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut below = || {
        let radius = (-2.0 * dice.random::<f64>().max(1e-300).ln()).sqrt();
        -sigma * (radius * (core::f64::consts::TAU * dice.random::<f64>()).cos()).abs()
    };
    let one = |db: &f64| match power(*db) {
        0.0 => below(),
        power => power,
    };
    levels.iter().map(one).collect()
}

fn power(db: f64) -> f64 {
    if db <= NO_LIGHT_DB {
        0.0
    } else {
        10_f64.powf(db / 5.0)
    }
}

fn to_db(powers: &[f64]) -> Vec<f64> {
    let db = |power: &f64| 5.0 * power.max(1e-30).log10();
    powers.iter().map(db).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few samples"
)]
fn whole(samples: f64) -> usize {
    samples.round().max(0.0) as usize
}

/// Means over so many samples.
fn averaged(values: &[f64], samples: f64) -> Vec<f64> {
    let half = whole(samples / 2.0);
    let near = |i: usize| &values[i.saturating_sub(half)..(i + half + 1).min(values.len())];
    let mean = |i: usize| near(i).iter().sum::<f64>() / near(i).len() as f64;
    (0..values.len()).map(mean).collect()
}

/// Nearly a Gaussian with a deviation of so many samples.
fn rounded(values: &[f64], samples: f64) -> Vec<f64> {
    let width = samples * 2.0;
    averaged(&averaged(&averaged(values, width), width), width)
}

fn kept(values: &[f64], every: usize, lines: bool) -> Vec<f64> {
    let at = |i: usize| values[i.min(values.len() - 1)];
    let one = |i: usize| {
        let (first, share) = (i - i % every, (i % every) as f64 / every as f64);
        let rise = if lines {
            at(first + every) - at(first)
        } else {
            0.0
        };
        at(first) + share * rise
    };
    (0..values.len()).map(one).collect()
}

/// Two periods of some tens of pulses that drift against each other.
fn rippled(values: &[f64], db: f64, pulse: f64, seed: u64) -> Vec<f64> {
    let phase = (seed % 1_000) as f64 / 159.0;
    let period = |pulses: f64| core::f64::consts::TAU / (pulses * pulse);
    let ripple = |i: usize| {
        let x = i as f64;
        (x * period(17.0) + phase).sin() + (x * period(41.0) + 2.0 * phase).sin()
    };
    let one = |(i, level): (usize, &f64)| level + db * ripple(i);
    values.iter().enumerate().map(one).collect()
}

/// Light adds to stores that empty over so many metres whatever the pulse: a receiver's own times.
fn lingering(powers: &[f64], share: f64, step_m: f64) -> Vec<f64> {
    let mut stores = [0.0; 2];
    let one = |power: &f64| {
        for (store, metres) in stores.iter_mut().zip(STORES_M) {
            *store += (power - *store) * -(-step_m / metres).exp_m1();
        }
        power + share * stores.iter().sum::<f64>()
    };
    powers.iter().map(one).collect()
}

/// Less light by a share of what came over the last pulse, more than the mean.
fn overshot(powers: &[f64], share: f64, pulse: f64) -> Vec<f64> {
    let mut mean = powers.first().copied().unwrap_or_default();
    let one = |power: &f64| {
        mean += (power - mean) / (3.0 * pulse).max(1.0);
        power + share * (power - mean)
    };
    powers.iter().map(one).collect()
}

/// Means of decibels over lengths that grow as noise does, up to so many samples where it is a tenth of
/// the light.
fn dimmer(levels: &[f64], samples: f64, floor_db: f64) -> Vec<f64> {
    let rough = averaged(levels, samples);
    let own = |(i, level): (usize, &f64)| {
        let noise = 10.0 * power(floor_db) / power(*level).max(1e-30);
        let half = whole(samples / 2.0 * noise.min(1.0));
        let near = &levels[i.saturating_sub(half)..(i + half + 1).min(levels.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    rough.iter().enumerate().map(own).collect()
}

/// Levels lower and noisier from where a third, and two thirds, of the way from the first light to the noise
/// is gone.
fn stitched(levels: &[f64], db: f64, floor_db: f64, seed: u64) -> Vec<f64> {
    let top = levels.iter().take(200).copied().fold(floor_db, f64::max);
    let below = |share: f64| {
        let limit = top + share * (floor_db - top);
        let held = levels
            .windows(20)
            .position(|near| near.iter().all(|level| *level < limit));
        held.unwrap_or(levels.len())
    };
    let stages = [below(1.0 / 3.0), below(2.0 / 3.0)];
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut one = |(i, level): (usize, &f64)| {
        let stage = stages.iter().filter(|from| i >= **from).count() as f64;
        // A sum of twelve is nearly normal.
        let noise = (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
        level - db * stage + 0.1 * db * stage * noise
    };
    levels.iter().enumerate().map(&mut one).collect()
}

/// The brightest there is over so many samples, and what dies away behind.
fn blinded(powers: &[f64], samples: f64) -> Vec<f64> {
    let one = |(i, power): (usize, &f64)| {
        let gone = (i as f64 / samples - 1.0) * 6.0;
        (power + (-gone).exp()).min(1.0)
    };
    powers.iter().enumerate().map(one).collect()
}
