//! The servers, asked over real sockets by clients of other people's making.

use std::time::Duration;

use async_snmp::{Auth, Client as SnmpClient, Oid, Value};
use silkline_protocol::unit::RouteLength;
use tokio_modbus::ExceptionCode;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::{Reader, Writer};

use super::*;
use crate::chance::Seed;

mod switched;

const SOON: Duration = Duration::from_secs(20);

fn id<T: core::str::FromStr>(text: &str) -> T
where
    T::Err: core::fmt::Debug,
{
    text.parse().unwrap()
}

async fn hardware(folder: &tempfile::TempDir) -> Hardware {
    let text = crate::corridor::plant_toml();
    let plant = silkline_protocol::plant::read("plant.toml", &text)
        .unwrap()
        .plant;
    let setup = Setup {
        first_port: None,
        folder: folder.path().to_owned(),
        speed: 20.0,
    };
    Hardware::start(Arc::new(World::new(plant, Seed(1))), &setup)
        .await
        .unwrap()
}

fn reach<'a>(hardware: &'a Hardware, site: &str, device: &str) -> &'a Reach {
    let is_it = |reach: &&Reach| reach.site == id(site) && reach.device == id(device);
    hardware.reach.iter().find(is_it).unwrap()
}

async fn modbus(hardware: &Hardware, site: &str, device: &str) -> Context {
    tcp::connect(reach(hardware, site, device).address)
        .await
        .unwrap()
}

fn cut(line: &str, km: f64) -> Fault {
    Fault::Cut {
        line: id(line),
        at: RouteLength::of(km * 1_000.0),
        fibre: None,
    }
}

#[tokio::test]
async fn every_device_of_the_plant_is_served_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    assert_eq!(hardware.reach.len(), hardware.world().plant().devices.len());
    assert!(
        hardware
            .reach
            .iter()
            .all(|reach| reach.address.ip().is_loopback())
    );
    hardware.stop().await;
}

#[tokio::test]
async fn an_amplifier_goes_dark_when_its_span_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    let mut hut = modbus(&hardware, "hajigabul", "edfa-1").await;
    let words = hut.read_input_registers(16, 8).await.unwrap().unwrap();
    let [input, output] = [words[0], words[1]].map(|word| f64::from(word.cast_signed()) / 100.0);
    assert!(
        (-20.0..-5.0).contains(&input) && (2.0..4.0).contains(&output),
        "{words:?}"
    );
    assert_eq!(words[7], 0);
    hardware.inflict(cut("baku-poti", 100.0)).unwrap();
    let words = hut.read_input_registers(16, 8).await.unwrap().unwrap();
    assert_eq!((words[0], words[3], words[7]), (0x8000, 0x8000, 1));
    // The way back is dark at Alat, not here.
    let words = hut.read_input_registers(32, 1).await.unwrap().unwrap();
    assert_ne!(words[0], 0x8000);
    hardware.repair();
    let words = hut.read_input_registers(16, 1).await.unwrap().unwrap();
    assert_ne!(words[0], 0x8000);
    hardware.stop().await;
}

#[tokio::test]
async fn what_is_not_in_the_map_is_an_exception() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    let mut hut = modbus(&hardware, "alat", "edfa-1").await;
    let exception = |answer: Result<Vec<u16>, ExceptionCode>| answer.unwrap_err();
    let beyond = exception(hut.read_input_registers(40, 20).await.unwrap());
    assert_eq!(beyond, ExceptionCode::IllegalDataAddress);
    let holding = exception(hut.read_holding_registers(0, 1).await.unwrap());
    assert_eq!(holding, ExceptionCode::IllegalFunction);
    let mut battery = modbus(&hardware, "alat", "battery-1").await;
    let volts = battery
        .read_holding_registers(259, 1)
        .await
        .unwrap()
        .unwrap();
    assert!((5_350..5_500).contains(&volts[0]), "{volts:?}");
    let gap = exception(battery.read_holding_registers(259, 3).await.unwrap());
    assert_eq!(gap, ExceptionCode::IllegalDataAddress);
    hardware.stop().await;
}

#[tokio::test]
async fn power_feeding_tells_its_numbers_high_word_first() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    for (site, polarity) in [("sumgait", 0), ("aktau", 1)] {
        let mut feed = modbus(&hardware, site, "pfe-1").await;
        let words = feed.read_input_registers(0, 10).await.unwrap().unwrap();
        let wide = |at: usize| (u32::from(words[at]) << 16) | u32::from(words[at + 1]);
        assert_eq!((words[0], words[1]), (1, polarity));
        assert!((2_900..3_100).contains(&wide(4)), "{words:?}");
        assert!((f32::from_bits(wide(6)) - 0.9).abs() < 1e-3);
    }
    hardware.stop().await;
}

#[tokio::test]
async fn the_landing_station_hears_its_repeaters_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    hardware.inflict(cut("sumgait-aktau", 190.0)).unwrap();
    let mut station = modbus(&hardware, "sumgait", "rep-1").await;
    let words = station.read_input_registers(0, 80).await.unwrap().unwrap();
    assert_eq!(words[1], 4);
    let row = |repeater: usize, back: usize| words[16 * repeater + 8 * back];
    assert!(row(2, 0).cast_signed() < 0, "lit from A");
    assert_eq!(row(2, 1), 0x8000, "dark from B: the cut lies beyond");
    assert_eq!(
        (row(3, 0), row(3, 1)),
        (0x7fff, 0x7fff),
        "beyond the cut nobody answers"
    );
    hardware.stop().await;
}

#[tokio::test]
async fn an_otdr_takes_its_time_and_drops_a_file_of_the_broken_fibre() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    hardware.inflict(cut("baku-poti", 100.0)).unwrap();
    let mut otdr = modbus(&hardware, "alat", "otdr-1").await;
    let order = [1, 0, 1_000, 10, 1];
    otdr.write_multiple_registers(100, &order)
        .await
        .unwrap()
        .unwrap();
    let again = otdr.write_multiple_registers(100, &order).await.unwrap();
    assert_eq!(again.unwrap_err(), ExceptionCode::ServerDeviceBusy);
    let done = async {
        loop {
            let words = otdr.read_input_registers(0, 7).await.unwrap().unwrap();
            if words[1] != 1 {
                return words;
            }
        }
    };
    let words = tokio::time::timeout(SOON, done).await.unwrap();
    assert_eq!(words, [1, 2, 100, 0, 1, 1, 312]);
    let told = hardware.dropped().borrow().clone();
    assert_eq!((told.len(), told[0].port), (1, 1));
    let dropped = reach(&hardware, "alat", "otdr-1").folder.clone().unwrap();
    let files: Vec<_> = std::fs::read_dir(dropped)
        .unwrap()
        .map(|file| file.unwrap())
        .collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().into_string().unwrap();
    assert!(
        name.starts_with("otdr-1-p1-20") && name.ends_with("Z.sor"),
        "{name}"
    );
    let sor = silkline_sor::read(&std::fs::read(files[0].path()).unwrap()).unwrap();
    assert_eq!(
        (
            sor.general.location_a.as_str(),
            sor.acquisition.pulse.width_ns
        ),
        ("alat", 1_000)
    );
    hardware.stop().await;
}

#[tokio::test]
async fn an_otdr_refuses_ports_without_fibre_and_nonsense() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    let mut otdr = modbus(&hardware, "alat", "otdr-1").await;
    for order in [
        [9, 0, 1_000, 10, 1],
        [1, 0, 0, 10, 1],
        [1, 0, 1_000, 0, 1],
        [1, 0, 1_000, 1, 0],
    ] {
        let answer = otdr.write_multiple_registers(100, &order).await.unwrap();
        assert_eq!(
            answer.unwrap_err(),
            ExceptionCode::IllegalDataValue,
            "{order:?}"
        );
    }
    let elsewhere = otdr
        .write_multiple_registers(99, &[1, 0, 1_000, 1, 1])
        .await
        .unwrap();
    assert_eq!(elsewhere.unwrap_err(), ExceptionCode::IllegalDataAddress);
    hardware.stop().await;
}

async fn snmp(hardware: &Hardware, site: &str, device: &str) -> SnmpClient {
    let address = reach(hardware, site, device).address.to_string();
    let auth = Auth::v2c(COMMUNITY);
    let client = SnmpClient::builder(address, auth).request_timeout(Duration::from_millis(300));
    client
        .retry(async_snmp::Retry::none())
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_cisco_port_receives_from_the_side_that_it_faces() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    let client = snmp(&hardware, "kurdamir", "edfa-1").await;
    hardware.inflict(cut("baku-poti", 150.0)).unwrap();
    let get = async |column: u32, port: u32| {
        let oid: Oid = format!("1.3.6.1.4.1.9.9.834.1.1.2.1.{column}.{port}")
            .parse()
            .unwrap();
        client.get(&oid).await.unwrap().varbinds[0].value.clone()
    };
    // The cut lies towards A: port 1 is dark, its alarm bit 5 set; port 2 is lit.
    assert_eq!(get(3, 1).await, Value::Integer(-4_000));
    assert_eq!(
        get(22, 1).await,
        Value::OctetString(vec![0b0000_0100, 0].into())
    );
    let Value::Integer(lit) = get(3, 2).await else {
        panic!("no integer")
    };
    assert!((-2_400..-500).contains(&lit), "{lit}");
    hardware.stop().await;
}

#[tokio::test]
async fn a_walk_passes_every_object_once() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    for (site, device, base, wanted) in [
        ("hajigabul", "battery-1", "1.3.6.1.4.1.12148.9", 16),
        ("gori", "edfa-1", "1.3.6.1.4.1.52326.1.1", 20),
        ("gori", "env-1", "1.3.6.1.4.1.3854", 4),
    ] {
        let client = snmp(&hardware, site, device).await;
        let base: Oid = base.parse().unwrap();
        let mut walk = client.walk(base.clone()).unwrap();
        let mut seen = Vec::new();
        while let Some(object) = walk.next().await {
            seen.push(object.unwrap().oid);
        }
        assert_eq!(seen.len(), wanted, "{site} {device}");
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(seen.iter().all(|oid| oid.starts_with(&base)));
    }
    hardware.stop().await;
}

#[tokio::test]
async fn a_dead_device_says_nothing_until_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    for (site, device) in [("alat", "edfa-1"), ("gori", "env-1")] {
        hardware
            .inflict(Fault::Dead {
                site: id(site),
                device: id(device),
            })
            .unwrap();
    }
    let short = Duration::from_millis(300);
    let mut hut = modbus(&hardware, "alat", "edfa-1").await;
    assert!(
        tokio::time::timeout(short, hut.read_input_registers(0, 1))
            .await
            .is_err()
    );
    let probe = snmp(&hardware, "gori", "env-1").await;
    let status: Oid = id("1.3.6.1.4.1.3854.1.1.2.0");
    assert!(probe.get(&status).await.is_err());
    hardware.repair();
    let mut hut = modbus(&hardware, "alat", "edfa-1").await;
    assert_eq!(hut.read_input_registers(0, 1).await.unwrap().unwrap(), [1]);
    assert_eq!(
        probe.get(&status).await.unwrap().varbinds[0].value,
        Value::Integer(2)
    );
    hardware.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_names_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first_port = Some(taken.local_addr().unwrap().port());
    let text = crate::corridor::plant_toml();
    let plant = silkline_protocol::plant::read("plant.toml", &text)
        .unwrap()
        .plant;
    let setup = Setup {
        first_port,
        folder: folder.path().to_owned(),
        speed: 1.0,
    };
    let refused = Hardware::start(Arc::new(World::new(plant, Seed(1))), &setup).await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.starts_with("edfa-1 at baku: cannot listen on 127.0.0.1:"),
        "{said}"
    );
}

#[tokio::test]
async fn a_profile_that_nobody_plays_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = crate::corridor::plant_toml().replace("akcp-sensorprobe", "ietf-ups");
    let plant = silkline_protocol::plant::read("plant.toml", &text)
        .unwrap()
        .plant;
    let setup = Setup {
        first_port: None,
        folder: folder.path().to_owned(),
        speed: 1.0,
    };
    let refused = Hardware::start(Arc::new(World::new(plant, Seed(1))), &setup).await;
    let said = refused.unwrap_err().to_string();
    assert_eq!(
        said,
        "env-1 at baku: no device of profile ietf-ups is simulated"
    );
}

#[tokio::test]
async fn everything_that_answers_by_modbus_has_whole_registers_in_any_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = hardware(&folder).await;
    for fault in [
        cut("baku-poti", 200.0),
        cut("baku-sumgait", 10.0),
        cut("sumgait-aktau", 10.0),
        Fault::Battery { site: id("baku") },
        Fault::Pump {
            line: id("baku-poti"),
            node: id("baku"),
        },
    ] {
        hardware.inflict(fault).unwrap();
    }
    for reach in &hardware.reach {
        let (table, at, count) = match reach.profile.as_str() {
            "silkline-edfa" => (4, 0, 48),
            "silkline-repeater" => (4, 0, 80),
            "silkline-pfe" => (4, 0, 10),
            "silkline-otdr" => (4, 0, 7),
            "victron-gx-battery" => (3, 268, 2),
            _ => continue,
        };
        let mut client = tcp::connect(reach.address).await.unwrap();
        let words = match table {
            4 => client.read_input_registers(at, count).await,
            _ => client.read_holding_registers(at, count).await,
        };
        assert_eq!(
            words.unwrap().unwrap().len(),
            usize::from(count),
            "{reach:?}"
        );
    }
    hardware.stop().await;
}
