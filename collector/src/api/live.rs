//! The live stream: what is committed, as server-sent events that can be resumed.
//!
//! ```text
//!   commit task ──broadcast──▶ pump ──number, keep──▶ Hub ──broadcast──▶ one stream a browser
//! ```
//!
//! Each event has the id `run-number`; the run changes with every start of the server. A client
//! that comes back with its last id gets what it missed while that is kept, else the event
//! `refetch`: then only the resources themselves tell the truth. A client too slow for the stream
//! gets `refetch` too. Samples from a backlog are not live and are left out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use serde_json::json;
use silkline_analysis::series::device_name;
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_stream::wrappers::{BroadcastStream, IntervalStream};
use tokio_util::sync::CancellationToken;

use super::request::Asked;
use super::who::Who;
use super::{ApiState, Problem};
use crate::state::LiveEvent;

/// Events that are kept for clients that come back, and that a slow one may lag behind: ten seconds
/// of a large corridor. Older ones are dropped; the client is told to fetch anew.
const KEPT: usize = 4096;
/// How often the stream shows that it stands; the page reconnects after three missed beats.
const BEAT: Duration = Duration::from_secs(5);

/// One event with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Rises by one.
    pub number: u64,
    /// The kind of event.
    pub name: &'static str,
    /// Its JSON.
    pub data: Arc<str>,
    /// The lines it speaks of; none where it concerns everybody.
    pub lines: Arc<[LineId]>,
}

/// Numbers events, keeps the newest and hands them on.
#[derive(Debug)]
pub struct Hub {
    run: i64,
    kept: Mutex<Kept>,
    out: broadcast::Sender<Numbered>,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    events: VecDeque<Numbered>,
}

/// What a client gets that comes back.
#[derive(Debug, PartialEq, Eq)]
enum Resume {
    /// It is new, or missed nothing.
    Nothing,
    /// What it missed.
    Missed(Vec<Numbered>),
    /// More than is kept.
    TooMuch,
}

impl Hub {
    /// A hub without events; `started` makes its ids differ from those of the run before.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        let (out, _) = broadcast::channel(KEPT);
        Self {
            run: started.nanos(),
            kept: Mutex::default(),
            out,
        }
    }

    fn publish(&self, name: &'static str, data: String, lines: Vec<LineId>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Numbered {
            number: kept.next,
            name,
            data: data.into(),
            lines: lines.into(),
        };
        kept.next += 1;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(event.clone());
        // Nobody listening is no failure. Sent under the lock, so that order is that of numbers.
        let _ = self.out.send(event);
    }

    /// Everything after `last`, then everything that comes.
    fn subscribe(&self, last: Option<&str>) -> (Resume, broadcast::Receiver<Numbered>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let resume = match last.map(|last| self.number_of(last)) {
            None => Resume::Nothing,
            Some(None) => Resume::TooMuch,
            Some(Some(last)) => kept.after(last),
        };
        (resume, self.out.subscribe())
    }

    fn id_of(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        let number = number.parse().ok()?;
        (run.parse() == Ok(self.run)).then_some(number)
    }
}

impl Kept {
    fn after(&self, last: u64) -> Resume {
        if last >= self.next {
            return Resume::TooMuch;
        }
        if last + 1 == self.next {
            return Resume::Nothing;
        }
        match self.events.front() {
            Some(oldest) if oldest.number <= last + 1 => {
                let missed = self.events.iter().filter(|event| event.number > last);
                Resume::Missed(missed.cloned().collect())
            }
            _ => Resume::TooMuch,
        }
    }
}

/// Hands committed events to the hub until `stop`, or until there is nobody left to commit.
pub async fn pump(
    hub: Arc<Hub>,
    mut events: broadcast::Receiver<LiveEvent>,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(event) => {
                if let Some((name, data)) = shown(&event) {
                    hub.publish(name, data, lines_of(&event));
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "live events outran the server");
                hub.publish(
                    "refetch",
                    json!({ "missed": missed }).to_string(),
                    Vec::new(),
                );
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// The name and JSON of an event, where it is one for people.
fn shown(event: &LiveEvent) -> Option<(&'static str, String)> {
    match event {
        LiveEvent::Sample { late: true, .. } => None,
        LiveEvent::Sample {
            line,
            site,
            device,
            sample,
            late: false,
        } => {
            let id = device_name(site, device);
            let (at, readings) = (sample.at, &sample.readings);
            let data = json!({ "id": id, "line": line, "at": at, "readings": readings });
            Some(("device", data.to_string()))
        }
        LiveEvent::Incident(incident) => Some(("incident", incident.to_string())),
        LiveEvent::Anomaly(anomaly) => Some(("anomaly", anomaly.to_string())),
        LiveEvent::Trace {
            id,
            line,
            site,
            device,
        } => {
            let device = device_name(site, device);
            Some((
                "trace",
                json!({ "id": id.0, "line": line, "device": device }).to_string(),
            ))
        }
        LiveEvent::Agent {
            site,
            agent,
            online,
            at,
        } => {
            let data = json!({ "site": site, "agent": agent, "online": online, "at": at });
            Some(("agent", data.to_string()))
        }
    }
}

/// The lines that an event speaks of.
fn lines_of(event: &LiveEvent) -> Vec<LineId> {
    match event {
        LiveEvent::Sample { line, .. } | LiveEvent::Trace { line, .. } => vec![line.clone()],
        LiveEvent::Anomaly(json) => Vec::from_iter(json["line"].as_str().and_then(read_line)),
        LiveEvent::Incident(json) => {
            let lines = json["lines"].as_array().into_iter().flatten();
            lines.filter_map(|line| read_line(line.as_str()?)).collect()
        }
        LiveEvent::Agent { .. } => Vec::new(),
    }
}

fn read_line(line: &str) -> Option<LineId> {
    line.parse().ok()
}

/// Names of events that can be asked for.
const NAMES: [&str; 5] = ["device", "incident", "anomaly", "trace", "agent"];

/// Which events to send: a phone on a slow link wants incidents alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Names, divided by commas; all where absent.
    events: Option<String>,
}

impl Which {
    /// The names that are asked for.
    fn names(&self) -> Result<Vec<&'static str>, Problem> {
        let Some(events) = &self.events else {
            return Ok(NAMES.to_vec());
        };
        let name = |name: &str| NAMES.into_iter().find(|known| *known == name);
        let names: Option<Vec<_>> = events.split(',').map(name).collect();
        names.ok_or_else(|| {
            Problem::bad_request(format!("events: want some of {}", NAMES.join(",")))
        })
    }
}

/// Opens the stream; it begins with a beat, and with what a returning client missed.
///
/// # Errors
///
/// Where an event is asked for that there is not.
pub async fn stream(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let names = which.names()?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let hub = Arc::clone(&state.hub);
    let (resume, live) = hub.subscribe(last);
    let missed = match resume {
        Resume::Nothing => Vec::new(),
        Resume::Missed(events) => {
            let wanted = events.iter().filter(|event| wants(&names, &who, event));
            wanted.map(|event| numbered(&hub, event)).collect()
        }
        Resume::TooMuch => vec![refetch("too long away")],
    };
    let live = BroadcastStream::new(live).filter_map(move |event| {
        let event = match event {
            Ok(event) => wants(&names, &who, &event).then(|| numbered(&hub, &event)),
            Err(_) => Some(refetch("too slow for the stream")),
        };
        core::future::ready(event)
    });
    // The first tick is at once: a client knows the server's time from the start.
    let beats = IntervalStream::new(tokio::time::interval(BEAT)).map(|_| beat());
    let events = stream::iter(missed).chain(stream::select(beats, live));
    Ok(Sse::new(
        events.take_until(state.stop.cancelled_owned()).map(Ok),
    ))
}

/// Whether a client that asked for `names` gets this event; `refetch` concerns everybody.
fn wants(names: &[&str], who: &Who, event: &Numbered) -> bool {
    let theirs = event.lines.is_empty() || who.sees_any(&event.lines);
    event.name == "refetch" || names.contains(&event.name) && theirs
}

fn numbered(hub: &Hub, event: &Numbered) -> Event {
    Event::default()
        .id(hub.id_of(event.number))
        .event(event.name)
        .data(&*event.data)
}

fn refetch(why: &str) -> Event {
    Event::default()
        .event("refetch")
        .data(json!({ "why": why }).to_string())
}

fn beat() -> Event {
    Event::default()
        .event("beat")
        .data(json!({ "now": crate::clock::now() }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub_with(events: u64) -> Hub {
        let hub = Hub::new(Timestamp::from_seconds(7));
        for number in 0..events {
            hub.publish("trace", number.to_string(), Vec::new());
        }
        hub
    }

    fn resumed(hub: &Hub, number: u64) -> Resume {
        hub.subscribe(Some(&hub.id_of(number))).0
    }

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed() {
        let hub = hub_with(5);
        assert_eq!(resumed(&hub, 4), Resume::Nothing);
        let Resume::Missed(events) = resumed(&hub, 1) else {
            panic!("nothing missed")
        };
        let numbers: Vec<_> = events.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [2, 3, 4]);
        assert_eq!(hub.subscribe(None).0, Resume::Nothing);
    }

    #[test]
    fn an_id_of_another_run_or_from_the_future_means_fetch_anew() {
        let hub = hub_with(5);
        for id in ["8-1", "7000000000-9", "x", "", "7000000000-"] {
            assert_eq!(hub.subscribe(Some(id)).0, Resume::TooMuch, "{id}");
        }
    }

    #[test]
    fn what_is_no_longer_kept_means_fetch_anew() {
        let kept = u64::try_from(KEPT).unwrap();
        let hub = hub_with(kept + 10);
        assert_eq!(resumed(&hub, 8), Resume::TooMuch);
        let Resume::Missed(events) = resumed(&hub, 9) else {
            panic!("nothing missed")
        };
        assert_eq!(events.len(), KEPT);
    }

    #[test]
    fn only_events_that_there_are_can_be_asked_for() {
        let of = |events: &str| Which {
            events: Some(events.to_owned()),
        };
        assert_eq!(of("trace,incident").names().unwrap(), ["trace", "incident"]);
        assert_eq!(of("trace,weather").names().unwrap_err().status, 400);
        assert_eq!(Which { events: None }.names().unwrap().len(), NAMES.len());
    }

    #[test]
    fn a_sample_from_a_backlog_is_not_live() {
        let sample = |late| LiveEvent::Sample {
            line: "north".parse().unwrap(),
            site: "baku".parse().unwrap(),
            device: "edfa-1".parse().unwrap(),
            late,
            sample: Arc::new(silkline_protocol::sample::Sample {
                at: Timestamp::from_seconds(1),
                readings: std::collections::BTreeMap::default(),
            }),
        };
        assert_eq!(shown(&sample(true)), None);
        let (name, data) = shown(&sample(false)).unwrap();
        assert_eq!(name, "device");
        assert!(data.contains(r#""id":"baku.edfa-1""#), "{data}");
    }

    #[tokio::test]
    async fn a_hub_that_cannot_follow_says_so() {
        let (send, receive) = broadcast::channel(1);
        let event = LiveEvent::Anomaly(Arc::new(json!({})));
        send.send(event.clone()).unwrap();
        send.send(event).unwrap();
        drop(send);
        let hub = Arc::new(hub_with(0));
        pump(Arc::clone(&hub), receive, CancellationToken::new()).await;
        let Resume::Missed(events) = hub.kept.lock().unwrap().after(0) else {
            panic!("nothing")
        };
        assert_eq!(events[0].name, "anomaly");
        let first = hub.kept.lock().unwrap().events[0].clone();
        assert_eq!((first.name, &*first.data), ("refetch", r#"{"missed":1}"#));
    }
}
