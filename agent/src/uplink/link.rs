//! One connection to a broker: the client library, and the task that does nothing but poll it.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::Error as WireError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, DisconnectReasonCode, LastWill, Packet, PubAckReason, Publish,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{Outgoing, TlsConfiguration, Transport};
use silkline_protocol::codec::MAX_PACKET;
use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::topic::{SiteTopic, Topic};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{GOODBYE, Whose, flight, tls};
use crate::config::UplinkSettings;

/// A silent connection is noticed within one and a half of these.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
const CONNECT_WITHIN_S: u64 = 10;
/// Requests that may wait for the client: more than may be on their way, so that none ever waits.
const REQUESTS: usize = 2 * flight::MESSAGES as usize + 64;
/// Events that may wait for the session: two for every message on its way, and some. A session that is
/// further behind than that has stopped, and the connection is given up.
const EVENTS: usize = 1_024;
/// The broker's word for a packet that is larger than it takes.
const PACKET_TOO_LARGE: u8 = 0x95;

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Happened {
    /// It is made; the largest packet that the broker takes.
    Up(u32),
    /// The client has sent the next message under this number.
    Sent(u16),
    /// The broker has acknowledged a number; why it did not take it, if it did not.
    Acknowledged(u16, Option<PubAckReason>),
    /// A message on a line's command topic.
    Command(LineId, Box<Publish>),
}

/// The newest committed state of each line as it came, and how many have come.
pub(super) type States = BTreeMap<LineId, (u64, Bytes)>;

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The broker would not have a message for its size.
    TooLarge(String),
    /// Anything else.
    Other(String),
}

/// A connection being made or made.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: AsyncClient,
    pub(super) happened: mpsc::Receiver<Happened>,
    /// Not a queue: an older state has no worth.
    pub(super) states: watch::Receiver<States>,
    pub(super) poller: JoinHandle<Over>,
}

impl Link {
    /// Begins a connection with this last will.
    ///
    /// # Errors
    ///
    /// Which of the settings' files is not what it should be.
    pub(super) fn begin(
        whose: &Whose,
        broker: &UplinkSettings,
        (will_topic, will): (String, Vec<u8>),
    ) -> Result<Self, String> {
        let id = format!("silkline-{}-{}", whose.site, whose.agent);
        let mut options = options(id, &whose.site, broker)?;
        options.set_last_will(LastWill::new(
            will_topic,
            will,
            QoS::AtLeastOnce,
            true,
            None,
        ));
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (tell, happened) = mpsc::channel(EVENTS);
        let (told, states) = watch::channel(BTreeMap::new());
        let poller = tokio::spawn(poll(events, tell, told));
        Ok(Self {
            client,
            happened,
            states,
            poller,
        })
    }
}

/// How `broker` is spoken to, under this client id.
fn options(id: String, site: &SiteId, broker: &UplinkSettings) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(id, &broker.broker.host, broker.broker.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_WITHIN_S)
        .set_outgoing_inflight_upper_limit(flight::MESSAGES)
        .set_connect_properties(ConnectProperties {
            max_packet_size: Some(MAX_PACKET),
            ..ConnectProperties::new()
        });
    if broker.broker.tls {
        let config = TlsConfiguration::Rustls(tls::client(broker)?);
        options.set_transport(Transport::tls_with_config(config));
    }
    if let Some(password) = &broker.password {
        let password = password
            .reveal()
            .map_err(|error| format!("password: {error}"))?;
        let user = broker.username.as_deref().unwrap_or(site.as_str());
        options.set_credentials(user, password);
    }
    if let Some(interface) = &broker.interface {
        let mut network = options.network_options();
        network.set_bind_device(interface);
        options.set_network_options(network);
    }
    Ok(options)
}

/// Whether `broker` takes the site of `config`, tried once beside a running agent, whose session goes on.
///
/// # Errors
///
/// Why it does not, in words.
pub async fn tried(site: &SiteId, broker: &UplinkSettings) -> Result<(), String> {
    let id = format!("silkline-{site}-check-{}", std::process::id());
    let (client, mut events) = AsyncClient::new(options(id, site, broker)?, REQUESTS);
    let answer = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let within = Duration::from_secs(CONNECT_WITHIN_S);
    let answer = tokio::time::timeout(within, answer).await;
    // A goodbye, so that the broker's log shows no fault.
    let _ = client.try_disconnect();
    let _ = tokio::time::timeout(GOODBYE, events.poll()).await;
    answer.unwrap_or_else(|_| Err(format!("no answer within {within:?}")))
}

impl Drop for Link {
    /// Ends the connection without a goodbye, which is what the last will is for.
    fn drop(&mut self) {
        self.poller.abort();
    }
}

/// Moves events to where they are awaited, and waits for nothing but the network.
async fn poll(
    mut events: EventLoop,
    tell: mpsc::Sender<Happened>,
    states: watch::Sender<States>,
) -> Over {
    loop {
        let event = match events.poll().await {
            Ok(event) => event,
            Err(error) => {
                for event in core::mem::take(&mut events.state.events) {
                    let _ = pass(event, &tell, &states);
                }
                return over(&error);
            }
        };
        if pass(event, &tell, &states).is_err() {
            return Over::Other("the session is gone or far behind".to_owned());
        }
    }
}

fn pass(
    event: Event,
    tell: &mpsc::Sender<Happened>,
    states: &watch::Sender<States>,
) -> Result<(), ()> {
    let happened = match event {
        Event::Incoming(Packet::ConnAck(connack)) => {
            let most = connack
                .properties
                .and_then(|properties| properties.max_packet_size);
            Happened::Up(most.unwrap_or(u32::MAX))
        }
        Event::Incoming(Packet::PubAck(ack)) => {
            let well = [PubAckReason::Success, PubAckReason::NoMatchingSubscribers];
            let refusal = (!well.contains(&ack.reason)).then_some(ack.reason);
            Happened::Acknowledged(ack.pkid, refusal)
        }
        Event::Incoming(Packet::Publish(publish)) => {
            let topic = core::str::from_utf8(&publish.topic)
                .ok()
                .and_then(|t| t.parse().ok());
            match topic {
                Some(Topic::Site {
                    line,
                    what: SiteTopic::Committed,
                    ..
                }) => {
                    states.send_modify(|states| {
                        let state = states.entry(line).or_default();
                        *state = (state.0 + 1, publish.payload);
                    });
                    return Ok(());
                }
                Some(Topic::Site {
                    line,
                    what: SiteTopic::Command,
                    ..
                }) => Happened::Command(line, Box::new(publish)),
                _ => return Ok(()),
            }
        }
        Event::Outgoing(Outgoing::Publish(number)) if number != 0 => Happened::Sent(number),
        Event::Incoming(_) | Event::Outgoing(_) => return Ok(()),
    };
    tell.try_send(happened).map_err(|_| ())
}

fn over(error: &ConnectionError) -> Over {
    let text = error.to_string();
    match error {
        // The library knows no such reason in an acknowledgement and calls it a wrong return code.
        ConnectionError::MqttState(
            StateError::Deserialization(WireError::InvalidConnectReturnCode(PACKET_TOO_LARGE))
            | StateError::OutgoingPacketTooLarge { .. }
            | StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::PacketTooLarge,
                ..
            },
        ) => Over::TooLarge(text),
        _ => Over::Other(text),
    }
}
