//! Settings of the collector: parsed once, into types that cannot hold a wrong value.
//!
//! Every mistake of a file is told at once, with its line and column. Each default is a constant
//! beside its field; `deploy/config/collector.toml` shows them all, and a test holds it equal.
//! Relative paths count from the folder of the settings file. Secrets stand in files of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use silkline_protocol::id::LineId;
use silkline_protocol::settings::{self, FromSetting, Mistakes, Section, Wrong};
use toml::de::DeValue;

use crate::engine::EngineSettings;

mod beat;
mod channel;
mod engine;
mod outside;
mod sign_in;

pub use beat::BeatSettings;
pub use channel::{
    Channels, EmailSettings, Hours, LEAST, MailSecurity, Routing, Speech, SyslogSettings,
    WebhookFormat, WebhookSettings,
};
pub use outside::{BrokerLogin, BrokerSettings, ClientKey, InfluxSettings, Security};
pub(crate) use sign_in::is_private;
pub use sign_in::{GroupSettings, SignInSettings};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The plant file.
    pub plant: PathBuf,
    /// The folder of the hot store.
    pub data: PathBuf,
    /// The lines that this collector keeps; all of the plant where absent.
    pub lines: Option<Vec<LineId>>,
    /// Where the messages come from.
    pub broker: BrokerSettings,
    /// How long the hot store keeps what.
    pub store: StoreSettings,
    /// Where the page and the API are.
    pub api: ApiSettings,
    /// By whom people may be signed in, besides by their passwords.
    pub sign_in: Option<SignInSettings>,
    /// How faults are found and what becomes of them.
    pub engine: EngineSettings,
    /// Where history goes, if anywhere.
    pub influx: Option<InfluxSettings>,
    /// How the collector says that it lives, and when a channel is silent.
    pub beat: BeatSettings,
    /// Who is told.
    pub channels: Channels,
}

/// How long the hot store keeps what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Samples, events and the like.
    pub keep: Duration,
    /// Traces: they are what a repair years later is compared with.
    pub keep_traces: Duration,
    /// The most messages set aside as not understood.
    pub quarantine_rows: u32,
    /// The most bytes of them.
    pub quarantine_bytes: u64,
    /// The most bytes of the whole store; the oldest go first.
    pub bytes: u64,
}

impl StoreSettings {
    /// A month: what a NOC looks back on without a database.
    pub const KEEP: Duration = Duration::from_secs(30 * 86_400);
    /// Two years: longer than between two surveys of a route.
    pub const KEEP_TRACES: Duration = Duration::from_secs(730 * 86_400);
    /// Enough to see a pattern, too few to hurt.
    pub const QUARANTINE_ROWS: u32 = 10_000;
    /// As much as a dozen traces.
    pub const QUARANTINE_BYTES: u64 = 64 << 20;
    /// Room for a month of a large corridor, on a disk that has other things to hold.
    pub const BYTES: u64 = 40 << 30;
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            keep: Self::KEEP,
            keep_traces: Self::KEEP_TRACES,
            quarantine_rows: Self::QUARANTINE_ROWS,
            quarantine_bytes: Self::QUARANTINE_BYTES,
            bytes: Self::BYTES,
        }
    }
}

/// Where the page and the API are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A file with a token that may everything, for programs.
    pub token_file: Option<PathBuf>,
    /// The address of the page as people reach it, for links in notices.
    pub public_url: Option<String>,
}

impl ApiSettings {
    /// This machine only.
    pub const LISTEN: &str = "127.0.0.1:8080";
}

/// A secret from a file; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads the secret in `file`, without blanks around it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        Ok(Self(std::fs::read_to_string(file)?.trim().to_owned()))
    }

    /// The secret itself, to be handed to whoever needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Reads the settings file `name` with contents `text`; relative paths count from `folder`.
///
/// # Errors
///
/// Every mistake in it.
pub fn read(name: &str, text: &str, folder: &Path) -> Result<Settings, Mistakes> {
    settings::read(name, text, |top| top_level(top, folder))
}

fn top_level(top: &mut Section<'_>, folder: &Path) -> Option<Settings> {
    let paths = Paths { folder };
    let plant = paths.required(top, "plant");
    let data = paths.required(top, "data");
    let lines = top.optional("lines");
    let broker = outside::broker(top, &paths);
    let store = store(top);
    let api = api(top, &paths);
    let sign_in = sign_in::sign_in(top, &paths);
    let reached = api.as_ref().and_then(|api| api.public_url.as_ref());
    if top.has("sign_in") && !reached.is_some_and(|url| is_private(url)) {
        let problem = "wants public_url in [api], https://…: where people are sent back to";
        top.wrong("sign_in", problem);
    }
    let engine = engine::engine(top);
    let influx = outside::influx(top, &paths);
    let beat = beat::beat(top);
    let channels = channel::channels(top, &paths);
    Some(Settings {
        plant: plant?,
        data: data?,
        lines,
        broker: broker?,
        store,
        api: api?,
        sign_in,
        engine,
        influx,
        beat,
        channels,
    })
}

fn store(top: &mut Section<'_>) -> StoreSettings {
    let default = StoreSettings::default();
    let Some(mut section) = top.section("store") else {
        return default;
    };
    StoreSettings {
        keep: section.or("keep", default.keep),
        keep_traces: section.or("keep_traces", default.keep_traces),
        quarantine_rows: section.or("quarantine_rows", default.quarantine_rows),
        quarantine_bytes: section.or("quarantine_bytes", default.quarantine_bytes),
        bytes: section.or("bytes", default.bytes),
    }
}

fn api(top: &mut Section<'_>, paths: &Paths<'_>) -> Option<ApiSettings> {
    let default = Address::parse(ApiSettings::LISTEN);
    let Some(mut section) = top.section("api") else {
        return Some(ApiSettings {
            listen: default?.0,
            token_file: None,
            public_url: None,
        });
    };
    let listen = section.optional("listen").or(default)?;
    let token_file = paths.optional(&mut section, "token_file");
    let public_url = section.optional("public_url");
    Some(ApiSettings {
        listen: listen.0,
        token_file,
        public_url,
    })
}

/// An address to listen on.
#[derive(Clone, Copy, Debug)]
struct Address(SocketAddr);

impl Address {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl FromSetting for Address {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        Self::parse(&text).ok_or_else(|| {
            Wrong::new(
                format!("{text:?}"),
                "an address and port such as \"127.0.0.1:8080\"",
            )
        })
    }
}

/// Paths as the operator means them: from the folder of the settings file.
struct Paths<'a> {
    folder: &'a Path,
}

impl Paths<'_> {
    fn optional(&self, section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
        section
            .optional::<PathBuf>(key)
            .map(|path| self.folder.join(path))
    }

    fn required(&self, section: &mut Section<'_>, key: &str) -> Option<PathBuf> {
        section
            .required::<PathBuf>(key)
            .map(|path| self.folder.join(path))
    }
}

#[cfg(test)]
mod tests;
