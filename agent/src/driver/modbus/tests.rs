//! The Modbus driver against answers of every kind.

use silkline_protocol::sample::{BadReading, Reading};

use super::*;
use crate::profile::{Library, Map};

fn map(id: &str) -> ModbusMap {
    let library = Library::embedded();
    let profile = library.find(&id.parse().unwrap()).unwrap();
    let Map::Modbus(map) = &profile.map else {
        panic!("{id} is no Modbus profile")
    };
    map.clone()
}

fn answer(words: Result<Vec<u16>, Fault>) -> Answer {
    Answer {
        words,
        took: Duration::from_millis(3),
    }
}

fn reading(readings: &Readings, name: &str) -> Reading {
    readings.get(&name.parse().unwrap()).unwrap().reading
}

#[test]
fn near_registers_are_read_together() {
    let plan = ModbusDriver::new(&map("silkline-edfa"), None).plan();
    let first = Read {
        function: Function::Input,
        start: 0,
        count: 2,
    };
    let rows = Read {
        function: Function::Input,
        start: 16,
        count: 24,
    };
    assert_eq!(plan, [first, rows]);
}

#[test]
fn no_request_exceeds_what_the_model_stands() {
    let mut many = map("silkline-repeater");
    for most in [125, 20, 8] {
        many.max_registers = most;
        let driver = ModbusDriver::new(&many, Some(40));
        assert!(
            driver.plan().iter().all(|read| read.count <= most),
            "{most}"
        );
        let asked: usize = driver.blocks.iter().map(|block| block.points.len()).sum();
        assert_eq!(asked, 2 + 40 * 2 * 3);
    }
}

#[test]
fn a_gap_wider_than_allowed_is_not_read_over() {
    let plan = ModbusDriver::new(&map("victron-gx-battery"), None).plan();
    let starts: Vec<(u16, u16)> = plan.iter().map(|read| (read.start, read.count)).collect();
    assert_eq!(
        starts,
        [(259, 1), (261, 2), (266, 1), (268, 2), (272, 3), (303, 2)]
    );
}

#[test]
fn each_kind_of_wrong_answer_gives_its_reason() {
    let fresh = || ModbusDriver::new(&map("silkline-edfa"), None);
    let rows = |first: u16| {
        let mut words = vec![0u16; 24];
        words[0] = first;
        answer(Ok(words))
    };
    let head = || answer(Ok(vec![1, 250]));
    let bad = |reason| Reading::Bad(reason);
    for (second, wanted) in [
        (rows(0xF948), Reading::Value(-17.2)),
        (rows(0x8000), Reading::Dark),
        (rows(0xF060), Reading::Dark),
        (rows(0x7FFF), bad(BadReading::Invalid)),
        (rows(0x2710), bad(BadReading::OutOfRange)),
        (answer(Ok(vec![0; 23])), bad(BadReading::Garbled)),
        (answer(Ok(vec![0; 25])), bad(BadReading::Garbled)),
        (answer(Ok(vec![])), bad(BadReading::Garbled)),
        (
            answer(Err(Fault::Refused("exception 4".into()))),
            bad(BadReading::Refused),
        ),
        (
            answer(Err(Fault::NotSupported("exception 2".into()))),
            bad(BadReading::NotSupported),
        ),
        (
            answer(Err(Fault::Garbled("wrong function".into()))),
            bad(BadReading::Garbled),
        ),
        (
            answer(Err(Fault::Timeout(Duration::from_secs(1)))),
            bad(BadReading::Timeout),
        ),
        (
            answer(Err(Fault::Unreachable("reset".into()))),
            bad(BadReading::Unreachable),
        ),
        (answer(Err(Fault::Skipped)), bad(BadReading::Timeout)),
    ] {
        let readings = fresh().decode(&[head(), second.clone()]);
        assert_eq!(reading(&readings, "in_power.1"), wanted, "{second:?}");
        assert_eq!(
            reading(&readings, "module_temp"),
            Reading::Value(25.0),
            "{second:?}"
        );
    }
}

#[test]
fn a_float_that_is_not_a_number_is_garbled() {
    let mut driver = ModbusDriver::new(&map("silkline-pfe"), None);
    let mut words = vec![0u16; 10];
    words[0] = 1;
    words[6] = 0x7FC0;
    let readings = driver.decode(&[answer(Ok(words))]);
    assert_eq!(
        reading(&readings, "feed_current"),
        Reading::Bad(BadReading::Garbled)
    );
    assert_eq!(reading(&readings, "feed_voltage"), Reading::Value(0.0));
}

#[test]
fn bits_of_one_register_become_points_of_their_own() {
    let mut driver = ModbusDriver::new(&map("silkline-pfe"), None);
    let mut words = vec![0u16; 10];
    words[2] = 0b0101;
    let readings = driver.decode(&[answer(Ok(words))]);
    assert_eq!(reading(&readings, "over_current"), Reading::Value(1.0));
    assert_eq!(reading(&readings, "over_voltage"), Reading::Value(0.0));
    assert_eq!(reading(&readings, "earth_fault"), Reading::Value(1.0));
}

#[test]
fn an_answer_that_never_came_costs_only_its_own_points() {
    let mut driver = ModbusDriver::new(&map("silkline-edfa"), None);
    let readings = driver.decode(&[answer(Ok(vec![1, 250]))]);
    assert_eq!(reading(&readings, "module_temp"), Reading::Value(25.0));
    assert_eq!(
        reading(&readings, "in_power.2"),
        Reading::Bad(BadReading::Timeout)
    );
}

/// A device that does not know the register `absent`, asked as often as it takes.
fn polled_often(id: &str, absent: u16) -> (Readings, usize) {
    let mut driver = ModbusDriver::new(&map(id), Some(2));
    let mut readings = Readings::none();
    for _ in 0..12 {
        let answers: Vec<Answer> = driver
            .plan()
            .into_iter()
            .map(|read| {
                let holds = (read.start..read.start + read.count).contains(&absent);
                let unknown = || Err(Fault::NotSupported("exception 2".into()));
                answer(if holds {
                    unknown()
                } else {
                    Ok(vec![1; read.count.into()])
                })
            })
            .collect();
        readings = driver.decode(&answers);
    }
    (readings, driver.plan().len())
}

#[test]
fn a_register_that_is_absent_costs_in_the_end_only_its_own_point() {
    let (readings, requests) = polled_often("silkline-edfa", 18);
    let bad: Vec<&str> = readings
        .iter()
        .filter(|(_, taken)| !taken.reading.is_good())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(bad, ["gain.1"]);
    assert!(requests <= 8, "{requests} requests");
}

#[test]
fn a_gap_that_must_not_be_read_over_costs_nothing_in_the_end() {
    let (readings, _) = polled_often("silkline-edfa", 30);
    assert!(readings.values().all(|taken| taken.reading.is_good()));
}

#[test]
fn points_of_one_register_stay_together_and_a_stranger_is_not_asked_more_often() {
    let (readings, _) = polled_often("silkline-edfa", 23);
    let bad = readings
        .iter()
        .filter(|(_, taken)| !taken.reading.is_good());
    assert_eq!(
        bad.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["aps.1", "los.1"]
    );
    let mut driver = ModbusDriver::new(&map("silkline-edfa"), None);
    for _ in 0..12 {
        let unknown = || answer(Err(Fault::NotSupported("exception 2".into())));
        let answers: Vec<Answer> = driver.plan().iter().map(|_| unknown()).collect();
        driver.decode(&answers);
    }
    assert_eq!(driver.plan().len(), 2);
}

/// A device that answers only what `stands` allows, asked as often as it takes; the readings of the
/// last poll and the requests of the next.
fn taught(map: &ModbusMap, stands: impl Fn(Read) -> Result<(), Fault>) -> (Readings, Vec<Read>) {
    let mut driver = ModbusDriver::new(map, Some(2));
    let mut readings = Readings::none();
    for _ in 0..40 {
        let answers: Vec<Answer> = driver
            .plan()
            .into_iter()
            .map(|read| answer(stands(read).map(|()| vec![1; read.count.into()])))
            .collect();
        readings = driver.decode(&answers);
    }
    (readings, driver.plan())
}

#[test]
fn a_device_that_stands_few_registers_is_asked_for_few() {
    let few = |read: Read| match read.count {
        0..=5 => Ok(()),
        _ => Err(Fault::NotSupported("exception 3".into())),
    };
    let (readings, plan) = taught(&map("silkline-edfa"), few);
    assert!(
        readings.values().all(|taken| taken.raw.is_some()),
        "{readings:?}"
    );
    assert!(
        plan.iter().all(|read| read.count <= 5) && plan.len() <= 12,
        "{plan:?}"
    );
}

#[test]
fn a_block_met_with_silence_is_halved_while_others_are_answered() {
    let silent = |read: Read| {
        let holds = (read.start..read.start + read.count).contains(&18) && read.count > 1;
        let timeout = Err(Fault::Timeout(Duration::from_secs(1)));
        if holds { timeout } else { Ok(()) }
    };
    let (readings, _) = taught(&map("silkline-edfa"), silent);
    assert!(
        readings.values().all(|taken| taken.raw.is_some()),
        "{readings:?}"
    );
}

#[test]
fn a_device_that_is_gone_is_not_asked_more_often() {
    let gone = |_: Read| Err(Fault::Timeout(Duration::from_secs(1)));
    assert_eq!(taught(&map("silkline-edfa"), gone).1.len(), 2);
}

#[test]
fn single_register_reads_make_wide_values_whole() {
    let mut single = map("silkline-pfe");
    single.max_registers = 1;
    let mut driver = ModbusDriver::new(&single, None);
    assert!(driver.plan().iter().all(|read| read.count == 1));
    // The feed current is a float at register 6.
    let bits = 1.5f32.to_bits().to_be_bytes();
    let answers: Vec<Answer> = driver
        .plan()
        .iter()
        .map(|read| {
            answer(Ok(vec![match read.start {
                6 => u16::from_be_bytes([bits[0], bits[1]]),
                7 => u16::from_be_bytes([bits[2], bits[3]]),
                _ => 0,
            }]))
        })
        .collect();
    let readings = driver.decode(&answers);
    assert_eq!(reading(&readings, "feed_current"), Reading::Value(1.5));
    let mut broken = answers;
    let low = driver
        .plan()
        .iter()
        .position(|read| read.start == 7)
        .unwrap();
    broken[low] = answer(Err(Fault::Timeout(Duration::from_secs(1))));
    let readings = driver.decode(&broken);
    assert_eq!(
        reading(&readings, "feed_current"),
        Reading::Bad(BadReading::Timeout)
    );
}
