//! How often watching a fibre is wrong, how small a change it finds, and whether its intervals hold.
//!
//! Traces of its own making, all from seeds: a launch that varies and ages, a scale and a zero that
//! drift, slow fading that one shot hands on to the next, noise smoothed by the receiver, a
//! connector that breathes, an instrument that grows louder, receivers of several speeds.
//!
//! ```text
//! accuracy_watch [--long] [--seed N] [--tries N] [--quiet N] [--life N] [--only WORDS] [--kind WORDS] [--each]
//! ```
//!
//! `--long` is 10⁵ quiet shots (some minutes); without, 3 500. `--life` is how many shots a quiet
//! instrument lives through from new to old: the fewer, the more references a run learns.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a report is printed; its own traces are as it made them"
)]

mod dice;
mod glass;
mod tally;

use silkline_analysis::trace::{ChangeKind, InstrumentFault, Watch};

use dice::Dice;
use glass::{CONNECTOR, Harm, Instrument, PLANS, Plan, SPLICE};
use tally::Tally;

const QUIET: u64 = 3_500;
const QUIET_LONG: u64 = 100_000;

/// Shots a reference is learned from.
const LEARNED: u64 = 12;

/// Tries of one kind and size, and references they are divided among.
const TRIES: u64 = 200;
const REFERENCES: u64 = 20;

/// Shots a quiet instrument lives through before it is replaced and learned anew.
const LIFE: u64 = 1_250;

/// What was asked for.
struct Asked {
    seed: u64,
    tries: u64,
    quiet: u64,
    life: u64,
    only: Option<String>,
    /// The kind of change to try alone.
    kind: Option<String>,
    /// Whether to print what was missed.
    each: bool,
}

fn asked() -> Asked {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, usual: u64| value(name).map_or(usual, |text| text.parse().unwrap());
    let long = arguments.iter().any(|argument| argument == "--long");
    Asked {
        seed: number("--seed", 1),
        tries: number("--tries", TRIES),
        quiet: number("--quiet", if long { QUIET_LONG } else { QUIET }),
        life: number("--life", LIFE).max(1),
        only: value("--only"),
        kind: value("--kind"),
        each: arguments.iter().any(|argument| argument == "--each"),
    }
}

impl Asked {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only))
    }

    fn wants_kind(&self, what: &str) -> bool {
        self.kind.as_ref().is_none_or(|kind| what.contains(kind))
    }
}

/// One instrument at one fibre, learned.
struct Bench {
    plan: Plan,
    watch: Watch,
    instrument: Instrument,
    dice: Dice,
}

impl Bench {
    fn new(plan: &Plan, seed: u64) -> Self {
        let seed = seed.wrapping_mul(1_000_003) + plan.pulse_ns as u64;
        let (mut dice, mut instrument) = (Dice::new(seed), Instrument::NEW);
        let plan = Plan {
            receiver: dice.between(0.2, 0.6),
            end_m: plan.end_m * dice.between(0.95, 1.05),
            ..*plan
        };
        let glass = plan.glass(&Harm::default());
        let mut shots = Vec::new();
        for _ in 0..LEARNED {
            (0..10).for_each(|_| instrument.next(&mut dice));
            shots.push(glass.shot(&instrument, &mut dice));
        }
        Self {
            plan,
            watch: Watch::learn(&shots).unwrap(),
            instrument,
            dice,
        }
    }
}

fn quiet(asked: &Asked) {
    println!(
        "quiet fibres, {} shots, seed {}; launch, scale, zero and noise age through them",
        asked.quiet, asked.seed
    );
    let (mut all, mut shots) = (0, 0);
    for plan in PLANS.iter().filter(|plan| asked.wants(plan.name)) {
        let each = asked.quiet / PLANS.len() as u64;
        let (mut wrong, mut kinds, mut done) = (0, Vec::new(), 0);
        for life in 0..each.div_ceil(asked.life) {
            let mut bench = Bench::new(plan, asked.seed * 10_000 + life);
            let glass = bench.plan.glass(&Harm::default());
            let span = asked.life.min(each - done);
            for shot in 0..span {
                bench.instrument.age = shot as f64 / asked.life as f64;
                bench.instrument.next(&mut bench.dice);
                let trace = glass.shot(&bench.instrument, &mut bench.dice);
                let found = bench.watch.examine(&[trace]).unwrap();
                wrong += u64::from(!found.changes.is_empty());
                let told = found.changes.iter();
                kinds.extend(told.map(|c| (life, shot, c.kind, c.at.get().round(), c.delta.get())));
            }
            done += span;
        }
        kinds.truncate(9);
        println!("  {:<26} {wrong} false in {done} {kinds:?}", plan.name);
        all += wrong;
        shots += done;
    }
    println!("  together {all} in {shots}; at most 1 in 50000 asked");
}

/// A harm, where it is, and its size where it has one.
type Drawn = (Harm, f64, Option<f64>);

/// What is tried on one plan.
struct Trial<'a> {
    benches: Vec<Bench>,
    asked: &'a Asked,
}

impl Trial<'_> {
    /// Where the references themselves have splice, connector and end: what they teach is told there.
    fn own_places(&self) {
        for (what, part) in [("splice", SPLICE), ("connector", CONNECTOR), ("end", 1.0)] {
            let mut tally = Tally::default();
            for bench in &self.benches {
                let at = part * bench.plan.end_m;
                let hit = tally.own(&bench.watch.analysis().events, at);
                if self.asked.each && !hit {
                    println!("      reference's {what} at {at:.1}");
                }
            }
            tally.print(&format!("reference's own {what}"));
        }
    }

    fn run(&mut self, what: &str, kind: ChangeKind, draw: &dyn Fn(&Plan, &mut Dice) -> Drawn) {
        if !self.asked.wants_kind(what) {
            return;
        }
        let mut tally = Tally::default();
        let each = self.asked.tries / self.benches.len() as u64;
        for bench in &mut self.benches {
            for _ in 0..each {
                bench.instrument.next(&mut bench.dice);
                bench.instrument.age = bench.dice.between(0.0, 0.5);
                let (harm, at, size) = draw(&bench.plan, &mut bench.dice);
                let glass = bench.plan.glass(&harm);
                let shot = glass.shot(&bench.instrument, &mut bench.dice);
                let found = bench.watch.examine(&[shot]).unwrap();
                let hit = tally.take(&found.changes, kind, (at, size));
                if self.asked.each && !hit {
                    println!("      {what} at {at:.1} {size:?}: {:?}", found.changes);
                }
            }
        }
        tally.print(what);
    }
}

/// A place on the glass, away from splice and connector.
fn on_glass(plan: &Plan, dice: &mut Dice) -> f64 {
    let near = dice.coin();
    let (low, high) = if near { (0.36, 0.5) } else { (0.64, 0.88) };
    plan.end_m * dice.between(low, high)
}

fn harms(trial: &mut Trial<'_>) {
    for size in [0.03, 0.06, 0.12, 0.3, 1.0] {
        let what = format!("new loss {size} dB");
        trial.run(&what, ChangeKind::NewLoss, &|plan, dice| {
            let at = on_glass(plan, dice);
            let loss = Some((at, size));
            (
                Harm {
                    loss,
                    ..Harm::default()
                },
                at,
                Some(size),
            )
        });
    }
    trial.run(
        "splice loses 0.2 dB more",
        ChangeKind::LossChange,
        &|plan, _| {
            let harm = Harm {
                more_at_splice: 0.2,
                ..Harm::default()
            };
            (harm, SPLICE * plan.end_m, Some(0.2))
        },
    );
    trial.run(
        "connector: 3 to 9 dB",
        ChangeKind::ReflectanceChange,
        &|plan, dice| {
            let more = dice.between(3.0, 9.0) * if dice.coin() { 1.0 } else { -0.5 };
            let harm = Harm {
                more_reflection: more,
                ..Harm::default()
            };
            (harm, CONNECTOR * plan.end_m, Some(more))
        },
    );
}

fn ends(trial: &mut Trial<'_>) {
    for (what, bright) in [("break, dark", false), ("break, bright", true)] {
        trial.run(what, ChangeKind::Break, &|plan, dice| {
            let at = plan.end_m * dice.between(0.15, 0.95);
            let reflectance = bright.then(|| dice.between(-45.0, -20.0));
            let end = Some((at, reflectance));
            (
                Harm {
                    end,
                    ..Harm::default()
                },
                at,
                None,
            )
        });
    }
    trial.run("end moved out", ChangeKind::EndMoved, &|plan, dice| {
        let at = plan.end_m * dice.between(1.02, 1.06) + 2.0 * plan.pulse_m();
        let end = Some((at, Some(-40.0)));
        (
            Harm {
                end,
                ..Harm::default()
            },
            at,
            None,
        )
    });
    trial.run(
        "0.5 to 1.5 dB evenly",
        ChangeKind::TotalLossChange,
        &|plan, dice| {
            let even = dice.between(0.5, 1.5);
            (
                Harm {
                    even,
                    ..Harm::default()
                },
                plan.end_m,
                Some(even),
            )
        },
    );
}

/// Shots of a fibre whose splice, connector and end are elsewhere, and of one beside it in the same
/// cable: its closures are at the same places, but lose otherwise.
fn strangers(trial: &mut Trial<'_>) {
    let (mut other, mut beside, mut tries) = (0, 0, 0);
    let each = trial.asked.tries / trial.benches.len() as u64;
    for bench in &mut trial.benches {
        for _ in 0..each {
            bench.instrument.next(&mut bench.dice);
            let [splice, connector] =
                [(0.1, 0.25), (0.36, 0.5)].map(|(a, b)| bench.dice.between(a, b));
            let end = bench.plan.end_m * bench.dice.between(0.8, 0.95);
            let elsewhere = Harm {
                places: Some([splice, connector]),
                end: Some((end, Some(-40.0))),
                ..Harm::default()
            };
            let lose = [0.15, 0.3].map(|loss| -loss * bench.dice.between(0.5, 1.0));
            let alike = Harm {
                more_at_splice: lose[0],
                more_at_connector: lose[1],
                ..Harm::default()
            };
            for (harm, told) in [(elsewhere, &mut other), (alike, &mut beside)] {
                let glass = bench.plan.glass(&harm);
                let shot = glass.shot(&bench.instrument, &mut bench.dice);
                let fault = bench.watch.look(&[shot]).comparison.fault;
                *told += u64::from(fault == Some(InstrumentFault::OtherFibre));
            }
            tries += 1;
        }
    }
    println!("    another fibre: told {other}, one beside it {beside}, of {tries}");
}

fn main() {
    let asked = asked();
    if asked.quiet > 0 {
        quiet(&asked);
    }
    if asked.tries == 0 {
        return;
    }
    println!(
        "changes, {} shots each, {REFERENCES} references of {LEARNED} shots, seed {}; intervals are of 95 %, \
         with their mean half width and mean miss in half widths",
        asked.tries, asked.seed
    );
    for plan in PLANS.iter().filter(|plan| asked.wants(plan.name)) {
        println!("  {}", plan.name);
        let bench = |k| Bench::new(plan, asked.seed * 1_000 + k);
        let benches = (0..REFERENCES).map(bench).collect();
        let mut trial = Trial {
            benches,
            asked: &asked,
        };
        trial.own_places();
        harms(&mut trial);
        ends(&mut trial);
        if asked.wants_kind("another fibre") {
            strangers(&mut trial);
        }
    }
}
