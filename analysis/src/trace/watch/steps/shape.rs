//! What a step is in bins whose noise was made white.
//!
//! A step fills over the pulse and the receiver's time; what makes the noise white sharpens it. One
//! that was smoothed just as the noise was is a sharp one again: the plain sum over what lies behind.

use super::super::colour::Whitener;
use super::super::ramp::Ramp;
use crate::trace::samples::{cut, whole};

/// A step that is filled but for this is filled.
const FILLED: f64 = 2e-3;

/// Steps at each bin, as what they have beyond plain ones.
pub(super) struct Shape {
    /// Level in deviations, made white.
    level: Vec<f64>,
    /// Bins from where a step begins to where half of it shows.
    delay: usize,
    /// What a step at a bin shows in each of some bins from its beginning on, less what a plain
    /// one at that bin does; all in one row.
    more: Vec<f64>,
    wide: usize,
}

/// Sums of products over a bin and all behind it.
pub(super) fn sums(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums: Vec<f64> = (a.iter().zip(b).rev())
        .map(|(a, b)| {
            sum += a * b;
            sum
        })
        .collect();
    sums.reverse();
    sums
}

impl Shape {
    /// For bins of these inverse deviations; `pulse` and the receiver's time in bins.
    pub(super) fn new(
        whitener: &Whitener,
        inverse: &[f64],
        (level, ramp): (&[f64], [f64; 2]),
    ) -> Self {
        let filled = filled(ramp);
        let half = filled.iter().position(|part| *part >= 0.5).unwrap_or(0);
        // A step within one bin is as good as sharp.
        let wide = match (filled.len(), whitener.order()) {
            (0..=1, 0) => 0,
            (long, order) => long + order,
        };
        let mut more = vec![0.0; wide * inverse.len()];
        for (bin, row) in more.chunks_exact_mut(wide.max(1)).enumerate() {
            let Some(first) = bin.checked_sub(half) else {
                continue;
            };
            for (off, more) in row.iter_mut().enumerate() {
                let at = first + off;
                let back = whitener.row(at).iter().enumerate();
                let shown: f64 = back
                    .take(off + 1)
                    .map(|(k, part)| {
                        let fill = filled.get(off - k).copied().unwrap_or(1.0);
                        let here = inverse.get(at.saturating_sub(k)).copied();
                        part * fill * here.unwrap_or_default()
                    })
                    .sum();
                let plain = if at >= bin { level.get(at) } else { None };
                let inside = at < inverse.len();
                *more = if inside {
                    shown - plain.copied().unwrap_or(0.0)
                } else {
                    0.0
                };
            }
        }
        Self {
            level: level.to_vec(),
            delay: half,
            more,
            wide,
        }
    }

    /// Whether steps are plain ones.
    pub(super) const fn is_sharp(&self) -> bool {
        self.wide == 0
    }

    /// Bins over which a step shows otherwise than a plain one.
    pub(super) const fn wide(&self) -> usize {
        self.wide
    }

    /// The rows, each with the first bin it is for.
    fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        let rows = self.more.chunks_exact(self.wide.max(1)).enumerate();
        rows.map(|(bin, row)| (bin.saturating_sub(self.delay), row))
    }

    /// A step at each bin times the values, from what plain ones make of them.
    pub(super) fn behind(&self, plain: &[f64], white: &[f64]) -> Vec<f64> {
        if self.is_sharp() {
            return plain.to_vec();
        }
        let more = self.rows().map(|(first, row)| {
            let values = cut(white, first, first + row.len());
            row.iter().zip(values).map(|(a, b)| a * b).sum::<f64>()
        });
        plain.iter().zip(more).map(|(a, b)| a + b).collect()
    }

    /// A step at each bin times itself.
    pub(super) fn squares(&self, plain: &[f64]) -> Vec<f64> {
        if self.is_sharp() {
            return plain.to_vec();
        }
        let more = self.rows().enumerate().map(|(bin, (first, row))| {
            let each = row.iter().enumerate().map(|(off, more)| {
                let at = first + off;
                let plain = if at >= bin { self.level.get(at) } else { None };
                more * (more + 2.0 * plain.copied().unwrap_or(0.0))
            });
            each.sum::<f64>()
        });
        plain.iter().zip(more).map(|(a, b)| a + b).collect()
    }

    /// The square of what a step at a bin and one at the next differ by.
    pub(super) fn between(&self, bin: usize) -> f64 {
        let level = self.level.get(bin).copied().unwrap_or(0.0);
        let row = |bin: usize| cut(&self.more, bin * self.wide, (bin + 1) * self.wide);
        let (own, next) = (row(bin), row(bin + 1));
        let difference = (0..=self.wide).map(|off| {
            let here = own.get(off).copied().unwrap_or(0.0);
            let before = off.checked_sub(1).and_then(|off| next.get(off));
            let plain = if off == self.delay { level } else { 0.0 };
            (plain + here - before.copied().unwrap_or(0.0)).powi(2)
        });
        difference.sum()
    }
}

/// How much of a step has filled in each bin from its beginning on.
fn filled([pulse, constant]: [f64; 2]) -> Vec<f64> {
    /// Samples a bin, to look at a ramp within it.
    const FINE: usize = 4;
    let fine = FINE as f64;
    let ramp = Ramp {
        at: 0.0,
        pulse: pulse * fine,
        constant: constant * fine,
        fade: 0.0,
        size: 1e-3,
    };
    let part = |bin: usize| ramp.fall(bin * FINE, FINE).0 / ramp.size;
    (0..whole(ramp.length() / fine) + 1)
        .map(part)
        .take_while(|part| *part < 1.0 - FILLED)
        .collect()
}
