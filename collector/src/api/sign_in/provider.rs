//! The identity provider: where it wants people sent, and what it says of those who come back.
//!
//! ```text
//!   browser ──begin──▶ collector ──303──▶ provider: who are you? ──303──▶ collector: back?code=…
//!                                                                           │ code + verifier
//!                        Person ◀── claims ◀── signature ◀── token ◀────────┘ (PKCE)
//! ```
//!
//! Nothing is kept of an attempt to sign in: state, nonce and verifier are all derived from one
//! secret in a cookie of the browser that began, so nobody can fill a table of ours, an attempt
//! outlives a restart, and no other browser can end it. What the provider says of itself is asked
//! anew each hour, and its keys when a token names one that we do not know.
//!
//! # Source
//!
//! OpenID Connect Core 1.0 section 3.1, Discovery 1.0, RP-Initiated Logout 1.0; RFC 7636 (PKCE);
//! RFC 9207 (issuer in the answer); RFC 9700 (practices).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use silkline_protocol::time::Timestamp;
use tokio::sync::Mutex;

use super::claims::{self, Claims, Person, Untrusted, Wanted};
use super::token::{self, Keys, TokenError};
use crate::config::{Secret, SignInSettings, is_private};
use crate::notify::webhook::explained;

/// How long the provider may take for one answer: somebody is waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MOST_BYTES: usize = 512 << 10;
/// How long what the provider says of itself is believed.
const BELIEVED: Duration = Duration::from_secs(3600);
/// How soon its keys are asked for again: anybody can show us a token with a key's name made up.
const KEYS_AGAIN: Duration = Duration::from_secs(10);

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider turned them away.
    #[error("the provider answered: {0}")]
    Denied(String),
    /// Begun in another browser, or too long ago.
    #[error("this browser has begun no sign-in, or too long ago")]
    NotBegun,
    /// The provider does not answer as it should.
    #[error("{0}")]
    Unreachable(String),
    /// What it says cannot be trusted.
    #[error("{0}")]
    Untrusted(String),
    /// The clocks differ.
    #[error("{0}")]
    Clock(String),
    /// None of their groups may anything here.
    #[error("none of the groups of {0:?} may sign in here")]
    NoRole(String),
}

impl SignInError {
    /// The word by which the page knows it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::NotBegun => "not-begun",
            Self::Unreachable(_) => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::Clock(_) => "clock",
            Self::NoRole(_) => "no-role",
        }
    }
}

impl From<TokenError> for SignInError {
    fn from(error: TokenError) -> Self {
        Self::Untrusted(error.to_string())
    }
}

impl From<Untrusted> for SignInError {
    fn from(error: Untrusted) -> Self {
        match error {
            Untrusted::Clock(_) => Self::Clock(error.to_string()),
            Untrusted::Other { .. } | Untrusted::Nobody => Self::Untrusted(error.to_string()),
        }
    }
}

/// What a provider says of itself.
#[derive(Clone, Debug, Deserialize)]
struct About {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Clone, Debug)]
struct Known {
    about: About,
    keys: Keys,
    at: Instant,
    keys_at: Instant,
}

/// What the provider gives for a code.
#[derive(Deserialize)]
struct Given {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

/// What a browser brings back.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Back {
    pub(super) code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) iss: Option<String>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
}

/// The provider of the settings.
#[derive(Debug)]
pub struct Provider {
    settings: SignInSettings,
    secret: Option<Secret>,
    /// The page, as people reach it; ends in a slash.
    home: String,
    client: Client,
    known: Mutex<Option<Known>>,
}

impl Provider {
    /// The provider of these settings; `public_url` is where people reach this collector.
    ///
    /// # Errors
    ///
    /// Where a file of the settings cannot be read, in words.
    pub fn new(settings: SignInSettings, public_url: &str) -> Result<Self, String> {
        let read = |path: &std::path::Path| {
            std::fs::read(path).map_err(|error| format!("sign_in: {}: {error}", path.display()))
        };
        let secret = settings.client_secret_file.as_deref().map(|path| {
            Secret::read(path).map_err(|error| format!("sign_in: {}: {error}", path.display()))
        });
        let mut client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .user_agent(concat!("silkline/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = settings.ca.as_deref() {
            let wrong = |error| format!("sign_in: {}: {error}", ca.display());
            for certificate in Certificate::from_pem_bundle(&read(ca)?).map_err(wrong)? {
                client = client.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            secret: secret.transpose()?,
            home: format!("{}/", public_url.trim_end_matches('/')),
            client: client
                .build()
                .map_err(|error| format!("sign_in: {error}"))?,
            known: Mutex::new(None),
            settings,
        })
    }

    /// What the button says.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The page, as people reach it.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    fn redirect(&self) -> String {
        format!("{}api/v1/sign-in/back", self.home)
    }

    /// Where a browser that holds `secret` goes to say who sits before it.
    ///
    /// # Errors
    ///
    /// Where the provider cannot be asked how it wants that.
    pub async fn begin(&self, secret: &str) -> Result<String, SignInError> {
        let about = self.known().await?.about;
        let attempt = Attempt::of(secret);
        let mut url = address(&about.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect())
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Who has come back with `back` to the browser that holds `secret`.
    ///
    /// # Errors
    ///
    /// Why nobody who may.
    pub(super) async fn finish(
        &self,
        secret: Option<&str>,
        back: &Back,
        now: Timestamp,
    ) -> Result<Person, SignInError> {
        let attempt = Attempt::of(secret.ok_or(SignInError::NotBegun)?);
        if back.state.as_deref() != Some(&attempt.state) {
            return Err(SignInError::NotBegun);
        }
        let issuer = &self.settings.issuer;
        if let Some(other) = back.iss.as_ref().filter(|other| *other != issuer) {
            let found: String = other.chars().take(120).collect();
            return Err(SignInError::Untrusted(format!(
                "{found:?} answered, want {issuer:?}"
            )));
        }
        let Some(code) = &back.code else {
            let said = [&back.error, &back.error_description];
            let said = said.map(|it| it.as_deref().unwrap_or_default()).join(" ");
            return Err(SignInError::Denied(said.trim().chars().take(200).collect()));
        };
        let known = self.known().await?;
        let given = self.exchange(&known.about, code, &attempt).await?;
        let claims = self.trusted(&given.id_token, known.clone()).await?;
        let claims: Claims = serde_json::from_slice(&claims)
            .map_err(|error| SignInError::Untrusted(format!("the token's claims: {error}")))?;
        let wanted = Wanted {
            issuer,
            client_id: &self.settings.client_id,
            nonce: &attempt.nonce,
            now,
        };
        claims::check(&claims, &wanted)?;
        let more = self.more(&known.about, &claims, given.access_token).await?;
        claims::person(&claims.sub, &more, &self.settings)
            .ok_or_else(|| SignInError::NoRole(claims.sub.clone()))
    }

    /// Where a browser goes to be signed out of the provider as well, where it has such a place.
    pub async fn farewell(&self) -> Option<String> {
        let about = self.known().await.ok()?.about;
        let mut url = address(&about.end_session_endpoint?).ok()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &self.home);
        Some(url.into())
    }

    /// The claims in a token that one of the provider's keys has signed; its keys are asked for
    /// again where it has changed them.
    async fn trusted(&self, token: &str, known: Known) -> Result<Vec<u8>, SignInError> {
        match token::verified(token, &known.keys) {
            Err(TokenError::UnknownKey) => {}
            other => return Ok(other?),
        }
        if crate::clock::instant().saturating_duration_since(known.keys_at) < KEYS_AGAIN {
            return Err(TokenError::UnknownKey.into());
        }
        let keys: Keys = self
            .ask(self.client.get(address(&known.about.jwks_uri)?))
            .await?;
        let verified = token::verified(token, &keys);
        let keys_at = crate::clock::instant();
        *self.known.lock().await = Some(Known {
            keys,
            keys_at,
            ..known
        });
        Ok(verified?)
    }

    /// What the provider says of itself, with its keys.
    async fn known(&self) -> Result<Known, SignInError> {
        let mut known = self.known.lock().await;
        let now = crate::clock::instant();
        if let Some(known) = &*known
            && now.saturating_duration_since(known.at) < BELIEVED
        {
            return Ok(known.clone());
        }
        let asked = self.ask_itself(now).await;
        match (asked, &*known) {
            (Ok(fresh), _) => Ok(known.insert(fresh).clone()),
            // What was true an hour ago most likely still is.
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the identity provider does not describe itself");
                Ok(old.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn ask_itself(&self, now: Instant) -> Result<Known, SignInError> {
        let issuer = &self.settings.issuer;
        let path = ".well-known/openid-configuration";
        let url = address(&format!("{}/{path}", issuer.trim_end_matches('/')))?;
        let about: About = self.ask(self.client.get(url)).await?;
        if about.issuer != *issuer {
            let found: String = about.issuer.chars().take(120).collect();
            let what =
                format!("{issuer} calls itself {found:?}: set issuer to that if it is right");
            return Err(SignInError::Untrusted(what));
        }
        let keys = self.ask(self.client.get(address(&about.jwks_uri)?)).await?;
        Ok(Known {
            about,
            keys,
            at: now,
            keys_at: now,
        })
    }

    /// What the provider gives for a code.
    async fn exchange(
        &self,
        about: &About,
        code: &str,
        attempt: &Attempt,
    ) -> Result<Given, SignInError> {
        let redirect = self.redirect();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", &attempt.verifier),
        ];
        let mut request = self.client.post(address(&about.token_endpoint)?);
        let client_id = self.settings.client_id.as_str();
        let ways = &about.token_endpoint_auth_methods_supported;
        // Basic is what a provider must know that names none (Discovery 1.0, section 3).
        let basic = ways.is_empty() || ways.iter().any(|way| way == "client_secret_basic");
        match &self.secret {
            Some(secret) if basic => {
                let login = format!("{}:{}", escaped(client_id), escaped(secret.reveal()));
                request =
                    request.header("authorization", format!("Basic {}", STANDARD.encode(login)));
            }
            Some(secret) => {
                form.extend([("client_id", client_id), ("client_secret", secret.reveal())])
            }
            None => form.push(("client_id", client_id)),
        }
        self.ask(request.form(&form)).await
    }

    /// The claims with those that the provider keeps apart, where the groups are not in the token.
    async fn more(
        &self,
        about: &About,
        claims: &Claims,
        access_token: Option<String>,
    ) -> Result<Map<String, Value>, SignInError> {
        let mut all = claims.rest.clone();
        let there = claims::at(&all, &self.settings.groups_claim).is_some();
        let (Some(url), Some(token), false) = (&about.userinfo_endpoint, access_token, there)
        else {
            return Ok(all);
        };
        let asked = self.client.get(address(url)?).bearer_auth(token);
        let told: Map<String, Value> = self.ask(asked).await?;
        if told.get("sub").and_then(Value::as_str) != Some(&claims.sub) {
            return Err(SignInError::Untrusted(
                "the provider told of somebody else".to_owned(),
            ));
        }
        for (claim, value) in told {
            all.entry(claim).or_insert(value);
        }
        Ok(all)
    }

    /// Asks, and reads the answer.
    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, SignInError> {
        let issuer = &self.settings.issuer;
        let failed = |what: String| SignInError::Unreachable(format!("{issuer}: {what}"));
        let answer = request.header("accept", "application/json").send().await;
        // A query may hold a secret, so an address stands in no error.
        let mut answer = answer.map_err(|error| failed(explained(&error.without_url())))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer
            .chunk()
            .await
            .map_err(|error| failed(explained(&error.without_url())))?
        {
            body.extend_from_slice(&part);
            if body.len() > MOST_BYTES {
                return Err(failed("its answer is too long".to_owned()));
            }
        }
        if !status.is_success() {
            let said: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(failed(format!("answered {status}: {said}")));
        }
        serde_json::from_slice(&body)
            .map_err(|error| failed(format!("cannot be understood: {error}")))
    }
}

/// What belongs to one attempt to sign in, all from one secret.
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
}

impl Attempt {
    fn of(secret: &str) -> Self {
        let derived = |what: &str| {
            let digest = Sha256::new()
                .chain_update(what)
                .chain_update(secret)
                .finalize();
            URL_SAFE_NO_PAD.encode(digest)
        };
        Self {
            state: derived("state "),
            nonce: derived("nonce "),
            verifier: derived("verifier "),
        }
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

/// An address that the provider names, where it is safe to go there.
fn address(text: &str) -> Result<Url, SignInError> {
    let safe = is_private(text).then(|| Url::parse(text).ok()).flatten();
    let found: String = text.chars().take(120).collect();
    safe.ok_or_else(|| {
        SignInError::Untrusted(format!("the provider names {found:?}: want https://…"))
    })
}

/// Text as a form writes it (RFC 6749, appendix B).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
        escaped
    })
}
