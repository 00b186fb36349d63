//! Settings of the channels on which people are told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use silkline_analysis::incident::Kind;
use silkline_analysis::series::Severity;
use silkline_protocol::id::LineId;
use silkline_protocol::settings::{self, FromSetting, Section, Wrong};
use toml::de::DeValue;

use super::Paths;
use crate::notify::language::{LANGUAGES, Language};

/// Which notices a channel takes, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Its name in the outbox and in logs.
    pub name: String,
    /// Only incidents at least this bad are told.
    pub least: Severity,
    /// Only incidents on these lines; all where absent.
    pub lines: Option<Vec<LineId>>,
    /// Only incidents of these kinds; all where absent.
    pub kinds: Option<Vec<Kind>>,
    /// Only at these hours; always where absent.
    pub hours: Option<Hours>,
    /// Only what nobody has acknowledged for so long; at once where absent.
    pub after: Option<Duration>,
}

/// Hours of the day, UTC; they may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute of the day.
    pub from: u16,
    /// The first minute that is outside again.
    pub to: u16,
}

/// The words that a channel speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speech {
    /// A language of the program.
    Language(Language),
    /// A file of one's own.
    File(PathBuf),
}

/// A mailbox that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct EmailSettings {
    /// What it takes.
    pub routing: Routing,
    /// In which words.
    pub speech: Speech,
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub security: MailSecurity,
    /// The name to log in by, where the server asks for one.
    pub username: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// Whether a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// From the first byte.
    Tls,
    /// After a greeting in the clear.
    Starttls,
    /// Never: for a server on this machine.
    None,
}

/// A web address that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// What it takes.
    pub routing: Routing,
    /// In which words.
    pub speech: Speech,
    /// The address.
    pub url: String,
    /// The file with the key that signs each message, where the receiver checks.
    pub secret_file: Option<PathBuf>,
    /// What the body is.
    pub format: WebhookFormat,
    /// The file with the body, where the format is a template.
    pub template_file: Option<PathBuf>,
}

/// What the body of a web address's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// The whole notice for programs.
    Silkline,
    /// `{"text": …}`, as chat servers take it.
    Chat,
    /// An alert for the `/api/v2/alerts` of an Alertmanager.
    Alertmanager,
    /// JSON of one's own, with places to fill.
    Template,
}

/// A syslog server that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogSettings {
    /// What it takes.
    pub routing: Routing,
    /// Its address, `udp://host:port` or `tcp://host:port`.
    pub url: String,
}

/// Every channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    /// Mailboxes.
    pub email: Vec<EmailSettings>,
    /// Web addresses.
    pub webhook: Vec<WebhookSettings>,
    /// Syslog servers.
    pub syslog: Vec<SyslogSettings>,
}

impl Channels {
    /// What each channel takes.
    pub fn routings(&self) -> impl Iterator<Item = &Routing> {
        let email = self.email.iter().map(|it| &it.routing);
        let webhook = self.webhook.iter().map(|it| &it.routing);
        email
            .chain(webhook)
            .chain(self.syslog.iter().map(|it| &it.routing))
    }
}

impl EmailSettings {
    /// The port for mail of one's own users.
    pub const PORT: u16 = 587;
    /// Encrypted unless said otherwise.
    pub const SECURITY: MailSecurity = MailSecurity::Starttls;
}

impl WebhookSettings {
    /// The whole notice.
    pub const FORMAT: WebhookFormat = WebhookFormat::Silkline;
}

/// What is told unless said otherwise: everything that touches service.
pub const LEAST: Severity = Severity::Major;

pub(super) fn channels(top: &mut Section<'_>, paths: &Paths<'_>) -> Channels {
    let Some(mut section) = top.section("notify") else {
        return Channels::default();
    };
    let mut names = BTreeSet::new();
    let mut found = Channels::default();
    for mut channel in section.sections("email") {
        found.email.extend(email(&mut channel, paths, &mut names));
    }
    for mut channel in section.sections("webhook") {
        found
            .webhook
            .extend(webhook(&mut channel, paths, &mut names));
    }
    for mut channel in section.sections("syslog") {
        found.syslog.extend(syslog(&mut channel, &mut names));
    }
    found
}

fn routing(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<Routing> {
    let name = name(section, names);
    let least = section.or("least", Least(LEAST)).0;
    let lines = section.optional("lines");
    let kinds: Option<Vec<KindWord>> = section.optional("kinds");
    let hours = section.optional("hours");
    let after = section.optional("after");
    Some(Routing {
        name: name?,
        least,
        lines,
        kinds: kinds.map(|kinds| kinds.into_iter().map(|kind| kind.0).collect()),
        hours,
        after,
    })
}

fn speech(section: &mut Section<'_>, paths: &Paths<'_>) -> Speech {
    let file = paths.optional(section, "words_file");
    if file.is_some() && section.has("language") {
        section.wrong("words_file", "stands instead of a language");
    }
    let language = section.or("language", Language::default());
    file.map_or(Speech::Language(language), Speech::File)
}

fn email(
    section: &mut Section<'_>,
    paths: &Paths<'_>,
    names: &mut BTreeSet<String>,
) -> Option<EmailSettings> {
    let routing = routing(section, names);
    let speech = speech(section, paths);
    let host = section.required("host");
    let port = section.or("port", EmailSettings::PORT);
    let security = section.or("security", EmailSettings::SECURITY);
    let username = section.optional("username");
    let password_file = paths.optional(section, "password_file");
    let from = section.required("from");
    let to: Option<Vec<String>> = section.required("to");
    Some(EmailSettings {
        routing: routing?,
        speech,
        host: host?,
        port,
        security,
        username,
        password_file,
        from: from?,
        to: to?,
    })
}

fn webhook(
    section: &mut Section<'_>,
    paths: &Paths<'_>,
    names: &mut BTreeSet<String>,
) -> Option<WebhookSettings> {
    let routing = routing(section, names);
    let speech = speech(section, paths);
    let url = url(section, &["http://", "https://"]);
    let secret_file = paths.optional(section, "secret_file");
    let format = section.or("format", WebhookSettings::FORMAT);
    let template_file = paths.optional(section, "template_file");
    let templated = format == WebhookFormat::Template;
    if templated != template_file.is_some() {
        section.wrong(
            "format",
            "format = \"template\" and template_file go together",
        );
    }
    Some(WebhookSettings {
        routing: routing?,
        speech,
        url: url?,
        secret_file,
        format,
        template_file,
    })
}

fn syslog(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<SyslogSettings> {
    let routing = routing(section, names);
    let url = url(section, &["udp://", "tcp://"]);
    Some(SyslogSettings {
        routing: routing?,
        url: url?,
    })
}

/// The address under `url`, which begins in one of these ways.
pub(super) fn url(section: &mut Section<'_>, schemes: &[&str]) -> Option<String> {
    let url: Option<String> = section.required("url");
    let known = |url: &String| schemes.iter().any(|scheme| url.starts_with(scheme));
    if url.as_ref().is_some_and(|url| !known(url)) {
        let wanted: Vec<String> = schemes.iter().map(|it| format!("{it}…")).collect();
        section.wrong("url", format!("want {}", wanted.join(" or ")));
    }
    url
}

fn name(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let name: String = section.required("name")?;
    if !names.insert(name.clone()) {
        section.wrong("name", format!("{name:?} is the name of another channel"));
        return None;
    }
    Some(name)
}

struct KindWord(Kind);

impl FromSetting for KindWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        let allowed = "break, degradation, equipment, power_feed, environment, agent";
        settings::word(&text, allowed).map(Self)
    }
}

impl FromSetting for Language {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        settings::word(&String::from_setting(setting)?, LANGUAGES)
    }
}

impl FromSetting for WebhookFormat {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        settings::word(&text, "silkline, chat, alertmanager, template")
    }
}

impl FromSetting for Hours {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        let wrong = || Wrong::new(&text, "hours of the day in UTC such as 22:00-06:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let found = minute(from).zip(minute(to)).filter(|(from, to)| from != to);
        found.map(|(from, to)| Self { from, to }).ok_or_else(wrong)
    }
}

/// The minute of the day that `hh:mm` is; 24:00 is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u16>().ok())?;
    let minute = two(hours)? * 60 + two(minutes).filter(|minutes| *minutes < 60)?;
    (minute <= 1_440).then_some(minute)
}

struct Least(Severity);

impl FromSetting for Least {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        settings::word(&text, "warning, minor, major, critical").map(Self)
    }
}

impl FromSetting for MailSecurity {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        settings::word(&text, "tls, starttls, none")
    }
}
