//! Recall and precision of the event search against the tables that instruments wrote themselves.
//!
//! `accuracy_real [--each] FILE.sor…` prints one line a source (folder prefix and model), the
//! macro and pooled figures, and with `--each` every entry and every event. The tolerance is the
//! longer of the pulse and 10 m; the launch, user-added entries and ghosts do not count.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that reads files and prints what it found"
)]

use std::collections::BTreeMap;

use silkline_analysis::trace::{Event, EventKind, Trace, analyse};
use silkline_sor::{KeyEvent, Sor};

/// The smallest loss that counts as one a trace can support.
const SUPPORTED_DB: f64 = 0.05;

/// Entries and events counted so far.
#[derive(Clone, Copy, Default)]
struct Score {
    hits: f64,
    entries: f64,
    events: f64,
    supported: f64,
    supported_hits: f64,
}

impl Score {
    fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.entries += other.entries;
        self.events += other.events;
        self.supported += other.supported;
        self.supported_hits += other.supported_hits;
    }

    fn recall(&self) -> f64 {
        self.hits / self.entries.max(1.0)
    }

    fn precision(&self) -> f64 {
        self.hits / self.events.max(1.0)
    }
}

fn main() {
    let each = std::env::args().any(|argument| argument == "--each");
    let mut sources: BTreeMap<String, Score> = BTreeMap::new();
    for path in std::env::args()
        .skip(1)
        .filter(|argument| argument != "--each")
    {
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some((source, score)) = score_file(&path, name, each) else {
            println!("{name}: no trace or no table");
            continue;
        };
        sources.entry(source).or_default().add(&score);
    }
    let mut pooled = Score::default();
    let (mut recall, mut precision) = (0.0, 0.0);
    for (source, score) in &sources {
        println!(
            "{source:<60} recall {:.3} precision {:.3} of {} entries, {} events",
            score.recall(),
            score.precision(),
            score.entries,
            score.events
        );
        pooled.add(score);
        recall += score.recall();
        precision += score.precision();
    }
    let count = (sources.len() as f64).max(1.0);
    println!(
        "macro  recall {:.3} precision {:.3}",
        recall / count,
        precision / count
    );
    println!(
        "pooled recall {:.3} precision {:.3}",
        pooled.recall(),
        pooled.precision()
    );
    println!(
        "entries of at least {SUPPORTED_DB} dB, reflections and ends: recall {:.3}",
        pooled.supported_hits / pooled.supported.max(1.0)
    );
}

fn score_file(path: &str, name: &str, each: bool) -> Option<(String, Score)> {
    let sor = silkline_sor::read(&std::fs::read(path).ok()?).ok()?;
    let trace = Trace::from_sor(&sor).ok()?;
    let source = name.split("__").next().unwrap_or(name);
    let source = format!("{source} {} {}", sor.supplier.supplier, sor.supplier.model);
    let tolerance = trace.pulse().get().max(10.0);
    let (entries, user) = table(&sor, tolerance);
    let end = entries
        .iter()
        .filter(|(_, e)| e.is_end())
        .map(|(at, _)| *at)
        .reduce(f64::min);
    let last = end.map_or(f64::MAX, |end| end + 3.0 * tolerance);
    let counts = |event: &Event| {
        let at = event.at.get();
        let added = user.iter().any(|place| (place - at).abs() < tolerance);
        event.kind != EventKind::Ghost && at > tolerance && at <= last && !added
    };
    let mut events = analyse(&trace).events;
    events.retain(counts);
    sor.events.as_ref()?;
    if each {
        println!("{name}, pulse {:.1} m", trace.pulse().get());
    }
    Some((source, pair(&entries, events, tolerance, each)))
}

/// The entries that count, with their places, and the places of those a user added.
fn table(sor: &Sor, tolerance: f64) -> (Vec<(f64, KeyEvent)>, Vec<f64>) {
    let all = sor.events.iter().flat_map(|table| &table.events);
    let placed = all.map(|entry| (sor.metres(entry.time), entry.clone()));
    let (user, entries): (Vec<_>, Vec<_>) = placed.partition(|(_, entry)| entry.is_added_by_user());
    let entries = entries
        .into_iter()
        .filter(|(at, _)| at.abs() >= tolerance)
        .collect();
    (entries, user.into_iter().map(|(at, _)| at).collect())
}

/// Pairs each entry with the nearest event that is left.
fn pair(entries: &[(f64, KeyEvent)], mut events: Vec<Event>, tolerance: f64, each: bool) -> Score {
    let mut score = Score {
        events: events.len() as f64,
        ..Score::default()
    };
    for (at, entry) in entries {
        let off = |event: &Event| (event.at.get() - at).abs();
        let nearest = events
            .iter()
            .enumerate()
            .min_by(|a, b| off(a.1).total_cmp(&off(b.1)))
            .filter(|(_, event)| off(event) <= tolerance)
            .map(|(index, _)| index);
        let supported =
            entry.loss.db().abs() >= SUPPORTED_DB || entry.reflectance.is_some() || entry.is_end();
        let hit = f64::from(u8::from(nearest.is_some()));
        score.entries += 1.0;
        score.hits += hit;
        score.supported += f64::from(u8::from(supported));
        score.supported_hits += hit * f64::from(u8::from(supported));
        let found = nearest.map(|index| events.remove(index));
        if each {
            println!(
                "  {at:>10.1} {} {:>7.3} dB  {}",
                entry.code,
                entry.loss.db(),
                row(found.as_ref())
            );
        }
    }
    for event in events.iter().filter(|_| each) {
        println!("  {:>28}  {}", "", row(Some(event)));
    }
    score
}

fn row(event: Option<&Event>) -> String {
    event.map_or_else(
        || "-".into(),
        |event| {
            let loss = event.loss.map_or(0.0, |loss| loss.get());
            let (at, half) = (event.at.get(), event.plus_minus.get());
            format!("{at:>10.1} ± {half:<6.1} {:?} {loss:.3} dB", event.kind)
        },
    )
}
