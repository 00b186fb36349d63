//! Settings of the channels on which people are told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use silkline_analysis::series::Severity;
use silkline_protocol::settings::{self, FromSetting, Section, Wrong};
use toml::de::DeValue;

use super::Paths;

/// A mailbox that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct EmailSettings {
    /// Its name in the outbox and in logs.
    pub name: String,
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
    /// Only incidents at least this bad are told.
    pub least: Severity,
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
    /// Its name in the outbox and in logs.
    pub name: String,
    /// The address.
    pub url: String,
    /// The file with the key that signs each message, where the receiver checks.
    pub secret_file: Option<PathBuf>,
    /// Only incidents at least this bad are told.
    pub least: Severity,
}

impl EmailSettings {
    /// The port for mail of one's own users.
    pub const PORT: u16 = 587;
    /// Encrypted unless said otherwise.
    pub const SECURITY: MailSecurity = MailSecurity::Starttls;
}

/// What is told unless said otherwise: everything that touches service.
pub const LEAST: Severity = Severity::Major;

pub(super) fn channels(
    top: &mut Section<'_>,
    paths: &Paths<'_>,
) -> (Vec<EmailSettings>, Vec<WebhookSettings>) {
    let Some(mut section) = top.section("notify") else {
        return (Vec::new(), Vec::new());
    };
    let mut names = BTreeSet::new();
    let mut email = Vec::new();
    for mut channel in section.sections("email") {
        email.extend(self::email(&mut channel, paths, &mut names));
    }
    let mut webhook = Vec::new();
    for mut channel in section.sections("webhook") {
        webhook.extend(self::webhook(&mut channel, paths, &mut names));
    }
    (email, webhook)
}

fn email(
    section: &mut Section<'_>,
    paths: &Paths<'_>,
    names: &mut BTreeSet<String>,
) -> Option<EmailSettings> {
    let name = name(section, names);
    let host = section.required("host");
    let port = section.or("port", EmailSettings::PORT);
    let security = section.or("security", EmailSettings::SECURITY);
    let username = section.optional("username");
    let password_file = paths.optional(section, "password_file");
    let from = section.required("from");
    let to: Option<Vec<String>> = section.required("to");
    let least = section.or("least", Least(LEAST)).0;
    Some(EmailSettings {
        name: name?,
        host: host?,
        port,
        security,
        username,
        password_file,
        from: from?,
        to: to?,
        least,
    })
}

fn webhook(
    section: &mut Section<'_>,
    paths: &Paths<'_>,
    names: &mut BTreeSet<String>,
) -> Option<WebhookSettings> {
    let name = name(section, names);
    let url: Option<String> = section.required("url");
    if url
        .as_ref()
        .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        section.wrong("url", "want http://… or https://…");
    }
    let secret_file = paths.optional(section, "secret_file");
    let least = section.or("least", Least(LEAST)).0;
    Some(WebhookSettings {
        name: name?,
        url: url?,
        secret_file,
        least,
    })
}

fn name(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let name: String = section.required("name")?;
    if !names.insert(name.clone()) {
        section.wrong("name", format!("{name:?} is the name of another channel"));
        return None;
    }
    Some(name)
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
