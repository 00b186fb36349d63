//! How fast a trace is read and written, beside the bound of copying its bytes.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use divan::counter::BytesCount;
use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor, read, write};

fn main() {
    divan::main();
}

const SAMPLES: [u16; 3] = [16_000, 32_000, 64_000];

fn trace(samples: u16) -> Sor {
    let spacing = OneWayTime::from_metres(2.0, GroupIndex::STANDARD_1550);
    let pulse = Pulse {
        width_ns: 1_000,
        spacing,
    };
    let acquisition = Acquisition::new(pulse, GroupIndex::STANDARD_1550, 1_550.0);
    Sor::new(
        acquisition,
        Curve {
            scale: 1_000,
            raw: (0..samples).collect(),
        },
    )
}

#[divan::bench(args = SAMPLES)]
fn read_trace(bencher: divan::Bencher<'_, '_>, samples: u16) {
    let bytes = write(&trace(samples));
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| read(divan::black_box(&bytes)).unwrap());
}

#[divan::bench(args = SAMPLES)]
fn write_trace(bencher: divan::Bencher<'_, '_>, samples: u16) {
    let trace = trace(samples);
    bencher
        .counter(BytesCount::new(usize::from(samples) * 2))
        .bench(|| write(divan::black_box(&trace)));
}

/// The bound: nothing reads a file faster than its bytes can be copied.
#[divan::bench(args = SAMPLES)]
fn copy_bytes(bencher: divan::Bencher<'_, '_>, samples: u16) {
    let bytes = write(&trace(samples));
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| divan::black_box(&bytes).clone());
}
