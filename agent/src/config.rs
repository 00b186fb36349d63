//! The agent's settings: parsed once, into types that cannot hold a wrong value.
//!
//! Every mistake in the file is told at once with its line and column, including those between
//! entries: a view whose trigger names a device that is not there, two devices of one id, a profile
//! nobody has. Defaults are constants beside the types; `deploy/config/agent.toml` lists them all
//! and a test holds it equal.

mod access;
mod address;
mod broker;
mod device;
mod links;
mod read;
mod secret;
mod seldom;
mod switch;

pub use access::{AuthKind, PrivacyKind, SnmpAccess, SnmpUser};
pub(crate) use address::with_port;
pub use address::{Address, Parity, SerialLine};
pub use broker::{BadBroker, Broker};
pub use device::{Device, Exception, Otdr, PointRef, Seldom, View, Watch};
#[cfg(test)]
pub(crate) use links::uplink_of;
pub use read::read;
pub use secret::Secret;
pub use switch::Behind;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use silkline_protocol::id::{AgentId, DeviceId, LineId, SiteId, ViewId};
use silkline_protocol::settings::Mistakes;

/// The agent's id where a site has only one.
pub const DEFAULT_AGENT: &str = "main";
/// Where the spool lives, by the Filesystem Hierarchy Standard.
pub const DEFAULT_DATA: &str = "/var/lib/silkline";
/// A dead device is asked at least this often, so that it is never out for long after it is back.
pub const DEFAULT_RETRY_CAP: Duration = Duration::from_secs(30);
/// Often enough to see a battery run down, seldom enough for a satellite.
pub const DEFAULT_SAMPLE_EVERY: Duration = Duration::from_secs(900);
/// A modem registers, dials and sends within this.
pub const DEFAULT_MODEM_TIMEOUT: Duration = Duration::from_secs(60);
/// The other ways are tried by then.
pub const DEFAULT_MODEM_AFTER: Duration = Duration::from_secs(120);
/// How long the agent takes to leave: below the 90 s after which systemd kills.
pub const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(5);

/// All settings of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The site.
    pub site: SiteId,
    /// Which of the site's agents this is.
    pub agent: AgentId,
    /// Where the agent keeps its state.
    pub data: PathBuf,
    /// The longest time between two tries of a device that does not answer.
    pub retry_cap: Duration,
    /// How long leaving may take.
    pub shutdown: Duration,
    /// The spool's bounds.
    pub spool: SpoolBounds,
    /// The brokers, in the order in which they are tried; none keeps everything in the spool.
    pub uplinks: Vec<UplinkSettings>,
    /// The plant file, or an excerpt of it: to find faults here; not at all where absent.
    pub plant: Option<PathBuf>,
    /// What sends a text where no broker answers.
    pub modem: Option<Modem>,
    /// Where devices may tell something unasked; nowhere where absent.
    pub traps: Option<TrapSettings>,
    /// The port of this machine on which a read-only page is shown; none where absent.
    pub local: Option<SocketAddr>,
    /// What is polled.
    pub devices: Vec<Device>,
}

/// A command that sends a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modem {
    /// The program and its arguments; the text comes after them. No shell sees it.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long a broker is waited for before.
    pub after: Duration,
}

/// Where SNMP traps and informs are received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapSettings {
    /// The address and port.
    pub listen: SocketAddr,
    /// A community beside those that the devices are asked with.
    pub community: Option<Secret>,
}

/// The bounds of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolBounds {
    /// The most bytes of records it may hold.
    pub max_bytes: u64,
    /// How long records stay after they have been committed, unless room is needed.
    pub keep: Duration,
    /// The age beyond which even records that nobody has committed go; never where absent.
    pub max_age: Option<Duration>,
}

/// One broker and how the agent shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkSettings {
    /// Where it is.
    pub broker: Broker,
    /// Certificates that the broker's must go back to; the system's where absent.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate and its key.
    pub identity: Option<Identity>,
    /// The user's name; the site's id where absent and a password is given.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// What goes over it, where it costs by what goes over it.
    pub metered: Option<Metered>,
    /// The network interface that it leaves by; the system's choice where absent.
    pub interface: Option<String>,
}

/// What goes over a link that costs: events, traces of alarm shots, and a thin stream of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// One sample of each device so often, more seldom the longer it lasts.
    pub sample_every: Duration,
}

/// A client certificate with its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error("{0}")]
    Mistakes(Mistakes),
}

impl Config {
    /// Reads the settings file at `path` and the profiles it points to.
    ///
    /// # Errors
    ///
    /// Every mistake in it, or why it can't be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        read(&path.display().to_string(), &text).map_err(ConfigError::Mistakes)
    }

    /// The device of this id.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// The view of this id.
    #[must_use]
    pub fn view(&self, id: &ViewId) -> Option<&View> {
        let mut views = self.devices.iter().flat_map(Device::views);
        views.find(|view| view.view == *id)
    }

    /// Every line that any device serves, once each.
    #[must_use]
    pub fn lines(&self) -> Vec<LineId> {
        let mut lines: Vec<LineId> = self
            .devices
            .iter()
            .flat_map(Device::all_lines)
            .cloned()
            .collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// Files that the settings name and that can't be read, each with the reason.
    #[must_use]
    pub fn unreadable_files(&self) -> Vec<String> {
        let uplinks = self.uplinks.iter().flat_map(|uplink| {
            let identity = uplink.identity.iter().flat_map(|id| [&id.cert, &id.key]);
            let password = uplink.password.iter().filter_map(Secret::file);
            uplink.ca.iter().chain(identity).chain(password)
        });
        let devices = self.devices.iter().flat_map(|device| device.access.files());
        let traps = self
            .traps
            .iter()
            .filter_map(|traps| traps.community.as_ref());
        uplinks
            .chain(devices)
            .chain(traps.filter_map(Secret::file))
            .filter_map(|path| {
                std::fs::File::open(path)
                    .err()
                    .map(|error| format!("{}: {error}", path.display()))
            })
            .collect()
    }
}

/// The folder of profiles that the settings at `path` name, as far as they can be read: for listing
/// profiles before the settings are right.
#[must_use]
pub fn profile_folder(path: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(path).ok()?;
    let table: toml::Table = text.parse().ok()?;
    table
        .get("profiles")
        .and_then(toml::Value::as_str)
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests;
