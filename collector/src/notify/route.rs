//! Who is told of what, and when: pure, decided as a notice is written.

use silkline_analysis::incident::Incident;
use silkline_protocol::time::Timestamp;

use crate::config::{Hours, Routing};
use crate::engine::Reason;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// When a channel is to be told of `incident`, if at all.
///
/// A channel that waits for nobody to acknowledge is told of beginnings only; whether anybody has is
/// looked at when the notice is due. The end of an incident is told at any hour, so that nothing
/// stays alight that was told by day.
#[must_use]
pub fn due(
    routing: &Routing,
    incident: &Incident,
    reason: Reason,
    now: Timestamp,
) -> Option<Timestamp> {
    let line = |lines: &Vec<_>| incident.lines.iter().any(|line| lines.contains(line));
    let wanted = incident.severity >= routing.least
        && routing.lines.as_ref().is_none_or(line)
        && routing
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&incident.kind));
    if !wanted {
        return None;
    }
    let begins = matches!(reason, Reason::Opened | Reason::Reopened | Reason::Worse);
    let at = match routing.after {
        Some(_) if !begins => return None,
        Some(after) => now + after,
        None => now,
    };
    let open = |hours: &Hours| hours.hold(at) || reason == Reason::Cleared;
    routing.hours.as_ref().is_none_or(open).then_some(at)
}

impl Hours {
    /// Whether `at` is in them.
    #[must_use]
    pub fn hold(&self, at: Timestamp) -> bool {
        let minute = at.nanos().div_euclid(1_000_000_000).rem_euclid(DAY) / 60;
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        if from < to {
            (from..to).contains(&minute)
        } else {
            minute >= from || minute < to
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use silkline_analysis::incident::{Kind, State};
    use silkline_analysis::series::Severity;

    use super::*;
    use crate::api::example;

    fn incident() -> Incident {
        let mut incident = example::incident("i-1", State::Open);
        (incident.kind, incident.severity) = (Kind::Break, Severity::Critical);
        incident
    }

    fn routing() -> Routing {
        crate::notify::example::routing("crew")
    }

    /// Seconds after midnight of a day.
    fn at(hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 / DAY * DAY + hour * 3_600 + minute * 60)
    }

    #[test]
    fn a_channel_takes_its_lines_its_kinds_and_what_is_bad_enough() {
        let (incident, now) = (incident(), at(12, 0));
        assert_eq!(due(&routing(), &incident, Reason::Opened, now), Some(now));
        let elsewhere = Routing {
            lines: Some(vec!["elsewhere".parse().unwrap()]),
            ..routing()
        };
        let here = Routing {
            lines: Some(vec![incident.lines[0].clone()]),
            ..routing()
        };
        let hardware = Routing {
            kinds: Some(vec![Kind::Equipment]),
            ..routing()
        };
        assert_eq!(due(&elsewhere, &incident, Reason::Opened, now), None);
        assert_eq!(due(&here, &incident, Reason::Opened, now), Some(now));
        assert_eq!(due(&hardware, &incident, Reason::Opened, now), None);
        let mild = Incident {
            severity: Severity::Minor,
            ..incident
        };
        assert_eq!(due(&routing(), &mild, Reason::Opened, now), None);
    }

    #[test]
    fn hours_may_pass_midnight_and_an_end_is_told_at_any() {
        let night = Hours {
            from: 22 * 60,
            to: 6 * 60,
        };
        let inside = [(22, 0), (23, 59), (0, 0), (5, 59)];
        let outside = [(6, 0), (12, 0), (21, 59)];
        assert!(inside.iter().all(|(h, m)| night.hold(at(*h, *m))));
        assert!(!outside.iter().any(|(h, m)| night.hold(at(*h, *m))));
        let pager = Routing {
            hours: Some(night),
            ..routing()
        };
        let noon = at(12, 0);
        assert_eq!(due(&pager, &incident(), Reason::Opened, noon), None);
        assert_eq!(due(&pager, &incident(), Reason::Cleared, noon), Some(noon));
    }

    #[test]
    fn who_comes_second_is_told_later_and_of_beginnings_only() {
        let second = Routing {
            after: Some(Duration::from_secs(900)),
            ..routing()
        };
        let told = |reason| due(&second, &incident(), reason, at(12, 0));
        assert_eq!(told(Reason::Opened), Some(at(12, 15)));
        assert_eq!(told(Reason::Reopened), Some(at(12, 15)));
        assert_eq!(told(Reason::Located), None);
        assert_eq!(told(Reason::Cleared), None);
    }
}
