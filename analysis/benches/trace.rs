//! How fast a trace is understood, beside the bound of reading its bytes and of smoothing its
//! samples once, and how much memory the whole takes at its peak; and what watching a fibre takes:
//! learning a reference from shots, and holding one more against it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench"
)]

use divan::counter::ItemsCount;
use peak_alloc::PeakAlloc;
use silkline_analysis::trace::{Trace, Watch, analyse};
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};
use silkline_sim::Seed;
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The size that the figures speak of, and the largest that instruments write.
const SAMPLES: [u32; 3] = [16_000, 128_000, 200_000];

fn main() {
    for samples in SAMPLES {
        let bytes = file(samples, 1);
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage_as_mb();
        let found = understood(&bytes);
        println!(
            "{samples} samples: {found} events, {:.1} MB at the peak beside a file of {:.1} MB",
            MEMORY.peak_usage_as_mb() - before,
            bytes.len() as f32 / 1e6
        );
    }
    divan::main();
}

/// The file of a shot along 80 km with a splice each 4 km, every third connector reflecting.
fn file(samples: u32, seed: u64) -> Vec<u8> {
    let joint = |k: u32| {
        let loss = Db::of(0.03 + 0.01 * f64::from(k % 7));
        if k.is_multiple_of(3) {
            Joint::reflecting(loss, Db::of(-52.0))
        } else {
            Joint::splice(loss)
        }
    };
    let part = |k| Part {
        length: OpticalLength::of(4_000.0),
        attenuation: DbPerKm::of(0.2),
        backscatter: Db::of(-81.5),
        then: joint(k),
    };
    let fibre = Fibre {
        panel: Joint::reflecting(Db::of(0.2), Db::of(-45.0)),
        parts: (1..=20).map(part).collect(),
    };
    let range = OpticalLength::of(100_000.0);
    let shot = Shot {
        spacing: OpticalLength::of(range.get() / f64::from(samples)),
        range,
        noise: Seed(seed),
        grain: Seed(2),
        ..Shot::of(fibre.length(), 300, 60)
    };
    shoot(&fibre, &Instrument::default(), &shot).sor(&Labels::default())
}

fn shot(samples: u32, seed: u64) -> Trace {
    Trace::from_sor(&silkline_sor::read(&file(samples, seed)).unwrap()).unwrap()
}

fn understood(bytes: &[u8]) -> usize {
    let sor = silkline_sor::read(bytes).unwrap();
    let trace = Trace::from_sor(&sor).unwrap();
    analyse(&trace).events.len()
}

#[divan::bench(args = SAMPLES)]
fn read_and_analyse(bencher: divan::Bencher<'_, '_>, samples: u32) {
    let bytes = file(samples, 1);
    bencher
        .counter(ItemsCount::new(samples))
        .bench(|| understood(divan::black_box(&bytes)));
}

/// A bound: nothing is understood before it is read.
#[divan::bench(args = SAMPLES)]
fn read_alone(bencher: divan::Bencher<'_, '_>, samples: u32) {
    let bytes = file(samples, 1);
    bencher
        .counter(ItemsCount::new(samples))
        .bench(|| silkline_sor::read(divan::black_box(&bytes)).unwrap());
}

/// Another bound: a mean over a window, once over all samples.
#[divan::bench(args = SAMPLES)]
fn smooth_once(bencher: divan::Bencher<'_, '_>, samples: u32) {
    let trace = shot(samples, 1);
    bencher.counter(ItemsCount::new(samples)).bench(|| {
        let levels = divan::black_box(&trace).levels();
        let mut sum: f64 = levels.iter().take(64).sum();
        let pairs = levels.iter().zip(levels.iter().skip(64));
        pairs
            .map(|(old, new)| {
                sum += new - old;
                sum
            })
            .fold(0.0, f64::max)
    });
}

/// Shots that a reference is learned from.
const GOOD: u64 = 8;

#[divan::bench(args = SAMPLES)]
fn learn_from_eight(bencher: divan::Bencher<'_, '_>, samples: u32) {
    let shots: Vec<Trace> = (1..=GOOD).map(|seed| shot(samples, seed)).collect();
    bencher.bench(|| Watch::learn(divan::black_box(&shots)).unwrap());
}

#[divan::bench(args = SAMPLES)]
fn look_at_one(bencher: divan::Bencher<'_, '_>, samples: u32) {
    let shots: Vec<Trace> = (1..=GOOD).map(|seed| shot(samples, seed)).collect();
    let watch = Watch::learn(&shots).unwrap();
    let fresh = [shot(samples, GOOD + 1)];
    bencher.bench(|| watch.look(divan::black_box(&fresh)));
}
