//! What a collector or a person asks of the agent: every command gets an answer.

use std::sync::Arc;

use silkline_protocol::message::{Command, Reply};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::edge::EdgeHandle;
use crate::poller::{Ask, Pollers};

/// Commands that may wait; the uplink refuses more, which is an answer too.
pub const QUEUE: usize = 32;

/// A command with the place where its answer goes.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// The loop that carries commands out.
#[derive(Debug)]
pub struct Commands {
    requests: mpsc::Receiver<Request>,
    config: Arc<Config>,
    edge: EdgeHandle,
    pollers: Pollers,
    clock: Clock,
}

impl Commands {
    /// The loop, and the way to it.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        edge: EdgeHandle,
        pollers: Pollers,
        clock: Clock,
    ) -> (mpsc::Sender<Request>, Self) {
        let (sender, requests) = mpsc::channel(QUEUE);
        (
            sender,
            Self {
                requests,
                config,
                edge,
                pollers,
                clock,
            },
        )
    }

    /// Carries commands out until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => return,
                request = self.requests.recv() => request,
            };
            let Some(Request { command, reply }) = request else {
                return;
            };
            tracing::info!(?command, "command");
            let (accepted, detail) = self.carry_out(command).await;
            let agent = self.config.agent.clone();
            // Whoever asked may be gone.
            let _ = reply.send(Reply {
                agent,
                at: self.clock.now(),
                accepted,
                detail,
            });
        }
    }

    async fn carry_out(&self, command: Command) -> (bool, String) {
        match command {
            Command::Shot { view } => match self.edge.command(&view).await {
                Ok(()) => (true, format!("a shot of {view} is wanted")),
                Err(refusal) => (false, refusal.to_string()),
            },
            Command::Reread { device } => {
                let Some(poller) = self.pollers.of(&device) else {
                    return (false, format!("this agent polls no device {device}"));
                };
                match poller.try_send(Ask::Reread(device.clone())) {
                    Ok(()) => (true, format!("{device} is polled at once")),
                    Err(_) => (false, format!("{device} is busy, ask again")),
                }
            }
            Command::Identify => (true, self.identify()),
        }
    }

    fn identify(&self) -> String {
        let Config {
            site,
            agent,
            devices,
            ..
        } = &*self.config;
        let version = env!("CARGO_PKG_VERSION");
        let devices: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        format!(
            "silkline-agent {version}, {site}/{agent}: {}",
            devices.join(", ")
        )
    }
}
