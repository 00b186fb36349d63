//! The whole system on this machine: simulated hardware, real agents, a real collector; then a fibre
//! is cut, and what the system makes of it is held against the truth.
//!
//! ```text
//!   mailbox ◀── collector ◀── broker in it ◀── an agent a site ◀── hardware ◀── cut
//!                   └── API ──▶ witness: what it said, when, and whether it was right
//! ```

mod children;
mod verdict;
mod witness;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use silkline_protocol::plant::{Line, Plant};
use silkline_protocol::unit::RouteLength;
use tokio::net::TcpListener;

use self::children::Children;
use self::verdict::Verdict;
use self::witness::Witness;
use crate::chance::Seed;
use crate::configure::{AgentPlan, CollectorPlan, agent_toml, collector_toml};
use crate::fault::Fault;
use crate::hardware::{Hardware, Setup};
use crate::run::{ended, say};
use crate::world::World;
use crate::{control, corridor, mail};

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Demo {
    /// End after the incident.
    pub once: bool,
    /// Cut sooner and average shorter.
    pub fast: bool,
    /// What the true plant and the place of the cut follow from.
    pub seed: Seed,
    /// Where orders are taken.
    pub control: SocketAddr,
}

/// The line that is cut.
const LINE: &str = "baku-poti";
/// No closer to a hut: an OTDR is blind right behind its own connectors.
const CLEAR_OF_NODES_M: f64 = 3_000.0;
/// The dashboard's port where the environment names none.
const PORT: u16 = 8_080;
/// How long programs may take to start, and readings to arrive.
const START: Duration = Duration::from_secs(60);
/// How long the mail may take.
const MAIL: Duration = Duration::from_secs(20);

/// Runs the demo; whether everything was as promised.
///
/// # Errors
///
/// Where something cannot be started or falls over.
pub async fn run(demo: &Demo) -> anyhow::Result<bool> {
    let scratch = tempfile::Builder::new()
        .prefix("silkline-demo-")
        .tempdir()?;
    let mut stage = Stage {
        demo,
        folder: scratch.path().to_owned(),
        children: Children::default(),
    };
    let result = tokio::select! {
        result = stage.play() => result,
        signal = ended() => signal.map(|()| true).map_err(Into::into),
    };
    stage.children.stop().await;
    if !matches!(result, Ok(true)) {
        let kept = scratch.keep();
        let _ = say(&format!("logs are kept in {}", kept.display()));
    }
    result
}

struct Stage<'a> {
    demo: &'a Demo,
    folder: PathBuf,
    children: Children,
}

impl Stage<'_> {
    async fn play(&mut self) -> anyhow::Result<bool> {
        let plant_file = self.folder.join("plant.toml");
        let text = corridor::plant_toml();
        std::fs::write(&plant_file, &text)?;
        let plant = silkline_protocol::plant::read("plant.toml", &text)?.plant;
        let (hardware, orders) = self.hardware(plant).await?;
        let (mail_at, mail_folder) = self.mailbox().await?;
        let (broker, witness) = self.collector(plant_file, mail_at).await?;
        self.agents(&hardware, broker).await?;
        self.first_readings(&hardware, &witness).await?;
        say(&format!("\n  dashboard   {}\n", witness.page()))?;

        let at = self.cut(&hardware).await?;
        let verdict = self.watch(&hardware, &witness, at).await?;
        say(&verdict.in_words())?;
        let mail = self.first_mail(&mail_folder).await;
        let path = mail.as_deref().map(|path| path.display().to_string());
        say(&format!(
            "  mail        {}",
            path.as_deref().unwrap_or("none came")
        ))?;
        say(&format!("  dashboard   {}\n", witness.page()))?;
        if self.demo.once {
            return Ok(verdict.is_as_promised() && mail.is_some());
        }
        say(&what_to_try(orders))?;
        Err(self.children.first_death().await)
    }

    /// The devices, and where they take orders.
    async fn hardware(&self, plant: Plant) -> anyhow::Result<(Arc<Hardware>, SocketAddr)> {
        let setup = Setup {
            first_port: None,
            folder: self.folder.join("otdr"),
            speed: if self.demo.fast { 3.0 } else { 1.0 },
        };
        let world = Arc::new(World::new(plant, self.demo.seed));
        let hardware = Arc::new(Hardware::start(world, &setup).await?);
        let listener = match TcpListener::bind(self.demo.control).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await?,
        };
        let at = listener.local_addr()?;
        let plant = hardware.world().plant();
        say(&format!(
            "[1/5] hardware: {} devices at {} sites along {} lines, by Modbus TCP, SNMP and OTDR",
            hardware.reach.len(),
            plant.sites.len(),
            plant.lines.len()
        ))?;
        tokio::spawn(control::serve(listener, Arc::clone(&hardware)));
        Ok((hardware, at))
    }

    async fn mailbox(&self) -> anyhow::Result<(SocketAddr, PathBuf)> {
        let folder = self.folder.join("mail");
        std::fs::create_dir_all(&folder)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        tokio::spawn(mail::serve(listener, folder.clone()));
        Ok((at, folder))
    }

    /// The collector with its broker; where that is, and somebody who reads its API.
    async fn collector(
        &mut self,
        plant: PathBuf,
        mail: SocketAddr,
    ) -> anyhow::Result<(SocketAddr, Witness)> {
        let port = std::env::var("DEMO_PORT")
            .ok()
            .map_or(Ok(PORT), |port| port.parse());
        let port = port.context("DEMO_PORT is no port")?;
        let data = self.folder.join("collector");
        std::fs::create_dir_all(&data)?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let api = SocketAddr::from(([127, 0, 0, 1], port));
        let plan = CollectorPlan {
            plant,
            data,
            broker: free,
            api,
            mail,
        };
        let config = self.folder.join("collector.toml");
        std::fs::write(&config, collector_toml(&plan))?;
        let started = self
            .children
            .start("silkline-collector", "collector", &config)?;
        let ready = self.children.first_line(started, START).await?;
        let at: Ready = serde_json::from_str(&ready).with_context(|| {
            format!("the collector said {ready:?} where its addresses were due")
        })?;
        say(&format!(
            "[2/5] collector: broker at {}, store in {}",
            at.mqtt,
            plan.data.display()
        ))?;
        Ok((at.mqtt, Witness::of(at.http)?))
    }

    async fn agents(&mut self, hardware: &Hardware, broker: SocketAddr) -> anyhow::Result<()> {
        let mut plan = AgentPlan::new(format!("mqtt://{broker}"), self.folder.join("agents"));
        if self.demo.fast {
            plan.average = Duration::from_secs(3);
        }
        let plant = hardware.world().plant();
        for site in &plant.sites {
            std::fs::create_dir_all(plan.data.join(site.id.as_str()))?;
            let config = self.folder.join(format!("agent-{}.toml", site.id));
            std::fs::write(&config, agent_toml(plant, &site.id, &hardware.reach, &plan))?;
            self.children
                .start("silkline-agent", &format!("agent-{}", site.id), &config)?;
        }
        say(&format!(
            "[3/5] agents: {} started, one a site",
            plant.sites.len()
        ))?;
        Ok(())
    }

    /// Waits until the collector has fresh readings of every device.
    async fn first_readings(
        &mut self,
        hardware: &Hardware,
        witness: &Witness,
    ) -> anyhow::Result<()> {
        let wanted = hardware.reach.len();
        let arrived = async {
            loop {
                let fresh = witness.fresh_devices().await.unwrap_or(0);
                if fresh >= wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            waited = tokio::time::timeout(START, arrived) => {
                let fresh = witness.fresh_devices().await.unwrap_or(0);
                waited.with_context(|| format!("readings of {fresh} of {wanted} devices came"))?;
            }
            death = self.children.first_death() => return Err(death),
        }
        say(&format!("[4/5] readings of all {wanted} devices arrive"))?;
        Ok(())
    }

    /// Cuts the line at a place that only the seed knows.
    async fn cut(&mut self, hardware: &Hardware) -> anyhow::Result<RouteLength> {
        let rest = Duration::from_secs(if self.demo.fast { 3 } else { 20 });
        say(&format!("[5/5] {LINE} will be cut in {} s", rest.as_secs()))?;
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            death = self.children.first_death() => return Err(death),
        }
        let line = hardware
            .world()
            .plant()
            .line(&LINE.parse()?)
            .context("the line to cut")?;
        let at = place(line, self.demo.seed);
        hardware.inflict(Fault::Cut {
            line: line.id.clone(),
            at,
            fibre: None,
        })?;
        say("      cut")?;
        Ok(at)
    }

    async fn watch(
        &mut self,
        hardware: &Hardware,
        witness: &Witness,
        at: RouteLength,
    ) -> anyhow::Result<Verdict> {
        let line = LINE.parse()?;
        tokio::select! {
            verdict = witness.verdict(hardware, &line, at) => verdict,
            death = self.children.first_death() => Err(death),
        }
    }

    async fn first_mail(&self, folder: &Path) -> Option<PathBuf> {
        let path = folder.join("0001.eml");
        let there = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(MAIL, there).await.ok().map(|()| path)
    }
}

/// What a collector says once it can be reached.
#[derive(serde::Deserialize)]
struct Ready {
    mqtt: SocketAddr,
    http: SocketAddr,
}

/// What a person may do with a demo that goes on.
fn what_to_try(orders: SocketAddr) -> String {
    let at = orders.to_string();
    let option = if at == control::DEFAULT {
        String::new()
    } else {
        format!(" --control {at}")
    };
    let tries = [
        "repair",
        "cut baku-poti 500",
        "battery ganja",
        "feed sumgait-aktau 100",
    ];
    let lines = tries.map(|order| format!("  silkline-sim{option} {order}\n"));
    format!(
        "it goes on until Ctrl-C, and the mail with it; try\n{}",
        lines.concat()
    )
}

/// A place on `line` clear of its nodes.
fn place(line: &Line, seed: Seed) -> RouteLength {
    let mut chance = seed.draws("where the demo cuts");
    let near = |at: f64| {
        let off = |node: &silkline_protocol::plant::Node| (node.chainage.get() - at).abs();
        line.nodes.iter().any(|node| off(node) < CLEAR_OF_NODES_M)
    };
    let end = line.length().get();
    let mut at = chance.between(0.0, end);
    for _ in 0..1_000 {
        if !near(at) {
            break;
        }
        at = chance.between(0.0, end);
    }
    RouteLength::of(at.round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_names_the_address_only_where_it_is_another() {
        let usual = what_to_try(control::DEFAULT.parse().unwrap());
        assert!(usual.contains("  silkline-sim repair\n"), "{usual}");
        let other = what_to_try("127.0.0.1:4711".parse().unwrap());
        assert!(
            other.contains("  silkline-sim --control 127.0.0.1:4711 repair\n"),
            "{other}"
        );
    }

    #[test]
    fn the_place_of_the_cut_follows_from_the_seed_and_is_clear_of_huts() {
        let text = corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        let line = plant.line(&LINE.parse().unwrap()).unwrap();
        for seed in 0..50 {
            let at = place(line, Seed(seed));
            assert_eq!(at, place(line, Seed(seed)));
            let clear = |node: &silkline_protocol::plant::Node| {
                (node.chainage - at).get().abs() >= CLEAR_OF_NODES_M
            };
            assert!(line.nodes.iter().all(clear), "{at}");
        }
        assert_ne!(place(line, Seed(1)), place(line, Seed(2)));
    }
}
