//! What the agent shows on the spot: the newest of every device, the latest events, and whatever else
//! has something to say. For `top`, the local page and the metrics; nothing is decided by it.
//!
//! It holds one value a point and a few lines, whatever time passes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::message::{Event, EventKind};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use crate::driver::readings::Compact;

/// Events that are shown: as many as fit a screen.
const EVENTS: usize = 20;

/// The place where loops put what is to be shown.
#[derive(Clone, Debug, Default)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    devices: BTreeMap<DeviceId, Kept>,
    events: VecDeque<Told>,
    sections: BTreeMap<&'static str, Vec<String>>,
}

/// What is kept of a device: what was seen, what is not asked at every poll, and its latest poll as it came.
#[derive(Clone, Debug, Default)]
struct Kept {
    seen: Seen,
    seldom: Option<Arc<Compact>>,
    latest: Option<Arc<Compact>>,
}

/// What was seen of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// When it last answered.
    pub answered: Option<Timestamp>,
    /// Why it did not answer its latest poll, if it did not.
    pub fault: Option<String>,
    /// Its readings of the latest poll, with the newest of what is not asked at every poll.
    pub readings: BTreeMap<PointName, Reading>,
    /// How long the requests of its latest poll took together.
    pub took: Duration,
    /// Polls since the start.
    pub polls: u64,
    /// Polls since the start that it did not answer.
    pub unanswered: u64,
    /// Readings since the start: good ones, dark ones included, and bad ones.
    pub good: u64,
    /// See `good`.
    pub bad: u64,
    /// Answers that came too late and were thrown away, over its whole connection.
    pub late: u64,
    /// Readings that report by exception did not send.
    pub withheld: u64,
}

/// An event as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The device it is about.
    pub device: DeviceId,
    /// The event.
    pub event: Event,
}

/// A poll as the board takes note of it.
#[derive(Clone, Copy, Debug)]
pub struct Poll<'a> {
    /// What it brought.
    pub sample: &'a Arc<Compact>,
    /// The newest of points that are not asked at every poll.
    pub seldom: Option<&'a Arc<Compact>>,
    /// Why the device did not answer, if it did not.
    pub fault: Option<&'a str>,
    /// How long its requests took together.
    pub took: Duration,
    /// Answers that came too late so far.
    pub late: u64,
}

impl Board {
    /// Takes note of a poll.
    pub fn polled(&self, device: &DeviceId, poll: Poll<'_>) {
        let mut inner = self.lock();
        if !inner.devices.contains_key(device) {
            inner.devices.insert(device.clone(), Kept::default());
        }
        if let Some(kept) = inner.devices.get_mut(device) {
            kept.take(poll);
        }
    }

    /// Takes note of readings that were not sent since they said nothing new.
    pub fn withheld(&self, device: &DeviceId, readings: u64) {
        if let Some(kept) = self.lock().devices.get_mut(device) {
            kept.seen.withheld += readings;
        }
    }

    /// Takes note of an event.
    pub fn told(&self, device: &DeviceId, event: &Event) {
        let mut inner = self.lock();
        if inner.events.len() >= EVENTS {
            inner.events.pop_back();
        }
        inner.events.push_front(Told {
            device: device.clone(),
            event: event.clone(),
        });
    }

    /// Shows `lines` under a title, in place of what stood there; without lines the title goes.
    pub fn section(&self, title: &'static str, lines: Vec<String>) {
        let mut inner = self.lock();
        if lines.is_empty() {
            inner.sections.remove(title);
        } else {
            inner.sections.insert(title, lines);
        }
    }

    /// Forgets all devices but those of `ids`.
    pub fn keep_only(&self, ids: &[&DeviceId]) {
        self.lock().devices.retain(|id, _| ids.contains(&id));
    }

    /// What was seen of a device.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<Seen> {
        let kept = self.lock().devices.get(id).cloned()?;
        let Kept {
            seen,
            seldom,
            latest,
        } = kept;
        let samples = seldom.iter().chain(&latest);
        let readings = samples.flat_map(|sample| sample.by_name()).collect();
        Some(Seen { readings, ..seen })
    }

    /// The latest events, newest first.
    #[must_use]
    pub fn events(&self) -> Vec<Told> {
        self.lock().events.iter().cloned().collect()
    }

    /// What else has something to say, by title.
    #[must_use]
    pub fn sections(&self) -> Vec<(&'static str, Vec<String>)> {
        let inner = self.lock();
        let sections = inner.sections.iter();
        sections
            .map(|(title, lines)| (*title, lines.clone()))
            .collect()
    }

    /// Whoever panicked while it wrote here has left whole values behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, poll: Poll<'_>) {
        let seen = &mut self.seen;
        seen.polls += 1;
        seen.late = poll.late;
        seen.took = poll.took;
        seen.fault = poll.fault.map(ToOwned::to_owned);
        if poll.fault.is_some() {
            seen.unanswered += 1;
        } else {
            seen.answered = Some(poll.sample.at);
        }
        let readings = poll.sample.readings();
        let bad = readings
            .iter()
            .filter(|reading| matches!(reading, Reading::Bad(_)));
        let bad = bad.count() as u64;
        seen.bad += bad;
        seen.good += readings.len() as u64 - bad;
        self.latest = Some(poll.sample.clone());
        self.seldom = poll.seldom.cloned();
    }
}

/// The words for a kind of event.
#[must_use]
pub fn words(kind: EventKind) -> String {
    let word = serde_json::to_value(kind).ok();
    let word = word.as_ref().and_then(serde_json::Value::as_str);
    word.unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use silkline_protocol::sample::{BadReading, Sample};

    use super::*;

    fn sample(second: i64, readings: &[(&str, Reading)]) -> Arc<Compact> {
        Arc::new(Compact::of(Sample {
            at: Timestamp::from_seconds(second),
            readings: readings
                .iter()
                .map(|(name, reading)| (name.parse().unwrap(), *reading))
                .collect(),
        }))
    }

    fn poll<'a>(sample: &'a Arc<Compact>, fault: Option<&'a str>) -> Poll<'a> {
        Poll {
            seldom: None,
            took: Duration::from_millis(20),
            sample,
            fault,
            late: 0,
        }
    }

    #[test]
    fn the_newest_poll_is_shown_and_all_are_counted() {
        let (board, id) = (Board::default(), "edfa-1".parse().unwrap());
        let lit = sample(5, &[("a", Reading::Value(1.0)), ("b", Reading::Dark)]);
        board.polled(&id, poll(&lit, None));
        let gone = Reading::Bad(BadReading::Timeout);
        let dead = sample(6, &[("a", gone), ("b", gone)]);
        board.polled(&id, poll(&dead, Some("no answer")));
        let seen = board.device(&id).unwrap();
        assert_eq!(seen.answered, Some(Timestamp::from_seconds(5)));
        assert_eq!(
            (seen.polls, seen.unanswered, seen.good, seen.bad),
            (2, 1, 2, 2)
        );
        assert_eq!(seen.readings, dead.sample().readings);
        let more = sample(7, &[("a", Reading::Value(2.0)), ("c", Reading::Value(3.0))]);
        board.polled(&id, poll(&more, None));
        let seen = board.device(&id).unwrap();
        assert_eq!((seen.readings, seen.fault), (more.sample().readings, None));
        board.keep_only(&[]);
        assert_eq!(board.device(&id), None);
    }

    #[test]
    fn events_are_few_and_sections_come_and_go() {
        let (board, id) = (Board::default(), "edfa-1".parse::<DeviceId>().unwrap());
        for second in 0..50 {
            let told = crate::trigger::Told {
                device: id.clone(),
                line: None,
                kind: EventKind::LightLost,
                point: None,
                detail: String::new(),
                permit: None,
            };
            let event = told.event(Timestamp::from_seconds(second));
            board.told(&id, &event);
        }
        assert_eq!(words(EventKind::LightLost), "light lost");
        let events = board.events();
        assert_eq!(events.len(), EVENTS);
        assert_eq!(events[0].event.at, Timestamp::from_seconds(49));
        board.section("Permits", vec!["fibre 7".into()]);
        assert_eq!(board.sections(), [("Permits", vec!["fibre 7".to_owned()])]);
        board.section("Permits", Vec::new());
        assert!(board.sections().is_empty());
    }
}
