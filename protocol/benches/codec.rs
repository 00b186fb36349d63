//! How fast samples of 40 readings go on and off the wire, beside the bound of JSON alone.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use divan::counter::ItemsCount;
use silkline_protocol::codec::{self, Envelope, Record};
use silkline_protocol::delivery::Seq;
use silkline_protocol::message::Body;
use silkline_protocol::sample::{Reading, Sample};

fn main() {
    divan::main();
}

fn record() -> Record {
    let readings = (0..40u8)
        .map(|index| {
            let value = -17.0 - f64::from(index) / 100.0;
            (
                format!("in_power.{index}").parse().unwrap(),
                Reading::of(value),
            )
        })
        .collect();
    let sample = Sample {
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
        readings,
    };
    let envelope = Envelope {
        agent: "main".parse().unwrap(),
        epoch: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        seq: Seq::FIRST,
        late: false,
    };
    let (line, site) = ("baku-poti".parse().unwrap(), "ganja".parse().unwrap());
    Record {
        line,
        site,
        envelope,
        body: Body::Sample("edfa-1".parse().unwrap(), sample),
    }
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let record = record();
    bencher
        .counter(ItemsCount::new(40usize))
        .bench(|| codec::encode(divan::black_box(&record)));
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    let wire = codec::encode(&record());
    bencher.counter(ItemsCount::new(40usize)).bench(|| {
        codec::decode(
            divan::black_box(&wire.topic),
            &wire.payload,
            &wire.properties,
        )
        .unwrap()
    });
}

/// The bound: the same bytes as JSON without any meaning.
#[divan::bench]
fn json_alone(bencher: divan::Bencher<'_, '_>) {
    let wire = codec::encode(&record());
    bencher.counter(ItemsCount::new(40usize)).bench(|| {
        serde_json::from_slice::<serde_json::Value>(divan::black_box(&wire.payload)).unwrap()
    });
}
