//! An OTDR of each kind behind a switch, asked by clients of other people's making.

use super::*;

/// A hut of `profile` behind a switch, with two fibres.
fn switched(profile: &str) -> World {
    let text = format!(
        r#"
[[site]]
id = "west"
lat = 40.41
lon = 49.87
[[site]]
id = "east"
lat = 40.59
lon = 49.67
[[line]]
id = "west-east"
kind = "terrestrial"
a = "west"
b = "east"
fibre = [{{ id = "f1" }}, {{ id = "f2" }}]
route = [[40.41, 49.87, 0], [40.59, 49.67, 30000]]
node = [
  {{ id = "west", kind = "terminal", chainage_m = 0, site = "west" }},
  {{ id = "east", kind = "terminal", chainage_m = 30000, site = "east" }},
]
view = [
  {{ id = "west-f1", fibre = "f1", node = "west", toward = "B", until = "east", device = "otdr-1", port = 3, launch_m = 1000 }},
  {{ id = "west-f2", fibre = "f2", node = "west", toward = "B", until = "east", device = "otdr-1", port = 5, launch_m = 1000 }},
]
[[device]]
id = "switch-1"
site = "west"
profile = "silkline-switch"
lines = ["west-east"]
[[device]]
id = "otdr-1"
site = "west"
profile = "{profile}"
lines = ["west-east"]
"#
    );
    let read = silkline_protocol::plant::read("plant.toml", &text);
    World::new(
        read.unwrap_or_else(|error| panic!("{error}")).plant,
        Seed(1),
    )
}

async fn switched_hardware(folder: &tempfile::TempDir, profile: &str) -> Hardware {
    let setup = Setup {
        first_port: None,
        folder: folder.path().to_owned(),
        speed: 20.0,
    };
    Hardware::start(Arc::new(switched(profile)), &setup)
        .await
        .unwrap()
}

/// Sends the switch to `port` and waits until it says that it is there.
async fn turn(hardware: &Hardware, port: u16) {
    let mut switch = modbus(hardware, "west", "switch-1").await;
    switch
        .write_multiple_registers(10, &[port])
        .await
        .unwrap()
        .unwrap();
    let there =
        async { while switch.read_input_registers(1, 1).await.unwrap().unwrap() != [port] {} };
    tokio::time::timeout(SOON, there).await.unwrap();
}

fn fibre_of(sor: &[u8]) -> String {
    silkline_sor::read(sor).unwrap().general.fibre
}

#[tokio::test]
async fn an_otdr_by_snmp_sees_where_the_switch_stands_and_hands_out_rows() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = switched_hardware(&folder, "silkline-otdr-snmp").await;
    let at = reach(&hardware, "west", "otdr-1").address.to_string();
    let client = SnmpClient::builder(at, Auth::v2c(COMMUNITY))
        .connect()
        .await
        .unwrap();
    let oid = |tail: &str| -> Oid { format!("1.3.6.1.4.1.32473.14.{tail}").parse().unwrap() };
    for (port, fibre) in [(5, "f2"), (3, "f1")] {
        turn(&hardware, port).await;
        let order = [
            (oid("10.1.0"), Value::Gauge32(1)),
            (oid("10.2.0"), Value::Gauge32(300)),
            (oid("10.3.0"), Value::Gauge32(2)),
            (oid("10.4.0"), Value::Integer(1)),
        ];
        client.set_many(&order).await.unwrap();
        assert!(client.set_many(&order).await.is_err(), "it is at work");
        let over = async {
            while client.get(&oid("1.0")).await.unwrap().varbinds[0].value != Value::Integer(2) {}
        };
        tokio::time::timeout(SOON, over).await.unwrap();
        let Value::Gauge32(length) = client.get(&oid("3.0")).await.unwrap().varbinds[0].value
        else {
            panic!("no length")
        };
        let mut sor = Vec::new();
        for row in 1.. {
            let answer = client.get(&oid(&format!("20.1.2.{row}"))).await.unwrap();
            match &answer.varbinds[0].value {
                Value::OctetString(bytes) => sor.extend(bytes.iter()),
                _ => break,
            }
        }
        assert_eq!(sor.len(), usize::try_from(length).unwrap());
        assert_eq!(fibre_of(&sor), fibre);
    }
    hardware.stop().await;
}

#[tokio::test]
async fn an_otdr_by_modbus_shows_its_trace_block_by_block_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let hardware = switched_hardware(&folder, "silkline-otdr-modbus").await;
    turn(&hardware, 5).await;
    let mut otdr = modbus(&hardware, "west", "otdr-1").await;
    let order = [1, 0, 300, 600, 1];
    otdr.write_multiple_registers(100, &order)
        .await
        .unwrap()
        .unwrap();
    let again = otdr.write_multiple_registers(100, &order).await.unwrap();
    assert_eq!(again, Err(ExceptionCode::ServerDeviceBusy));
    otdr.write_multiple_registers(104, &[2])
        .await
        .unwrap()
        .unwrap();
    let short = [1, 0, 300, 2, 1];
    otdr.write_multiple_registers(100, &short)
        .await
        .unwrap()
        .unwrap();
    let mut words = Vec::new();
    let over = async {
        while words.get(1) != Some(&2) {
            words = otdr.read_input_registers(0, 9).await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(SOON, over).await.unwrap();
    assert_eq!(
        words[4], 1,
        "one trace, the stopped shot brought none: {words:?}"
    );
    let length = usize::from(words[5]) * 65_536 + usize::from(words[6]);
    let mut sor = Vec::new();
    for block in 0.. {
        if sor.len() >= length {
            break;
        }
        otdr.write_multiple_registers(110, &[block])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            otdr.read_holding_registers(110, 1).await.unwrap().unwrap(),
            [block]
        );
        let words = otdr
            .read_input_registers(1_000, 100)
            .await
            .unwrap()
            .unwrap();
        sor.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
    sor.truncate(length);
    assert_eq!(fibre_of(&sor), "f2");
    hardware.stop().await;
}

#[tokio::test]
async fn an_otdr_by_lines_answers_with_a_block_and_keeps_its_errors() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let hardware = switched_hardware(&folder, "silkline-otdr-scpi").await;
    turn(&hardware, 3).await;
    let stream = tokio::net::TcpStream::connect(reach(&hardware, "west", "otdr-1").address);
    let mut stream = BufReader::new(stream.await.unwrap());
    let talk = async {
        let mut line = String::new();
        for (said, wanted) in [
            ("SYST:ERR?", "0,\"No error\"\n"),
            ("COLOUR RED\nSYST:ERR?", "-113,\"Undefined header\"\n"),
            (
                "SENS:PULS 300\nSENS:AVER:TIME 2\nINIT:IMM\nSYST:ERR?",
                "0,\"No error\"\n",
            ),
            ("INIT:IMM\nSYST:ERR?", "-213,\"Init ignored\"\n"),
        ] {
            stream
                .write_all(format!("{said}\n").as_bytes())
                .await
                .unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert_eq!(line, wanted, "{said}");
        }
        while line != "0\n" {
            stream.write_all(b"STAT:OPER:COND?\n").await.unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        stream.write_all(b"TRAC:DATA:SOR?\n").await.unwrap();
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.unwrap();
        let mut digits = vec![0; usize::from(head[1] - b'0')];
        stream.read_exact(&mut digits).await.unwrap();
        let length = String::from_utf8(digits).unwrap().parse().unwrap();
        let mut sor = vec![0; length];
        stream.read_exact(&mut sor).await.unwrap();
        assert_eq!(fibre_of(&sor), "f1");
    };
    tokio::time::timeout(SOON, talk).await.unwrap();
    hardware.stop().await;
}
