//! The agent's state in words: for the screen, for the page, and as plain text.

use core::fmt::Write as _;

use silkline_protocol::message::ClockState;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use crate::cli::probe::word;
use crate::local::{DeviceNow, Now};

/// How long ago something was: `12 s`, `3 min`, `5 h`, `2 d`.
#[must_use]
pub fn age(now: Timestamp, at: Option<Timestamp>) -> String {
    let Some(at) = at else {
        return "never".to_owned();
    };
    // A clock that was set back makes it now.
    let seconds = now.nanos().saturating_sub(at.nanos()).max(0) / 1_000_000_000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A reading as people write it, without its unit.
#[must_use]
pub fn reading_words(reading: Reading) -> String {
    match reading {
        Reading::Value(value) if value == 0.0 || (1e-3..1e7).contains(&value.abs()) => {
            // What a device says has three places at most; more is the conversion's.
            ((value * 1e3).round() / 1e3).to_string()
        }
        Reading::Value(value) => format!("{value:.3e}"),
        Reading::Dark => "dark".to_owned(),
        Reading::Bad(reason) => word(reason).to_owned(),
    }
}

/// What the system says of the clock.
#[must_use]
pub fn clock_words(now: &Now) -> String {
    let words = match now.clock {
        ClockState::Synchronised => "set by a time server",
        ClockState::Free => "running free",
        ClockState::Unknown => "the system does not tell whether it is set",
    };
    match now.clock_ahead_s {
        Some(ahead) => {
            let way = if ahead < 0.0 { "slow" } else { "fast" };
            format!("{words}, {:.3} ms {way}", ahead.abs() * 1e3)
        }
        None => words.to_owned(),
    }
}

/// How the uplink is.
#[must_use]
pub fn uplink_words(now: &Now) -> String {
    let Some(uplink) = &now.uplink else {
        return "none set: everything stays in the spool".to_owned();
    };
    match (uplink.connected, &uplink.last_error) {
        (Some(since), _) => {
            let in_flight = uplink.in_flight;
            format!(
                "connected {}, {in_flight} not committed yet",
                age(now.at, Some(since))
            )
        }
        (None, Some(error)) => format!("none: {error}"),
        (None, None) => "none yet".to_owned(),
    }
}

/// How the spool is.
#[must_use]
pub fn spool_words(now: &Now) -> String {
    let spool = &now.spool;
    let dropped: u64 = spool.dropped.iter().map(|(_, count)| count).sum();
    let mut words = format!(
        "{} records wait, {} of {} MB held, {dropped} dropped",
        spool.depth,
        spool.bytes / 1_000_000,
        spool.max_bytes / 1_000_000
    );
    let refused: u64 = spool.refused.iter().map(|(_, count)| count).sum();
    if refused > 0 {
        let _ = write!(words, ", {refused} never taken in");
    }
    let unsynced: u64 = spool.unsynced.iter().map(|(_, count)| count).sum();
    if unsynced > 0 {
        let _ = write!(words, ", {unsynced} only in memory");
    }
    if let Some(fault) = &spool.fault {
        // Writing into a String does not fail.
        let _ = write!(words, "; {fault}");
    }
    words
}

/// How a device is, in a line.
#[must_use]
pub fn device_words(now: &Now, device: &DeviceNow) -> String {
    let answered = match (&device.fault, device.polls) {
        (Some(fault), _) => format!("answered {}: {fault}", age(now.at, device.answered)),
        (None, 0) => "not polled yet".to_owned(),
        (None, _) => format!("answered {}", age(now.at, device.answered)),
    };
    format!(
        "{} ({}) {}  {answered}",
        device.id, device.profile, device.address
    )
}

/// Everything, as plain text.
#[must_use]
pub fn whole(now: &Now) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{}/{} at {}, version {}\nclock:  {}\nuplink: {}\nspool:  {}",
        now.site,
        now.agent,
        now.at,
        now.version,
        clock_words(now),
        uplink_words(now),
        spool_words(now)
    );
    let alarms = now.alarms();
    if !alarms.is_empty() {
        let _ = writeln!(text, "\nnot well:\n  {}", alarms.join("\n  "));
    }
    for section in &now.sections {
        let _ = writeln!(
            text,
            "\n{}:\n  {}",
            section.title,
            section.lines.join("\n  ")
        );
    }
    for device in &now.devices {
        let _ = writeln!(text, "\n{}", device_words(now, device));
        for point in &device.points {
            let (name, unit) = (&point.name, &point.unit);
            let reading = reading_words(point.reading);
            let alarm = point.alarm.as_deref().unwrap_or("");
            let line = format!("  {name:<32} {reading:>14} {unit:<8} {alarm}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if !now.events.is_empty() {
        text.push_str("\nevents:\n");
    }
    for event in &now.events {
        let _ = writeln!(text, "  {} {}", event.at, event.words);
    }
    text
}

#[cfg(test)]
mod tests {
    use silkline_protocol::sample::BadReading;

    use super::*;

    #[test]
    fn ages_are_in_the_unit_that_says_most() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let now = Timestamp::from_seconds(1_000_000);
        for (before, wanted) in [
            (at(999_988), "12 s ago"),
            (at(999_000), "16 min ago"),
            (at(980_000), "5 h ago"),
            (at(500_000), "5 d ago"),
            (at(1_000_050), "0 s ago"),
            (None, "never"),
        ] {
            assert_eq!(age(now, before), wanted);
        }
    }

    #[test]
    fn readings_are_short_and_right() {
        for (reading, wanted) in [
            (Reading::Value(-17.2), "-17.2"),
            (Reading::Value(0.0), "0"),
            (Reading::Value(1.0 / 3.0), "0.333"),
            (Reading::Value(2.5e-9), "2.500e-9"),
            (Reading::Dark, "dark"),
            (Reading::Bad(BadReading::OutOfRange), "out of range"),
        ] {
            assert_eq!(reading_words(reading), wanted);
        }
    }
}
