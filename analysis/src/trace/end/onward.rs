//! Light that goes on behind what was taken for the end.
//!
//! ```text
//!         ▄
//!         █       ▄
//!  ▄▄▄▄▄▄▄██▄▄▄▄▄▄█▖          glass, a connector, a pigtail, the end
//!                  ▝▄
//!                    ▀▁▁▁
//! ```
//!
//! Behind an end light falls far below the glass before it. Where it never does before it rises again, or
//! stays for a while where glass would be and then stops, the fibre goes on up to there.

use super::super::line::Line;
use super::super::product::highest;
use super::super::reflect::{self, STRONGEST_DB};
use super::super::samples::{Trace, whole};
use super::stop::Stop;
use super::tail::Light;
use super::{EndOfFibre, FAINT_DB, LEAST_DROP_DB};

/// Pulses behind an onset after which its own light only dies away.
const PASSED: f64 = 1.08;

/// Pulses that are looked through: at first, and where light is left there.
const NEAR: f64 = 8.0;
const FARTHEST: f64 = 120.0;

/// A connector leaves more than this of the glass's light: less is none.
const GONE: f64 = 0.45;

/// Light of no more than so many times the glass's may be glass, for so many pulses at the least.
const GLASS: f64 = 1.35;
const LEVEL_PULSES: f64 = 0.6;

/// Light rises by this factor, so many deviations, where it turns back, and so much of it is uneven.
const RISES: f64 = 1.6;
const SURE: f64 = 7.0;
const UNEVEN: f64 = 0.03;

/// Two reflectors before an end make an image of it that is fainter than this.
const IMAGE: f64 = 1e-5;

/// An image that falls began no more pulses before.
const IMAGE_PULSES: f64 = 2.0;

/// A rise stands on the light of so many pulses before it.
const TAIL_PULSES: f64 = 1.5;

/// Twice the logarithm of the odds that glass goes on.
const CLEAR_ODDS: f64 = 12.0;

/// How much light between two samples is an image, at the most, as a power.
type Image<'a> = &'a dyn Fn([usize; 2]) -> f64;

/// Where light stops and where it last rises behind an end, if it went on up to there as glass may and is no
/// `image`.
pub(super) fn stops(
    trace: &Trace,
    (end, line): (&EndOfFibre, &Line),
    noise: f64,
    image: Image<'_>,
) -> [Option<Stop>; 2] {
    let onset = trace.index_at(end.at.get());
    let pulse = trace.pulse().get() / trace.step_m();
    if line.at(onset) - noise < FAINT_DB {
        return [None; 2];
    }
    let gone = |reach: f64| {
        let walk = Walk::new((trace, image), (end, line), [pulse, reach], noise);
        let seen = walk.along()?;
        Some((walk, seen))
    };
    match gone(NEAR).or_else(|| gone(FARTHEST)) {
        Some((walk, seen)) => [walk.stops(seen), walk.turned(seen)],
        None => [None; 2],
    }
}

/// Light behind an onset, as multiples of the glass's.
struct Walk<'a> {
    trace: &'a Trace,
    line: &'a Line,
    sums: Vec<f64>,
    /// The sample the first one is.
    first: usize,
    pulse: f64,
    half: usize,
    noise: f64,
    level: f64,
    /// The peak at the onset.
    peak: f64,
    image: Image<'a>,
}

/// What the light did, in samples from the first.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// From here on nothing but the last flash and glass.
    since: usize,
    /// The foot of the last rise, and from where on nothing else was before it.
    rise: Option<Rise>,
    /// The last place where it rose as an image may.
    image: Option<usize>,
    /// Where the light is gone.
    gone: usize,
}

#[derive(Clone, Copy, Debug)]
struct Rise {
    foot: usize,
    since: usize,
}

impl<'a> Walk<'a> {
    /// Behind an end on a line, over so many pulses of so many samples; `level` is that of the noise.
    fn new(
        (trace, image): (&'a Trace, Image<'a>),
        (end, line): (&EndOfFibre, &'a Line),
        [pulse, reach]: [f64; 2],
        level: f64,
    ) -> Self {
        let onset = trace.index_at(end.at.get());
        let first = whole((onset + PASSED * pulse).ceil());
        let to = first + whole(reach * pulse);
        let over = |level: f64, at: f64| 10_f64.powf((level - line.at(at)) / 5.0);
        let mut sum = 0.0;
        let mut sums = vec![sum];
        let levels = trace.stretch(first, to);
        sums.extend(levels.iter().enumerate().map(|(i, level)| {
            if !trace.is_dark(*level) {
                sum += over(*level, (first + i) as f64);
            }
            sum
        }));
        let top = over(highest(trace.stretch(whole(onset), first)), onset);
        Self {
            trace,
            line,
            sums,
            first,
            pulse,
            half: whole((pulse / 2.0).ceil()).max(2),
            noise: over(level, onset),
            level,
            // One that is cut off may be as strong as any.
            peak: if end.saturated {
                top.max(reflect::light(trace, STRONGEST_DB))
            } else {
                top
            },
            image,
        }
    }

    fn mean(&self, from: usize, count: usize) -> Option<f64> {
        let (a, b) = (self.sums.get(from)?, self.sums.get(from + count)?);
        Some((b - a) / count.max(1) as f64)
    }

    /// Follows the light to where it is gone.
    fn along(&self) -> Option<Seen> {
        let (mut since, mut rise, mut image) = (0, None, None);
        let (mut lowest, mut low_at) = (f64::MAX, 0);
        let run = (self.half / 2).max(1);
        let scatter = self.noise / (run as f64).sqrt();
        let mut at = 0;
        loop {
            let seen = |gone: usize| Seen {
                since,
                rise,
                image,
                gone,
            };
            let Some(here) = self.mean(at, self.half) else {
                // A bright end lingers.
                let far = at as f64 > NEAR * 2.0 * self.pulse;
                return (rise.is_some() && far).then(|| seen(at));
            };
            if here < GONE {
                return Some(seen(at));
            }
            let here = self.mean(at, run)?;
            let doubt = scatter.hypot(UNEVEN * lowest);
            let faintest = IMAGE * self.peak;
            let rises = here > RISES * lowest && here - lowest > (SURE * doubt).max(faintest);
            if rises {
                let foot = self.foot(low_at, at, [lowest, here]);
                if here - lowest > self.image(foot) {
                    rise = Some(Rise { foot, since });
                    since = foot + whole((PASSED * self.pulse).ceil()).max(2);
                    (lowest, low_at, at) = (f64::MAX, since, since);
                    continue;
                }
                image = Some(at);
            }
            if here < lowest {
                (lowest, low_at) = (here, at);
            }
            at += 1;
        }
    }

    /// The most light that an image may have there, or have had where it falls there.
    fn image(&self, at: usize) -> f64 {
        let to = self.first + at;
        let from = to.saturating_sub(self.samples(IMAGE_PULSES));
        (self.image)([from, to]) * 10_f64.powf(-self.line.at(to as f64) / 5.0)
    }

    /// The last place before a rise where the light is as low as it was.
    fn foot(&self, from: usize, to: usize, [low, here]: [f64; 2]) -> usize {
        let run = (self.half / 2).max(1);
        let risen = low + 0.1 * (here - low);
        let below = |at: &usize| self.mean(*at, run).is_some_and(|mean| mean < risen);
        (from..to + self.half)
            .rev()
            .find(below)
            .map_or(from, |at| at + run)
    }

    /// The stop of glass behind the last flash.
    fn stops(&self, seen: Seen) -> Option<Stop> {
        let near = |at: &usize| self.mean(*at, self.half).is_some_and(|mean| mean < GLASS);
        let level_from = (seen.since..seen.gone).rev().take_while(near).last()?;
        let long = (seen.gone - level_from) as f64 / self.pulse;
        if long < LEVEL_PULSES {
            return None;
        }
        let to = seen.gone + self.samples(3.0);
        let reach = [self.first + seen.since, self.first + to];
        let light = Light::of(self.trace, self.line, reach, self.level);
        let gone = (seen.gone - seen.since) as f64 / self.pulse;
        let glass = light.glass([(gone - 1.2).max(0.0), gone + 0.6])?;
        let at = seen.since + self.samples(glass.at);
        // What rises as an image falls as one.
        let near = |image: usize| at < image + self.samples(IMAGE_PULSES);
        let real = (GONE..GLASS).contains(&glass.height) && !seen.image.is_some_and(near);
        let fits = real && glass.sure > CLEAR_ODDS;
        let from = level_from.max(at.saturating_sub(self.samples(6.0)));
        (fits && at >= from + 4).then(|| self.stop([from, at], seen.gone))
    }

    /// The last rise.
    fn turned(&self, seen: Seen) -> Option<Stop> {
        let Rise { foot, since } = seen.rise?;
        let from = since.max(foot.saturating_sub(self.samples(TAIL_PULSES).max(4)));
        Some(Stop {
            rises: true,
            ..self.stop([from, foot], seen.gone)
        })
    }

    fn samples(&self, pulses: f64) -> usize {
        whole((pulses * self.pulse).round())
    }

    fn stop(&self, [from, to]: [usize; 2], gone: usize) -> Stop {
        let before = self.mean(from, to - from).unwrap_or(1.0);
        let far = gone + self.samples(1.0);
        let seen = self.mean(far, self.half).unwrap_or(GONE);
        let decibels = |power: f64| 5.0 * power.max(1e-6).log10();
        let drop = decibels(before) - decibels(seen.max(0.3 * self.noise));
        Stop {
            glass: [self.first + from, self.first + to],
            behind: self.first + gone + self.samples(6.0).max(8),
            drop: drop.max(LEAST_DROP_DB),
            level: self.line.at((self.first + to) as f64) + decibels(before),
            rises: false,
        }
    }
}
