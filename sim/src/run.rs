//! A simulation that runs until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use silkline_protocol::plant::{Direction, Plant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::chance::Seed;
use crate::configure::{AgentPlan, agent_toml};
use crate::control;
use crate::fault::{Fault, Standing};
use crate::hardware::{Hardware, Setup};
use crate::world::World;

/// How a simulation is run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where OTDRs drop their files, and where addresses and settings are written.
    pub folder: PathBuf,
    /// The first port of the devices; none for ports that the system chooses.
    pub first_port: Option<u16>,
    /// The broker of agents to write settings for.
    pub broker: Option<String>,
    /// How many times faster than real an OTDR averages.
    pub speed: f64,
    /// What every random choice follows from.
    pub seed: Seed,
    /// Where orders are taken.
    pub control: SocketAddr,
}

/// Runs `plant` until a signal ends it.
///
/// # Errors
///
/// Where a device, the control or a file cannot be had.
pub async fn run(plant: Plant, run: &Run) -> anyhow::Result<()> {
    let folder = std::path::absolute(&run.folder)?;
    let setup = Setup {
        first_port: run.first_port,
        folder: folder.join("otdr"),
        speed: run.speed,
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let hardware = Arc::new(Hardware::start(Arc::new(World::new(plant, run.seed)), &setup).await?);
    let listener = TcpListener::bind(run.control).await;
    let listener = listener.with_context(|| format!("cannot take orders at {}", run.control))?;
    let at = listener.local_addr()?;
    write_files(&hardware, run, &folder)?;
    say(&format!(
        "{} devices run on 127.0.0.1; their addresses are in {}\norders are taken at {at}",
        hardware.reach.len(),
        folder.join("addresses.json").display(),
    ))?;
    let control = tokio::spawn(control::serve(listener, hardware));
    ended().await?;
    control.abort();
    Ok(())
}

/// The map of addresses, and settings for an agent a site where a broker is named.
fn write_files(hardware: &Hardware, run: &Run, folder: &std::path::Path) -> anyhow::Result<()> {
    let addresses = serde_json::to_string_pretty(&hardware.reach)?;
    std::fs::write(folder.join("addresses.json"), addresses + "\n")?;
    let Some(broker) = &run.broker else {
        return Ok(());
    };
    let plan = AgentPlan::new(broker.clone(), folder.join("data"));
    let plant = hardware.world().plant();
    for site in &plant.sites {
        let text = agent_toml(plant, &site.id, &hardware.reach, &plan);
        std::fs::write(folder.join(format!("agent-{}.toml", site.id)), text)?;
    }
    Ok(())
}

/// Waits for Ctrl-C or a request to terminate.
///
/// # Errors
///
/// Where the system takes no handler.
pub async fn ended() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Prints a line for the person who watches.
///
/// # Errors
///
/// Where nobody reads any more.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A standing fault as a person would tell it.
#[must_use]
pub fn in_words(standing: &Standing) -> String {
    let strand = |fibre: &Option<silkline_protocol::id::FibreId>| {
        fibre
            .as_ref()
            .map_or(String::new(), |fibre| format!(", fibre {fibre} only"))
    };
    let what = match &standing.fault {
        Fault::Cut { line, at, fibre } => {
            format!("{line} is cut at km {:.3}{}", at.km(), strand(fibre))
        }
        Fault::Bend {
            line,
            at,
            loss,
            fibre,
        } => {
            format!("{line} loses {loss} at km {:.3}{}", at.km(), strand(fibre))
        }
        Fault::Pump { line, node } => format!("the pumps of {node} on {line} wear out"),
        Fault::Amplifier {
            line,
            node,
            direction,
        } => {
            let way = match direction {
                Some(Direction::AToB) => " towards B",
                Some(Direction::BToA) => " towards A",
                None => "",
            };
            format!("the amplifier of {node} on {line} sends no light{way}")
        }
        Fault::Hut { site } => format!("{site} has no power at all"),
        Fault::Dead { site, device } => format!("{device} at {site} does not answer"),
        Fault::Feed { line, at } => {
            format!(
                "the power conductor of {line} touches the sea at km {:.3}",
                at.km()
            )
        }
        Fault::Battery { site } => format!("{site} has lost the mains"),
    };
    format!(
        "{what} (since {:.0} s of the simulation)",
        standing.since.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::unit::{Db, RouteLength};
    use std::time::Duration;

    #[test]
    fn a_fault_is_told_in_words() {
        let at = RouteLength::of(254_318.0);
        let line = || "baku-poti".parse().unwrap();
        let told = |fault| {
            in_words(&Standing {
                fault,
                since: Duration::from_secs(12),
            })
        };
        let cut = Fault::Cut {
            line: line(),
            at,
            fibre: None,
        };
        assert_eq!(
            told(cut),
            "baku-poti is cut at km 254.318 (since 12 s of the simulation)"
        );
        let fibre = Some("f1".parse().unwrap());
        let bend = Fault::Bend {
            line: line(),
            at,
            loss: Db::of(2.5),
            fibre,
        };
        assert!(told(bend).starts_with("baku-poti loses 2.50 dB at km 254.318, fibre f1 only"));
    }

    #[test]
    fn every_kind_of_fault_has_its_words() {
        let at = RouteLength::of(100_000.0);
        let site = || "ganja".parse().unwrap();
        let line = || "sumgait-aktau".parse().unwrap();
        let told = |fault| {
            in_words(&Standing {
                fault,
                since: Duration::from_millis(1_400),
            })
        };
        for (fault, wanted) in [
            (
                Fault::Pump {
                    line: line(),
                    node: "rep-2".parse().unwrap(),
                },
                "the pumps of rep-2 on sumgait-aktau wear out (since 1 s of the simulation)",
            ),
            (
                Fault::Dead {
                    site: site(),
                    device: "edfa-1".parse().unwrap(),
                },
                "edfa-1 at ganja does not answer (since 1 s of the simulation)",
            ),
            (
                Fault::Feed { line: line(), at },
                "the power conductor of sumgait-aktau touches the sea at km 100.000 (since 1 s of \
                 the simulation)",
            ),
            (
                Fault::Battery { site: site() },
                "ganja has lost the mains (since 1 s of the simulation)",
            ),
        ] {
            assert_eq!(told(fault), wanted);
        }
    }
}
