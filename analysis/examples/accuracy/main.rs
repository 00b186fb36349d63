//! How right the answers are: a sweep over traces with known truth.
//!
//! `accuracy [--long] [--seed N] [--each] [--ends] [--pulse NS] [--noise quiet]`: draws fibres, instruments and shots from seeds, holds
//! every event and end found against the truth, and prints tables and one line a figure. It is a
//! report: it leaves with 0 whatever it found.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "an example that prints what it found, over tables of its own making"
)]

mod draw;
mod physics;
mod posterior;
mod score;
mod table;
mod tally;

use draw::{Noise, PULSES_NS};
use score::Score;

/// Traces of each pulse and noise.
const TRACES: u64 = 40;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let long = words.iter().any(|word| word == "--long");
    let seed = number("--seed").unwrap_or(1);
    let traces = number("--traces").unwrap_or(TRACES) * if long { 10 } else { 1 };
    if let Some(seed) = number("--save") {
        return save(seed);
    }
    let ends_alone = words.iter().any(|word| word == "--ends");
    let wanted = Wanted {
        pulse: number("--pulse"),
        noise: words
            .iter()
            .position(|word| word == "--noise")
            .and_then(|at| words.get(at + 1).cloned()),
    };
    let scores = sweep(seed, traces, ends_alone, &wanted);
    table::print(
        &scores,
        seed,
        traces,
        words.iter().any(|word| word == "--each"),
    );
}

/// The strata that are drawn, all where none is named.
struct Wanted {
    /// Pulses of at least so many nanoseconds.
    pulse: Option<u64>,
    /// One noise by its name.
    noise: Option<String>,
}

impl Wanted {
    fn has(&self, pulse: u16, noise: &str) -> bool {
        self.pulse.is_none_or(|least| u64::from(pulse) >= least)
            && self.noise.as_ref().is_none_or(|name| name == noise)
    }
}

/// Writes the case of a trace's own seed as `case-SEED.sor` and prints what is on it.
fn save(own: u64) {
    let job = own % 1_000_000_007 / 1_000_003;
    let noise = Noise::ALL[(job % 3) as usize].0;
    let case = draw::case(PULSES_NS[(job / 3) as usize % PULSES_NS.len()], noise, own);
    let shot = silkline_sim::forward::shoot(&case.fibre, &case.instrument, &case.shot);
    let name = format!("case-{own}.sor");
    if let Err(error) = std::fs::write(&name, shot.sor(&silkline_sim::forward::Labels::default())) {
        println!("{name}: {error}");
    }
    println!(
        "{:?}\nspacing {:?}, pulse {:.2} m",
        case.instrument, case.shot.spacing, case.pulse_m
    );
    for mark in &case.marks {
        println!("{mark:?}");
    }
    if let Some(trace) = score::read(&shot) {
        for event in silkline_analysis::trace::analyse(&trace).events {
            println!("found {event:?}");
        }
    }
}

/// All cases, on as many threads as there are cores.
fn sweep(seed: u64, traces: u64, ends_alone: bool, wanted: &Wanted) -> Vec<Score> {
    let mut jobs = Vec::new();
    for (p, pulse) in PULSES_NS.into_iter().enumerate() {
        for (n, (noise, name)) in Noise::ALL.into_iter().enumerate() {
            for k in (0..traces).filter(|_| wanted.has(pulse, name)) {
                let own = seed * 1_000_000_007 + (p as u64 * 3 + n as u64) * 1_000_003 + k;
                jobs.push((pulse, noise, own));
            }
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run = |offset: usize| -> Vec<Score> {
        let own = jobs.iter().skip(offset).step_by(threads);
        own.map(|(pulse, noise, seed)| {
            score::score(&draw::case(*pulse, *noise, *seed), *seed, ends_alone)
        })
        .collect()
    };
    let run = &run;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|offset| scope.spawn(move || run(offset)))
            .collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap_or_default())
            .collect()
    })
}
