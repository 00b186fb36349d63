//! What was found of what was done, counted.

use silkline_analysis::trace::{Change, ChangeKind, Event};

/// Tallies of one kind and size.
#[derive(Default)]
pub(crate) struct Tally {
    tries: u64,
    found: u64,
    placed: u64,
    sized: u64,
    sizes: u64,
    extra: u64,
    half_m: f64,
    half_db: f64,
    /// Signed misses in half widths, for the worst of them to be seen.
    misses: Vec<(f64, f64)>,
}

impl Tally {
    /// Counts one shot's changes; whether all of them are right.
    pub(crate) fn take(
        &mut self,
        changes: &[Change],
        kind: ChangeKind,
        truth: (f64, Option<f64>),
    ) -> bool {
        self.tries += 1;
        let (at, size) = truth;
        let near = |c: &&Change| {
            c.kind == kind && (c.at.get() - at).abs() < 5.0 * c.plus_minus.get() + 60.0
        };
        let Some(change) = changes.iter().find(near) else {
            self.extra += u64::from(!changes.is_empty());
            return false;
        };
        self.found += 1;
        self.extra += u64::from(changes.len() > 1);
        let off = change.at.get() - at;
        self.placed += u64::from(off.abs() <= change.plus_minus.get());
        self.half_m += change.plus_minus.get();
        let mut miss = (off / change.plus_minus.get(), 0.0);
        if let (Some(size), Some(half)) = (size, change.delta_plus_minus) {
            let off = change.delta.get() - size;
            self.sizes += 1;
            self.half_db += half.get();
            self.sized += u64::from(off.abs() <= half.get());
            miss.1 = off / half.get();
        }
        self.misses.push(miss);
        changes.len() == 1 && miss.0.abs() <= 1.0 && miss.1.abs() <= 1.0
    }

    /// Counts the event of a reference nearest to a place; whether its interval holds it.
    pub(crate) fn own(&mut self, events: &[Event], at: f64) -> bool {
        self.tries += 1;
        let off = |event: &Event| event.at.get() - at;
        let nearest = events
            .iter()
            .min_by(|a, b| off(a).abs().total_cmp(&off(b).abs()));
        let Some(event) =
            nearest.filter(|event| off(event).abs() < 60.0 + 5.0 * event.plus_minus.get())
        else {
            return false;
        };
        self.found += 1;
        let (off, half) = (off(event), event.plus_minus.get());
        self.placed += u64::from(off.abs() <= half);
        self.half_m += half;
        self.misses.push((off / half, 0.0));
        off.abs() <= half
    }

    pub(crate) fn print(&self, what: &str) {
        let share = |part: u64, of: u64| {
            if of == 0 {
                "     ".to_owned()
            } else {
                format!("{:5.1}", 100.0 * part as f64 / of as f64)
            }
        };
        let mean = |f: fn(&(f64, f64)) -> f64| {
            self.misses.iter().map(f).sum::<f64>() / self.misses.len().max(1) as f64
        };
        let found = self.found.max(1) as f64;
        println!(
            "    {what:<26} found {} %  place {} % (± {:7.1} m, {:+.2})  size {} % (± {:.4} dB, {:+.2})  others {}",
            share(self.found, self.tries),
            share(self.placed, self.found),
            self.half_m / found,
            mean(|m| m.0),
            share(self.sized, self.sizes),
            self.half_db / self.sizes.max(1) as f64,
            mean(|m| m.1),
            self.extra
        );
    }
}
