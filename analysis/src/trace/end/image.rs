//! Images of bright reflectors in one another.
//!
//! ```text
//!        █            █            ▁
//!  ▄▄▄▄▄▄█▄▄▄▄▄▄▄▄▄▄▄▄█▖           █
//!        m            r ▀▄▄▁▁▁▁▁▁▁▁█▄▁      light goes to r, back to m, and once more to r
//!                                 2r - m
//! ```
//!
//! What a reflector sends back another one before it sends out again: behind the last reflector such light
//! rises and falls as that of an end does, and no glass is there. Three reflections make an image where all of
//! them stand, and it has no more light than they send back.

use crate::trace::line::Line;
use crate::trace::product::{highest, lowest};
use crate::trace::reflect::{self, STRONGEST_DB};
use crate::trace::samples::{Trace, rest, whole};

use super::PEAK_DB;

/// Glass before a reflector is the lowest of so many pulses: it may stand on what is left of another.
const GLASS_PULSES: f64 = 10.0;

/// Between the glass that is known and a reflector behind it no more is lost than this, in decibels.
const LOST_DB: f64 = 6.0;

/// How fast light falls behind a cut-off top is told over this part of the pulse, where it does fastest; what
/// lingers slows it, so that the top may have been so many times as far over the limit.
const FALL_PULSES: f64 = 0.5;
const LINGERS: f64 = 1.2;

/// What lingers may hide the fall: it is no slower than that of a receiver that follows within a third of
/// the pulse, in decibels a pulse.
const HIDDEN_DB: f64 = 7.0;

/// Of more reflectors the brightest make images that can be seen.
const MOST: usize = 12;

/// An image begins within so many pulses of where it is looked for.
const AROUND: f64 = 0.7;

/// An image is no more than so many times as bright as its reflectors seem to make it: a receiver that
/// follows slowly shows each of them lower than it is.
const MARGIN: f64 = 3.0;

/// All images that three reflections make.
pub(super) struct Images {
    list: Vec<Image>,
    /// How far they may be from where they should be, in samples.
    around: f64,
}

/// Where an image begins, in samples, and its light at the most, as a power.
#[derive(Clone, Copy, Debug)]
struct Image {
    at: f64,
    power: f64,
}

/// A reflector: where it begins, its light, and how much of what comes it sends back, at the most.
#[derive(Clone, Copy, Debug)]
struct Reflector {
    at: f64,
    power: f64,
    share: f64,
}

impl Image {
    /// What a mirror makes of two reflectors behind it, in so many ways.
    fn of(mirror: &Reflector, [one, other]: [&Reflector; 2], ways: f64) -> Self {
        let less = (one.power * other.share).min(other.power * one.share);
        Self {
            at: one.at + other.at - mirror.at,
            power: MARGIN * ways * less * mirror.share,
        }
    }
}

impl Images {
    /// Those of a trace's reflectors up to a sample: `glass` leads to the last of them, and `noise` and
    /// `limit` are the receiver's lowest and highest level.
    pub(super) fn of(trace: &Trace, glass: &Line, to: usize, [noise, limit]: [f64; 2]) -> Self {
        let mut all = reflectors(trace, glass, to, [noise, limit]);
        all.sort_by(|one, other| other.power.total_cmp(&one.power));
        all.truncate(MOST);
        let mut list = Vec::new();
        for mirror in &all {
            let behind = || all.iter().filter(|one| one.at > mirror.at);
            for (k, one) in behind().enumerate() {
                // There and back again in either order.
                let others = behind().skip(k).zip(once_then_twice());
                list.extend(others.map(|(other, ways)| Image::of(mirror, [one, other], ways)));
            }
        }
        let faintest = 10_f64.powf(noise / 5.0);
        list.retain(|image| image.power > faintest);
        let around = AROUND * trace.pulse().get() / trace.step_m() + 2.0;
        Self { list, around }
    }

    /// The most light that an image which begins between two samples may have, as a power.
    pub(super) fn brightest(&self, [from, to]: [usize; 2]) -> f64 {
        let between = from as f64 - self.around..=to as f64 + self.around;
        let near = self.list.iter().filter(|image| between.contains(&image.at));
        near.map(|image| image.power).fold(0.0, f64::max)
    }
}

/// An image by the same reflector twice is made in one way, by two in two.
fn once_then_twice() -> impl Iterator<Item = f64> {
    std::iter::once(1.0).chain(std::iter::repeat(2.0))
}

/// Every rise by more than what noise and splices make, with what stands on it.
fn reflectors(trace: &Trace, glass: &Line, to: usize, [noise, limit]: [f64; 2]) -> Vec<Reflector> {
    let pulse = trace.pulse().get() / trace.step_m();
    let (run, back) = (whole(pulse).max(2), whole(GLASS_PULSES * pulse).max(8));
    let power = |level: f64| 10_f64.powf(level / 5.0);
    let whole_light = reflect::light(trace, 0.0);
    let strongest = 10_f64.powf(STRONGEST_DB / 10.0);
    let levels = trace.stretch(0, to);
    let mut found = Vec::new();
    let mut at = trace.index_of(-trace.settings().launch.get()) + 1;
    while let Some(&level) = levels.get(at) {
        // Most samples stand no higher than those before them, or in the dark.
        let steps = [1, run / 2, run].map(|back| levels.get(at.saturating_sub(back)));
        let over = |before: &&f64| level > **before + PEAK_DB / 2.0;
        let foot = || lowest(trace.stretch(at.saturating_sub(run), at));
        let seen = level > noise + PEAK_DB && steps.iter().flatten().any(over);
        if !seen || level < foot() + PEAK_DB {
            at += 1;
            continue;
        }
        let (top, flat) = top(trace, [at, run], limit);
        let near = lowest(trace.stretch(at.saturating_sub(back), at));
        let led = glass.at(at as f64);
        let before = power(if at as f64 > glass.centre {
            near.clamp(led - LOST_DB, led)
        } else if near < noise {
            // Before the panel there is no glass: what is behind it tells.
            lowest(trace.stretch(at, at + run + flat + back)).max(noise)
        } else {
            near
        });
        let share = (power(top) / before / whole_light).min(strongest);
        found.push(Reflector {
            at: at as f64,
            power: share * whole_light * before,
            share,
        });
        at += run + flat;
    }
    found
}

/// How high a peak reaches that begins at a sample, and for how many samples it is cut off: one that is
/// falls for as long as it takes to come down to that limit.
fn top(trace: &Trace, [at, run]: [usize; 2], limit: f64) -> (f64, usize) {
    let top = highest(trace.stretch(at, at + run));
    if top < limit {
        return (top, 0);
    }
    let pulse = trace.pulse().get() / trace.step_m();
    let ahead = rest(trace.levels(), at);
    let flat = ahead.iter().skip_while(|level| **level < limit);
    let risen = ahead.iter().take_while(|level| **level < limit).count();
    let last = risen + flat.take_while(|level| **level >= limit).count();
    let few = whole(FALL_PULSES * pulse).max(2);
    let down = trace.stretch(at + last, at + last + whole(pulse) + few);
    let falls = down.iter().zip(rest(down, few)).map(|(here, on)| here - on);
    let rate = falls.fold(0.0, f64::max) / few as f64;
    let long = (last as f64 - pulse).max(0.0);
    let over = LINGERS * rate.max(HIDDEN_DB / pulse) * long;
    (limit + over, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::analyse;
    use crate::trace::synth::{Dice, Feature, Plan};
    use silkline_protocol::unit::Db;

    fn reflector(at_m: f64, reflectance_db: f64) -> Feature {
        Feature {
            at_m,
            loss_db: 0.0,
            reflectance_db: Some(reflectance_db),
        }
    }

    /// A connector, a bright end so many pulses behind it, and its image in the connector: light that may be
    /// cut off so far over the glass, and lingers.
    fn seen(seed: u64, cut_off: f64) -> (Plan, Trace, f64) {
        let mut dice = Dice::new(seed);
        let near = -dice.between(22.0, 34.0);
        let end = -dice.between(14.5, 24.0);
        let mut plan = Plan {
            end_m: 600.0 + dice.between(0.0, 10.0),
            end_reflectance_db: Some(end),
            pulse_ns: 10.0,
            step_m: 0.1,
            range_m: 900.0,
            dynamic_db: 15.0,
            roughness_db: 0.002,
            tails: vec![[1e-3, 6.0]],
            seed,
            ..Plan::default()
        };
        let gap = plan.pulse_m() * dice.between(14.0, 24.0);
        let image_m = plan.end_m + gap;
        plan.features = vec![
            reflector(plan.end_m - gap, near),
            reflector(image_m, 2.0 * end + near),
        ];
        let trace = plan.trace();
        let limit = -25.0 + cut_off;
        let levels = trace.levels().iter().map(|level| level.min(limit));
        let trace = Trace::new(*trace.settings(), levels.collect(), Some(Db::of(-70.0)));
        (plan, trace.unwrap(), image_m)
    }

    #[test]
    fn the_image_of_an_end_stands_where_it_is_seen_and_is_as_bright_as_it_may_be() {
        for (seed, cut_off) in (1..=20).flat_map(|seed| [(seed, 8.0), (seed, 99.0)]) {
            let (plan, trace, image_m) = seen(seed, cut_off);
            let glass = Line::fit(trace.stretch(2_000, 4_000), 2_000).unwrap();
            let limit = -25.0 + cut_off;
            let images = Images::of(&trace, &glass, trace.levels().len(), [-40.0, limit]);
            let pulse = whole(plan.pulse_m() / plan.step_m);
            let at = trace.index_of(image_m);
            let shown = 10_f64.powf(highest(trace.stretch(at, at + 2 * pulse)) / 5.0);
            let told = images.brightest([at, at]);
            let most = if cut_off < 20.0 { 300.0 } else { 10.0 };
            assert!(
                told > shown && told < most * shown,
                "{seed}: {told} {shown}"
            );
            let nowhere = [at - 8 * pulse, at - 3 * pulse];
            assert!(images.brightest(nowhere) < 0.1 * told, "{seed}");
        }
    }

    #[test]
    fn the_image_of_a_bright_end_in_a_connector_before_it_is_no_end() {
        for cut_off in [8.0, 99.0] {
            let mut right = 0;
            for seed in 1..=20 {
                let (plan, trace, _) = seen(seed, cut_off);
                let end = analyse(&trace).end;
                let off = end.map(|end| (end.at.get() - plan.end_m).abs());
                right += u32::from(off.is_some_and(|off| off < plan.pulse_m()));
            }
            assert!(right >= 19, "cut off {cut_off} dB over the glass: {right}");
        }
    }
}
