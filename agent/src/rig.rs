//! For tests: devices in this process, a spool in a folder of its own, and waiting for what arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use silkline_protocol::id::{DeviceId, SiteId};
use silkline_protocol::message::Event;
use silkline_protocol::sample::Sample;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::spool::reader::Stored;
use crate::spool::{SpoolHandle, SpoolSettings};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A Modbus gateway in this process: registers by unit, units that never answer, writes as they came.
#[derive(Clone, Default)]
pub(crate) struct Gateway {
    inner: Arc<Mutex<Inner>>,
}

/// What a device does with words that were written: unit, register, words.
type Reaction = Arc<dyn Fn(&Gateway, u8, u16, &[u16]) + Send + Sync>;

#[derive(Default)]
struct Inner {
    reaction: Option<Reaction>,
    registers: BTreeMap<(u8, u16), u16>,
    dead: BTreeSet<u8>,
    writes: Vec<(u8, u16, Vec<u16>)>,
    asked: BTreeMap<u8, usize>,
}

impl Gateway {
    /// Serves on a free port and gives the address.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gateway = self.clone();
        tokio::spawn(async move {
            let server = Server::new(listener);
            let connected = |stream, from| {
                let gateway = gateway.clone();
                async move { accept_tcp_connection(stream, from, |_| Ok(Some(gateway.clone()))) }
            };
            server.serve(&connected, |_| {}).await
        });
        address
    }

    pub(crate) fn set(&self, unit: u8, register: u16, value: i16) {
        let word = u16::from_ne_bytes(value.to_ne_bytes());
        self.inner
            .lock()
            .unwrap()
            .registers
            .insert((unit, register), word);
    }

    /// Makes `unit` silent, or answer again.
    pub(crate) fn silence(&self, unit: u8, silent: bool) {
        let mut inner = self.inner.lock().unwrap();
        if silent {
            inner.dead.insert(unit)
        } else {
            inner.dead.remove(&unit)
        };
    }

    pub(crate) fn writes(&self) -> Vec<(u8, u16, Vec<u16>)> {
        self.inner.lock().unwrap().writes.clone()
    }

    /// Lets the devices do something when they are written to.
    pub(crate) fn on_write(
        &self,
        reaction: impl Fn(&Self, u8, u16, &[u16]) + Send + Sync + 'static,
    ) {
        self.inner.lock().unwrap().reaction = Some(Arc::new(reaction));
    }

    pub(crate) fn asked(&self, unit: u8) -> usize {
        self.inner
            .lock()
            .unwrap()
            .asked
            .get(&unit)
            .copied()
            .unwrap_or(0)
    }

    fn answer(&self, unit: u8, request: &Request<'_>) -> Option<Result<Response, ExceptionCode>> {
        let answer = self.plain_answer(unit, request);
        let reaction = self.inner.lock().unwrap().reaction.clone();
        if let (Request::WriteMultipleRegisters(start, words), Some(reaction)) = (request, reaction)
        {
            reaction(self, unit, *start, words);
        }
        answer
    }

    fn plain_answer(
        &self,
        unit: u8,
        request: &Request<'_>,
    ) -> Option<Result<Response, ExceptionCode>> {
        let mut inner = self.inner.lock().unwrap();
        *inner.asked.entry(unit).or_default() += 1;
        if inner.dead.contains(&unit) {
            return None;
        }
        let words = |inner: &Inner, start: u16, count: u16| {
            let at = |register| inner.registers.get(&(unit, register)).copied().unwrap_or(0);
            (start..start + count).map(at).collect()
        };
        Some(match request {
            Request::ReadInputRegisters(start, count) => {
                Ok(Response::ReadInputRegisters(words(&inner, *start, *count)))
            }
            Request::ReadHoldingRegisters(start, count) => Ok(Response::ReadHoldingRegisters(
                words(&inner, *start, *count),
            )),
            Request::WriteMultipleRegisters(start, words) => {
                inner.writes.push((unit, *start, words.to_vec()));
                Ok(Response::WriteMultipleRegisters(
                    *start,
                    u16::try_from(words.len()).unwrap(),
                ))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Service for Gateway {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Response, ExceptionCode>> + Send>>;

    fn call(&self, SlaveRequest { slave, request }: Self::Request) -> Self::Future {
        let answer = self.answer(slave, &request);
        Box::pin(async move {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }
}

/// A spool in a folder of its own.
pub(crate) struct Store {
    pub(crate) spool: SpoolHandle,
    /// Goes with the store.
    folder: TempDir,
}

impl Store {
    pub(crate) fn new(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings {
            path: folder.path().join("spool.sqlite"),
            site: "ganja".parse::<SiteId>().unwrap(),
            max_bytes: SpoolSettings::MAX_BYTES,
            keep: SpoolSettings::KEEP,
            max_age: None,
        };
        let opened = SpoolHandle::open(settings, clock).unwrap();
        Self {
            spool: opened.spool,
            folder,
        }
    }

    /// Every record, stream by stream in the order of their numbers.
    pub(crate) fn records(&self) -> Vec<Stored> {
        let reader = self.spool.reader().unwrap();
        let mut records = Vec::new();
        for stream in reader.streams(self.spool.epoch(), 100).unwrap() {
            for seq in 1.. {
                let seq = silkline_protocol::delivery::Seq::new(seq).unwrap();
                let Some(stored) = reader.record(stream.id, seq).unwrap() else {
                    break;
                };
                records.push(stored);
            }
        }
        records
    }

    /// The records on topics that end in `device/what`.
    pub(crate) fn of(&self, device: &str, what: &str) -> Vec<Stored> {
        let end = format!("/{device}/{what}");
        self.records()
            .into_iter()
            .filter(|stored| stored.topic.ends_with(&end))
            .collect()
    }

    pub(crate) fn samples(&self, device: &str) -> Vec<Sample> {
        let parse = |stored: Stored| serde_json::from_slice(&stored.payload).unwrap();
        self.of(device, "sample").into_iter().map(parse).collect()
    }

    pub(crate) fn events(&self, device: &str) -> Vec<Event> {
        let parse = |stored: Stored| serde_json::from_slice(&stored.payload).unwrap();
        self.of(device, "event").into_iter().map(parse).collect()
    }

    /// Waits until `find` finds something in the spool, looking after every transaction.
    pub(crate) async fn wait<T>(&self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        let mut status = self.spool.status();
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                status.borrow_and_update();
                if let Some(found) = find(self) {
                    return found;
                }
                status.changed().await.unwrap();
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }
}

/// Waits until `holds`, looking again and again.
pub(crate) async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(DEADLINE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// Everything of an agent but its uplink, running.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) edge: crate::edge::EdgeHandle,
    pub(crate) pollers: crate::poller::Pollers,
    pub(crate) config: Arc<crate::config::Config>,
    pub(crate) clock: Clock,
    pub(crate) board: crate::board::Board,
    stop: CancellationToken,
}

impl Site {
    /// Starts what `text` describes.
    pub(crate) fn start(text: &str) -> Self {
        let clock = Clock::start();
        let store = Store::new(clock);
        let config = crate::config::read("agent.toml", text).unwrap_or_else(|e| panic!("{e}"));
        let mut config = config;
        config.data = store.folder.path().to_owned();
        crate::permit::Shelf::of(&config.data).prepare().unwrap();
        let config = Arc::new(config);
        let (pollers, connections) = crate::poller::pollers(&config, clock);
        let (edge, decider, recorder) =
            crate::edge::edge(&config, pollers.clone(), store.spool.clone(), clock);
        let stop = CancellationToken::new();
        let board = crate::board::Board::default();
        for poller in connections {
            let poller = poller.with(board.clone(), crate::pulse::Pulse::default());
            tokio::spawn(poller.run(edge.clone(), stop.clone()));
        }
        tokio::spawn(decider.run(stop.clone()));
        tokio::spawn(recorder.run());
        Self {
            store,
            edge,
            pollers,
            config,
            clock,
            board,
            stop,
        }
    }

    /// A folder that goes with the site.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.store.folder.path().to_owned()
    }

    /// What ends everything of the site.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Watches the folder of the OTDR `id`.
    pub(crate) fn watch(&self, id: &str) {
        let id: DeviceId = id.parse().unwrap();
        let device = Arc::new(self.config.device(&id).unwrap().clone());
        let watch = device.otdr.as_ref().unwrap().watch.clone();
        let folder = crate::folder::Folder::new(&device, watch, self.edge.clone(), self.clock);
        tokio::spawn(folder.run(self.stop.clone()));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
