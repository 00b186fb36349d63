//! Telling by mail.

use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};

use super::channel::{ChannelError, secret, spoken};
use super::language::Words;
use super::message::Message;
use super::text;
use crate::config::{EmailSettings, MailSecurity};

/// How long a mail server may take for one step.
const PATIENCE: Duration = Duration::from_secs(15);

/// A mailbox, or several, that are told.
#[derive(Debug)]
pub struct Email {
    name: String,
    words: Words,
    from: Mailbox,
    to: Vec<Mailbox>,
    server: AsyncSmtpTransport<Tokio1Executor>,
}

impl Email {
    /// The channel of these settings.
    ///
    /// # Errors
    ///
    /// Where an address is none, or the password cannot be read.
    pub fn new(settings: &EmailSettings) -> Result<Self, ChannelError> {
        let channel = settings.routing.name.as_str();
        let wrong = |problem| ChannelError::Setting {
            channel: channel.to_owned(),
            problem,
        };
        let mailbox = |text: &String| {
            let parsed: Result<Mailbox, _> = text.parse();
            parsed.map_err(|error| wrong(format!("{text:?} is no mail address: {error}")))
        };
        if settings.to.is_empty() {
            return Err(wrong("to: names nobody".to_owned()));
        }
        let host = settings.host.as_str();
        let bad_host = |error| wrong(format!("host {host:?}: {error}"));
        let builder = match settings.security {
            MailSecurity::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            MailSecurity::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
            MailSecurity::None => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(
                host,
            )),
        };
        let mut builder = builder
            .map_err(bad_host)?
            .port(settings.port)
            .timeout(Some(PATIENCE));
        if let Some(username) = &settings.username {
            let file = settings.password_file.as_deref();
            let file = file.ok_or_else(|| wrong("username: wants a password_file too".into()))?;
            let password = secret(channel, file)?.reveal().to_owned();
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        Ok(Self {
            name: channel.to_owned(),
            words: spoken(channel, &settings.speech)?,
            from: mailbox(&settings.from)?,
            to: settings.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            server: builder.build(),
        })
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers one message to every recipient, each for itself: a mailbox that is full or gone
    /// keeps no other from being told.
    ///
    /// # Errors
    ///
    /// Where nobody could be told, or somebody may be told later.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        let (mut told, mut later, mut refused) = (0, Vec::new(), Vec::new());
        for to in &self.to {
            let mail = self.mail(message, to)?;
            match self.server.send(mail).await {
                Ok(_) => told += 1,
                Err(error) if error.is_permanent() => {
                    refused.push(format!("{}: {error}", to.email))
                }
                Err(error) => later.push(format!("{}: {error}", to.email)),
            }
        }
        if later.is_empty() && told > 0 {
            for error in refused {
                tracing::error!(channel = self.name, error, "a mailbox is not told");
            }
            return Ok(());
        }
        later.append(&mut refused);
        Err(later.join("; "))
    }

    fn mail(&self, message: &Message, to: &Mailbox) -> Result<Mail, String> {
        let domain = self.from.email.domain();
        let thread = format!("<incident-{}@{domain}>", message.incident_id);
        let mail = Mail::builder()
            .from(self.from.clone())
            .to(to.clone())
            .subject(text::subject(message, &self.words))
            .message_id(Some(format!("<notice-{}@{domain}>", message.id)))
            .references(thread)
            .header(NoticeId(message.id.clone()))
            .header(AutoSubmitted);
        let words = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .header(header::ContentTransferEncoding::QuotedPrintable)
            .body(text::body(message, &self.words));
        let mail = if message.files.is_empty() {
            mail.singlepart(words)
        } else {
            let mut parts = MultiPart::mixed().singlepart(words);
            for file in &message.files {
                let kind = ContentType::parse(file.kind);
                let kind = kind.map_err(|error| format!("{}: {error}", file.name))?;
                let made = Attachment::new(file.name.clone()).body(file.bytes.clone(), kind);
                parts = parts.singlepart(made);
            }
            mail.multipart(parts)
        };
        mail.map_err(|error| format!("the mail cannot be written: {error}"))
    }
}

/// The notice's name, for receivers that must not act twice.
#[derive(Clone, Debug)]
struct NoticeId(String);

impl Header for NoticeId {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Silkline-Notice")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// Keeps holiday replies away (RFC 3834, section 5).
#[derive(Clone, Copy, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Speech;
    use crate::notify::example;
    use crate::notify::language::Language;

    fn settings() -> EmailSettings {
        EmailSettings {
            routing: example::routing("noc"),
            speech: Speech::Language(Language::En),
            host: "localhost".into(),
            port: 25,
            security: MailSecurity::None,
            username: None,
            password_file: None,
            from: "silkline <silkline@noc.example>".into(),
            to: vec!["crew@noc.example".into()],
        }
    }

    #[test]
    fn a_mail_names_its_notice_and_its_incident() {
        let email = Email::new(&settings()).unwrap();
        let message = Message::of(&example::row("located"), None);
        let mail = email.mail(&message, &email.to[0]).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        for wanted in [
            format!("Message-ID: <notice-{}@noc.example>", message.id),
            format!("Silkline-Notice: {}", message.id),
            "References: <incident-i-1@noc.example>".to_owned(),
            "Auto-Submitted: auto-generated".to_owned(),
        ] {
            assert!(text.contains(&wanted), "{wanted} in {text}");
        }
    }

    #[test]
    fn what_a_crew_takes_along_is_attached() {
        let email = Email::new(&settings()).unwrap();
        let mut message = Message::of(&example::row("located"), None);
        let plant = crate::api::example::plant();
        let incident = message.incident.clone().unwrap();
        message.files = crate::api::incidents::alert::files(&incident, &plant);
        let mail = email.mail(&message, &email.to[0]).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        for wanted in [
            "Content-Type: multipart/mixed",
            "Content-Type: text/plain; charset=utf-8",
            "filename=\"i-1.png\"",
            "filename=\"i-1.kml\"",
            "filename=\"i-1.geojson\"",
            "Content-Type: application/geo+json",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let bad_from = EmailSettings {
            from: "nobody".into(),
            ..settings()
        };
        assert!(
            Email::new(&bad_from)
                .unwrap_err()
                .to_string()
                .contains("no mail address")
        );
        let nameless = EmailSettings {
            username: Some("a".into()),
            ..settings()
        };
        assert!(
            Email::new(&nameless)
                .unwrap_err()
                .to_string()
                .contains("password_file")
        );
    }
}
