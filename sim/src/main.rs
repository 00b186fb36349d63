//! `silkline-sim`: the simulated plant as a program.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use silkline_protocol::id::{DeviceId, FibreId, LineId, NodeId, SiteId};
use silkline_protocol::plant::Direction;
use silkline_protocol::unit::{Db, RouteLength};
use silkline_sim::control::{self, Order};
use silkline_sim::demo::{self, Demo};
use silkline_sim::fault::Fault;
use silkline_sim::run::{self, Run};
use silkline_sim::{Seed, corridor};

/// A simulated fibre plant behind real Modbus TCP, SNMP and OTDR interfaces.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The plant file; the built-in corridor where absent.
    #[arg(long, global = true)]
    plant: Option<PathBuf>,
    /// Where a running simulation takes orders.
    #[arg(long, global = true, default_value = control::DEFAULT)]
    control: SocketAddr,
    /// What every random choice follows from.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the example plant file.
    Corridor,
    /// Start everything on this machine and cut a fibre.
    Demo {
        /// End after the incident, with exit code 1 if it is not as promised.
        #[arg(long)]
        once: bool,
        /// Cut sooner and average shorter.
        #[arg(long)]
        fast: bool,
    },
    /// Run the plant's hardware and take orders.
    Run {
        /// Where the OTDRs drop their files and the addresses are written.
        #[arg(long, default_value = "silkline-sim")]
        folder: PathBuf,
        /// The first port of the devices; the system chooses where absent.
        #[arg(long)]
        first_port: Option<u16>,
        /// Write settings for an agent a site, which talk to this broker.
        #[arg(long)]
        broker: Option<String>,
        /// How many times faster than real an OTDR averages.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
    #[command(flatten)]
    Tell(Orders),
}

/// What a running simulation is told.
#[derive(Subcommand)]
enum Orders {
    /// Cut a cable, or one strand of it.
    Cut {
        line: LineId,
        km: f64,
        #[arg(long)]
        fibre: Option<FibreId>,
    },
    /// Bend a cable, or one strand of it.
    Bend {
        line: LineId,
        km: f64,
        db: f64,
        #[arg(long)]
        fibre: Option<FibreId>,
    },
    /// Let the pump lasers of a node wear out.
    Pump { line: LineId, node: NodeId },
    /// Let the amplifiers of a node send no light any more.
    Amplifier {
        line: LineId,
        node: NodeId,
        /// The only direction concerned, AB or BA; both where absent.
        #[arg(long, value_parser = direction)]
        direction: Option<Direction>,
    },
    /// Take all power from a site.
    Hut { site: SiteId },
    /// Let a device fall silent.
    Dead { site: SiteId, device: DeviceId },
    /// Let the power conductor of a submarine cable touch the sea.
    Feed { line: LineId, km: f64 },
    /// Take the mains from a site.
    Battery { site: SiteId },
    /// Mend everything.
    Repair,
    /// Say what is wrong at the moment.
    Status,
}

/// Bad input data, a service that cannot be reached: as in sysexits.h.
const BAD_DATA: u8 = 65;
const UNREACHABLE: u8 = 69;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    match obey(arguments).await {
        Ok(code) => code,
        Err(Failure { code, error }) => {
            let _ = writeln!(std::io::stderr(), "silkline-sim: {error:#}");
            ExitCode::from(code)
        }
    }
}

/// Why the program ends before its time.
struct Failure {
    code: u8,
    error: anyhow::Error,
}

fn failure(code: u8) -> impl Fn(anyhow::Error) -> Failure {
    move |error| Failure { code, error }
}

async fn obey(arguments: Arguments) -> Result<ExitCode, Failure> {
    let seed = Seed(arguments.seed);
    let plant = || plant(arguments.plant.as_ref()).map_err(failure(BAD_DATA));
    match arguments.command {
        Command::Corridor => {
            let written = std::io::stdout().write_all(corridor::plant_toml().as_bytes());
            written.map_err(anyhow::Error::from).map_err(failure(1))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo { once, fast } => {
            let demo = Demo {
                once,
                fast,
                seed,
                control: arguments.control,
            };
            let kept = demo::run(&demo).await.map_err(failure(UNREACHABLE))?;
            Ok(if kept {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Run {
            folder,
            first_port,
            broker,
            speed,
        } => {
            let run = Run {
                folder,
                first_port,
                broker,
                speed,
                seed,
                control: arguments.control,
            };
            run::run(plant()?, &run)
                .await
                .map_err(failure(UNREACHABLE))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tell(orders) => tell(arguments.control, &orders.into()).await,
    }
}

impl From<Orders> for Order {
    fn from(orders: Orders) -> Self {
        match orders {
            Orders::Cut { line, km, fibre } => inflict(Fault::Cut {
                line,
                at: route(km),
                fibre,
            }),
            Orders::Bend {
                line,
                km,
                db,
                fibre,
            } => inflict(Fault::Bend {
                line,
                at: route(km),
                loss: Db::of(db),
                fibre,
            }),
            Orders::Pump { line, node } => inflict(Fault::Pump { line, node }),
            Orders::Amplifier {
                line,
                node,
                direction,
            } => inflict(Fault::Amplifier {
                line,
                node,
                direction,
            }),
            Orders::Hut { site } => inflict(Fault::Hut { site }),
            Orders::Dead { site, device } => inflict(Fault::Dead { site, device }),
            Orders::Feed { line, km } => inflict(Fault::Feed {
                line,
                at: route(km),
            }),
            Orders::Battery { site } => inflict(Fault::Battery { site }),
            Orders::Repair => Self::Repair,
            Orders::Status => Self::Status,
        }
    }
}

const fn inflict(fault: Fault) -> Order {
    Order::Inflict { fault }
}

const fn route(km: f64) -> RouteLength {
    RouteLength::of(km * 1_000.0)
}

fn direction(text: &str) -> Result<Direction, String> {
    match text.to_ascii_uppercase().as_str() {
        "AB" => Ok(Direction::AToB),
        "BA" => Ok(Direction::BToA),
        _ => Err(format!("{text:?}: want AB or BA")),
    }
}

async fn tell(at: SocketAddr, order: &Order) -> Result<ExitCode, Failure> {
    let told = control::tell(at, order).await;
    let answer = told
        .map_err(anyhow::Error::from)
        .map_err(failure(UNREACHABLE))?;
    if let Some(error) = answer.error {
        return Err(Failure {
            code: 2,
            error: anyhow::anyhow!(error),
        });
    }
    let mut text = String::new();
    for standing in &answer.standing {
        text.push_str(&format!("{}\n", run::in_words(standing)));
    }
    if text.is_empty() {
        text.push_str("all is well\n");
    }
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(anyhow::Error::from).map_err(failure(1))?;
    Ok(ExitCode::SUCCESS)
}

fn plant(file: Option<&PathBuf>) -> anyhow::Result<silkline_protocol::plant::Plant> {
    let (name, text) = match file {
        Some(path) => {
            let text = fs::read_to_string(path);
            (
                path.display().to_string(),
                text.with_context(|| format!("{}", path.display()))?,
            )
        }
        None => ("the built-in corridor".into(), corridor::plant_toml()),
    };
    Ok(silkline_protocol::plant::read(&name, &text)?.plant)
}
