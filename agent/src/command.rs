//! What a collector or a person asks of the agent: every command gets an answer.

use std::sync::Arc;

use silkline_protocol::message::{Command, Reply};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::edge::EdgeHandle;
use crate::poller::{Ask, Pollers};

/// Commands that may wait; the uplink declines more, which is an answer too.
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
    config: Arc<Config>,
    edge: EdgeHandle,
    pollers: Pollers,
    clock: Clock,
}

/// What is said to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is being done, and how.
    Accepted(String),
    /// It is not done, and why.
    Declined(String),
}

impl Commands {
    /// Carries out what is asked of the agent of `config`.
    #[must_use]
    pub const fn new(
        config: Arc<Config>,
        edge: EdgeHandle,
        pollers: Pollers,
        clock: Clock,
    ) -> Self {
        Self {
            config,
            edge,
            pollers,
            clock,
        }
    }

    /// Carries out what is asked until `stop`.
    pub async fn run(self, mut requests: mpsc::Receiver<Request>, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = requests.recv() => next,
            };
            let Some(Request { command, reply }) = next else {
                return;
            };
            tracing::info!(?command, "command");
            let (accepted, detail) = match self.answer(&command).await {
                Answer::Accepted(detail) => (true, detail),
                Answer::Declined(detail) => (false, detail),
            };
            let agent = self.config.agent.clone();
            // Whoever asked may be gone.
            let _ = reply.send(Reply {
                agent,
                at: self.clock.now(),
                accepted,
                detail,
                permit: None,
            });
        }
    }

    /// Does what is asked, or says why not.
    pub async fn answer(&self, command: &Command) -> Answer {
        match command {
            Command::Shot { view } => match self.edge.command(view).await {
                Ok(()) => Answer::Accepted(format!("a shot of {view} is wanted")),
                Err(refusal) => Answer::Declined(refusal.to_string()),
            },
            Command::Reread { device } => {
                let Some(poller) = self.pollers.of(device) else {
                    return Answer::Declined(format!("this agent polls no device {device}"));
                };
                match poller.try_send(Ask::Reread(device.clone())) {
                    Ok(()) => Answer::Accepted(format!("{device} is polled at once")),
                    Err(_) => Answer::Declined(format!("{device} is busy, ask again")),
                }
            }
            Command::Identify => Answer::Accepted(self.identify()),
            Command::SetPermit { .. } | Command::RevokePermit { .. } => {
                Answer::Declined("this agent keeps no permits to work yet".to_owned())
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Gateway, Site};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_command_has_an_answer() {
        let gateway = Gateway::default();
        let address = gateway.serve().await;
        let site = Site::start(&format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\n[[device]]\nid = \"edfa-1\"\n\
             profile = \"silkline-edfa\"\naddress = \"{address}\"\npoll = \"24h\"\n\
             [[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr\"\naddress = \"{address}\"\n\
             folder = \"/srv/otdr\"\npoll = \"24h\"\n\
             [[device.view]]\nport = 1\nview = \"ganja-east\"\n"
        ));
        let (config, pollers) = (site.config.clone(), site.pollers.clone());
        let commands = Commands::new(config, site.edge.clone(), pollers, site.clock);
        for (command, wanted) in [
            (Command::Identify, "silkline-agent"),
            (
                Command::Reread {
                    device: "edfa-1".parse().unwrap(),
                },
                "polled at once",
            ),
            (
                Command::Shot {
                    view: "ganja-east".parse().unwrap(),
                },
                "is wanted",
            ),
        ] {
            let Answer::Accepted(said) = commands.answer(&command).await else {
                panic!("{command:?} declined")
            };
            assert!(said.contains(wanted), "{said}");
        }
        crate::rig::wait_until("the shot", || !gateway.writes().is_empty()).await;
        for (command, wanted) in [
            (
                Command::Reread {
                    device: "edfa-9".parse().unwrap(),
                },
                "no device edfa-9",
            ),
            (
                Command::Shot {
                    view: "nowhere".parse().unwrap(),
                },
                "no view nowhere",
            ),
        ] {
            let Answer::Declined(said) = commands.answer(&command).await else {
                panic!("{command:?} accepted")
            };
            assert!(said.contains(wanted), "{said}");
        }
    }
}
