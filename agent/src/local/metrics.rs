//! The same for Prometheus, in its text format 0.0.4.

use core::fmt::{Display, Write as _};

use super::Now;

/// Everything that is counted.
pub(super) fn metrics(now: &Now) -> String {
    let mut text = Text::default();
    records(&mut text, &now.spool);
    let (spool, uplink) = (&now.spool, now.uplink.clone().unwrap_or_default());
    let connected = u64::from(uplink.connected.is_some());
    let alarms = now.alarms().len() as u64;
    for (name, kind, help, value) in [
        ("spool_bytes", "gauge", "bytes of records held", spool.bytes),
        (
            "spool_bytes_max",
            "gauge",
            "the most bytes it may hold",
            spool.max_bytes,
        ),
        (
            "spool_failures_total",
            "counter",
            "transactions that failed",
            spool.failures,
        ),
        (
            "uplink_connected",
            "gauge",
            "whether a broker has us",
            connected,
        ),
        (
            "uplink_in_flight",
            "gauge",
            "records sent and not committed",
            uplink.in_flight,
        ),
        (
            "uplink_failures_total",
            "counter",
            "connections lost or not made",
            uplink.failures,
        ),
        (
            "uplink_refused_total",
            "counter",
            "records too large for the broker",
            uplink.refused,
        ),
        (
            "alarms",
            "gauge",
            "devices and points that are not well",
            alarms,
        ),
        ("up_seconds", "gauge", "seconds since the start", now.up_s),
    ] {
        text.one(&format!("silkline_agent_{name}"), kind, help, value);
    }
    devices(&mut text, now);
    text.0
}

fn records(text: &mut Text, spool: &super::SpoolNow) {
    for (name, kind, help, counts) in [
        (
            "found_total",
            "counter",
            "records that waited in the spool at the start",
            &spool.found,
        ),
        (
            "taken_total",
            "counter",
            "records taken into the spool",
            &spool.taken,
        ),
        (
            "taken_back_total",
            "counter",
            "records that a collector asks for again",
            &spool.taken_back,
        ),
        (
            "delivered_total",
            "counter",
            "records that a collector has committed",
            &spool.delivered,
        ),
        (
            "dropped_total",
            "counter",
            "records let go of before they were committed",
            &spool.dropped,
        ),
        (
            "refused_total",
            "counter",
            "records that nothing would take, never taken in",
            &spool.refused,
        ),
        (
            "unsynced",
            "gauge",
            "records that are only in memory, since the disk takes nothing",
            &spool.unsynced,
        ),
        (
            "waiting",
            "gauge",
            "records that no collector has committed",
            &spool.waiting,
        ),
    ] {
        let name = format!("silkline_agent_records_{name}");
        text.head(&name, kind, help);
        for (kind, count) in counts {
            text.line(&name, &[("kind", kind)], count);
        }
    }
}

fn devices(text: &mut Text, now: &Now) {
    type Count = fn(&super::DeviceNow) -> u64;
    let counts: [(&str, &str, Count); 5] = [
        ("polls", "polls", |device| device.polls),
        ("polls_unanswered", "polls without an answer", |device| {
            device.unanswered
        }),
        (
            "readings_good",
            "good readings, dark ones included",
            |device| device.good,
        ),
        ("readings_bad", "readings without a value", |device| {
            device.bad
        }),
        (
            "readings_withheld",
            "readings that report by exception did not send",
            |device| device.withheld,
        ),
    ];
    for (name, help, count) in counts {
        let name = format!("silkline_agent_{name}_total");
        text.head(&name, "counter", help);
        for device in &now.devices {
            text.line(&name, &[("device", &device.id)], count(device));
        }
    }
    let asked = || now.devices.iter().filter(|device| device.polls > 0);
    let name = "silkline_agent_poll_seconds";
    text.head(
        name,
        "gauge",
        "how long the requests of the latest poll took",
    );
    for device in asked() {
        text.line(name, &[("device", &device.id)], device.took_ms / 1e3);
    }
    let name = "silkline_agent_device_up";
    text.head(name, "gauge", "whether a device answered its latest poll");
    for device in asked() {
        text.line(
            name,
            &[("device", &device.id)],
            u8::from(device.fault.is_none()),
        );
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Labels are ids and kinds: none of their letters needs an escape.
    fn line(&mut self, name: &str, labels: &[(&str, &String)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }
}
