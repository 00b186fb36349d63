//! The SNMP driver against answers of every kind.

use silkline_protocol::sample::Reading;

use super::*;
use crate::profile::{Library, Map};

fn driver(id: &str) -> SnmpDriver {
    let library = Library::embedded();
    let profile = library.find(&id.parse().unwrap()).unwrap();
    let Map::Snmp(map) = &profile.map else {
        panic!("{id} is no SNMP profile")
    };
    SnmpDriver::new(map)
}

fn answer(values: &[(&str, SnmpValue)]) -> Answer {
    let values = values
        .iter()
        .map(|(oid, value)| (oid.parse().unwrap(), value.clone()));
    Answer {
        values: Ok(values.collect()),
        took: Duration::from_millis(2),
        at: Moment::START,
        size: None,
    }
}

fn fault(fault: Fault) -> Answer {
    Answer {
        values: Err(fault),
        took: Duration::from_secs(1),
        at: Moment::START,
        size: None,
    }
}

fn reading(readings: &ByName, name: &str) -> Reading {
    readings[&name.parse().unwrap()].reading
}

const OTS: &str = "1.3.6.1.4.1.9.9.834.1.1.2.1";

fn ots(column: u32, row: u32) -> String {
    format!("{OTS}.{column}.{row}")
}

#[test]
fn scalars_are_asked_together_and_tables_walked() {
    let plan = driver("akcp-sensorprobe").plan();
    assert!(matches!(&plan[0], Ask::Get(oids) if oids.len() == 1));
    let Ask::Walk(walk) = &plan[1] else {
        panic!("no walk")
    };
    assert_eq!(walk.next().unwrap().after.len(), 3);
    let Ask::Walk(walk) = &driver("cisco-ncs1k-ots").plan()[0] else {
        panic!("no walk")
    };
    let first = walk.next().unwrap().after;
    assert!(
        first.windows(2).all(|pair| pair[0] < pair[1]),
        "each column once, in order"
    );
}

#[test]
fn each_kind_of_wrong_value_gives_its_reason() {
    let bad = |reason| Reading::Bad(reason);
    for (value, wanted) in [
        (SnmpValue::Whole(-1720), Reading::Value(-17.2)),
        (SnmpValue::Whole(-4000), Reading::Dark),
        (SnmpValue::Whole(i32::MAX.into()), bad(BadReading::Invalid)),
        (SnmpValue::Whole(99_999), bad(BadReading::OutOfRange)),
        (SnmpValue::Real(f64::NAN), bad(BadReading::Garbled)),
        (SnmpValue::Bytes(b"???".to_vec()), bad(BadReading::Garbled)),
        (SnmpValue::Absent, bad(BadReading::NotSupported)),
        (SnmpValue::Other("null"), bad(BadReading::Garbled)),
    ] {
        let readings = driver("cisco-ncs1k-ots").decode(&[answer(&[(&ots(3, 1), value.clone())])]);
        assert_eq!(reading(&readings, "rx_power.1"), wanted, "{value:?}");
    }
}

#[test]
fn a_table_without_an_answer_gives_the_reason_for_each_row_it_had() {
    let mut driver = driver("cisco-ncs1k-ots");
    driver.decode(&[answer(&[
        (&ots(3, 1), SnmpValue::Whole(-1000)),
        (&ots(3, 2), SnmpValue::Whole(-1100)),
    ])]);
    let readings = driver.decode(&[fault(Fault::Timeout(Duration::from_secs(1)))]);
    assert_eq!(readings.len(), 2);
    assert_eq!(
        reading(&readings, "rx_power.2"),
        Reading::Bad(BadReading::Timeout)
    );
    let readings = driver.decode(&[answer(&[(&ots(3, 1), SnmpValue::Whole(-1000))])]);
    assert_eq!(reading(&readings, "rx_power.1"), Reading::Value(-10.0));
    assert_eq!(
        reading(&readings, "rx_power.2"),
        Reading::Bad(BadReading::NotSupported)
    );
}

#[test]
fn a_failed_get_costs_no_table_and_a_failed_walk_no_scalar() {
    let status = "1.3.6.1.4.1.3854.1.1.2.0";
    let door = "1.3.6.1.4.1.3854.1.2.2.1.18.1.3.0";
    let mut driver = driver("akcp-sensorprobe");
    let refused = || fault(Fault::Refused("genErr".into()));
    let readings = driver.decode(&[refused(), answer(&[(door, SnmpValue::Whole(4))])]);
    assert_eq!(
        reading(&readings, "probe_status"),
        Reading::Bad(BadReading::Refused)
    );
    assert_eq!(reading(&readings, "door.0"), Reading::Value(1.0));
    let readings = driver.decode(&[answer(&[(status, SnmpValue::Whole(2))]), refused()]);
    assert_eq!(reading(&readings, "probe_status"), Reading::Value(0.0));
    assert_eq!(
        reading(&readings, "door.0"),
        Reading::Bad(BadReading::Refused)
    );
}

#[test]
fn two_bits_of_one_column_are_two_points() {
    let bits = SnmpValue::Bytes(vec![0b0000_0100, 0]);
    let readings = driver("cisco-ncs1k-ots").decode(&[answer(&[(&ots(22, 1), bits)])]);
    assert_eq!(reading(&readings, "los.1"), Reading::Value(1.0));
    assert_eq!(reading(&readings, "apr.1"), Reading::Value(0.0));
}

#[test]
fn an_index_of_texts_becomes_part_of_the_name() {
    let base = "1.3.6.1.4.1.1271.4.1.1.1.2.1.1.1.48";
    let texts = format!("{base}.1.51.7.80.114.101.45.65.109.112");
    let readings = driver("ciena-6500-rls")
        .decode(&[answer(&[(&texts, SnmpValue::Bytes(b"-17.25".to_vec()))])]);
    assert_eq!(
        reading(&readings, "in_power.3-pre-amp"),
        Reading::Value(-17.25)
    );
    for broken in [vec![5, 65], vec![u32::MAX], vec![2, 65, 66, 1]] {
        assert_eq!(index(IndexForm::Texts, &broken), None, "{broken:?}");
    }
}

#[test]
fn an_agent_that_invents_rows_fills_no_memory() {
    let mut driver = driver("bktel-oa");
    for round in 0..100u32 {
        let oid = format!("1.3.6.1.4.1.7501.1.2.116.5.1.1.8.{round}");
        driver.decode(&[answer(&[(&oid, SnmpValue::Whole(-50))])]);
    }
    assert!(driver.rows[0].len() <= 16 * 4);
}
