//! How the answers bear what instruments do and the forward model does not.
//!
//! `accuracy_odd [--seed N] [--traces N] [--only WORD] [--each]`: takes the shots of the sweep, does to each
//! what some instrument does to its samples or its file, one effect at a time, and prints how many
//! strong events and ends are still found within a pulse (three samples, 10 m) and how many are
//! found where nothing is.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example that prints what it found, over lists of its own making"
)]

#[expect(dead_code, reason = "the sweep uses more of it")]
#[path = "../accuracy/draw.rs"]
mod draw;
mod effect;
#[expect(dead_code, reason = "the sweep uses more of it")]
#[path = "../accuracy/physics.rs"]
mod physics;
mod short;

use draw::{Case, Mark, Noise, PULSES_NS};
use effect::Effect;
use physics::Physics;
use silkline_analysis::trace::{EventKind, analyse};
use silkline_sim::forward;

/// Traces of each pulse and noise.
const TRACES: u64 = 4;

/// Pulses of the fibres of a few pulses, in nanoseconds, and how many times as many traces of them.
const LONG_NS: [u16; 4] = [1_000, 3_000, 10_000, 20_000];
const LONG_TIMES: u64 = 5;

/// A mark of so many deviations is strong.
const STRONG: f64 = 6.0;

/// What became of some traces.
#[derive(Clone, Copy, Default)]
struct Tally {
    traces: usize,
    strong: usize,
    found: usize,
    ends: usize,
    ends_found: usize,
    unlisted: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)
    };
    let number = |name: &str| word(name)?.parse::<u64>().ok();
    let seed = number("--seed").unwrap_or(1);
    let traces = number("--traces").unwrap_or(TRACES);
    let each = words.iter().any(|word| word == "--each");
    let only = word("--only");
    println!(
        "effect                                strong found     ends found      false a trace"
    );
    for (name, effect) in Effect::ALL {
        if only.is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let mut tally = Tally::default();
        for (p, pulse) in PULSES_NS.into_iter().enumerate() {
            for (n, (noise, _)) in Noise::ALL.into_iter().enumerate() {
                for k in 0..traces {
                    let own = seed * 1_000_000_007 + (p as u64 * 3 + n as u64) * 1_000_003 + k;
                    let case = draw::case(pulse, noise, own);
                    tally.add(&case, effect, each.then_some(own));
                }
            }
        }
        tally.print(name);
    }
    let name = "fibres of a few long pulses";
    if only.is_none_or(|only| name.contains(only.as_str())) {
        for pulse in LONG_NS {
            let mut tally = Tally::default();
            for (n, (noise, _)) in Noise::ALL.into_iter().enumerate() {
                for k in 0..LONG_TIMES * traces {
                    let own = seed * 1_000_000_007 + n as u64 * 1_000_003 + k;
                    tally.add(
                        &short::case(pulse, noise, own),
                        Effect::None,
                        each.then_some(own),
                    );
                }
            }
            tally.print(&format!("{name}, {} µs", pulse / 1_000));
        }
    }
}

impl Tally {
    fn add(&mut self, case: &Case, effect: Effect, each: Option<u64>) {
        let shot = forward::shoot(&case.fibre, &case.instrument, &case.shot);
        let Some(trace) = effect.done_to(case, &shot) else {
            return;
        };
        self.traces += 1;
        let found = analyse(&trace);
        let tolerance = case.pulse_m.max(3.0 * case.shot.spacing.get()).max(10.0);
        let hidden = effect.hides_m().max(1.5 * tolerance);
        let mut events: Vec<_> = found
            .events
            .iter()
            .filter(|event| event.kind != EventKind::Ghost && event.at.get() > hidden)
            .map(|event| (event.at.get(), event))
            .collect();
        let physics = Physics::of(case);
        let last = case.marks.len() - 1;
        let seen = |(_, mark): &(usize, &Mark)| mark.at_m > effect.hides_m();
        for (k, mark) in case.marks.iter().enumerate().filter(seen) {
            let height = mark.reflectance_db.map_or(0.0, |db| {
                10_f64.powf((db + 81.5) / 10.0) / f64::from(case.shot.pulse_ns)
            });
            let loss = mark.step_db.abs() / physics.loss_sigma(k);
            let peak = 5.0 * height.ln_1p()
                / core::f64::consts::LN_10
                / physics.white_db(mark.at_m).hypot(physics.fading_db());
            let strong = k < last && loss.max(peak) >= STRONG;
            let nearest = (0..events.len())
                .min_by(|a, b| {
                    let off = |i: &usize| (events[*i].0 - mark.at_m).abs();
                    off(a).total_cmp(&off(b))
                })
                .filter(|i| (events[*i].0 - mark.at_m).abs() <= tolerance);
            let met = match k == last {
                true => found
                    .end
                    .is_some_and(|end| (end.at.get() - mark.at_m).abs() <= tolerance),
                false => nearest.is_some(),
            };
            if let Some(nearest) = nearest {
                events.remove(nearest);
            }
            self.strong += usize::from(strong);
            self.found += usize::from(strong && met);
            self.ends += usize::from(k == last);
            self.ends_found += usize::from(k == last && met);
            if let Some(own) = each.filter(|_| !met && (strong || k == last)) {
                println!(
                    "  {own} missed {mark:?} ({loss:.0} σ), end {:?}",
                    found.end.map(|e| e.at.get())
                );
            }
        }
        // What comes from behind an end is not held against it here.
        let end = case.marks[last].at_m + tolerance;
        events.retain(|(at, _)| *at < end || found.end.is_none_or(|told| told.at.get() > end));
        self.unlisted += events.len();
        if let Some(own) = each {
            for (at, event) in events {
                let off = |mark: &&Mark| (mark.at_m - at).abs();
                let near = case.marks.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
                println!(
                    "  {own} {} ns false {:?} at {at:.1} loss {:?}, {:?} pulses from {near:?}",
                    case.shot.pulse_ns,
                    event.kind,
                    event.loss.map(silkline_protocol::unit::Db::get),
                    near.map(|mark| (at - mark.at_m) / case.pulse_m),
                );
            }
        }
    }

    fn print(&self, name: &str) {
        let share = |a: usize, b: usize| 100.0 * a as f64 / (b as f64).max(1.0);
        println!(
            "{name:<36} {:>5.1} % of {:<5} {:>5.1} % of {:<5} {:.3}",
            share(self.found, self.strong),
            self.strong,
            share(self.ends_found, self.ends),
            self.ends,
            self.unlisted as f64 / (self.traces as f64).max(1.0)
        );
    }
}
