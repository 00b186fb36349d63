use super::*;
use silkline_protocol::sample::{Reading, Sample};

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn site() -> SiteId {
    "s1".parse().unwrap()
}

fn sample(seconds: i64, reading: Reading) -> Sample {
    let point = "in_power.1".parse().unwrap();
    Sample {
        at: second(seconds),
        readings: [(point, reading)].into(),
    }
}

fn watch() -> Watch {
    Watch::new("dsw".parse().unwrap())
}

/// Tells that a device is polled every ten seconds.
fn tell(watch: &mut Watch, device: &str) {
    let about = About {
        profile: "p".parse().unwrap(),
        poll_ms: 10_000,
        vendor: None,
        model: None,
        serial: None,
        points: Vec::new(),
    };
    watch.about((&site(), &device.parse().unwrap()), about, second(100));
}

fn take(watch: &mut Watch, device: &str, at: i64, (reading, late): (Reading, bool)) -> usize {
    let device: DeviceId = device.parse().unwrap();
    let found = watch.sample(
        (&site(), &device),
        (&sample(at, reading), late),
        second(100 + at),
    );
    found.len()
}

#[test]
fn a_backlog_moves_nothing_that_is_known_newer() {
    let mut watch = watch();
    assert_eq!(take(&mut watch, "e", 10, (Reading::Value(-17.0), false)), 0);
    assert_eq!(take(&mut watch, "e", 5, (Reading::Dark, true)), 0);
    assert_eq!(
        take(&mut watch, "e", 12, (Reading::Dark, true)),
        1,
        "newer than all known"
    );
    assert_eq!(
        take(&mut watch, "e", 3, (Reading::Value(-17.0), false)),
        1,
        "live is newest"
    );
}

#[test]
fn an_anomaly_keeps_its_name_from_beginning_to_end() {
    let mut watch = watch();
    let device: DeviceId = "e".parse().unwrap();
    let mut see = |at, reading| {
        watch.sample(
            (&site(), &device),
            (&sample(at, reading), false),
            second(at),
        )
    };
    let began = see(1, Reading::Dark).remove(0).anomaly;
    let ended = see(9, Reading::Value(-17.0)).remove(0).anomaly;
    assert_eq!((&began.id, began.to), (&ended.id, None));
    assert_eq!((ended.from, ended.to), (second(1), Some(second(9))));
    assert_eq!(ended.device, "s1.e");
}

#[test]
fn a_device_that_answers_nothing_is_silent() {
    let mut watch = watch();
    let bad = Reading::Bad(silkline_protocol::sample::BadReading::Timeout);
    tell(&mut watch, "e");
    take(&mut watch, "e", 0, (Reading::Value(-17.0), false));
    let due = watch.deadline().unwrap();
    take(&mut watch, "e", 1, (bad, false));
    assert!(
        watch.deadline().unwrap() > due,
        "it may be asked less often now"
    );
    take(&mut watch, "e", 3, (bad, false));
    take(&mut watch, "e", 7, (bad, false));
    assert_eq!(watch.deadline(), Some(due));
    assert_eq!(watch.expire(due).len(), 1);
    assert!(watch.is_silent(&site()));
}

#[test]
fn company_tells_a_device_from_a_site() {
    let mut watch = watch();
    for device in ["e", "b"] {
        tell(&mut watch, device);
        take(&mut watch, device, 0, (Reading::Value(-17.0), false));
    }
    take(&mut watch, "b", 25, (Reading::Value(-17.0), false));
    let found = watch.expire(second(165));
    assert_eq!(
        (found.len(), watch.company(&found[0])),
        (1, Company::Answers)
    );
    let found = watch.expire(second(265));
    assert_eq!(
        (found.len(), watch.company(&found[0])),
        (1, Company::Silent)
    );
}

fn there(online: bool) -> Stands {
    let metered = false;
    Stands { online, metered }
}

#[test]
fn what_does_not_come_over_a_link_that_costs_is_no_silence() {
    let mut watch = watch();
    let agent: AgentId = "main".parse().unwrap();
    tell(&mut watch, "e");
    take(&mut watch, "e", 0, (Reading::Value(-17.0), false));
    let due = watch.deadline().unwrap();
    assert_eq!(
        watch.expire(due).len(),
        1,
        "silent before the other way was found"
    );
    let thin = Stands {
        online: true,
        metered: true,
    };
    let over = watch.agent((&site(), &agent), thin, second(300));
    assert_eq!(over[0].anomaly.to, Some(second(300)));
    assert_eq!(watch.deadline(), None);
    assert_eq!(watch.expire(second(10_000)), []);
    let found = watch.agent((&site(), &agent), there(true), second(10_000));
    assert_eq!(found, []);
    assert_eq!(watch.deadline(), Some(second(10_062)), "waited for anew");
}

#[test]
fn an_agent_comes_and_goes_once() {
    let mut watch = watch();
    let agent: AgentId = "main".parse().unwrap();
    assert!(
        watch
            .agent((&site(), &agent), there(true), second(1))
            .is_empty()
    );
    assert!(!watch.is_offline(&site()));
    assert!(
        !watch
            .agent((&site(), &agent), there(false), second(2))
            .is_empty()
    );
    assert!(
        watch
            .agent((&site(), &agent), there(false), second(3))
            .is_empty()
    );
    assert!(watch.is_offline(&site()));
    let back = watch.agent((&site(), &agent), there(true), second(4));
    assert_eq!(back[0].anomaly.to, Some(second(4)));
}
