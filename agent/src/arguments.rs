//! The arguments of `scan`, and its progress on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use silkline_agent::cli::Said;
use silkline_agent::cli::scan::{Form, Line, Order, What, say};
use silkline_agent::clock::Clock;
use silkline_agent::config::Parity;
use silkline_agent::scan::{Bounds, Progress};

/// What to look for.
#[derive(Subcommand)]
pub(crate) enum Scan {
    /// Modbus units at an address, a range of them, or on a serial line.
    Modbus {
        /// Such as 192.0.2.10, 192.0.2.0/24, 192.0.2.10-40:1502 or /dev/ttyUSB0.
        range: String,
        /// The units to ask for.
        #[arg(long, default_value = "1-247")]
        units: String,
        /// RTU frames through a serial server.
        #[arg(long)]
        rtu: bool,
        /// Bits a second of a serial line.
        #[arg(long, default_value_t = 9600)]
        baud: u32,
        /// Parity of a serial line.
        #[arg(long, value_enum, default_value = "even")]
        parity: ParityWord,
        /// Stop bits of a serial line.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=2))]
        stop_bits: Option<u8>,
        #[command(flatten)]
        how: How,
    },
    /// SNMP devices at an address or a range of them.
    Snmp {
        /// Such as 192.0.2.10, 192.0.2.0/24 or 192.0.2.10-40.
        range: String,
        /// A community to try; may be given several times.
        #[arg(long, default_value = "public")]
        community: Vec<String>,
        #[command(flatten)]
        how: How,
    },
}

/// How fast and how long.
#[derive(Args)]
pub(crate) struct How {
    /// Requests a second, over all addresses.
    #[arg(long, default_value_t = Bounds::default().per_second, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// How long a request may take, in milliseconds.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    timeout_ms: u64,
    /// The longest time for the whole, in seconds.
    #[arg(long, default_value_t = Bounds::default().limit.as_secs())]
    limit_s: u64,
    /// One JSON object instead of settings.
    #[arg(long)]
    json: bool,
}

/// A parity in words.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ParityWord {
    None,
    Even,
    Odd,
}

/// Carries out a scan, with its progress on standard error where that is a terminal.
pub(crate) async fn scanning(scan: Scan, config: &Path) -> Said {
    let (range, what, how) = match scan {
        Scan::Modbus {
            range,
            units,
            rtu,
            baud,
            parity,
            stop_bits,
            how,
        } => {
            let parity = match parity {
                ParityWord::None => Parity::None,
                ParityWord::Even => Parity::Even,
                ParityWord::Odd => Parity::Odd,
            };
            let line = Line {
                is_rtu: rtu,
                baud,
                parity,
                stop_bits,
            };
            (range, What::Modbus { line, units }, how)
        }
        Scan::Snmp {
            range,
            community,
            how,
        } => (
            range,
            What::Snmp {
                communities: community,
            },
            how,
        ),
    };
    let order = Order {
        config,
        range: &range,
        what,
        bounds: Bounds {
            per_second: how.rate,
            limit: Duration::from_secs(how.limit_s),
            timeout: Duration::from_millis(how.timeout_ms),
        },
        form: if how.json { Form::Json } else { Form::Settings },
    };
    let shows = std::io::stderr().is_terminal();
    let mut tell = |progress| {
        if shows {
            show(progress);
        }
    };
    let said = say(order, Clock::start(), &mut tell).await;
    if shows {
        // Nobody needs to see it where it can't be written.
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    said
}

fn show(progress: Progress) {
    let Progress {
        done,
        of,
        found,
        asked,
    } = progress;
    let mut screen = std::io::stderr();
    let _ = write!(
        screen,
        "\r{done} of {of} addresses, {found} found, {asked} requests\x1b[K"
    );
    let _ = screen.flush();
}
