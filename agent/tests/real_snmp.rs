//! The SNMP link against net-snmp's own agent: every version and level of security, what is said of
//! wrong credentials, a restart, tables, counters and SET.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that can't go on has failed; what is skipped is said"
)]

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use silkline_agent::clock::Clock;
use silkline_agent::config::{AuthKind, PrivacyKind, Secret, SnmpAccess, SnmpUser};
use silkline_agent::driver::snmp::{Put, Size, SnmpDriver, SnmpValue, Walk};
use silkline_agent::driver::snmp_io::{SnmpAgent as _, SnmpLink, poll};
use silkline_agent::driver::{Fault, Patience};
use silkline_agent::profile::{Library, Map, ObjectType, Oid, read};
use silkline_agent::scan::{Bounds, Pace, Scan, settings_of, snmp};
use tempfile::TempDir;

const SNMPD: &str = "/usr/sbin/snmpd";
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);
/// An object that we give a value of our own: `battery_voltage` of a rectifier.
const OURS: &str = "1.3.6.1.4.1.12148.9.3.2.0";
const AUTH: &str = "signed by us";
const PRIVACY: &str = "hidden by us";

/// snmpd on a free port, which ends with this.
struct Snmpd {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        self.stop();
    }
}

const USERS: [(&str, &str, &str); 10] = [
    ("plain", "SHA", ""),
    ("one", "SHA", "AES"),
    ("two", "SHA-256", "AES"),
    ("five", "SHA-512", "AES"),
    ("wide", "SHA-256", "AES-256"),
    ("cisco", "SHA-256", "AES-256-C"),
    // Their keys are too short for the cipher, and are made longer in one of two ways.
    ("short", "SHA", "AES-256"),
    ("reeder", "SHA", "AES-256-C"),
    ("long", "SHA-512", "AES-256"),
    ("longest", "SHA-512", "AES-256-C"),
];

/// snmpd with users of every kind; nothing where it is not installed.
async fn snmpd() -> Option<Snmpd> {
    snmpd_with("").await
}

/// The same, with these lines in its settings too.
async fn snmpd_with(extra: &str) -> Option<Snmpd> {
    if !std::path::Path::new(SNMPD).exists() {
        println!("skipped: snmpd is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut settings = format!(
        "rocommunity corridor 127.0.0.1\nrwcommunity master 127.0.0.1\n\
         override .{OURS} integer 5324\nrouser plain noauth\n{extra}"
    );
    for (name, auth, privacy) in USERS {
        settings += &format!("createUser {name} {auth} \"{AUTH}\"");
        if !privacy.is_empty() {
            settings += &format!(" {privacy} \"{PRIVACY}\"\nrouser {name} auth");
        }
        settings += "\n";
    }
    std::fs::write(folder.path().join("agent.conf"), settings).unwrap();
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Snmpd::start(folder.path(), port);
    let snmpd = Snmpd {
        child,
        port,
        folder,
    };
    snmpd.answers().await;
    Some(snmpd)
}

impl Snmpd {
    fn start(folder: &std::path::Path, port: u16) -> Child {
        Command::new(SNMPD)
            .args(["-f", "-Ln", "-C", "-c"])
            .arg(folder.join("agent.conf"))
            .arg(format!("udp:127.0.0.1:{port}"))
            .env("SNMP_PERSISTENT_DIR", folder)
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn stop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }

    /// Ends it and starts it anew: it counts its starts, and its time begins again.
    async fn restart(&mut self) {
        self.stop();
        self.child = Self::start(self.folder.path(), self.port);
        self.answers().await;
    }

    async fn answers(&self) {
        for _ in 0..50 {
            let mut link = self.link(community("corridor"), SHORT);
            if link.get(&[oid(OURS)]).await.is_ok() {
                return;
            }
        }
        panic!("snmpd does not answer");
    }

    fn link(&self, access: SnmpAccess, timeout: Duration) -> SnmpLink {
        SnmpLink::new(format!("127.0.0.1:{}", self.port), access, timeout)
    }
}

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

fn community(name: &str) -> SnmpAccess {
    SnmpAccess::V2c(Secret::Inline(name.into()))
}

fn user(
    name: &str,
    auth: Option<(AuthKind, &str)>,
    privacy: Option<(PrivacyKind, &str)>,
) -> SnmpAccess {
    SnmpAccess::V3(SnmpUser {
        name: name.into(),
        context: String::new(),
        auth: auth.map(|(kind, secret)| (kind, Secret::Inline(secret.into()))),
        privacy: privacy.map(|(kind, secret)| (kind, Secret::Inline(secret.into()))),
    })
}

async fn voltage(link: &mut SnmpLink) -> Result<SnmpValue, Fault> {
    let found = link.get(&[oid(OURS)]).await?;
    Ok(found.into_iter().next().expect("one value").1)
}

#[tokio::test]
async fn every_version_and_level_of_security_reads() {
    let Some(snmpd) = snmpd().await else { return };
    let aes = Some((PrivacyKind::Aes128, PRIVACY));
    let wide = Some((PrivacyKind::Aes256, PRIVACY));
    let cisco = Some((PrivacyKind::Aes256Cisco, PRIVACY));
    let (sha, sha_256, sha_512) = (
        Some((AuthKind::Sha1, AUTH)),
        Some((AuthKind::Sha256, AUTH)),
        Some((AuthKind::Sha512, AUTH)),
    );
    for access in [
        SnmpAccess::V1(Secret::Inline("corridor".into())),
        community("corridor"),
        user("plain", None, None),
        user("one", sha, None),
        user("two", sha_256, None),
        user("five", sha_512, None),
        user("one", sha, aes),
        user("two", sha_256, aes),
        user("five", sha_512, aes),
        user("wide", sha_256, wide),
        user("cisco", sha_256, cisco),
        user("short", sha, wide),
        user("reeder", sha, cisco),
        user("long", sha_512, wide),
        user("longest", sha_512, cisco),
    ] {
        let mut link = snmpd.link(access.clone(), LONG);
        for _ in 0..3 {
            assert_eq!(
                voltage(&mut link).await,
                Ok(SnmpValue::Whole(5324)),
                "{access:?}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_from_a_dead_device() {
    let Some(snmpd) = snmpd().await else { return };
    let sha = |secret| Some((AuthKind::Sha256, secret));
    let aes = |secret| Some((PrivacyKind::Aes128, secret));
    for (access, wanted) in [
        (user("nobody", sha(AUTH), None), "does not know this user"),
        (user("two", sha("not the one"), None), "auth_password"),
        (
            user("two", Some((AuthKind::Sha512, AUTH)), None),
            "auth algorithm",
        ),
        (
            user("two", sha(AUTH), aes("not the one")),
            "privacy_password",
        ),
        (user("two", None, None), "user or community may not read"),
    ] {
        let mut link = snmpd.link(access.clone(), SHORT);
        let fault = voltage(&mut link).await.expect_err("is wrong");
        assert!(
            fault.to_string().contains(wanted),
            "{access:?} gave {fault}"
        );
    }
    let mut link = snmpd.link(community("public"), SHORT);
    let fault = voltage(&mut link).await.expect_err("is wrong");
    assert!(fault.to_string().contains("community is wrong"), "{fault}");
}

#[tokio::test]
async fn a_device_that_began_anew_is_read_again() {
    let Some(mut snmpd) = snmpd().await else {
        return;
    };
    let access = user(
        "two",
        Some((AuthKind::Sha256, AUTH)),
        Some((PrivacyKind::Aes128, PRIVACY)),
    );
    let mut link = snmpd.link(access, LONG);
    assert!(voltage(&mut link).await.is_ok());
    snmpd.restart().await;
    assert_eq!(voltage(&mut link).await, Ok(SnmpValue::Whole(5324)));
}

#[tokio::test]
async fn tables_are_the_same_by_every_version_and_size() {
    let Some(snmpd) = snmpd().await else { return };
    let columns = |ids: &[u32]| -> Vec<Oid> {
        ids.iter()
            .map(|id| oid(&format!("1.3.6.1.2.1.1.9.1.{id}")))
            .collect()
    };
    let aes = Some((PrivacyKind::Aes128, PRIVACY));
    let mut tables = Vec::new();
    for access in [
        SnmpAccess::V1(Secret::Inline("corridor".into())),
        community("corridor"),
        user("two", Some((AuthKind::Sha256, AUTH)), aes),
    ] {
        for rows in [1, 5, 50] {
            let mut link = snmpd.link(access.clone(), LONG);
            let walk = Walk::new(columns(&[2, 3]), 64, Size::of(rows));
            let plan = vec![silkline_agent::driver::snmp::Ask::Walk(walk)];
            let answers = poll(&mut link, plan, Patience::new(true), &Clock::start()).await;
            let values = answers[0]
                .values
                .clone()
                .unwrap_or_else(|fault| panic!("{fault}"));
            assert!(values.len() >= 10, "{access:?} {rows}: {values:?}");
            tables.push(values.into_keys().collect::<Vec<Oid>>());
        }
    }
    assert!(tables.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_version_1_does_not_know_costs_no_other_object() {
    let Some(snmpd) = snmpd().await else { return };
    let mut link = snmpd.link(SnmpAccess::V1(Secret::Inline("corridor".into())), LONG);
    let absent = oid("1.3.6.1.4.1.12148.9.99.0");
    let found = link.get(&[absent.clone(), oid(OURS)]).await.unwrap();
    assert!(found.contains(&(absent, SnmpValue::Absent)), "{found:?}");
    assert!(
        found.contains(&(oid(OURS), SnmpValue::Whole(5324))),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_object_is_set_where_the_community_may() {
    let Some(snmpd) = snmpd().await else { return };
    // snmpEnableAuthenTraps, which is 1 or 2.
    let object = oid("1.3.6.1.2.1.11.30.0");
    let put = Put {
        oid: object.clone(),
        kind: ObjectType::Integer,
        value: 1,
    };
    let mut master = snmpd.link(community("master"), LONG);
    master.set(std::slice::from_ref(&put)).await.unwrap();
    let found = master.get(std::slice::from_ref(&object)).await.unwrap();
    assert_eq!(found, [(object, SnmpValue::Whole(1))]);
    let refused = snmpd.link(community("corridor"), LONG).set(&[put]).await;
    assert!(
        matches!(refused, Err(Fault::Refused(_) | Fault::NotSupported(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_counter_becomes_a_rate() {
    let Some(snmpd) = snmpd().await else { return };
    // snmpInPkts: the agent counts our own requests.
    let text = "id = \"a\"\ntitle = \"A\"\nprotocol = \"snmp\"\nsource = \"RFC 3418\"\n[snmp]\n\
                base = \"1.3.6.1.2.1.11\"\n[[point]]\nname = \"requests\"\noid = \".1.0\"\nrate = true\n\
                unit = \"\"\nrole = \"other\"\nstatus = \"known\"\n";
    let profile = read("a.toml", text).unwrap();
    let Map::Snmp(map) = &profile.map else {
        unreachable!()
    };
    let (mut driver, clock) = (SnmpDriver::new(map), Clock::start());
    let mut link = snmpd.link(community("corridor"), LONG);
    let name = "requests".parse().unwrap();
    let mut rates = Vec::new();
    for _ in 0..3 {
        let answers = poll(&mut link, driver.plan(), Patience::new(true), &clock).await;
        rates.push(
            driver
                .decode(&answers)
                .get(&name)
                .and_then(|taken| taken.reading.value()),
        );
    }
    assert_eq!(rates[0], None, "there is nothing to compare with yet");
    assert!(
        rates[1].unwrap() > 0.0 && rates[2].unwrap() > 0.0,
        "{rates:?}"
    );
}

/// Scans the address of `snmpd` with these communities.
async fn scanned(snmpd: &Snmpd, communities: &[&str]) -> Scan {
    let clock = Clock::start();
    let search = snmp::Search {
        addresses: vec![format!("127.0.0.1:{}", snmpd.port)],
        communities: communities.iter().map(ToString::to_string).collect(),
        timeout: LONG,
    };
    let bounds = Bounds {
        per_second: 1000,
        ..Bounds::default()
    };
    let pace = Arc::new(Pace::new(bounds, clock));
    let library = Arc::new(Library::embedded());
    snmp::scan(search, &library, &pace, &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_knows_a_device_by_its_name_and_proposes_its_settings() {
    let extra = "sysobjectid 1.3.6.1.4.1.12148.9\nsysdescr Smartpack of hut 7\n";
    let Some(snmpd) = snmpd_with(extra).await else {
        return;
    };
    let scan = scanned(&snmpd, &["corridor"]).await;
    let found = &scan.found[0];
    assert_eq!(found.fits[0].profile.as_str(), "eltek-smartpack");
    assert!(
        found
            .says
            .as_deref()
            .unwrap()
            .contains("Smartpack of hut 7")
    );
    let settings = settings_of(&scan.found, &[], |_| None);
    let whole = format!("site = \"a\"\nlines = [\"b\"]\n{settings}");
    let config = silkline_agent::config::read("agent.toml", &whole).unwrap();
    assert_eq!(config.devices[0].access, community("corridor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_takes_standard_mibs_where_it_knows_no_name() {
    let Some(snmpd) = snmpd().await else { return };
    let scan = scanned(&snmpd, &["corridor"]).await;
    let fits: Vec<&str> = scan.found[0]
        .fits
        .iter()
        .map(|fit| fit.profile.as_str())
        .collect();
    assert!(fits.contains(&"ietf-interfaces"), "{scan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_tells_a_device_of_version_3_from_nobody() {
    let Some(snmpd) = snmpd().await else { return };
    let clock = Clock::start();
    let search = snmp::Search {
        addresses: vec![format!("127.0.0.1:{}", snmpd.port)],
        communities: vec!["nobody-knows-it".into()],
        timeout: SHORT,
    };
    let pace = Arc::new(Pace::new(Bounds::default(), clock));
    let library = Arc::new(Library::embedded());
    let scan = snmp::scan(search, &library, &pace, &mut |_| {}).await;
    let note = scan.found[0].note.as_deref().unwrap_or_default();
    assert!(note.contains("version 3"), "{scan:?}");
}
