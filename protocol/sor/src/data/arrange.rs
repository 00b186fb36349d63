//! Parts of different scales to curves of different pulses.

use super::{Curve, Stated};

/// Makes curves of the parts: the trace first, then those of the other pulses in their order.
pub(super) fn arrange(
    mut first: Curve,
    mut others: Vec<Curve>,
    stated: &Stated<'_>,
    warnings: &mut Vec<String>,
) -> (Curve, Vec<Curve>) {
    let length = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    if let [single] = stated.counts {
        let pieces = pieces_of(first.raw.len(), &others, length(*single));
        if pieces > 0 {
            warnings.push(format!(
                "DataPts: one curve in {} parts, joined",
                pieces + 1
            ));
            first = joined(first, others.drain(..pieces));
        }
        return (first, others);
    }
    let held = first.raw.len() + others.iter().map(|part| part.raw.len()).sum::<usize>();
    let counts: Vec<usize> = stated.counts.iter().copied().map(length).collect();
    let wanted = counts
        .iter()
        .fold(0, |sum: usize, count| sum.saturating_add(*count));
    let in_place = std::iter::once(&first)
        .chain(&others)
        .map(|part| part.raw.len());
    let mut curves = if in_place.eq(counts.iter().copied()) {
        std::iter::once(first).chain(others).collect()
    } else if wanted == held {
        cut(joined(first, others.into_iter()), &counts)
    } else {
        return (first, others);
    };
    let main = curves.remove(stated.main.min(curves.len() - 1));
    (main, curves)
}

/// How many of the further parts complete a curve that has `held` of `wanted` samples.
fn pieces_of(held: usize, others: &[Curve], wanted: usize) -> usize {
    let mut sum = held;
    let complete = others.iter().position(|part| {
        let before = sum;
        sum = sum.saturating_add(part.raw.len());
        before < wanted && sum == wanted
    });
    complete.map_or(0, |at| at + 1)
}

/// One curve of several parts, at the coarsest of their scales, which holds all their levels.
fn joined(first: Curve, others: impl Iterator<Item = Curve>) -> Curve {
    let mut parts = vec![first];
    parts.extend(others);
    let scale = parts.iter().map(|part| part.scale).max().unwrap_or(1_000);
    let raw = parts.into_iter().flat_map(|part| {
        let own = u32::from(part.scale);
        let all = u32::from(scale.max(1));
        part.raw.into_iter().map(move |raw| rescaled(raw, own, all))
    });
    Curve {
        scale,
        raw: raw.collect(),
    }
}

/// A sample at another scale; the code for no power stays what it is.
fn rescaled(raw: u16, own: u32, all: u32) -> u16 {
    if own == all || raw == u16::MAX {
        return raw;
    }
    let rounded = (u32::from(raw) * own + all / 2) / all;
    u16::try_from(rounded).unwrap_or(u16::MAX)
}

fn cut(curve: Curve, counts: &[usize]) -> Vec<Curve> {
    let mut rest = curve.raw;
    let mut curves = Vec::with_capacity(counts.len());
    for &count in counts {
        let behind = rest.split_off(count.min(rest.len()));
        curves.push(Curve {
            scale: curve.scale,
            raw: std::mem::replace(&mut rest, behind),
        });
    }
    curves
}
