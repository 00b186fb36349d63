//! How long a month of seconds takes to be charted: measured where `SILKLINE_MONTH` is set, for it
//! fills a store with 2.6 million samples first.

#![expect(clippy::disallowed_methods, reason = "a measurement reads a clock")]

use std::time::Instant;

use silkline_protocol::delivery::{Epoch, Seq};
use silkline_protocol::sample::{Reading, Sample};

use super::*;
use crate::store::write::{Origin, StreamKey};

/// Thirty days of one reading a second.
const SECONDS: i64 = 30 * 86_400;
/// Samples in one transaction.
const BATCH: i64 = 20_000;
const MOST: Duration = Duration::from_millis(300);

/// Fills the store with a month of one point that ends now.
fn fill(server: &mut Running, from: i64) {
    let stream = StreamKey {
        line: "dsw".parse().unwrap(),
        site: "ganja".parse().unwrap(),
        epoch: Epoch::from_bytes([9; 16]),
    };
    let device = "edfa-1".parse().unwrap();
    let fresh = r#"{"agent":"main","closed":[],"lost":[],"retired":false}"#;
    for batch in 0..=(SECONDS / BATCH) {
        let mut transaction = server.writer.begin(Timestamp::from_seconds(from)).unwrap();
        if batch == 0 {
            let fresh = serde_json::from_str(fresh).unwrap();
            transaction.stream(&stream, &fresh).unwrap();
        }
        for second in (batch * BATCH)..((batch + 1) * BATCH).min(SECONDS) {
            let wave = (second % 3_600) as f64 / 3_600.0;
            let level = Reading::Value(-17.0 + wave.sin() * 0.2);
            let sample = Sample {
                at: Timestamp::from_seconds(from + second),
                readings: std::collections::BTreeMap::from([(
                    "in_power.1".parse().unwrap(),
                    level,
                )]),
            };
            let origin = Origin {
                stream: &stream,
                seq: Seq::new(u64::try_from(second + 1).unwrap()).unwrap(),
                late: false,
            };
            transaction.sample(&origin, &device, &sample).unwrap();
        }
        transaction.commit(true).unwrap();
    }
}

/// Up to which sample the figures of ten minutes are made.
fn counted_up_to(server: &Running) -> i64 {
    let file = server.store_path().with_file_name("bins.data");
    let bins = rusqlite::Connection::open(file).unwrap();
    bins.busy_timeout(Duration::from_secs(5)).unwrap();
    bins.query_row("SELECT passed FROM meta", [], |row| row.get(0))
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_seconds_is_charted_at_once() {
    if std::env::var_os("SILKLINE_MONTH").is_none() {
        println!("skipped: SILKLINE_MONTH asks for no month");
        return;
    }
    let mut server = Running::start().await;
    let now = crate::clock::now().nanos() / 1_000_000_000;
    let from = now - SECONDS;
    let begun = Instant::now();
    tokio::task::block_in_place(|| fill(&mut server, from));
    println!(
        "filled with {SECONDS} readings in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let path = |from: i64| {
        let (from, to) = (Timestamp::from_seconds(from), Timestamp::from_seconds(now));
        format!(
            "/api/v1/devices/ganja.edfa-1/series?point=in_power.1&from={from}&to={to}&resolution=30min"
        )
    };
    let counted = Instant::now();
    while counted_up_to(&server) < SECONDS {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "counted in {:.1} s, while the server served",
        counted.elapsed().as_secs_f64()
    );
    let mut times = Vec::new();
    for _ in 0..10 {
        let asked = Instant::now();
        let body: Value = get(&server, &path(from)).await.json().await.unwrap();
        times.push(asked.elapsed());
        let values = body["items"].as_array().unwrap().iter();
        let counted: u64 = values.map(|bin| bin["values"].as_u64().unwrap()).sum();
        assert_eq!(
            counted,
            u64::try_from(SECONDS).unwrap(),
            "every reading is in the chart"
        );
    }
    times.sort();
    println!(
        "chart: 30 days at 1 s in {:?}, worst of ten; must ≤ {MOST:?}",
        times[9]
    );
}
