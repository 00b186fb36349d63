//! The collector program: reads its arguments, does what they say, ends with the right code.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use silkline_collector::cli::survey::Order;
use silkline_collector::cli::trace::Question;
use silkline_collector::cli::{self, Exit};
use silkline_collector::clock;
use silkline_collector::commit::core::Now;
use silkline_collector::config::Settings;
use silkline_collector::run::{RunError, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The settings file where none is named.
const DEFAULT_CONFIG: &str = "collector.toml";

/// Takes what the agents send, stores it, finds and locates faults, tells people where to go.
#[derive(Debug, Parser)]
#[command(name = "silkline-collector", version)]
struct Arguments {
    /// The settings file.
    #[arg(long, global = true, default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until a signal to stop; prints where it can be reached, as one line of JSON.
    Run,
    /// Check the settings and the plant file, and tell every mistake at once.
    Check,
    /// Say what OTDR files show: where the fibre ends, what it loses, what changed.
    Trace(Question),
    /// Pair what OTDR files show with the landmarks of a plant file, propose marks, and hold the
    /// fibre against its operator's limits.
    Survey(Order),
    /// Say where the fault is that a file of evidence speaks of.
    Locate {
        /// The evidence, as JSON.
        evidence: PathBuf,
        /// The plant file.
        #[arg(long)]
        plant: PathBuf,
        /// Print the place as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what the detectors would have said of a history: backtest, tune, compare.
    Replay {
        /// The history: a CSV file with at,line,site,device,point,value and optionally role,unit.
        samples: PathBuf,
        /// The plant file.
        #[arg(long)]
        plant: PathBuf,
        /// Other settings: tell only what one of the two says and the other does not.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Print one line of JSON for each anomaly and incident.
        #[arg(long)]
        json: bool,
    },
    /// Send a test message on a channel of the settings.
    NotifyTest {
        /// The channel's name.
        channel: String,
    },
    /// Write a copy of the hot store, while the collector runs or not.
    Backup {
        /// The file to write; it must not exist.
        file: PathBuf,
    },
    /// Put a copy of the hot store back, while the collector does not run. The store that was there
    /// is kept beside it; the agents send again what they still keep.
    Restore {
        /// The copy.
        file: PathBuf,
    },
    /// Look at messages that were set aside because they could not be understood.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Say who may sign in on the page.
    #[command(subcommand)]
    User(cli::user::Command),
}

#[derive(Debug, Subcommand)]
enum Quarantine {
    /// List them, the newest first.
    List {
        /// Print each as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the payload of one to the standard output.
    Show {
        /// Its number in the list.
        id: i64,
    },
    /// Take them once more, for instance with a newer program, while the collector does not run:
    /// what can be read is stored and leaves the list.
    Replay {
        /// Their numbers in the list; all where none is named.
        ids: Vec<i64>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,mqtt5=warn,rumqttc=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    // Two of our dependencies bring TLS of their own: say which one is meant before either asks.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::warn!("another TLS provider was installed before");
    }
    match carry_out(&arguments) {
        Ok(exit) => exit.into(),
        // Whoever was reading the answer has gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot write the answer: {error}");
            Exit::Unavailable.into()
        }
    }
}

fn carry_out(arguments: &Arguments) -> io::Result<Exit> {
    let mut out = io::stdout().lock();
    let config = &arguments.config;
    match &arguments.command {
        Command::Check => cli::check::check(config, &mut out, &mut io::stderr().lock()),
        Command::Locate {
            evidence,
            plant,
            json,
        } => cli::locate::locate(evidence, plant, *json, &mut out),
        Command::Trace(question) => cli::trace::trace(question, &mut out),
        Command::Survey(order) => cli::survey::run(order, &mut out, &mut io::stderr().lock()),
        Command::Run => {
            drop(out);
            Ok(with_settings(config, |settings| {
                Ok(run_until_signal(settings))
            })?)
        }
        Command::Replay {
            samples,
            plant,
            against,
            json,
        } => {
            let other = against.as_deref();
            match cli::replay::settings(config, DEFAULT_CONFIG, other) {
                Err(error) => Ok(complain(&error)),
                Ok((settings, against)) => {
                    let question = cli::replay::Question {
                        samples: samples.clone(),
                        plant: plant.clone(),
                        settings,
                        against,
                        json: *json,
                    };
                    cli::replay::replay(&question, &mut out, &mut io::stderr().lock())
                }
            }
        }
        Command::NotifyTest { channel } => with_settings(config, |settings| {
            cli::notify::test(&settings, channel, &mut out)
        }),
        Command::Backup { file } => with_settings(config, |settings| {
            cli::backup::backup(&settings, file, &mut out)
        }),
        Command::Restore { file } => with_settings(config, |settings| {
            let now = clock::now();
            cli::backup::restore(&settings, file, now, &mut out)
        }),
        Command::Quarantine(Quarantine::List { json }) => with_settings(config, |settings| {
            cli::quarantine::list(&settings, *json, &mut out)
        }),
        Command::User(command) => with_settings(config, |settings| {
            let now = clock::now();
            cli::user::user(&settings, command, now, &mut io::stdin().lock(), &mut out)
        }),
        Command::Quarantine(Quarantine::Replay { ids }) => with_settings(config, |settings| {
            let mono = clock::MonotonicClock::start().now();
            let now = Now {
                utc: clock::now(),
                mono,
            };
            cli::quarantine::replay(&settings, ids, now, &mut out)
        }),
        Command::Quarantine(Quarantine::Show { id }) => with_settings(config, |settings| {
            cli::quarantine::show(&settings, *id, &mut out)
        }),
    }
}

fn with_settings(
    config: &std::path::Path,
    then: impl FnOnce(Settings) -> io::Result<Exit>,
) -> io::Result<Exit> {
    match cli::settings(config) {
        Ok(settings) => then(settings),
        Err(error) => Ok(complain(&error)),
    }
}

fn run_until_signal(settings: Settings) -> Exit {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return Exit::Unavailable;
        }
    };
    let stop = CancellationToken::new();
    let result = runtime.block_on(async {
        tokio::spawn(stop_on_signal(stop.clone()));
        run(settings, stop, |addresses| {
            let line = serde_json::to_string(addresses).unwrap_or_default();
            let mut out = io::stdout().lock();
            // Nobody may be listening.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        })
        .await
    });
    match result {
        Ok(()) => Exit::Done,
        Err(error) => complain(&error),
    }
}

async fn stop_on_signal(stop: CancellationToken) {
    let (mut interrupt, mut terminate) = match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals are not heard");
            return;
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}

fn complain(error: &RunError) -> Exit {
    let _ = writeln!(io::stderr(), "{error}");
    Exit::of(error)
}
