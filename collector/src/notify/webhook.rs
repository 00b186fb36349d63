//! Telling a web address.
//!
//! The body is JSON. `Silkline-Notice` names the notice, so that a receiver need not act twice;
//! `Silkline-Signature` is the HMAC-SHA256 of the body by the shared key, where one is set.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};

use super::channel::{ChannelError, secret, spoken};
use super::form::Form;
use super::language::Words;
use super::message::Message;
use crate::config::{Secret, WebhookFormat, WebhookSettings};

/// How long the receiver may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The header that names the notice.
pub const NOTICE_HEADER: &str = "silkline-notice";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "silkline-signature";
/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;
/// As much of a refusal as is worth keeping.
const ANSWER_LETTERS: usize = 200;

/// A web address that is told.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    form: Form,
    words: Words,
    url: Url,
    key: Option<Secret>,
    client: Client,
}

impl Webhook {
    /// The channel of these settings.
    ///
    /// # Errors
    ///
    /// Where the address is none, or the key cannot be read.
    pub fn new(settings: &WebhookSettings) -> Result<Self, ChannelError> {
        let channel = settings.routing.name.as_str();
        let wrong = |problem| ChannelError::Setting {
            channel: channel.to_owned(),
            problem,
        };
        let url = Url::parse(&settings.url);
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .user_agent(concat!("silkline/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            name: channel.to_owned(),
            form: form(settings).map_err(&wrong)?,
            words: spoken(channel, &settings.speech)?,
            url: url.map_err(|error| wrong(format!("url {:?}: {error}", settings.url)))?,
            key: settings
                .secret_file
                .as_deref()
                .map(|file| secret(channel, file))
                .transpose()?,
            client: client.map_err(|error| wrong(error.to_string()))?,
        })
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers one message; any answer of the 200s is a receipt.
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        let body = self.form.body(message, &self.words);
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header(NOTICE_HEADER, &message.id);
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE_HEADER, signature(key, body.as_bytes()));
        }
        // The address may hold a token, so it stands in no error.
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| explained(&error.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said: String = answer
            .text()
            .await
            .unwrap_or_default()
            .chars()
            .take(ANSWER_LETTERS)
            .collect();
        Err(format!("the receiver answered {status}: {said}"))
    }
}

fn form(settings: &WebhookSettings) -> Result<Form, String> {
    match (settings.format, &settings.template_file) {
        (WebhookFormat::Silkline, _) => Ok(Form::Silkline),
        (WebhookFormat::Chat, _) => Ok(Form::Chat),
        (WebhookFormat::Alertmanager, _) => Ok(Form::Alertmanager),
        (WebhookFormat::Template, Some(file)) => Form::template(file),
        (WebhookFormat::Template, None) => Err("format: a template wants a template_file".into()),
    }
}

/// An error with its causes: the outermost alone says next to nothing.
pub(crate) fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn signature(key: &Secret, body: &[u8]) -> String {
    let digits: String = hmac(key.reveal().as_bytes(), body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={digits}")
}

/// The HMAC-SHA256 of `text` by `key` (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let short = if key.len() > BLOCK {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block
            .iter_mut()
            .zip(&short)
            .for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // RFC 4231, test cases 2 and 6 (a key longer than a block).
        let short = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            hex(&short),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = hmac(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert_eq!(
            hex(&long),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let settings = WebhookSettings {
            routing: crate::notify::example::routing("ops"),
            speech: crate::config::Speech::Language(crate::notify::language::Language::En),
            format: WebhookSettings::FORMAT,
            template_file: None,
            url: "http://".into(),
            secret_file: None,
        };
        assert!(
            Webhook::new(&settings)
                .unwrap_err()
                .to_string()
                .contains("channel ops")
        );
    }
}
