//! The socket and the page of a whole agent in this process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::rig::Gateway;
use crate::run::{Orders, run};

async fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn got(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The sum of a metric over its labels.
fn sum(metrics: &str, name: &str) -> u64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_an_uplink_shows_itself_and_its_books_add_up() {
    let gateway = Gateway::default();
    gateway.set(1, 16, -1720);
    let address = gateway.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().await;
    let text = format!(
        "site = \"ganja\"\nlines = [\"a-b\"]\nlocal = \"{port}\"\ndata = {:?}\n[[device]]\nid = \"edfa-1\"\n\
         profile = \"silkline-edfa\"\naddress = \"{address}\"\npoll = \"100ms\"\n\
         [[device]]\nid = \"gone-1\"\nprofile = \"silkline-edfa\"\naddress = \"127.0.0.1:1\"\n",
        folder.path()
    );
    let config = crate::config::read("agent.toml", &text).unwrap();
    let (path, stop) = (socket_path(&config), CancellationToken::new());
    let running = tokio::spawn(run(config, Clock::start(), Orders::only_stop(stop.clone())));
    let shown = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Ok(now) = ask(&path).await
                && now.devices.iter().all(|device| device.polls > 0)
            {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let now = shown.await.unwrap();
    assert_eq!((now.site.as_str(), now.uplink.as_ref()), ("ganja", None));
    assert_eq!(now.devices[0].fault, None);
    assert!(now.devices[1].fault.is_some());
    assert!(
        now.alarms()
            .iter()
            .any(|alarm| alarm.starts_with("gone-1: "))
    );
    let light = now.devices[0]
        .points
        .iter()
        .find(|point| point.name == "in_power.1")
        .unwrap();
    assert_eq!(
        (light.reading, light.unit.as_str()),
        (silkline_protocol::sample::Reading::Value(-17.2), "dBm")
    );
    let page = got(port, "/").await;
    for wanted in [
        "200 OK",
        "default-src 'none'",
        "edfa-1",
        "-17.2",
        "gone-1",
        "none set",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(!page.contains("<script"));
    let metrics = got(port, "/metrics").await;
    let of = |name: &str| sum(&metrics, &format!("silkline_agent_records_{name}"));
    assert!(of("taken_total") >= 3, "{metrics}");
    let pace = "silkline_agent_poll_seconds{device=\"edfa-1\"} 0.";
    assert!(metrics.contains(pace), "{metrics}");
    assert_eq!(
        of("found_total") + of("taken_total") + of("taken_back_total"),
        of("delivered_total") + of("dropped_total") + of("waiting"),
        "{metrics}"
    );
    assert!(got(port, "/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(got(port, "/style.css").await.contains("text/css"));
    stop.cancel();
    assert!(running.await.unwrap().is_ok());
    assert!(!path.exists() && ask(&path).await.is_err());
}

#[tokio::test]
async fn whatever_a_device_says_is_no_markup() {
    let mut device = DeviceNow {
        id: "x".into(),
        fault: Some("<script>alert(1)</script> & \"so\"".into()),
        ..DeviceNow::default()
    };
    device.address = "'><img>".into();
    let now = Now {
        at: silkline_protocol::time::Timestamp::EPOCH,
        site: "a".into(),
        agent: "b".into(),
        version: "1".into(),
        up_s: 0,
        clock: silkline_protocol::message::ClockState::Free,
        clock_ahead_s: None,
        uplink: None,
        spool: SpoolNow::default(),
        devices: vec![device],
        events: Vec::new(),
        sections: Vec::new(),
    };
    let page = page::page(&now);
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
}
