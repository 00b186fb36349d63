//! Recall and precision of the event search against the tables that instruments wrote themselves.
//!
//! `accuracy_real [--each] FILE.sor…` prints a line a source (folder prefix, supplier, model), the
//! macro and pooled figures over all entries and over those a trace can support, for two
//! tolerances, and with `--each` every entry and every event.
//!
//! - The launch (an entry within the tolerance of zero), entries a user added and ghosts do not
//!   count, nor does what lies beyond the table's end and its last entry.
//! - Entries and events are paired one to one, nearest first.
//! - A trace supports ends, reflections, and losses of at least 0.05 dB, four deviations of the
//!   loss (noise near the entry, glass up to its neighbours) and the file's own threshold.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that reads files and prints what it found"
)]

use std::collections::BTreeMap;

use silkline_analysis::trace::{Event, EventKind, Trace, analyse};
use silkline_sor::KeyEvent;

/// The smallest loss that counts as one a trace can support.
const SUPPORTED_DB: f64 = 0.05;

fn main() {
    let each = std::env::args().any(|argument| argument == "--each");
    let mut sources: BTreeMap<String, Score> = BTreeMap::new();
    for path in std::env::args().skip(1).filter(|word| word != "--each") {
        let Some(file) = File::read(&path) else {
            println!("{path}: no trace or no table");
            continue;
        };
        let score = file.score();
        if each {
            file.print();
        }
        sources.entry(file.source).or_default().add(&score);
    }
    let mut pooled = Score::default();
    for (source, score) in &sources {
        println!("{source:<50} {}", score.wide.all.line());
        println!("{:<50} {}", "", score.bias());
        pooled.add(score);
    }
    let count = (sources.len() as f64).max(1.0);
    let macro_of = |figure: fn(&Share) -> f64| {
        let sum: f64 = sources.values().map(|s| figure(&s.wide.all)).sum();
        sum / count
    };
    let (recall, precision) = (macro_of(Share::recall), macro_of(Share::precision));
    println!("macro over {count} sources: recall {recall:.3} precision {precision:.3}");
    println!(
        "max(pulse, 10 m)                  {}",
        pooled.wide.all.line()
    );
    println!(
        "  supported by the trace          {}",
        pooled.wide.supported.line()
    );
    println!(
        "max(pulse/2, 2 samples, 5 m)      {}",
        pooled.narrow.all.line()
    );
    println!(
        "  supported by the trace          {}",
        pooled.narrow.supported.line()
    );
    pooled.print_errors();
    pooled.causes.print();
}

/// Entries, events, and pairs of both.
#[derive(Clone, Copy, Default)]
struct Share {
    entries: f64,
    entries_met: f64,
    events: f64,
    events_met: f64,
}

impl Share {
    fn recall(&self) -> f64 {
        self.entries_met / self.entries.max(1.0)
    }

    fn precision(&self) -> f64 {
        self.events_met / self.events.max(1.0)
    }

    fn line(&self) -> String {
        let (recall, precision) = (self.recall(), self.precision());
        let (entries, events) = (self.entries, self.events);
        format!("recall {recall:.3} precision {precision:.3} of {entries} entries, {events} events")
    }

    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.entries_met += other.entries_met;
        self.events += other.events;
        self.events_met += other.events_met;
    }
}

/// What one tolerance gives: all entries, and those a trace can support.
#[derive(Clone, Copy, Default)]
struct Measure {
    all: Share,
    supported: Share,
}

#[derive(Clone, Default)]
struct Score {
    wide: Measure,
    narrow: Measure,
    /// Distances of pairs, in metres and in tolerances.
    off: Vec<[f64; 2]>,
    /// Differences of reflectance in decibels where neither is saturated.
    reflectance: Vec<f64>,
    causes: Causes,
}

/// What missed entries and false events look like, by where the nearest of the other kind is.
#[derive(Clone, Copy, Default)]
struct Causes {
    /// Entries: the trace does not support them; an event lies one to three tolerances off; or neither.
    missed: [usize; 3],
    /// Events: an entry lies one to three tolerances off; a loss below 0.1 dB; or neither.
    unlisted: [usize; 3],
}

impl Causes {
    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.missed, &other.missed),
            (&mut self.unlisted, &other.unlisted),
        ];
        for (sum, one) in pairs {
            sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
        }
    }

    fn print(&self) {
        let [faint, shifted, rest] = self.missed;
        println!(
            "missed entries: {shifted} with an event one to three tolerances off, {faint} too small \
             for the trace, {rest} others"
        );
        let [shifted, small, rest] = self.unlisted;
        println!(
            "unlisted events: {shifted} with an entry one to three tolerances off, {small} below \
             0.1 dB, {rest} others"
        );
    }
}

impl Score {
    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.wide, &other.wide),
            (&mut self.narrow, &other.narrow),
        ];
        for (sum, one) in pairs {
            sum.all.add(&one.all);
            sum.supported.add(&one.supported);
        }
        self.off.extend(&other.off);
        self.reflectance.extend(&other.reflectance);
        self.causes.add(&other.causes);
    }

    /// Where events lie against entries: a bias is an instrument's custom, or ours.
    fn bias(&self) -> String {
        let middle = |k: usize| {
            let values = self.off.iter().filter_map(|off| off.get(k));
            median(values.copied().collect())
        };
        let [metres, share] = [0, 1].map(middle);
        format!("events minus entries: median {metres:.1} m, {share:.2} tolerances")
    }

    fn print_errors(&self) {
        let metres = median(self.off.iter().map(|[metres, _]| metres.abs()).collect());
        let bias = median(self.off.iter().map(|[_, share]| *share).collect());
        println!("place: median error {metres:.1} m, median bias {bias:.2} tolerances");
        let within = self.reflectance.iter().filter(|d| d.abs() <= 1.0).count();
        let count = self.reflectance.len();
        let bias = median(self.reflectance.clone());
        println!("reflectance: {within} of {count} within 1 dB, median difference {bias:.2} dB");
    }
}

/// One file with what its table and the search say.
struct File {
    name: String,
    source: String,
    trace: Trace,
    entries: Vec<Entry>,
    events: Vec<Event>,
}

struct Entry {
    at: f64,
    supported: bool,
    row: KeyEvent,
}

impl File {
    fn read(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let sor = silkline_sor::read(&std::fs::read(path).ok()?).ok()?;
        let trace = Trace::from_sor(&sor).ok()?;
        let folder = name.split("__").next().unwrap_or_default();
        let source = format!("{folder} {} {}", sor.supplier.supplier, sor.supplier.model);
        let table = sor.events.as_ref()?;
        let (user, rows): (Vec<_>, Vec<_>) = table
            .events
            .iter()
            .map(|row| (sor.metres(row.time), row.clone()))
            .partition(|(_, row)| row.is_added_by_user());
        let tolerance = wide(&trace);
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|(at, _)| at.abs() >= tolerance)
            .collect();
        let ends = rows
            .iter()
            .filter(|(_, row)| row.is_end())
            .map(|(at, _)| *at);
        let listed = rows.iter().map(|(at, _)| *at).fold(0.0, f64::max);
        let last = ends
            .reduce(f64::min)
            .map_or(f64::MAX, |end| end.max(listed));
        let counts = |event: &Event| {
            let at = event.at.get();
            let added = user.iter().any(|(place, _)| (place - at).abs() < tolerance);
            let inside = at > tolerance && at <= last + 3.0 * tolerance;
            event.kind != EventKind::Ghost && inside && !added
        };
        let events = analyse(&trace).events.into_iter().filter(counts).collect();
        let entries = supported(&trace, rows);
        Some(Self {
            name,
            source,
            trace,
            entries,
            events,
        })
    }

    fn score(&self) -> Score {
        let tolerance = wide(&self.trace);
        let pairs = self.pairs(tolerance);
        let mut score = Score {
            wide: self.measure(&pairs),
            narrow: self.measure(&self.pairs(narrow(&self.trace))),
            causes: self.causes(&pairs),
            ..Score::default()
        };
        for (entry, event) in pairs.iter().filter_map(|&(i, k)| self.pair(i, k)) {
            let off = event.at.get() - entry.at;
            score.off.push([off, off / tolerance]);
            let saturated = event.saturated || entry.row.code.starts_with('2');
            if let (Some(ours), Some(theirs)) = (event.reflectance, entry.row.reflectance)
                && !saturated
            {
                score.reflectance.push(ours.get() - theirs.db());
            }
        }
        score
    }

    /// Pairs of entry and event within a tolerance, nearest first.
    fn pairs(&self, tolerance: f64) -> Vec<(usize, usize)> {
        let events = || self.events.iter().enumerate();
        let all = self.entries.iter().enumerate().flat_map(|(i, entry)| {
            events().map(move |(k, event)| ((event.at.get() - entry.at).abs(), i, k))
        });
        let mut near: Vec<_> = all.filter(|(off, ..)| *off <= tolerance).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for (_, i, k) in near {
            if pairs.iter().all(|pair| pair.0 != i && pair.1 != k) {
                pairs.push((i, k));
            }
        }
        pairs
    }

    fn pair(&self, entry: usize, event: usize) -> Option<(&Entry, &Event)> {
        Some((self.entries.get(entry)?, self.events.get(event)?))
    }

    fn measure(&self, pairs: &[(usize, usize)]) -> Measure {
        let met = pairs.len() as f64;
        let all = Share {
            entries: self.entries.len() as f64,
            entries_met: met,
            events: self.events.len() as f64,
            events_met: met,
        };
        // An event is asked for what entries are: one too small for support counts only if met.
        let small = |event: &Event| {
            let loss = event.loss.map_or(f64::MAX, |loss| loss.get().abs());
            event.reflectance.is_none() && loss < SUPPORTED_DB
        };
        let paired = |k: usize| pairs.iter().any(|pair| pair.1 == k);
        let large = |(k, event): &(usize, &Event)| !small(event) || paired(*k);
        let pairs = pairs.iter().filter_map(|&(i, k)| self.pair(i, k));
        let supported = Share {
            entries: self.entries.iter().filter(|entry| entry.supported).count() as f64,
            entries_met: pairs.filter(|(entry, _)| entry.supported).count() as f64,
            events: self.events.iter().enumerate().filter(large).count() as f64,
            events_met: met,
        };
        Measure { all, supported }
    }

    fn causes(&self, pairs: &[(usize, usize)]) -> Causes {
        let near = 3.0 * wide(&self.trace);
        let close = |a: f64, b: f64| (a - b).abs() <= near;
        let mut causes = Causes::default();
        for (i, entry) in self.entries.iter().enumerate() {
            if pairs.iter().any(|pair| pair.0 == i) {
                continue;
            }
            let mut others = self.events.iter().enumerate();
            let shifted = others.any(|(k, event)| {
                close(event.at.get(), entry.at) && pairs.iter().all(|pair| pair.1 != k)
            });
            let [faint, moved, rest] = &mut causes.missed;
            *match (shifted, entry.supported) {
                (true, _) => moved,
                (false, false) => faint,
                (false, true) => rest,
            } += 1;
        }
        for (k, event) in self.events.iter().enumerate() {
            if pairs.iter().any(|pair| pair.1 == k) {
                continue;
            }
            let mut others = self.entries.iter().enumerate();
            let shifted = others.any(|(i, entry)| {
                close(event.at.get(), entry.at) && pairs.iter().all(|pair| pair.0 != i)
            });
            let loss = event.loss.map_or(f64::MAX, |loss| loss.get().abs());
            let [moved, small, rest] = &mut causes.unlisted;
            *match (shifted, event.reflectance.is_none() && loss < 0.1) {
                (true, _) => moved,
                (false, true) => small,
                (false, false) => rest,
            } += 1;
        }
        causes
    }

    fn print(&self) {
        println!("{}, pulse {:.1} m", self.name, self.trace.pulse().get());
        let pairs = self.pairs(wide(&self.trace));
        for (i, entry) in self.entries.iter().enumerate() {
            let found = pairs.iter().find(|pair| pair.0 == i);
            let found = found.and_then(|pair| self.events.get(pair.1));
            let (at, code, loss) = (entry.at, &entry.row.code, entry.row.loss.db());
            let mark = if entry.supported { ' ' } else { 's' };
            let theirs = entry.row.reflectance.map(|db| db.db());
            let theirs = theirs.map_or(String::new(), |db| format!(", theirs {db:.1} dB"));
            println!(
                "  {at:>10.1} {code}{mark} {loss:>7.3} dB  {}{theirs}",
                row(found)
            );
        }
        for (k, event) in self.events.iter().enumerate() {
            if pairs.iter().all(|pair| pair.1 != k) {
                println!("  {:>29}  {}", "", row(Some(event)));
            }
        }
    }
}

fn wide(trace: &Trace) -> f64 {
    trace.pulse().get().max(10.0)
}

fn narrow(trace: &Trace) -> f64 {
    let samples = 2.0 * trace.settings().spacing.get();
    (trace.pulse().get() / 2.0).max(samples).max(5.0)
}

/// The entries, each with whether the trace can support it.
fn supported(trace: &Trace, rows: Vec<(f64, KeyEvent)>) -> Vec<Entry> {
    let places: Vec<f64> = rows.iter().map(|(at, _)| *at).collect();
    let threshold = trace.settings().loss_threshold.map_or(0.0, |db| db.get());
    let last = rows.len().saturating_sub(1);
    let judged = rows.into_iter().enumerate().map(|(i, (at, row))| {
        let behind = places
            .get(i + 1)
            .copied()
            .unwrap_or_else(|| at + 10.0 * wide(trace));
        let before = i.checked_sub(1).and_then(|i| places.get(i)).copied();
        let before = before.unwrap_or(0.0);
        let least = SUPPORTED_DB
            .max(threshold)
            .max(4.0 * loss_sigma(trace, [before, at, behind]));
        let lost = row.loss.db().abs() >= least;
        let supported = lost || row.reflectance.is_some() || row.is_end() || i == last;
        Entry { at, supported, row }
    });
    judged.collect()
}

/// Deviation of a loss from lines over the glass up to the neighbours, `var S = 8 σ² / N` for two
/// stretches of N samples.
fn loss_sigma(trace: &Trace, [before, at, behind]: [f64; 3]) -> f64 {
    let pulse = trace.pulse().get();
    let step = trace.settings().spacing.get();
    let first = trace.settings().first.get();
    let last = trace.levels().len();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to the number of samples by the clamp before"
    )]
    let index = |metres: f64| ((metres - first) / step).clamp(0.0, last as f64) as usize;
    let side = |from: f64, to: f64| {
        let levels = trace
            .levels()
            .get(index(from)..index(to))
            .unwrap_or_default();
        let mut jumps: Vec<f64> = levels
            .windows(2)
            .filter_map(|w| Some(w.get(1)? - w.first()?))
            .collect();
        let middle = median(jumps.clone());
        jumps
            .iter_mut()
            .for_each(|jump| *jump = (*jump - middle).abs());
        let sigma = 1.4826 * median(jumps) / std::f64::consts::SQRT_2;
        4.0 * sigma * sigma / (levels.len() as f64).max(1.0)
    };
    let (near, far) = (before + pulse, behind - pulse);
    (side(near.min(at), at) + side((at + pulse).min(far), far)).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn row(event: Option<&Event>) -> String {
    event.map_or_else(
        || "-".into(),
        |event| {
            let loss = event.loss.map_or(0.0, |loss| loss.get());
            let (at, half) = (event.at.get(), event.plus_minus.get());
            let reflectance = event.reflectance.map(|db| db.get());
            let reflectance = reflectance.map_or(String::new(), |db| format!(", {db:.1} dB"));
            format!(
                "{at:>10.1} ± {half:<6.1} {:?} {loss:.3} dB{reflectance}",
                event.kind
            )
        },
    )
}
