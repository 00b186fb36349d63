//! The last place where light stops at once.
//!
//! ```text
//!  ▄▄▄▄▄█▄
//!         ▀▄▄▄▄▄▄▄▖            glass, a connector or a bend, little glass, the end
//!                 ▝▄
//!                   ▀▀▁▁▁
//! ```
//!
//! Windows are too coarse for the few pulses of glass that a bend or a bright connector may leave
//! before the end. What a receiver recovers from dies away, ever slower: each stretch loses a smaller
//! share of its light than the one before. Light that lies level over some pulses and then falls within one, by far more
//! than it fell before, comes from glass, and there the glass ends.

use super::{FAINT_DB, LEAST_DROP_DB};
use crate::trace::samples::{Trace, whole};

/// Pulses of level light before a stop, and samples at the least: few leave room for events, many
/// tell faint light from noise.
const LEVEL_PULSES: [f64; 3] = [3.0, 6.0, 12.0];
const LEVEL_SAMPLES: f64 = 6.0;

/// Light that slants more is no glass: by this share of half of its stretch its middle lies before that of
/// the stretch, which is a fall of 15 decibels over it.
const MOST_SLANT: f64 = 0.7;

/// Pulses over which light falls at a stop, and over which it is looked at behind.
const FALL_PULSES: f64 = 1.5;
const BEHIND_PULSES: f64 = 2.0;
const BEHIND_SAMPLES: f64 = 4.0;

/// A peak may stand over a stop for so many pulses.
const PEAK_PULSES: f64 = 12.0;

/// An image that falls at a stop began no more pulses before it.
const IMAGE_PULSES: f64 = 2.5;

/// Light rises where means over the first part of the pulse, the second apart, do by such a share, so many
/// deviations, and such a part of what falls then: it may rise on a tail.
const RISE_PULSES: [f64; 2] = [0.25, 0.75];
const RISE: f64 = 0.1;
const RISE_SIGMAS: f64 = 3.0;
const RISE_OF_FALL: f64 = 0.3;

/// Light falls by so many deviations more than it would have.
const SURE: f64 = 7.0;

/// Fading and rounding: what two stretches differ by as a share of their light.
const UNEVEN: f64 = 0.03;

/// Light that falls to less than this share on its way to the stretch behind is no level light.
const STEEP: f64 = 0.15;

/// A part of level light is off its line by no more than such a share, and so many deviations.
const ROUGH: f64 = 0.35;
const ROUGH_SIGMAS: f64 = 4.0;

/// Behind a stop light that lasts falls so much faster than glass over so many pulses: decibels, dB/km.
const LASTING_PULSES: f64 = 4.5;
const DIES_DB: f64 = 1.0;
const GLASS_DB_PER_KM: f64 = 0.6;

/// A stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stop {
    /// The level light before it, in samples.
    pub(super) glass: [usize; 2],
    /// The sample after those in which it falls.
    pub(super) behind: usize,
    /// How far it falls, in decibels.
    pub(super) drop: f64,
    /// Level of the light before.
    pub(super) level: f64,
    /// Whether the light before it was seen to rise there.
    pub(super) rises: bool,
}

/// The last stop between two samples of light no brighter than glass can be there; none where light
/// goes on behind it. `image` tells how much light that rises between two samples no glass need have sent.
pub(super) fn last(
    trace: &Trace,
    [from, to]: [usize; 2],
    [noise, brightest]: [f64; 2],
    image: impl Fn([usize; 2]) -> f64,
) -> Option<Stop> {
    let light = Light::of(trace, [from, to], noise);
    let before = whole((IMAGE_PULSES * light.pulse).ceil());
    let unit = 10_f64.powf(noise / 5.0);
    let mut best: Option<(f64, usize, Kink)> = None;
    let kinks = light.kinks(brightest - noise);
    let real = |(at, kink): &(usize, Kink)| {
        let falls = kink.expected - kink.seen;
        let rise = light.rise([at.saturating_sub(before), kink.behind], falls);
        rise.is_none_or(|foot| falls * unit > image(foot.map(|sample| from + sample)))
    };
    for (at, kink) in kinks.filter(real) {
        let apart = light.fall + light.behind;
        let better = best.is_none_or(|(sure, old, _)| at > old + apart || kink.sure > sure);
        if better {
            best = Some((kink.sure, at, kink));
        }
    }
    let (_, at, kink) = best?;
    let decibels = |power: f64| noise + 5.0 * power.max(1e-3).log10();
    light.dies(trace, kink).then(|| Stop {
        glass: [from + at - kink.level, from + at],
        behind: from + kink.behind + light.behind,
        drop: 5.0 * (kink.expected / kink.seen.max(0.3)).log10(),
        level: decibels(kink.before),
        rises: false,
    })
}

/// Light as power over the receiver's noise, summed up, and the lengths of stretches in samples.
struct Light {
    sums: Vec<[f64; 2]>,
    levels: [usize; LEVEL_PULSES.len()],
    fall: usize,
    behind: usize,
    pulse: f64,
}

/// What one place shows: light before it, what that leads to behind it, and what is there.
#[derive(Clone, Copy, Debug)]
struct Kink {
    /// How many samples of light there are before it.
    level: usize,
    before: f64,
    expected: f64,
    seen: f64,
    /// The first sample of what is seen behind.
    behind: usize,
    sure: f64,
}

impl Light {
    fn of(trace: &Trace, [from, to]: [usize; 2], noise: f64) -> Self {
        let pulse = trace.pulse().get() / trace.step_m();
        let mut sum = [0.0; 2];
        let mut sums = vec![sum];
        let powers = trace.stretch(from, to).iter().enumerate();
        sums.extend(powers.map(|(i, level)| {
            let power = if trace.is_dark(*level) {
                0.0
            } else {
                10_f64.powf((level - noise) / 5.0)
            };
            let [plain, moment] = sum;
            sum = [plain + power, moment + power * i as f64];
            sum
        }));
        Self {
            sums,
            levels: LEVEL_PULSES.map(|pulses| whole((pulses * pulse).max(LEVEL_SAMPLES).ceil())),
            fall: whole((FALL_PULSES * pulse).ceil()),
            behind: whole((BEHIND_PULSES * pulse).max(BEHIND_SAMPLES).ceil()),
            pulse,
        }
    }

    fn shortest(&self) -> usize {
        self.levels.into_iter().min().unwrap_or(1)
    }

    fn count(&self) -> usize {
        self.sums.len().saturating_sub(1)
    }

    /// Sum and first moment between two samples; none where they are not all there.
    fn sum(&self, from: usize, to: usize) -> Option<[f64; 2]> {
        let ([a, b], [c, d]) = (self.sums.get(from)?, self.sums.get(to)?);
        Some([c - a, d - b])
    }

    fn mean(&self, from: usize, count: usize) -> Option<f64> {
        let [sum, _] = self.sum(from, from + count)?;
        Some(sum / count.max(1) as f64)
    }

    /// All places where level light of at most so many decibels stops.
    fn kinks(&self, brightest: f64) -> impl Iterator<Item = (usize, Kink)> + '_ {
        let brightest = 10_f64.powf(brightest / 5.0);
        let shortest = self.shortest();
        let places = (shortest..self.count()).step_by((shortest / 18).max(1));
        let kinks = places.flat_map(move |at| {
            let kinks = self.levels.into_iter();
            kinks.filter_map(move |level| Some((at, self.kink(at, level)?)))
        });
        kinks.filter(move |(_, kink)| kink.before < brightest)
    }

    /// The place before sample `at`, if light that was level over so many samples stops there.
    fn kink(&self, at: usize, level: usize) -> Option<Kink> {
        let from = at.checked_sub(level)?;
        let count = level as f64;
        let [sum, moment] = self.sum(from, at)?;
        let (mean, middle) = (sum / count, from as f64 + (count - 1.0) / 2.0);
        if mean < 10_f64.powf(FAINT_DB / 5.0) {
            return None;
        }
        let slant = (2.0 * (middle - moment / sum) / count).max(0.0);
        if slant > MOST_SLANT {
            return None;
        }
        // Sums of tails fall ever slower, as shares of what is left too.
        let falling = falling(slant);
        let rate = falling.rate / count;
        let led = |at: f64| mean * falling.share * (rate * (middle - at)).exp();
        let spread = count * (count * count - 1.0) / 12.0 / (falling.doubt * falling.doubt);
        let half = self.behind as f64 / 2.0;
        // A peak stands over the stop of a bright end.
        let mut behind = at + self.fall;
        let farthest = at + whole(PEAK_PULSES * self.pulse);
        while behind < farthest && self.mean(behind, 2)? > led(behind as f64) {
            behind += 1;
        }
        if behind > at + self.fall {
            behind += self.fall;
        }
        let far = behind as f64 + half;
        let (expected, seen) = (led(far), self.mean(behind, self.behind)?);
        let before = led(at as f64 - LEVEL_PULSES[0] * self.pulse / 2.0);
        let (reach, share) = (far - middle, expected / mean);
        let led_by = share * share * (count.recip() + reach * reach / spread);
        let variance = led_by + (self.behind as f64).recip();
        let sigma = variance.sqrt().hypot(UNEVEN * expected);
        let sure = (expected - seen) / sigma;
        let falls = seen < expected * 10_f64.powf(-LEAST_DROP_DB / 5.0);
        let stops = expected > STEEP * before && sure > SURE && falls;
        (stops && self.is_level([from, level], led)).then_some(Kink {
            level,
            before,
            expected,
            seen,
            behind,
            sure,
        })
    }

    /// Between which samples light first rises, from one on and before another, as at the foot of a peak
    /// that falls by so much.
    fn rise(&self, [from, to]: [usize; 2], falls: f64) -> Option<[usize; 2]> {
        let [size, apart] = RISE_PULSES.map(|pulses| whole((pulses * self.pulse).ceil()).max(1));
        let noise = RISE_SIGMAS * (2.0 / size as f64).sqrt();
        let least = noise.max(RISE_OF_FALL * falls);
        let rises = |at: &usize| {
            let means = [*at, at + apart].map(|at| self.mean(at, size));
            matches!(means, [Some(low), Some(high)] if high - low > least.max(RISE * low))
        };
        let foot = (from..to).find(rises)?;
        Some([foot, foot + apart + size])
    }

    /// Whether each part of the light from a sample on, so many of them, lies on its line: a peak does not.
    /// However long the light is, its parts are a quarter of the shortest.
    fn is_level(&self, [from, level]: [usize; 2], led: impl Fn(f64) -> f64) -> bool {
        let size = (self.shortest() / 4).max(1);
        let doubt = ROUGH_SIGMAS / (size as f64).sqrt();
        (0..level / size).all(|k| {
            let first = from + k * size;
            let on_line = led(first as f64 + size as f64 / 2.0);
            self.mean(first, size)
                .is_some_and(|mean| (mean - on_line).abs() < ROUGH * on_line + doubt)
        })
    }

    /// Whether the light behind a stop is none, or dies away faster than glass would.
    fn dies(&self, trace: &Trace, kink: Kink) -> bool {
        let clear = 10_f64.powf(FAINT_DB / 5.0);
        if kink.seen < clear {
            return true;
        }
        let on = whole((LASTING_PULSES * self.pulse).ceil());
        let Some(later) = self.mean(kink.behind + on, self.behind) else {
            return false;
        };
        let km = on as f64 * trace.step_m() / 1_000.0;
        5.0 * (kink.seen / later.max(1.0)).log10() > DIES_DB + GLASS_DB_PER_KM * km
    }
}

/// An exponential over a stretch.
#[derive(Clone, Copy, Debug)]
struct Falling {
    /// By how much it falls over the stretch, as a natural logarithm.
    rate: f64,
    /// Its value in the middle over its mean.
    share: f64,
    /// How much less sure that is than for level light, for each share of the slant.
    doubt: f64,
}

/// The exponential whose middle lies before that of its stretch by half of this share of its length.
///
/// # Source
///
/// The slant is Langevin's function of half the fall; its inverse is Cohen's (1991), within 5 %.
fn falling(slant: f64) -> Falling {
    let square = slant * slant;
    let left = 1.0 - square;
    let half = slant * (3.0 - square) / left;
    Falling {
        rate: 2.0 * half,
        share: if half > 1e-6 { half / half.sinh() } else { 1.0 },
        doubt: (left * left + square * (2.0 - 2.0 * square / 3.0)) / (left * left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::analyse;
    use crate::trace::synth::{Feature, Plan};

    /// A fibre whose last event leaves so many pulses of glass.
    fn plan(seed: u64, pulses: f64, event: (f64, Option<f64>)) -> Plan {
        let (loss_db, reflectance_db) = event;
        let plan = Plan {
            pulse_ns: 100.0,
            step_m: 2.0,
            range_m: 8_000.0,
            dynamic_db: 11.0,
            roughness_db: 0.01,
            seed,
            ..Plan::default()
        };
        Plan {
            end_m: 4_000.0 + pulses * plan.pulse_m(),
            features: vec![Feature {
                at_m: 4_000.0,
                loss_db,
                reflectance_db,
            }],
            ..plan
        }
    }

    #[test]
    fn few_pulses_of_glass_behind_a_bend_or_a_connector_end_where_they_do() {
        for event in [(4.0, None), (0.5, Some(-16.0)), (0.2, Some(-35.0))] {
            let mut found = 0;
            for seed in 1..=20 {
                let plan = plan(seed, 8.0 + 0.3 * seed as f64, event);
                let end = analyse(&plan.trace()).end;
                let off = end.map(|end| (end.at.get() - plan.end_m).abs());
                found += usize::from(off.is_some_and(|off| off < 4.0));
            }
            assert!(found >= 18, "{event:?}: {found} of 20");
        }
    }

    #[test]
    fn faint_glass_behind_a_bend_ends_where_it_does_with_few_samples_a_pulse() {
        let mut found = 0;
        for seed in 1..=20 {
            let plan = Plan {
                step_m: 4.0,
                dynamic_db: 9.5,
                ..plan(seed, 13.0 + seed as f64, (3.5, None))
            };
            let end = analyse(&plan.trace()).end;
            let off = end.map(|end| (end.at.get() - plan.end_m).abs());
            found += usize::from(off.is_some_and(|off| off < 2.0 * plan.pulse_m()));
        }
        assert!(found >= 18, "{found} of 20");
    }

    #[test]
    fn an_exponential_is_told_from_its_sum_and_moment() {
        for fall in [0.0, 0.5, 2.0, 4.0_f64] {
            let light = |i: i32| (-fall * (f64::from(i) + 0.5) / 1_000.0).exp();
            let sum: f64 = (0..1_000).map(light).sum();
            let moment: f64 = (0..1_000)
                .map(|i| light(i) * (f64::from(i) + 0.5) / 1_000.0)
                .sum();
            let found = falling(1.0 - 2.0 * moment / sum);
            assert!((found.rate - fall).abs() < 0.05 * fall + 1e-6, "{found:?}");
            let middle = (-fall / 2.0).exp() * 1_000.0 / sum;
            assert!((found.share / middle - 1.0).abs() < 0.06, "{found:?}");
        }
    }

    /// Light alone, in units of the noise, ten samples a pulse.
    fn light(power: impl Fn(f64) -> f64) -> Light {
        let mut sum = [0.0; 2];
        let mut sums = vec![sum];
        sums.extend((0..800).map(|i| {
            let power = power(f64::from(i) / 10.0);
            sum = [sum[0] + power, sum[1] + power * f64::from(i)];
            sum
        }));
        Light {
            sums,
            levels: [30, 60, 120],
            fall: 15,
            behind: 20,
            pulse: 10.0,
        }
    }

    fn stops(light: &Light) -> bool {
        light.kinks(60.0).next().is_some()
    }

    #[test]
    fn tails_have_no_stop_whatever_they_are_made_of() {
        for (slow, fast) in [(6.0, 0.5), (20.0, 2.0), (3.0, 1.0), (40.0, 6.0)] {
            for share in [0.5, 0.1, 0.01] {
                let tail = |u: f64| 1e4 * ((-u / fast).exp() + share * (-u / slow).exp());
                assert!(!stops(&light(tail)), "{slow} {fast} {share}");
            }
        }
    }

    #[test]
    fn a_peak_in_the_dark_is_no_level_light() {
        let peak = |u: f64| if (30.0..31.5).contains(&u) { 1e3 } else { 0.1 };
        assert!(!stops(&light(peak)));
        let glass = |u: f64| if u < 30.0 { 1e2 } else { 0.1 };
        assert!(stops(&light(glass)));
    }
}
