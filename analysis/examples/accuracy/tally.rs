//! Numbers of many outcomes, and the table by pulse and kind.

use crate::draw::{Kind, PULSES_NS};

/// Fewer than this in a stratum is said to be few.
pub(crate) const FEW: usize = 100;

/// One row a pulse, one column a kind of event.
pub(crate) fn by_kind(cell: impl Fn(u16, Kind) -> String) {
    let kinds = || Kind::ALL.into_iter().filter(|(kind, _)| !kind.is_end());
    print!("{:>10}", "pulse ns");
    for (_, name) in kinds() {
        print!(" {name:>26}");
    }
    println!();
    for pulse in PULSES_NS {
        print!("{pulse:>10}");
        for (kind, _) in kinds() {
            print!(" {:>26}", cell(pulse, kind));
        }
        println!();
    }
}

/// How many of some intervals hold the truth.
pub(crate) fn held(values: impl Iterator<Item = (f64, f64)>) -> String {
    let values: Vec<_> = values.collect();
    let inside = values.iter().filter(|(error, half)| error.abs() <= *half);
    let few = if values.len() < FEW { "*" } else { "" };
    format!("{}{few}", share(inside.count(), values.len()))
}

/// The deviation of the nearest nineteen of twenty, as that of all where they are normal.
pub(crate) fn most(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.truncate(sizes.len() * 19 / 20);
    // What is left of a normal variance without what lies beyond 1.96 deviations.
    rms(&sizes) / 0.758_8_f64.sqrt()
}

/// The deviation that the median of the sizes tells.
pub(crate) fn spread(values: &[f64]) -> f64 {
    middle(&mut values.iter().map(|v| v.abs()).collect::<Vec<_>>()) / 0.674_5
}

/// The root of the mean square.
pub(crate) fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / (values.len() as f64).max(1.0)).sqrt()
}

/// The middle one, NaN of none.
pub(crate) fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Some of all as a share.
pub(crate) fn share(some: usize, all: usize) -> String {
    if all == 0 {
        return "-".into();
    }
    format!("{:.1} % of {all}", 100.0 * some as f64 / all as f64)
}
