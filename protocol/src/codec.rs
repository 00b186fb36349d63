//! Bytes ⇄ messages, with the rule of versions: fields are added, never given a new meaning; a
//! version that this reader does not know is refused by name.
//!
//! A spooled record travels as a payload (JSON, or the SOR file itself) and MQTT user properties
//! `v`, `agent`, `epoch`, `seq`, `late`; a trace also `at`, `view`, `port`, `trigger`. Unknown
//! properties are ignored. Every size is checked before anything is parsed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delivery::{Epoch, Seq};
use crate::id::{AgentId, LineId, SiteId};
use crate::message::{Body, TraceFile, Trigger};
use crate::topic::{DeviceTopic, SiteTopic, Topic};

/// The version of every message that this crate writes.
pub const VERSION: u32 = 1;
/// The largest sample, event, about, gap or status, in bytes.
pub const MAX_JSON: usize = 256 * 1024;
/// The largest trace, in bytes.
pub const MAX_TRACE: usize = 4 * 1024 * 1024;
/// What readers announce as their largest packet: a trace with its topic and properties.
pub const MAX_PACKET: u32 = 4 * 1024 * 1024 + 64 * 1024;

/// The stream and number under which a record travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Which agent spooled it.
    pub agent: AgentId,
    /// Which life of the agent's spool.
    pub epoch: Epoch,
    /// Its number in the stream.
    pub seq: Seq,
    /// Whether it comes from the backlog.
    pub late: bool,
}

/// A spooled record as it crosses the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The fault domain it is for.
    pub line: LineId,
    /// Where it was taken.
    pub site: SiteId,
    /// Its stream and number.
    pub envelope: Envelope,
    /// What it carries.
    pub body: Body,
}

/// Topic, payload and user properties of one message, as an MQTT client wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The user properties, in order.
    pub properties: Vec<(String, String)>,
}

/// A message that can't be taken as a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The topic is none of ours.
    #[error("{0}")]
    Topic(#[from] crate::topic::BadTopic),
    /// The topic is ours, but nothing that is spooled travels there.
    #[error("no spooled record travels on this topic")]
    NotARecord,
    /// A property is absent.
    #[error("user property {0:?} is missing")]
    Missing(&'static str),
    /// A property does not say what it should.
    #[error("user property {name:?} is {found:?}, want {wanted}")]
    Property {
        /// Its name.
        name: &'static str,
        /// What it says, shortened.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A newer layout.
    #[error("message version {0} is newer than {VERSION}: update this program")]
    Version(u32),
    /// Larger than such a message may be.
    #[error("payload of {found} bytes, at most {most} are allowed")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// Not the JSON that was wanted.
    #[error("payload: {0}")]
    Json(String),
}

impl DecodeError {
    /// A short word for counters.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Topic(_) | Self::NotARecord => "topic",
            Self::Missing(_) | Self::Property { .. } => "properties",
            Self::Version(_) => "version",
            Self::TooLarge { .. } => "too_large",
            Self::Json(_) => "payload",
        }
    }
}

/// The payload of anything that travels as JSON.
#[must_use]
pub fn to_json<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// The message in a JSON payload.
///
/// # Errors
///
/// [`DecodeError::TooLarge`] above [`MAX_JSON`], else [`DecodeError::Json`] with line and column.
pub fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeError> {
    bounded(payload, MAX_JSON)?;
    serde_json::from_slice(payload).map_err(|error| DecodeError::Json(error.to_string()))
}

fn bounded(payload: &[u8], most: usize) -> Result<(), DecodeError> {
    let found = payload.len();
    if found > most {
        Err(DecodeError::TooLarge { found, most })
    } else {
        Ok(())
    }
}

/// The topic under which `body` travels.
#[must_use]
pub fn topic(line: &LineId, site: &SiteId, body: &Body) -> Topic {
    let (line, site) = (line.clone(), site.clone());
    let (device, what) = match body {
        Body::Sample(device, _) => (device, DeviceTopic::Sample),
        Body::Trace(device, _) => (device, DeviceTopic::Trace),
        Body::Event(device, _) => (device, DeviceTopic::Event),
        Body::About(device, _) => (device, DeviceTopic::About),
        Body::Gap(_) => {
            return Topic::Site {
                line,
                site,
                what: SiteTopic::Gap,
            };
        }
    };
    Topic::Device {
        line,
        site,
        device: device.clone(),
        what,
    }
}

/// The payload of `body`.
#[must_use]
pub fn payload(body: &Body) -> Vec<u8> {
    match body {
        Body::Sample(_, sample) => to_json(sample),
        Body::Trace(_, trace) => trace.sor.clone(),
        Body::Event(_, event) => to_json(event),
        Body::About(_, about) => to_json(about),
        Body::Gap(gap) => to_json(gap),
    }
}

/// The properties that belong to `body` itself, without those of its envelope.
#[must_use]
pub fn body_properties(body: &Body) -> Vec<(String, String)> {
    let Body::Trace(_, trace) = body else {
        return Vec::new();
    };
    let mut properties = vec![
        ("at".to_owned(), trace.at.to_string()),
        ("trigger".to_owned(), trace.trigger.word().to_owned()),
    ];
    properties.extend(
        trace
            .view
            .as_ref()
            .map(|view| ("view".to_owned(), view.to_string())),
    );
    properties.extend(trace.port.map(|port| ("port".to_owned(), port.to_string())));
    properties
}

/// The properties of a record's envelope.
#[must_use]
pub fn envelope_properties(envelope: &Envelope) -> Vec<(String, String)> {
    vec![
        ("v".to_owned(), VERSION.to_string()),
        ("agent".to_owned(), envelope.agent.to_string()),
        ("epoch".to_owned(), envelope.epoch.to_string()),
        ("seq".to_owned(), envelope.seq.to_string()),
        (
            "late".to_owned(),
            if envelope.late { "1" } else { "0" }.to_owned(),
        ),
    ]
}

/// A record as an MQTT client sends it.
#[must_use]
pub fn encode(record: &Record) -> Wire {
    let mut properties = envelope_properties(&record.envelope);
    properties.extend(body_properties(&record.body));
    Wire {
        topic: topic(&record.line, &record.site, &record.body).to_string(),
        payload: payload(&record.body),
        properties,
    }
}

/// The record in a message.
///
/// # Errors
///
/// What is wrong with the first part that is wrong, in the order topic, properties, size, payload.
pub fn decode(
    topic: &str,
    payload: &[u8],
    properties: &[(String, String)],
) -> Result<Record, DecodeError> {
    let topic: Topic = topic.parse()?;
    let (line, site) = match &topic {
        Topic::Device { line, site, .. }
        | Topic::Site {
            line,
            site,
            what: SiteTopic::Gap,
        } => (line.clone(), site.clone()),
        Topic::Site { .. }
        | Topic::Incident { .. }
        | Topic::Status { .. }
        | Topic::Collector { .. } => {
            return Err(DecodeError::NotARecord);
        }
    };
    let envelope = envelope(properties)?;
    let body = body(topic, payload, properties)?;
    Ok(Record {
        line,
        site,
        envelope,
        body,
    })
}

/// The envelope in a message's properties.
///
/// # Errors
///
/// The property that is absent or not what it should be, or a version that is too new.
pub fn envelope(properties: &[(String, String)]) -> Result<Envelope, DecodeError> {
    let version: u32 = property(properties, "v", "a whole number")?;
    if version > VERSION {
        return Err(DecodeError::Version(version));
    }
    let late: u8 = property(properties, "late", "0 or 1")?;
    Ok(Envelope {
        agent: property(properties, "agent", "an id")?,
        epoch: property(properties, "epoch", "a UUID")?,
        seq: property(properties, "seq", "a whole number from 1")?,
        late: late != 0,
    })
}

fn body(
    topic: Topic,
    payload: &[u8],
    properties: &[(String, String)],
) -> Result<Body, DecodeError> {
    let Topic::Device { device, what, .. } = topic else {
        return Ok(Body::Gap(from_json(payload)?));
    };
    Ok(match what {
        DeviceTopic::Sample => Body::Sample(device, from_json(payload)?),
        DeviceTopic::Event => Body::Event(device, from_json(payload)?),
        DeviceTopic::About => Body::About(device, from_json(payload)?),
        DeviceTopic::Trace => {
            bounded(payload, MAX_TRACE)?;
            Body::Trace(device, trace_file(payload, properties)?)
        }
    })
}

fn trace_file(payload: &[u8], properties: &[(String, String)]) -> Result<TraceFile, DecodeError> {
    Ok(TraceFile {
        at: property(properties, "at", "a time")?,
        view: optional(properties, "view", "an id")?,
        port: optional(properties, "port", "a whole number below 65536")?,
        trigger: find(properties, "trigger").map_or(Trigger::Unknown, Trigger::from_word),
        sor: payload.to_vec(),
    })
}

fn find<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    properties
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn property<T: core::str::FromStr>(
    properties: &[(String, String)],
    name: &'static str,
    wanted: &'static str,
) -> Result<T, DecodeError> {
    optional(properties, name, wanted)?.ok_or(DecodeError::Missing(name))
}

fn optional<T: core::str::FromStr>(
    properties: &[(String, String)],
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, DecodeError> {
    let Some(text) = find(properties, name) else {
        return Ok(None);
    };
    let found = || text.chars().take(80).collect();
    let value = text.parse().map_err(|_| DecodeError::Property {
        name,
        found: found(),
        wanted,
    })?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Epoch;

    const EPOCH: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn record(body: Body) -> Record {
        let epoch: Epoch = EPOCH.parse().unwrap();
        let envelope = Envelope {
            agent: "main".parse().unwrap(),
            epoch,
            seq: Seq::new(7).unwrap(),
            late: true,
        };
        let (line, site) = ("baku-poti".parse().unwrap(), "ganja".parse().unwrap());
        Record {
            line,
            site,
            envelope,
            body,
        }
    }

    fn trace() -> Body {
        let trace = TraceFile {
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            view: Some("ganja-b".parse().unwrap()),
            port: Some(2),
            trigger: Trigger::LightLost,
            sor: vec![0, 1, 255],
        };
        Body::Trace("otdr-1".parse().unwrap(), trace)
    }

    fn decoded(wire: &Wire) -> Result<Record, DecodeError> {
        decode(&wire.topic, &wire.payload, &wire.properties)
    }

    #[test]
    fn a_trace_travels_byte_for_byte() {
        let wire = encode(&record(trace()));
        assert_eq!(wire.payload, [0, 1, 255]);
        assert_eq!(decoded(&wire).unwrap(), record(trace()));
    }

    #[test]
    fn unknown_properties_are_ignored_and_missing_ones_named() {
        let mut wire = encode(&record(trace()));
        wire.properties.push(("colour".into(), "blue".into()));
        assert!(decoded(&wire).is_ok());
        for name in ["v", "agent", "epoch", "seq", "late", "at"] {
            let mut wire = wire.clone();
            wire.properties.retain(|(key, _)| key != name);
            assert_eq!(decoded(&wire), Err(DecodeError::Missing(name)));
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut wire = encode(&record(trace()));
        wire.properties[0].1 = "2".into();
        assert_eq!(decoded(&wire), Err(DecodeError::Version(2)));
    }

    #[test]
    fn what_is_too_large_is_never_parsed() {
        let mut wire = encode(&record(trace()));
        wire.payload = vec![b' '; MAX_TRACE + 1];
        assert!(matches!(decoded(&wire), Err(DecodeError::TooLarge { .. })));
        wire.topic = wire.topic.replace("trace", "sample");
        wire.payload.truncate(MAX_JSON + 1);
        assert!(matches!(decoded(&wire), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn what_is_not_spooled_is_no_record() {
        let wire = encode(&record(trace()));
        for topic in ["silkline/1/a/b/committed", "silkline/1/site/b/status/main"] {
            let said = decode(topic, &wire.payload, &wire.properties);
            assert_eq!(said, Err(DecodeError::NotARecord), "{topic}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_the_reader_panic(payload: Vec<u8>, kind in 0..5usize) {
            let what = ["sample", "trace", "event", "about", "gap"][kind];
            let device = if kind == 4 { "" } else { "d/" };
            let topic = format!("silkline/1/l/s/{device}{what}");
            let wire = encode(&record(trace()));
            let _ = decode(&topic, &payload, &wire.properties);
        }
    }
}
