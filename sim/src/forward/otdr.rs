//! The physics of a shot: launched pulse → light that comes back → what the receiver makes of it.
//!
//! # Source
//!
//! Backscatter of a rectangular pulse: D. Derickson (ed.), *Fiber Optic Test and Measurement*, ch. 11.
//! Levels are relative to the launched peak power; "one-way" decibels are half of the round trip's.

use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, GroupIndex, LIGHT_M_PER_S, Nanometres, OpticalLength};

use super::fibre::{Fibre, Joint};
use crate::chance::Seed;

/// The backscatter coefficient instruments assume at 1550 nm, in decibels at one nanosecond.
pub(super) const ASSUMED_BACKSCATTER_DB: f64 = -81.5;
/// The most samples a shot takes.
const MOST_SAMPLES: f64 = 200_000.0;
/// As many samples as [`Shot::of`] asks for at the most.
const USUAL_SAMPLES: f64 = 65_000.0;
/// The receiver is followed in steps of this part of its time constant, or of a pulse.
const FINEST: f64 = 0.125;
/// The raw sample that stands for "no power".
const NO_POWER: u16 = u16::MAX;

/// What an instrument can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instrument {
    /// One-way loss at which signal and noise are equal, with a pulse of 1 µs and 180 s.
    pub dynamic_range: Db,
    /// Receiver bandwidth times pulse width: 0.35 to 0.5.
    pub bandwidth: f64,
    /// How far above the backscatter at the panel the receiver clips, one way.
    pub headroom: Db,
    /// Standard deviation of the fading that belongs to fibre and laser, one way.
    pub fading: Db,
    /// How much of a reflection lingers behind it, as a ratio of powers.
    pub tail: f64,
    /// Standard deviation of the trigger.
    pub jitter: OpticalLength,
}

impl Default for Instrument {
    fn default() -> Self {
        Self {
            dynamic_range: Db::of(33.0),
            bandwidth: 0.45,
            headroom: Db::of(8.0),
            fading: Db::of(0.012),
            tail: 3e-4,
            jitter: OpticalLength::of(0.3),
        }
    }
}

/// The settings of one acquisition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shot {
    /// Pulse width in nanoseconds.
    pub pulse_ns: u16,
    /// Averaging time in seconds.
    pub average_s: u16,
    /// Glass between samples.
    pub spacing: OpticalLength,
    /// How far to look.
    pub range: OpticalLength,
    /// Glass between panel and node: the file's zero lies behind it.
    pub launch: OpticalLength,
    /// What turns time into length.
    pub group_index: GroupIndex,
    /// Colour of the light.
    pub wavelength: Nanometres,
    /// When, by the instrument's clock.
    pub taken: Timestamp,
    /// What belongs to this shot alone: noise and trigger.
    pub noise: Seed,
    /// What belongs to the fibre and the laser: fading, the same in every shot.
    pub grain: Seed,
}

impl Shot {
    /// A shot of a fibre of `length`, sampled as finely as pulse and memory allow.
    #[must_use]
    pub fn of(length: OpticalLength, pulse_ns: u16, average_s: u16) -> Self {
        let range = OpticalLength::of((length.get() * 1.25 + 2_000.0).min(250_000.0));
        let pulse_m = pulse_length_m(pulse_ns, GroupIndex::AT_1550);
        let finest = (pulse_m / 40.0).max(range.get() / USUAL_SAMPLES);
        Self {
            pulse_ns,
            average_s,
            spacing: OpticalLength::of(finest),
            range,
            launch: OpticalLength::default(),
            group_index: GroupIndex::AT_1550,
            wavelength: Nanometres::of(1_550.0),
            taken: Timestamp::EPOCH,
            noise: Seed(0),
            grain: Seed(0),
        }
    }

    pub(super) fn samples(&self) -> u32 {
        let count = (self.range.get() / self.spacing.get().max(1e-3)).clamp(16.0, MOST_SAMPLES);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 16 and 200 000 by the line above"
        )]
        let whole = count.ceil() as u32;
        whole
    }
}

/// A finished acquisition.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its settings.
    pub shot: Shot,
    /// Samples from the panel on, in thousandths of a decibel below the receiver's limit, one way.
    pub raw: Vec<u16>,
    /// The level at which signal and noise are equal, in decibels below that limit: negative.
    pub floor: Db,
}

/// Shoots into `fibre`.
#[must_use]
pub fn shoot(fibre: &Fibre, instrument: &Instrument, shot: &Shot) -> Trace {
    let pulse_m = pulse_length_m(shot.pulse_ns, shot.group_index);
    let light = Light::of(fibre, f64::from(shot.pulse_ns), pulse_m);
    let receiver = Receiver {
        reach_m: pulse_m / (core::f64::consts::TAU * instrument.bandwidth),
        pulse_m,
        tail: instrument.tail,
    };
    let mut noise = shot.noise.draws("receiver");
    let first_m = noise.normal(instrument.jitter.get());
    let positions: Vec<f64> = (0..shot.samples())
        .map(|sample| first_m + f64::from(sample) * shot.spacing.get())
        .collect();
    let mut powers = receiver.smoothed(&light, &positions, shot.spacing.get());
    fade(&mut powers, instrument.fading, shot, pulse_m);
    receiver.add_reflections(&light, &positions, &mut powers);

    let start = 10_f64.powf(ASSUMED_BACKSCATTER_DB / 10.0) * f64::from(shot.pulse_ns);
    let range_db = instrument.dynamic_range.get()
        + 7.5 * (f64::from(shot.pulse_ns) / 1_000.0).log10()
        + 2.5 * (f64::from(shot.average_s.max(1)) / 180.0).log10();
    let sigma = start * 10_f64.powf(-range_db / 5.0);
    let limit = start * 10_f64.powf(instrument.headroom.get() / 5.0);
    let raw = powers
        .iter()
        .map(|power| sample(power + noise.normal(sigma), limit))
        .collect();
    let floor = Db::of(-range_db - instrument.headroom.get());
    Trace {
        shot: *shot,
        raw,
        floor,
    }
}

/// How long a pulse is on the trace, in metres: light goes there and back.
fn pulse_length_m(pulse_ns: u16, index: GroupIndex) -> f64 {
    f64::from(pulse_ns) * 1e-9 * LIGHT_M_PER_S / index.get() / 2.0
}

/// One sample as the file holds it.
fn sample(power: f64, limit: f64) -> u16 {
    if power <= 0.0 {
        return NO_POWER;
    }
    let below = (-5_000.0 * (power / limit).log10()).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of u16 before; never NaN for a positive power"
    )]
    let raw = below.clamp(0.0, f64::from(NO_POWER)) as u16;
    raw
}

/// Multiplies by the interference pattern of fibre and laser, smooth over a third of a pulse.
fn fade(powers: &mut [f64], sigma: Db, shot: &Shot, pulse_m: f64) {
    let mut chance = shot.grain.draws("fading");
    let keep = (-shot.spacing.get() / (pulse_m / 3.0)).exp();
    let fresh = sigma.get() * (1.0 - keep * keep).sqrt();
    let mut db = chance.normal(sigma.get());
    for power in powers {
        *power *= 10_f64.powf(db / 5.0);
        db = keep * db + chance.normal(fresh);
    }
}

/// Where a part begins, and what the light there is like.
struct Start {
    at_m: f64,
    /// Backscatter sent back here per metre of pulse, relative to the launched power.
    density: f64,
    /// By how much it falls per metre: two ways.
    fall_per_m: f64,
    /// The density added up from the panel to here.
    sum: f64,
}

/// The light that comes back, before the receiver.
struct Light {
    parts: Vec<Start>,
    /// Place and power of every reflection, and of the images they make of one another.
    reflections: Vec<(f64, f64)>,
    end_m: f64,
    pulse_m: f64,
}

impl Light {
    fn of(fibre: &Fibre, pulse_ns: f64, pulse_m: f64) -> Self {
        let mut light = Self {
            parts: Vec::with_capacity(fibre.parts.len()),
            reflections: Vec::new(),
            end_m: 0.0,
            pulse_m,
        };
        let mut lost_db = 0.0;
        let mut sum = 0.0;
        let images = fibre.images();
        light.pass(fibre.panel, &mut lost_db);
        for part in &fibre.parts {
            let density =
                10_f64.powf((part.backscatter.get() - 2.0 * lost_db) / 10.0) * pulse_ns / pulse_m;
            let fall_per_m =
                2.0 * part.attenuation.get() / 1_000.0 * core::f64::consts::LN_10 / 10.0;
            let start = Start {
                at_m: light.end_m,
                density,
                fall_per_m,
                sum,
            };
            sum = start.sum_to(part.length.get());
            light.parts.push(start);
            lost_db += (part.attenuation * part.length).get();
            light.end_m += part.length.get();
            light.pass(part.then, &mut lost_db);
        }
        let power = |db: Db| 10_f64.powf(db.get() / 10.0);
        let images = images
            .iter()
            .map(|image| (image.at.get(), power(image.level)));
        light.reflections.extend(images);
        light
    }

    fn pass(&mut self, joint: Joint, lost_db: &mut f64) {
        if let Some(reflectance) = joint.reflectance {
            let power = 10_f64.powf((reflectance.get() - 2.0 * *lost_db) / 10.0);
            self.reflections.push((self.end_m, power));
        }
        *lost_db += joint.loss.get();
    }

    /// Backscatter that arrives from `at_m`, while the pulse fills the glass behind it.
    fn backscatter(&self, at_m: f64) -> f64 {
        self.sum_to(at_m) - self.sum_to(at_m - self.pulse_m)
    }

    fn sum_to(&self, at_m: f64) -> f64 {
        let at_m = at_m.min(self.end_m);
        let next = self.parts.partition_point(|part| part.at_m < at_m);
        let part = next.checked_sub(1).and_then(|last| self.parts.get(last));
        part.map_or(0.0, |part| part.sum_to(at_m - part.at_m))
    }
}

impl Start {
    fn sum_to(&self, metres: f64) -> f64 {
        let fall = self.fall_per_m * metres;
        let mean = if fall < 1e-9 {
            metres
        } else {
            -(-fall).exp_m1() / self.fall_per_m
        };
        self.sum + self.density * mean
    }
}

/// A receiver with one pole, `reach_m` its time constant as a length on the trace.
struct Receiver {
    reach_m: f64,
    pulse_m: f64,
    tail: f64,
}

impl Receiver {
    /// Backscatter behind the receiver: the exact answer of one pole to straight lines between
    /// places close enough together for the ramps of a pulse.
    fn smoothed(&self, light: &Light, positions: &[f64], spacing_m: f64) -> Vec<f64> {
        let parts = (spacing_m / (FINEST * self.reach_m.min(self.pulse_m))).ceil();
        let parts = parts.clamp(1.0, 256.0);
        let fine_m = spacing_m / parts;
        let step = fine_m / self.reach_m;
        let keep = (-step).exp();
        let mean = -(-step).exp_m1() / step;
        let (mut before, mut out) = (0.0, 0.0);
        let mut next = |at_m: &f64| {
            let mut back = parts - 1.0;
            while back >= 0.0 {
                let here = light.backscatter(at_m - back * fine_m);
                out = keep * out + (1.0 - mean) * here + (mean - keep) * before;
                before = here;
                back -= 1.0;
            }
            out
        };
        positions.iter().map(&mut next).collect()
    }

    fn add_reflections(&self, light: &Light, positions: &[f64], powers: &mut [f64]) {
        let lingers_m = 6.0 * self.pulse_m;
        for (at_m, power) in &light.reflections {
            let first = positions.partition_point(|position| position < at_m);
            let last = at_m + self.pulse_m + 12.0 * lingers_m;
            let reached = positions.iter().zip(powers.iter_mut()).skip(first);
            for (position, sum) in reached.take_while(|(position, _)| **position < last) {
                let behind = position - at_m;
                *sum += power
                    * (self.pulse(behind, self.reach_m) * (1.0 - self.tail)
                        + self.tail * self.pulse(behind, lingers_m));
            }
        }
    }

    /// A rectangular pulse behind one pole with time constant `reach_m`.
    fn pulse(&self, behind_m: f64, reach_m: f64) -> f64 {
        let risen = |metres: f64| -(-metres.max(0.0) / reach_m).exp_m1();
        risen(behind_m) - risen(behind_m - self.pulse_m)
    }
}

#[cfg(test)]
mod tests;
