//! Reflections: known ones that changed, and new ones.
//!
//! A known reflection is measured as the power it adds, relative to the glass before it, so that
//! neither the launch nor a loss ahead of it counts. A cut-off peak tells nothing and is left out.

mod sampled;

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::Db;

use self::sampled::{Sampled, Top};
use super::bins::Bins;
use super::find::ZERO;
use super::steps::Step;
use crate::trace::event::{Event, EventKind};
use crate::trace::line::median;
use crate::trace::samples::{Trace, cut, whole};

/// Connectors breathe: what a reflection is believed to vary by, in decibels, before any shot, and
/// what that counts for in shots.
const BREATHES_DB: f64 = 0.4;
const BREATHES_SHOTS: f64 = 2.0;

/// A reflection must change by this many deviations.
const LEAST_SIGMAS: f64 = 7.0;

/// And by this much, in decibels.
const LEAST_DB: f64 = 1.0;

/// The fastest receivers' time constant, in pulses.
const FASTEST: f64 = 0.2;

/// Decibels of reflectance for a small part more.
const DB_A_PART: f64 = 10.0 / std::f64::consts::LN_10;

/// A reflection that adds less than this part of the glass's power is too small to follow.
const LEAST_RISE: f64 = 0.15;

/// How much of the loss at a reflection shows while it lasts, on average over the samples that
/// are summed: for receivers of every speed, and by how much of it they differ.
const LOSS_SHOWN: f64 = 0.33;
const LOSS_DOUBT: f64 = 0.15;

/// A loss that is not known, as a part of the light, and as one standard deviation.
const USUAL_LOSS: f64 = 0.05;

/// A new reflection stands this many deviations over the glass, and this high in decibels.
const NEW_SIGMAS: f64 = 8.0;
const NEW_DB: f64 = 0.15;

/// A reflection of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Peak {
    /// First sample of its rise.
    pub(super) from: usize,
    /// The sample behind it.
    pub(super) to: usize,
    /// What it adds, relative to the glass before it.
    pub(super) rise: f64,
    /// What is read there besides: the glass grows dimmer, and loses light at the reflection.
    #[serde(default)]
    pub(super) beside: f64,
    /// Standard deviation of that.
    #[serde(default)]
    pub(super) doubt: f64,
    /// How one shot's scatters, in decibels of reflectance.
    pub(super) sd_db: f64,
    /// What makes it, in a pulse of few samples.
    #[serde(default)]
    pub(super) sampled: Option<Sampled>,
}

/// Shots, in linear power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// Sample by sample as they were taken.
    pub(super) taken: &'a [f64],
    /// With their zero moved back to the reference's.
    pub(super) power: &'a [f64],
    /// Samples by which their zero is late, and the standard deviation of that.
    pub(super) late: f64,
    pub(super) zero: f64,
    /// Variance of this comparison as a part of one shot's.
    pub(super) share: f64,
}

/// A change of a reflection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Changed {
    /// First sample of its rise.
    pub(super) from: usize,
    /// In decibels of reflectance; for a new one how high it stands, one way.
    pub(super) delta: f64,
    /// Standard deviation of that.
    pub(super) sd: f64,
    /// How far it stands out.
    pub(super) sigmas: f64,
}

/// The reflections of a reference that can be followed, with how the shots' scatter; `fade` is by
/// how much the light of the glass falls a sample, as a natural logarithm, `noise_db` how a sample of
/// one shot scatters.
pub(super) fn follow(
    (mean, power): (&Trace, &[f64]),
    (fade, noise_db): (f64, impl Fn(usize) -> f64),
    events: &[Event],
    shots: &[Vec<f64>],
) -> Vec<Peak> {
    let pulse = mean.pulse().get();
    let reflects = |event: &&Event| {
        matches!(event.kind, EventKind::Reflective | EventKind::End) && !event.saturated
    };
    let peak = |event: &Event| {
        let from = mean.index_of(event.at.get() - event.plus_minus.get() - mean.step_m());
        let to = mean.index_of(event.at.get() + 1.3 * pulse) + 3;
        let mut peak = Peak {
            from,
            to,
            rise: 0.0,
            beside: 0.0,
            doubt: 0.0,
            sd_db: BREATHES_DB,
            sampled: None,
        };
        let is_end = event.kind == EventKind::End;
        (peak.beside, peak.doubt) = peak.glass(fade, event.loss.filter(|_| !is_end));
        peak.rise = peak.rise_of(power)?;
        let place = (event.at - mean.position(0.0)).get() / mean.step_m();
        let place = (place, pulse / mean.step_m());
        // That of the glass before it: edges tremble.
        let noise = noise_db(from.saturating_sub(peak.width())) * std::f64::consts::LN_10 / 5.0;
        let rises = peak.rises(power)?;
        peak.sampled = Sampled::of(peak.top(&rises), place, noise);
        let square = |shot: &Vec<f64>| {
            let shown = Shown {
                taken: shot,
                power: shot,
                late: 0.0,
                zero: ZERO,
                share: 1.0,
            };
            peak.change(&shown).map(|(delta, _)| delta * delta)
        };
        let squares: Vec<f64> = shots.iter().filter_map(square).collect();
        let known = squares.len() as f64 + BREATHES_SHOTS;
        let sum = squares.iter().sum::<f64>() + BREATHES_SHOTS * BREATHES_DB.powi(2);
        peak.sd_db = (sum / known).sqrt();
        (peak.rise > LEAST_RISE).then_some(peak)
    };
    events.iter().filter(reflects).filter_map(peak).collect()
}

impl Peak {
    /// The samples that are summed, at least.
    fn width(&self) -> usize {
        self.to.saturating_sub(self.from).max(6)
    }

    /// What the glass alone would read, and by how much that is in doubt.
    fn glass(&self, fade: f64, loss: Option<Db>) -> (f64, f64) {
        // From the middle of the glass before to the middle of the samples summed.
        let apart = 1.5 * self.width() as f64;
        let dimmer = (-fade * apart).exp() - 1.0;
        let lost = loss.map(|loss| 1.0 - 10_f64.powf(-loss.get() / 5.0));
        let doubt = lost.map_or(USUAL_LOSS, |lost| LOSS_DOUBT * lost.abs());
        (dimmer - LOSS_SHOWN * lost.unwrap_or(0.0), doubt.max(0.003))
    }

    /// Power the reflection adds, a sample of glass before it being 1.
    fn rise_of(&self, power: &[f64]) -> Option<f64> {
        let from = self.from.saturating_sub(2 * self.width());
        let mut before = cut(power, from, self.from).to_vec();
        let glass = median(&mut before);
        let top = cut(power, self.from, self.to);
        let sum: f64 = top.iter().map(|p| p - glass).sum();
        (glass > 0.0 && !top.is_empty()).then(|| sum / glass / top.len() as f64 - self.beside)
    }

    /// The same of each sample.
    fn rises(&self, power: &[f64]) -> Option<Vec<f64>> {
        let from = self.from.saturating_sub(2 * self.width());
        let glass = median(&mut cut(power, from, self.from).to_vec());
        let rises = cut(power, self.from, self.to).iter();
        (glass > 0.0).then(|| rises.map(|p| p / glass - 1.0 - self.beside).collect())
    }

    const fn top<'a>(&self, rises: &'a [f64]) -> Top<'a> {
        Top {
            first: self.from,
            rises,
        }
    }

    /// Standard deviation of a change, for what one shot's scatters by.
    fn sd_of(&self, delta: f64, own: f64) -> f64 {
        // A weaker reflection is read less well.
        let weaker = 10_f64.powf(-delta / 10.0);
        let beside = self.doubt / self.rise * (1.0 - weaker).abs();
        (own * weaker.max(1.0)).hypot(DB_A_PART * beside)
    }

    /// By how much more it reflects, in decibels, and what the zero leaves open of that: in a pulse
    /// of few samples the standard deviation, else none.
    fn change(&self, shown: &Shown<'_>) -> Option<(f64, Option<f64>)> {
        if let Some(sampled) = self.sampled {
            let rises = self.rises(shown.taken)?;
            let (now, sd) = sampled.strength(self.top(&rises), (shown.late, shown.zero));
            return Some((10.0 * now.max(0.01).log10(), Some(DB_A_PART * sd)));
        }
        let now = self.rise_of(shown.power)?.max(0.01 * self.rise);
        Some((10.0 * (now / self.rise).log10(), None))
    }
}

/// By which part of itself the samples of a reflection may read otherwise where a zero of so many
/// samples' doubt puts them elsewhere on it: a pulse of `pulse` samples is two of them or one.
///
/// The first harmonic of a sampled box, through a fast receiver.
fn by_phase(pulse: f64, zero: f64) -> f64 {
    use std::f64::consts::PI;
    let slow = 2.0 * PI * FASTEST * pulse;
    let harmonic = 2.0 / (PI * pulse.max(0.5)) / (1.0 + slow * slow).sqrt();
    harmonic * 2.0 * (PI * zero.min(0.5)).sin()
}

/// Which known reflections changed; what lies from sample `to` on is not looked at.
pub(super) fn changed(peaks: &[Peak], shown: &Shown<'_>, pulse: f64, to: usize) -> Vec<Changed> {
    let summed_db = 10.0 * (1.0 + by_phase(pulse, shown.late.abs().max(shown.zero))).log10();
    let change = |peak: &Peak| {
        let (delta, zero_sd) = peak.change(shown)?;
        let (phase_db, zero_sd) = zero_sd.map_or((summed_db, 0.0), |sd| (0.0, sd));
        let sd = (peak.sd_db * shown.share.sqrt()).hypot(zero_sd);
        let sigmas = (delta.abs() - phase_db).max(0.0) / sd;
        (sigmas > LEAST_SIGMAS && delta.abs() > LEAST_DB).then_some(Changed {
            from: peak.from,
            delta,
            sd: peak.sd_of(delta, sd).hypot(0.5 * phase_db),
            sigmas,
        })
    };
    let before = peaks.iter().filter(|peak| peak.to <= to);
    before.filter_map(change).collect()
}

/// Falls of bins, with what is expected of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Falls<'a> {
    /// In decibels.
    pub(super) fall: &'a [f64],
    /// Level, tilt and slow noise.
    pub(super) under: &'a [f64],
    /// Standard deviations of this comparison.
    pub(super) sigma: &'a [f64],
    /// The steps found.
    pub(super) steps: &'a [Step],
}

/// Light above the glass where the reference shows none: over one pulse and more.
pub(super) fn new(falls: &Falls<'_>, bins: &Bins, pulse: f64) -> Vec<Changed> {
    let wide = whole((pulse / bins.size as f64).ceil()).max(1) + 1;
    // A step counts from well behind it: where it may lie, the light is not expected lower.
    let step = |bin: usize| {
        let behind = |step: &&Step| {
            let [_, last] = step.bins;
            let doubt = if step.size > 0.0 {
                last + wide + 1
            } else {
                step.bin.saturating_sub(wide)
            };
            bin > doubt
        };
        falls
            .steps
            .iter()
            .filter(behind)
            .map(|s| s.size)
            .sum::<f64>()
    };
    let rise: Vec<f64> = (falls.fall.iter().zip(falls.under).enumerate())
        .map(|(bin, (fall, under))| under + step(bin) - fall)
        .collect();
    let mut found: Vec<Changed> = Vec::new();
    for first in 0..(rise.len() + 1).saturating_sub(wide) {
        let (top, sigma) = (
            cut(&rise, first, first + wide),
            cut(falls.sigma, first, first + wide),
        );
        let weight: f64 = sigma.iter().map(|s| 1.0 / (s * s)).sum();
        let sum: f64 = top.iter().zip(sigma).map(|(r, s)| r / (s * s)).sum();
        let (height, sd) = (sum / weight, weight.sqrt().recip());
        if height < NEW_DB || height < NEW_SIGMAS * sd {
            continue;
        }
        let here = Changed {
            from: bins.start(first),
            delta: height,
            sd,
            sigmas: height / sd,
        };
        match found.last_mut() {
            Some(last) if here.from <= last.from + 2 * wide * bins.size => {
                if here.sigmas > last.sigmas {
                    *last = here;
                }
            }
            _ => found.push(here),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaked(rise: f64) -> Vec<f64> {
        (0..400)
            .map(|i| {
                if (200..210).contains(&i) {
                    1.0 + rise
                } else {
                    1.0
                }
            })
            .collect()
    }

    /// Samples of a pulse in which it does not matter where they lie.
    const LONG: f64 = 10.0;

    const PEAK: Peak = Peak {
        from: 198,
        to: 212,
        rise: 10.0 * 10.0 / 14.0,
        beside: 0.0,
        doubt: 0.0,
        sd_db: 0.1,
        sampled: None,
    };

    fn shown(power: &[f64], zero: f64) -> Shown<'_> {
        Shown {
            taken: power,
            power,
            late: 0.0,
            zero,
            share: 1.0,
        }
    }

    #[test]
    fn a_reflection_ten_times_as_strong_is_ten_decibels_more() {
        let found = changed(&[PEAK], &shown(&peaked(100.0), 0.0), LONG, 400);
        assert!((found[0].delta - 10.0).abs() < 1e-6, "{found:?}");
        assert_eq!(changed(&[PEAK], &shown(&peaked(10.5), 0.0), LONG, 400), []);
        assert_eq!(changed(&[PEAK], &shown(&peaked(100.0), 0.0), LONG, 205), []);
        // A launch at half its power changes nothing.
        let low: Vec<f64> = peaked(10.0).iter().map(|p| 0.5 * p).collect();
        assert_eq!(changed(&[PEAK], &shown(&low, 0.0), LONG, 400), []);
    }

    #[test]
    fn a_pulse_of_few_samples_reads_otherwise_where_the_zero_moves_and_a_long_one_does_not() {
        assert!(by_phase(1.5, 0.3) > 0.2);
        assert!(by_phase(1.5, 0.0).abs() < 1e-12);
        assert!(by_phase(10.0, 0.5) < 0.02);
        // So a reflection must change by more before it is told.
        let near = peaked(10.0 * 10_f64.powf(0.145));
        assert_eq!(changed(&[PEAK], &shown(&near, 0.0), 1.5, 400).len(), 1);
        assert_eq!(changed(&[PEAK], &shown(&near, 0.3), 1.5, 400), []);
    }

    #[test]
    fn a_new_reflection_stands_over_the_glass_and_a_loss_does_not() {
        let bins = Bins {
            from: 100,
            size: 4,
            count: 200,
        };
        let (under, sigma) = (vec![0.0; 200], vec![0.02; 200]);
        let mut fall = vec![0.0; 200];
        fall[80] = -1.0;
        fall[81] = -0.8;
        let falls = Falls {
            fall: &fall,
            under: &under,
            sigma: &sigma,
            steps: &[],
        };
        let found = new(&falls, &bins, 6.0);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((412..=424).contains(&found[0].from), "{found:?}");
        let mut lossy = vec![0.0; 200];
        lossy.iter_mut().skip(100).for_each(|v| *v = 1.0);
        let step = Step {
            bin: 100,
            size: 1.0,
            size_sd: 0.01,
            sigmas: 50.0,
            bins: [99, 101],
            fitted: None,
        };
        let falls = Falls {
            fall: &lossy,
            steps: &[step],
            ..falls
        };
        assert_eq!(new(&falls, &bins, 6.0), []);
    }
}
