//! What is done while a connection lasts: subscribe, say that we are there, send, listen.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, PublishProperties};
use silkline_protocol::codec;
use silkline_protocol::delivery::{Committed, Monotonic, Seq, VERSION};
use silkline_protocol::id::LineId;
use silkline_protocol::message::Status;
use silkline_protocol::topic::{ROOT, Topic};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::flight::{Flight, Sent};
use super::link::{Happened, Link, Over, States};
use super::look::Lookout;
use super::pump::{Next, Parcel, Pump};
use super::question::Questions;
use super::{GOODBYE, GRACE, UplinkStatus, Whose};
use crate::clock::Moment;
use crate::command::Request;
use crate::config::{Metered, UplinkSettings};
use crate::pulse::Pulse;
use crate::spool::{SpoolError, SpoolHandle, SpoolStatus, StreamId};

/// How often the status is published again while only the spool's depth changes.
const STATUS_EVERY: Duration = Duration::from_secs(60);
/// A connection that breaks sooner counts as none: two agents of one name that push each other off the
/// broker must not do so every second.
const SETTLED: Duration = Duration::from_secs(10);
/// How soon a disk that gives nothing is asked again.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// What a packet takes beside topic, properties and payload, and then some.
const PACKET_OVERHEAD: usize = 128;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to.
    Shutdown,
    /// The connection was lost.
    Lost,
    /// There was one that did not hold.
    Brief,
    /// There never was a connection.
    NeverUp,
    /// A better way is back.
    Better,
}

/// What outlives a connection.
#[derive(Debug)]
pub(super) struct Session {
    whose: Whose,
    spool: SpoolHandle,
    spooled: watch::Receiver<SpoolStatus>,
    pump: Pump,
    commands: mpsc::Sender<Request>,
    told: watch::Sender<UplinkStatus>,
    /// The link that is in use costs.
    metered: Option<Metered>,
    pulse: Pulse,
}

/// What belongs to one connection.
#[derive(Debug)]
struct Talk {
    client: AsyncClient,
    /// The largest packet that the broker takes; `None` before the connection is made.
    most: Option<usize>,
    begun: Moment,
    flight: Flight,
    /// What goes beside the spool's records, before them.
    beside: VecDeque<Parcel>,
    heard: BTreeMap<LineId, u64>,
    questions: Questions,
    said: Option<Status>,
    status_due: Moment,
    /// What is due is not tried again before, since the disk gives nothing.
    not_before: Moment,
    has_warned: bool,
    has_said_unreadable: bool,
}

impl Session {
    pub(super) fn new(
        whose: Whose,
        spool: SpoolHandle,
        commands: mpsc::Sender<Request>,
        told: watch::Sender<UplinkStatus>,
    ) -> Result<Self, SpoolError> {
        let pump = Pump::new(spool.reader()?, whose.agent.clone(), spool.epoch());
        Ok(Self {
            whose,
            spooled: spool.status(),
            spool,
            pump,
            commands,
            told,
            metered: None,
            pulse: Pulse::default(),
        })
    }

    pub(super) fn with(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Says that the loop goes on at `next` at the latest.
    pub(super) fn is_heard_by(&self, next: Moment) {
        self.pulse.expect_by(next + GRACE);
    }

    /// The broker that stands at `way` is tried next.
    pub(super) fn takes(&self, way: usize) {
        self.told
            .send_if_modified(|status| core::mem::replace(&mut status.way, way) != way);
    }

    pub(super) fn moment(&self) -> Moment {
        self.whose.clock.moment()
    }

    /// One connection, from its beginning to its end, which is at the latest when a better way is found.
    pub(super) async fn run(
        &mut self,
        (broker, mut better): (&UplinkSettings, Lookout),
        shutdown: &CancellationToken,
    ) -> Result<End, SpoolError> {
        self.metered = broker.metered;
        let will = (self.status_topic(), codec::to_json(&self.status(false)));
        let mut link = match Link::begin(&self.whose, broker, will) {
            Ok(link) => link,
            Err(why) => {
                self.failed(why);
                return Ok(End::NeverUp);
            }
        };
        let mut talk = Talk::new(
            link.client.clone(),
            self.commands.clone(),
            self.whose.clock.moment(),
        );
        loop {
            let deadline = self.deadline(&talk);
            let clock = self.whose.clock;
            self.is_heard_by(deadline.max(clock.moment()));
            tokio::select! {
                Some(happened) = link.happened.recv() => {
                    self.take(happened, &mut talk)?;
                    // What came with it is looked at before anything is sent.
                    while let Ok(happened) = link.happened.try_recv() {
                        self.take(happened, &mut talk)?;
                    }
                }
                over = &mut link.poller => {
                    while let Ok(happened) = link.happened.try_recv() {
                        self.take(happened, &mut talk)?;
                    }
                    let over = over.unwrap_or_else(|error| Over::Other(error.to_string()));
                    return self.over(over, &talk).await;
                }
                Ok(()) = link.states.changed() => self.hear(&mut link.states, &mut talk).await?,
                changed = self.spooled.changed() => {
                    changed.map_err(|_| SpoolError::Shut)?;
                    self.spooled(&mut talk)?;
                }
                Some(reply) = talk.questions.next(), if talk.questions.are_open() => {
                    talk.beside.push_back(reply);
                }
                () = clock.sleep_until(deadline) => {}
                Ok(()) = &mut better.found => {
                    tracing::info!("a better way to a broker is back");
                    self.leave(link, talk).await;
                    self.pump.disconnected();
                    return Ok(End::Better);
                }
                () = shutdown.cancelled() => {
                    self.leave(link, talk).await;
                    return Ok(End::Shutdown);
                }
            }
            if talk.most.is_some() {
                self.say_status(&mut talk);
                self.push(&mut talk).await?;
                let in_flight = self.pump.in_flight();
                self.told.send_if_modified(|status| {
                    core::mem::replace(&mut status.in_flight, in_flight) != in_flight
                });
            }
        }
    }

    /// Takes note of what happened on the connection.
    fn take(&mut self, happened: Happened, talk: &mut Talk) -> Result<(), SpoolError> {
        match happened {
            Happened::Up(most) => {
                talk.most = Some(usize::try_from(most).unwrap_or(usize::MAX));
                let filter = |what| {
                    let path = format!("{ROOT}/+/{}/{what}", self.whose.site);
                    Filter::new(path, QoS::AtLeastOnce)
                };
                let filters = ["committed", "command"].map(filter);
                if let Err(error) = talk.client.try_subscribe_many(filters) {
                    tracing::error!(%error, "cannot subscribe");
                }
                self.pump.connected(self.metered, self.now())?;
                self.say_status(talk);
                talk.beside.extend(self.pump.abouts()?);
                let since = Some(self.whose.clock.now());
                let metered = self.metered.is_some();
                self.told.send_modify(|status| {
                    status.connected = since;
                    status.metered = metered;
                });
                tracing::info!(metered, "connected to the broker");
            }
            Happened::Sent(number) => talk.flight.number(number),
            Happened::Acknowledged(number, refusal) => {
                let sent = talk.flight.acknowledge(number);
                if let Some(reason) = refusal.filter(|_| !talk.has_warned) {
                    talk.has_warned = true;
                    let record = sent.and_then(|sent| sent.record);
                    tracing::warn!(?reason, ?record, "the broker does not take what we send");
                }
            }
            Happened::Command(line, message) => {
                let refused = talk.questions.ask(&self.whose, line, &message);
                talk.beside.extend(refused);
            }
        }
        Ok(())
    }

    /// Passes on what collectors say that they have committed.
    async fn hear(
        &mut self,
        states: &mut watch::Receiver<States>,
        talk: &mut Talk,
    ) -> Result<(), SpoolError> {
        let states = states.borrow_and_update().clone();
        for (line, (count, payload)) in states {
            if talk.heard.insert(line.clone(), count) == Some(count) {
                continue;
            }
            match serde_json::from_slice::<Committed>(&payload) {
                Ok(state) if state.v <= VERSION => {
                    self.pump.committed(&line, &state, self.now());
                    self.spool.committed(line, state).await?;
                }
                Ok(state) => {
                    let (line, v) = (line.as_str(), state.v);
                    tracing::error!(
                        line,
                        v,
                        "committed state of a newer collector: update the agent"
                    );
                }
                // An emptied retained message is no mistake.
                Err(_) if payload.is_empty() => {}
                Err(error) => {
                    tracing::error!(line = line.as_str(), %error, "committed state cannot be read");
                }
            }
        }
        Ok(())
    }

    fn spooled(&mut self, talk: &mut Talk) -> Result<(), SpoolError> {
        let heads = self.spooled.borrow_and_update().heads.clone();
        if talk.most.is_some() {
            self.pump.appended(&heads, self.now())?;
        }
        Ok(())
    }

    /// Sends while there is room and something to send.
    async fn push(&mut self, talk: &mut Talk) -> Result<(), SpoolError> {
        while talk.flight.has_room() {
            if let Some(parcel) = talk.beside.pop_front() {
                talk.send(parcel);
                continue;
            }
            let next = match self.pump.next(self.now()) {
                Err(error) if !error.is_fatal() => {
                    self.cannot_read(&error, talk);
                    break;
                }
                next => next?,
            };
            match next {
                Next::Nothing => break,
                Next::Unreadable(stream, seq, why) => {
                    tracing::error!(%seq, why, "a spooled record cannot be read");
                    self.give_up((stream, seq), why).await?;
                }
                Next::Parcel(parcel) if talk.most.is_some_and(|most| parcel.size() > most) => {
                    let why = format!("the broker takes at most {} bytes", talk.most.unwrap_or(0));
                    self.refuse(&parcel, why).await?;
                }
                Next::Parcel(parcel) => talk.send(parcel),
            }
        }
        Ok(())
    }

    /// The disk does not give what is on it: said once a connection, and tried again with the next record
    /// that comes, or after a while.
    fn cannot_read(&self, error: &SpoolError, talk: &mut Talk) {
        talk.not_before = self.whose.clock.moment() + READ_AGAIN;
        if !core::mem::replace(&mut talk.has_said_unreadable, true) {
            tracing::error!(%error, "the spool cannot be read: what waits there is not sent");
        }
    }

    async fn refuse(&mut self, parcel: &Parcel, why: String) -> Result<(), SpoolError> {
        let Some((stream, seq)) = parcel.record else {
            return Ok(());
        };
        tracing::error!(%seq, topic = parcel.topic, why, "a record is refused for its size");
        self.told.send_modify(|status| status.refused += 1);
        self.give_up((stream, seq), why).await
    }

    /// Lets go of a record that can't be delivered. Where the spool can't, it counts as sent, so that it is
    /// not tried again at once.
    async fn give_up(
        &mut self,
        (stream, seq): (StreamId, Seq),
        why: String,
    ) -> Result<(), SpoolError> {
        match self.spool.give_up(stream, seq, why).await {
            Ok(()) => {
                self.pump.refused((stream, seq));
                Ok(())
            }
            failed => not_fatal(failed),
        }
    }

    async fn over(&mut self, over: Over, talk: &Talk) -> Result<End, SpoolError> {
        self.pump.disconnected();
        match over {
            Over::TooLarge(why) => {
                if let Some((stream, seq)) = talk.flight.largest() {
                    tracing::error!(%seq, why, "a record is refused for its size");
                    self.told.send_modify(|status| status.refused += 1);
                    let why = "larger than the broker takes".to_owned();
                    not_fatal(self.spool.give_up(stream, seq, why).await)?;
                }
                self.failed(why);
            }
            Over::Other(why) => self.failed(why),
        }
        let lasted = self.whose.clock.moment() - talk.begun;
        Ok(match talk.most {
            Some(_) if lasted >= SETTLED => End::Lost,
            Some(_) => End::Brief,
            None => End::NeverUp,
        })
    }

    /// Leaves in good order if that is quick: the last will is for those who cannot.
    async fn leave(&mut self, mut link: Link, mut talk: Talk) {
        if talk.most.is_some() {
            let goodbye = self.say_goodbye(&mut link, &mut talk);
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
        self.told.send_modify(|status| status.connected = None);
    }

    async fn say_goodbye(&mut self, link: &mut Link, talk: &mut Talk) {
        let status = self.status(false);
        talk.send(self.status_parcel(&status));
        while !talk.flight.is_empty() {
            let Some(happened) = link.happened.recv().await else {
                return;
            };
            let _ = self.take(happened, talk);
        }
        let _ = talk.client.try_disconnect();
        let _ = (&mut link.poller).await;
    }

    fn failed(&self, why: String) {
        self.told.send_modify(|status| {
            let is_new = status.last_error.as_ref() != Some(&why);
            if status.connected.is_some() || is_new {
                tracing::warn!(why, "no connection to the broker: everything is spooled");
            }
            status.connected = None;
            status.in_flight = 0;
            status.failures += 1;
            status.last_error = Some(why);
        });
    }

    /// Says that we are there and how, where that is news or a minute old.
    fn say_status(&self, talk: &mut Talk) {
        let moment = self.whose.clock.moment();
        let is_news = match &talk.said {
            None => true,
            Some(said) => {
                let spool = self.spooled.borrow();
                let is_due = moment >= talk.status_due && said.spool_depth != spool.depth;
                let fault = spool.fault.as_ref().map(ToString::to_string);
                is_due || said.epochs != spool.epochs || said.spool_fault != fault
            }
        };
        if is_news {
            let status = self.status(true);
            talk.beside.push_front(self.status_parcel(&status));
            talk.said = Some(status);
            talk.status_due = moment + STATUS_EVERY;
        }
    }

    fn status(&self, online: bool) -> Status {
        let spool = self.spooled.borrow();
        let clock = self.whose.clock.told();
        Status {
            online,
            at: self.whose.clock.now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epochs: spool.epochs.clone(),
            spool_depth: spool.depth,
            spool_fault: spool.fault.as_ref().map(ToString::to_string),
            clock: clock.state,
            clock_ahead_s: clock.ahead_s,
            metered: self.metered.is_some(),
        }
    }

    fn status_parcel(&self, status: &Status) -> Parcel {
        Parcel {
            record: None,
            topic: self.status_topic(),
            payload: codec::to_json(status),
            properties: vec![("v".to_owned(), codec::VERSION.to_string())],
            retain: true,
            correlation: None,
        }
    }

    fn status_topic(&self) -> String {
        let (site, agent) = (self.whose.site.clone(), self.whose.agent.clone());
        Topic::Status { site, agent }.to_string()
    }

    fn now(&self) -> Monotonic {
        Monotonic(self.whose.clock.moment().since_start())
    }

    fn deadline(&self, talk: &Talk) -> Moment {
        // Without room nothing can be sent whatever is due: an acknowledgement makes some, and wakes us.
        let room = talk.most.is_some() && talk.flight.has_room();
        let sender = self.pump.deadline().filter(|_| room);
        let sender = sender.map(|at| Moment::after_start(at.0).max(talk.not_before));
        let status = talk.most.map(|_| {
            talk.status_due
                .max(self.whose.clock.moment() + STATUS_EVERY)
        });
        let never = self.whose.clock.moment() + STATUS_EVERY;
        sender.into_iter().chain(status).min().unwrap_or(never)
    }
}

impl Talk {
    fn new(client: AsyncClient, commands: mpsc::Sender<Request>, begun: Moment) -> Self {
        Self {
            client,
            most: None,
            begun,
            flight: Flight::default(),
            beside: VecDeque::new(),
            heard: BTreeMap::new(),
            questions: Questions::new(commands),
            said: None,
            status_due: Moment::START,
            not_before: Moment::START,
            has_warned: false,
            has_said_unreadable: false,
        }
    }

    /// Hands a message to the client, which has room for every one that may be in flight.
    fn send(&mut self, parcel: Parcel) {
        let sent = Sent {
            record: parcel.record,
            bytes: parcel.payload.len() as u64,
        };
        let properties = PublishProperties {
            user_properties: parcel.properties,
            correlation_data: parcel.correlation,
            ..PublishProperties::default()
        };
        let (topic, retain) = (parcel.topic, parcel.retain);
        let asked = self.client.try_publish_with_properties(
            topic.clone(),
            QoS::AtLeastOnce,
            retain,
            parcel.payload,
            properties,
        );
        match asked {
            Ok(()) => self.flight.ask(sent),
            Err(error) => tracing::error!(topic, %error, "the client does not take a message"),
        }
    }
}

impl Parcel {
    /// What it takes on the wire, at most.
    fn size(&self) -> usize {
        let properties = self
            .properties
            .iter()
            .map(|(key, value)| key.len() + value.len() + 5);
        self.topic.len() + self.payload.len() + properties.sum::<usize>() + PACKET_OVERHEAD
    }
}

/// Lets an error pass that another try may mend; the writer has logged it.
fn not_fatal(result: Result<(), SpoolError>) -> Result<(), SpoolError> {
    match result {
        Err(error) if error.is_fatal() => Err(error),
        _ => Ok(()),
    }
}
