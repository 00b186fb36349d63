//! Days without an uplink, by volume: bytes a record in the spool, the time to open it, and how fast a
//! backlog can be read. The week is reckoned from a part of it.

use std::collections::BTreeMap;
use std::time::Instant;

use silkline_agent::clock::Clock;
use silkline_agent::spool::{Outgoing, SpoolHandle, SpoolSettings};
use silkline_protocol::delivery::Seq;
use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::message::Body;
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

const DEVICES: u64 = 50;
const POINTS: u64 = 20;
/// Polls of each device that are really written.
const ROUNDS: u64 = 2_400;
const WEEK: u64 = 7 * 86_400;

fn sample(device: u64, round: u64, names: &[PointName]) -> Outgoing {
    let id: DeviceId = format!("edfa-{device}").parse().unwrap();
    let readings: BTreeMap<PointName, Reading> = names
        .iter()
        .zip(0..)
        .map(|(name, at): (_, u64)| {
            // Hundredths of a decibel that wander a little, as amplifiers report them.
            let wander =
                (round.wrapping_mul(31) ^ device.wrapping_mul(17) ^ at.wrapping_mul(7)) % 9;
            let hundredths = -(1_500 + (at * 40 + device + wander) as i64);
            (name.clone(), Reading::of(hundredths as f64 / 100.0))
        })
        .collect();
    let at = Timestamp::from_nanos(
        1_760_000_000_000_000_000 + (round * 1_000_000_000 + device * 19_876_543) as i64,
    );
    Outgoing {
        lines: vec!["a-b".parse().unwrap()],
        body: Body::Sample(id, Sample { at, readings }),
    }
}

pub(crate) async fn bench() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SpoolSettings {
        path: folder.path().join("spool.sqlite"),
        site: "bench".parse().unwrap(),
        max_bytes: 64 << 30,
        keep: SpoolSettings::KEEP,
        max_age: None,
    };
    let names: Vec<PointName> = (0..POINTS)
        .map(|at| format!("in_power.{at}").parse().unwrap())
        .collect();
    let spool = SpoolHandle::open(settings.clone(), Clock::start())
        .unwrap()
        .spool;
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let all = (0..DEVICES).map(|device| {
            let (spool, outgoing) = (spool.clone(), sample(device, round, &names));
            tokio::spawn(async move { spool.append(outgoing).await.unwrap() })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
    }
    let (wrote, records) = (begun.elapsed().as_secs_f64(), DEVICES * ROUNDS);
    drop(spool);
    let size =
        |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
    let each = (size("spool.sqlite") + size("spool.sqlite-wal")) as f64 / records as f64;
    let begun = Instant::now();
    let spool = SpoolHandle::open(settings, Clock::start()).unwrap().spool;
    let opened = begun.elapsed().as_secs_f64();
    let reader = spool.reader().unwrap();
    let streams = reader.streams(spool.epoch(), 10).unwrap();
    let begun = Instant::now();
    let mut read = 0u64;
    for stream in streams {
        for seq in 1..=stream.newest.map_or(0, Seq::get) {
            read += u64::from(
                reader
                    .record(stream.id, Seq::new(seq).unwrap())
                    .unwrap()
                    .is_some(),
            );
        }
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        "spool: {DEVICES} devices x {POINTS} points every second without an uplink, {records} records written"
    );
    println!(
        "  {each:.0} bytes a record, so a week takes {:.1} GB; {:.0} records/s written and synced; opened in {:.2} s; {:.0} records/s read",
        each * (WEEK * DEVICES) as f64 / 1e9,
        records as f64 / wrote,
        opened,
        read as f64 / took
    );
}
