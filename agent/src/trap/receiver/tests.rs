//! Notifications as net-snmp's own tools send them, from the datagram to the spool.

use std::process::{Command, Output};

use silkline_protocol::message::{Event, EventKind};

use super::*;
use crate::rig::{Site, wait_until};

const ALM: &str = "1.3.6.1.4.1.2544.1.14";
const COLD_START: &str = "1.3.6.1.6.3.1.1.5.1";

/// A monitor that is asked by community and a UPS that is asked by user, both on this machine, both
/// polled once a day unless something happens.
fn site() -> Site {
    let device = |id: &str, profile: &str, keys: &str| {
        format!(
            "[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"\naddress = \"127.0.0.1:1\"\n\
             poll = \"24h\"\ntimeout = \"50ms\"\n{keys}"
        )
    };
    let user = "version = \"3\"\nuser = \"silkline\"\nauth = \"sha256\"\n\
                auth_password = \"signed by us\"\nprivacy = \"aes128\"\n\
                privacy_password = \"hidden by us\"\n";
    Site::start(&format!(
        "site = \"ganja\"\nlines = [\"baku-poti\"]\n[traps]\nlisten = \"127.0.0.1:0\"\n{}{}",
        device("alm", "adva-fsp3000-alm", "community = \"corridor\"\n"),
        device("ups", "ietf-ups", user),
    ))
}

async fn listening(site: &Site) -> (SocketAddr, Arc<Door>) {
    let folder = site.folder();
    let config = Config {
        data: folder,
        ..(*site.config).clone()
    };
    let ways = (site.edge.clone(), site.pollers.clone());
    let settings = config.traps.clone().unwrap();
    let receiver = Receiver::bind(&config, &settings, ways, site.clock)
        .await
        .unwrap();
    let (address, door) = (receiver.address(), receiver.door.clone());
    tokio::spawn(receiver.run(site.stop()));
    (address, door)
}

/// Whether net-snmp's tools are here; a machine without them skips what needs them.
fn have_tools() -> bool {
    let here = Command::new("snmpinform").arg("-V").output().is_ok();
    if !here {
        println!("skipped: net-snmp's tools are not installed");
    }
    here
}

async fn send(tool: &str, arguments: &[&str]) -> Output {
    // The tools keep engine ids there, and make the folder where they may.
    let kept = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool);
    command
        .args(arguments)
        .env("SNMP_PERSISTENT_DIR", kept.path())
        .env("MIBS", "");
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn event(site: &Site, device: &str, said: &str) -> Event {
    let found = |store: &crate::rig::Store| {
        let mut events = store.events(device).into_iter();
        events.find(|event| event.detail.contains(said))
    };
    site.store.wait(said, found).await
}

const USER: [&str; 14] = [
    "-v",
    "3",
    "-u",
    "silkline",
    "-l",
    "authPriv",
    "-a",
    "SHA-256",
    "-A",
    "signed by us",
    "-x",
    "AES",
    "-X",
    "hidden by us",
];

#[tokio::test(flavor = "multi_thread")]
async fn traps_of_each_version_become_events_and_a_poll() {
    if !have_tools() {
        return;
    }
    let site = site();
    let (address, _) = listening(&site).await;
    let at = address.to_string();
    // The second of two devices that are polled once a day is due in half a day.
    assert!(site.store.samples("ups").is_empty());
    let oid = format!("{ALM}.0.11");
    let row = format!("{ALM}.3.1.1.5.7");
    let v2c = ["-v", "2c", "-c", "corridor", &at, "", &oid, &row, "i", "31"];
    assert!(send("snmptrap", &v2c).await.status.success());
    let told = event(&site, "alm", "fast threshold").await;
    assert_eq!(told.kind, EventKind::Trap);
    assert_eq!(told.point.unwrap().as_str(), "link_loss.7");

    // Version 1: enterprise and specific number make the same OID as 0.14 (RFC 3584).
    let v1 = [
        "-v",
        "1",
        "-c",
        "corridor",
        &at,
        ALM,
        "127.0.0.1",
        "6",
        "14",
        "0",
    ];
    assert!(send("snmptrap", &v1).await.status.success());
    event(&site, "alm", "budget exceeded").await;

    let on_battery = "1.3.6.1.2.1.33.2.1";
    let v3 = [
        &USER[..],
        &["-e", "0x8000000001020304", &at, "", on_battery],
    ]
    .concat();
    assert!(send("snmptrap", &v3).await.status.success());
    event(&site, "ups", "on battery").await;
    site.store
        .wait("the poll after it", |store| store.samples("ups").pop())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn informs_are_answered() {
    if !have_tools() {
        return;
    }
    let site = site();
    let (address, _) = listening(&site).await;
    let at = address.to_string();
    let oid = format!("{ALM}.0.15");
    let v2c = [
        "-v", "2c", "-c", "corridor", "-t", "20", "-r", "0", &at, "", &oid,
    ];
    let outcome = send("snmpinform", &v2c).await;
    assert!(outcome.status.success(), "{outcome:?}");
    event(&site, "alm", "nearly exceeded").await;
    // The sender finds out our engine by itself.
    let v3 = [
        &USER[..],
        &["-t", "20", "-r", "0", &at, "", "1.3.6.1.2.1.33.2.4"],
    ]
    .concat();
    // Now and then net-snmp reads the engine id of an answer into a buffer that is one octet short
    // and calls it silence; a sender asks again.
    let mut outcome = send("snmpinform", &v3).await;
    for _ in 0..2 {
        if outcome.status.success() {
            break;
        }
        outcome = send("snmpinform", &v3).await;
    }
    assert!(outcome.status.success(), "{outcome:?}");
    event(&site, "ups", "alarm was removed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_sent_is_counted_and_not_answered() {
    if !have_tools() {
        return;
    }
    let site = site();
    let (address, door) = listening(&site).await;
    let at = address.to_string();
    let wrong = [
        "-v", "2c", "-c", "public", "-t", "0.2", "-r", "0", &at, "", COLD_START,
    ];
    assert!(!send("snmpinform", &wrong).await.status.success());
    let unsigned = [
        "-v",
        "3",
        "-u",
        "silkline",
        "-l",
        "noAuthNoPriv",
        "-e",
        "0x8000000001020304",
    ];
    let unsigned = [&unsigned[..], &[&at, "", COLD_START]].concat();
    assert!(send("snmptrap", &unsigned).await.status.success());
    wait_until("both refusals", || {
        let refused = door.refused();
        refused.communities > 0 && refused.levels > 0
    })
    .await;
    door.open_to(BTreeMap::new());
    let right = [
        "-v", "2c", "-c", "corridor", "-t", "0.2", "-r", "0", &at, "", COLD_START,
    ];
    assert!(!send("snmpinform", &right).await.status.success());
    assert_eq!(door.refused().strangers, 1);
    assert!(site.store.events("alm").is_empty() && site.store.events("ups").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_the_port_harms_nothing() {
    let site = site();
    let (address, _) = listening(&site).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for bytes in [
        &[][..],
        &[0x30],
        &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xFF; 1400],
    ] {
        socket.send_to(bytes, address).await.unwrap();
    }
    if have_tools() {
        let at = address.to_string();
        let right = ["-v", "2c", "-c", "corridor", &at, "", COLD_START];
        assert!(send("snmptrap", &right).await.status.success());
        event(&site, "alm", "cold start").await;
    }
}
