//! What a collector or a person asks of the agent: every command gets an answer.

use std::sync::Arc;

use silkline_protocol::id::{PermitId, ViewId};
use silkline_protocol::message::{Command, Reply};
use silkline_protocol::permit::Permit;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Device};
use crate::edge::EdgeHandle;
use crate::permit::{Blocked, By, Gate, Kept, Now, Shelf, Standing};
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
    config: watch::Receiver<Arc<Config>>,
    edge: EdgeHandle,
    pollers: Pollers,
    gate: Gate,
    clock: Clock,
}

/// What is said to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is being done, and how.
    Accepted(String),
    /// It is not done, and why.
    Declined(String),
    /// It is not done: a permit to work is in the way.
    Blocked(Blocked),
}

impl Commands {
    /// Carries out what is asked of the agent of `config`.
    #[must_use]
    pub fn new(
        config: watch::Receiver<Arc<Config>>,
        edge: EdgeHandle,
        pollers: Pollers,
        clock: Clock,
    ) -> Self {
        let gate = Gate::of(&config.borrow(), clock);
        Self {
            config,
            edge,
            pollers,
            gate,
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
            let (accepted, detail, permit) = match self.answer(&command).await {
                Answer::Accepted(detail) => (true, detail, None),
                Answer::Declined(detail) => (false, detail, None),
                Answer::Blocked(by) => (false, by.to_string(), by.permit().cloned()),
            };
            let agent = self.config.borrow().agent.clone();
            // Whoever asked may be gone.
            let _ = reply.send(Reply {
                agent,
                at: self.clock.now(),
                accepted,
                detail,
                permit,
            });
        }
    }

    /// Does what is asked, or says why not.
    pub async fn answer(&self, command: &Command) -> Answer {
        match command {
            Command::Shot { view } => self.shot(view).await,
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
            Command::SetPermit { permit } => self.set(permit).await,
            Command::RevokePermit { permit } => self.revoke(permit),
        }
    }

    async fn shot(&self, view: &ViewId) -> Answer {
        if let Some(known) = self.config.borrow().view(view)
            && let Err(blocked) = self.gate.check(&known.line, known.fibre.as_ref())
        {
            return Answer::Blocked(blocked);
        }
        match self.edge.command(view).await {
            Ok(()) => Answer::Accepted(format!("a shot of {view} is wanted")),
            Err(refusal) => Answer::Declined(refusal.to_string()),
        }
    }

    /// Keeps a permit: synced when it is answered.
    async fn set(&self, permit: &Permit) -> Answer {
        let now = Now::by(&self.clock);
        let answer = self.keep(permit, &now);
        let holds =
            Kept::taken(permit.clone(), By::Collector, &now).standing(&now) == Standing::Holds;
        if let (Answer::Accepted(said), true) = (&answer, holds) {
            let running = self.edge.permitted(permit).await;
            if !running.is_empty() {
                let views: Vec<&str> = running.iter().map(ViewId::as_str).collect();
                let said = format!("{said}; a shot of {} runs still", views.join(", "));
                return Answer::Accepted(said);
            }
        }
        answer
    }

    fn keep(&self, permit: &Permit, now: &Now) -> Answer {
        let config = self.config.borrow();
        let line = &permit.fields().line;
        if !config.lines().contains(line) {
            return Answer::Declined(format!("this agent serves no line {line}"));
        }
        let views = config.devices.iter().flat_map(Device::views);
        let covered = views.filter(|view| permit.covers(&view.line, view.fibre.as_ref()));
        let names: Vec<&str> = covered.map(|view| view.view.as_str()).collect();
        let kept = Kept::taken(permit.clone(), By::Collector, now);
        match Shelf::of(&config.data).put(&kept) {
            Err(error) => Answer::Declined(format!("not kept: {error}")),
            Ok(()) if names.is_empty() => {
                Answer::Accepted("kept; no instrument here sees these fibres".to_owned())
            }
            Ok(()) => Answer::Accepted(format!("kept; no shots of {}", names.join(", "))),
        }
    }

    fn revoke(&self, id: &PermitId) -> Answer {
        match Shelf::of(&self.config.borrow().data).revoke(id, self.clock.now()) {
            Ok(_) => Answer::Accepted(format!("permit {id} is taken back")),
            Err(error) => Answer::Declined(error.to_string()),
        }
    }

    fn identify(&self) -> String {
        let Config {
            site,
            agent,
            devices,
            ..
        } = &**self.config.borrow();
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
        let (_, config) = watch::channel(site.config.clone());
        let pollers = site.pollers.clone();
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

    #[tokio::test(flavor = "multi_thread")]
    async fn a_permit_by_command_blocks_the_next_shot_until_it_is_taken_back() {
        let gateway = Gateway::default();
        let address = gateway.serve().await;
        let site = Site::start(&format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\n[[device]]\nid = \"otdr-1\"\n\
             profile = \"silkline-otdr\"\naddress = \"{address}\"\nfolder = \"/srv/otdr\"\n\
             poll = \"24h\"\n[[device.view]]\nport = 1\nview = \"east\"\nfibre = \"f1\"\n\
             [[device.view]]\nport = 2\nview = \"west\"\nfibre = \"f2\"\n"
        ));
        let (_, config) = watch::channel(site.config.clone());
        let pollers = site.pollers.clone();
        let commands = Commands::new(config, site.edge.clone(), pollers, site.clock);
        let from = site.clock.now();
        let until = from + core::time::Duration::from_secs(3600);
        let fields = crate::permit::tests::permit("p-1", &["f1"], (1, 2));
        let fields = fields.fields().clone();
        let permit = Permit::new(silkline_protocol::permit::Fields {
            from,
            until,
            ..fields
        })
        .unwrap();
        let set = Command::SetPermit {
            permit: permit.clone(),
        };
        let Answer::Accepted(said) = commands.answer(&set).await else {
            panic!("not kept")
        };
        assert_eq!(said, "kept; no shots of east");
        let shot = |view: &str| Command::Shot {
            view: view.parse().unwrap(),
        };
        let Answer::Blocked(by) = commands.answer(&shot("east")).await else {
            panic!("shot at a person")
        };
        assert_eq!(by.permit(), Some(&permit));
        // By another way than the command: the last gate is before the instrument.
        site.edge.command(&"east".parse().unwrap()).await.unwrap();
        let told = |store: &crate::rig::Store| {
            let events = store.events("otdr-1");
            events
                .into_iter()
                .find(|event| event.permit.as_ref() == Some(&permit))
        };
        let event = site.store.wait("the blocked shot", told).await;
        assert!(
            event
                .detail
                .contains("command: blocked by permit p-1 of L. Mammadova")
        );
        assert!(gateway.writes().is_empty(), "the instrument was not asked");

        let other = commands.answer(&shot("west")).await;
        assert!(matches!(other, Answer::Accepted(_)), "{other:?}");
        let revoke = Command::RevokePermit {
            permit: permit.id().clone(),
        };
        let taken_back = commands.answer(&revoke).await;
        assert!(matches!(taken_back, Answer::Accepted(_)), "{taken_back:?}");
        let free = commands.answer(&shot("east")).await;
        assert!(matches!(free, Answer::Accepted(_)), "{free:?}");
    }
}
