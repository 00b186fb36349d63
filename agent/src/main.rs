//! The agent's program: arguments in, exit code out.

mod arguments;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use silkline_agent::cli::permit::{End, Wanted};
use silkline_agent::cli::probe::Form;
use silkline_agent::cli::{self, Exit, Said};
use silkline_agent::clock::Clock;
use silkline_agent::config::Config;
use silkline_agent::profile::Library;
use silkline_agent::run::{Orders, RELOADS, RunError, run, spool_path};
use silkline_agent::systemd::Manager;
use silkline_protocol::id::{FibreId, LineId, PermitId};
use silkline_protocol::time::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(
    name = "silkline-agent",
    version,
    about = "Polls the hardware of a site"
)]
struct Arguments {
    /// The settings.
    #[arg(long, default_value = "/etc/silkline/agent.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Poll, decide and spool until told to stop.
    Run,
    /// Tell every mistake in the settings.
    Check {
        /// Poll every device once too.
        #[arg(long)]
        live: bool,
    },
    /// Poll one device once and show raw and scaled values.
    Probe {
        /// The device's id in the settings.
        device: String,
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// List the device models, or explain one.
    Profiles {
        /// The profile to explain.
        id: Option<String>,
    },
    /// Find devices and propose their settings.
    #[command(subcommand)]
    Scan(arguments::Scan),
    /// Permits to work: no shot is taken of their fibres.
    #[command(subcommand)]
    Permit(Permit),
    /// Show how the running agent is.
    Top {
        /// Once, as text.
        #[arg(long)]
        once: bool,
    },
    /// Look into the spool.
    #[command(subcommand)]
    Spool(Spool),
}

#[derive(Subcommand)]
enum Permit {
    /// Keep shots away from fibres that somebody works on.
    Add {
        /// Who works.
        #[arg(long)]
        person: String,
        /// How they are reached.
        #[arg(long, default_value = "")]
        contact: String,
        /// The line.
        #[arg(long)]
        line: LineId,
        /// A fibre, as the plant file calls it; may be repeated. All of the line without.
        #[arg(long = "fibre")]
        fibres: Vec<FibreId>,
        /// From when on, such as 2026-01-02T03:04:05Z; now without.
        #[arg(long)]
        from: Option<Timestamp>,
        /// Until when.
        #[arg(long, required_unless_present = "length", conflicts_with = "length")]
        until: Option<Timestamp>,
        /// How long, such as 8h.
        #[arg(long = "for", value_parser = silkline_protocol::settings::duration)]
        length: Option<Duration>,
        /// Its number; made up without. A permit of the same number is replaced.
        #[arg(long)]
        id: Option<PermitId>,
    },
    /// Show every permit.
    List,
    /// Take a permit back.
    Revoke {
        /// Its number.
        id: PermitId,
    },
}

#[derive(Subcommand)]
enum Spool {
    /// Say what it holds and whether it is whole.
    Inspect {
        /// Another file than that of the settings, such as one set aside.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Write every record that can be read into a folder.
    Export {
        /// The folder.
        folder: PathBuf,
        /// Another file than that of the settings, such as one set aside.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// One thread for all that waits: polls are short, and passing them between threads costs more than they
/// do. The spool's writer has its own, and so has whatever reads files or works on a trace.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let said = answer(arguments).await;
    // A reader that has gone needs no more words.
    let _ = std::io::stdout().write_all(said.text.as_bytes());
    if !said.error.is_empty() {
        let _ = writeln!(std::io::stderr(), "{}", said.error.trim_end());
    }
    ExitCode::from(said.exit.code())
}

async fn answer(Arguments { config, command }: Arguments) -> Said {
    if let Command::Profiles { id } = &command {
        // Works before there are settings; with settings it knows their folder too.
        let folder = silkline_agent::config::profile_folder(&config);
        let library = folder.map_or_else(|| Ok(Library::embedded()), |f| Library::with_folder(&f));
        return match library {
            Ok(library) => cli::profiles::say(&library, id.as_deref()),
            Err(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Said::failed(lines.join("\n"), Exit::BadConfig)
            }
        };
    }
    if let Command::Spool(Spool::Inspect { file: Some(file) }) = &command {
        return cli::spool::say_inspect(file);
    }
    if let Command::Spool(Spool::Export {
        folder,
        file: Some(file),
    }) = &command
    {
        return cli::spool::say_export(file, folder);
    }
    if let Command::Scan(scan) = command {
        return Box::pin(arguments::scanning(scan, &config)).await;
    }
    let path = config;
    let config = match cli::check::load(&path) {
        Ok(config) => config,
        Err(said) if matches!(command, Command::Check { .. }) => return said.of_a_check(),
        Err(said) => return said,
    };
    let clock = Clock::start();
    match command {
        // Boxed: the type of so deep a future is more than the compiler follows.
        Command::Run => Box::pin(running(config, path, clock)).await,
        Command::Check { live: false } => cli::check::settings(&config).of_a_check(),
        Command::Check { live: true } => {
            let said = cli::check::settings(&config);
            if said.exit == Exit::Done {
                Box::pin(cli::check::live(&config, clock)).await
            } else {
                said.of_a_check()
            }
        }
        Command::Probe { device, json } => {
            let form = if json { Form::Json } else { Form::Table };
            Box::pin(cli::probe::say(&config, &device, form, clock)).await
        }
        Command::Permit(permit) => permitted(&config, permit, &clock),
        Command::Top { once } => Box::pin(cli::top::say(&config, once, clock)).await,
        Command::Spool(Spool::Inspect { .. }) => cli::spool::say_inspect(&spool_path(&config)),
        Command::Spool(Spool::Export { folder, .. }) => {
            cli::spool::say_export(&spool_path(&config), &folder)
        }
        // Answered above, before the settings were read.
        Command::Profiles { .. } | Command::Scan(_) => Said::out(String::new(), Exit::Done),
    }
}

fn permitted(config: &Config, permit: Permit, clock: &Clock) -> Said {
    match permit {
        Permit::List => cli::permit::list(config, clock),
        Permit::Revoke { id } => cli::permit::revoke(config, &id, clock),
        Permit::Add {
            person,
            contact,
            line,
            fibres,
            from,
            until,
            length,
            id,
        } => {
            let Some(end) = until.map(End::At).or_else(|| length.map(End::After)) else {
                return Said::failed("--until or --for is missing", Exit::Usage);
            };
            let wanted = Wanted {
                id,
                person,
                contact,
                line,
                fibres,
                from,
                end,
            };
            cli::permit::add(config, wanted, clock)
        }
    }
}

async fn running(config: Config, path: PathBuf, clock: Clock) -> Said {
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signals(&stop) {
        return Said::failed(error, Exit::Unavailable);
    }
    let reload = match reloads_on_signals(path) {
        Ok(reload) => reload,
        Err(error) => return Said::failed(error, Exit::Unavailable),
    };
    let orders = Orders {
        stop,
        reload,
        manager: Manager::of_environment(),
    };
    match run(config, clock, orders).await {
        Ok(()) => Said::out(String::new(), Exit::Done),
        Err(error) => {
            let exit = match &error {
                RunError::Data { .. } | RunError::Permits(_) => Exit::BadConfig,
                RunError::Busy(_)
                | RunError::Spool(_)
                | RunError::Ended(_)
                | RunError::NeedsRestart(_) => Exit::Unavailable,
            };
            Said::failed(error, exit)
        }
    }
}

/// SIGTERM and SIGINT both ask the agent to leave.
fn stop_on_signals(stop: &CancellationToken) -> std::io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(())
}

/// SIGHUP asks the agent to take up what its settings say now: all of it or nothing.
fn reloads_on_signals(path: PathBuf) -> std::io::Result<mpsc::Receiver<Result<Config, String>>> {
    let mut signals = signal(SignalKind::hangup())?;
    let (sender, reloads) = mpsc::channel(RELOADS);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            let read = cli::check::load(&path).map_err(|said| said.error);
            if sender.send(read).await.is_err() {
                return;
            }
        }
    });
    Ok(reloads)
}

fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    // What the SNMP library logs comes back as an error too, and is logged by who decides on it.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_snmp=off"));
    // Fails only where a subscriber is there already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // What can't be logged is told nowhere else: that too would go to stderr, and panic.
        .log_internal_errors(false)
        .try_init();
}
