//! Signing in by the identity provider of a NOC: the browser is sent there and comes back.
//!
//! What went wrong is told to the page as one word of a fixed list, so that nobody can make the page
//! say something by a link; the whole of it stands in the audit log and in the program's own.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::cookie_of;
use super::people::SESSION;
use super::request::Asked;
use super::session::with;
use super::{ApiState, Problem};

mod claims;
mod provider;
mod token;

pub use provider::{Back, Provider, SignInError};

/// The cookie of an attempt to sign in.
const ATTEMPT: &str = "silkline-sign-in";
/// How long an attempt may take: finding a second factor takes minutes.
const ATTEMPT_S: u64 = 600;

/// How somebody may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ways {
    /// Whether anybody has a password here.
    pub password: bool,
    /// The identity provider, where there is one.
    pub provider: Option<Named>,
}

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    /// What its button says.
    pub name: String,
    /// Where a browser goes.
    pub begin: String,
}

/// How somebody may sign in.
///
/// # Errors
///
/// Where the file of people cannot be read.
pub async fn ways(State(state): State<ApiState>) -> Result<Json<Ways>, Problem> {
    let provider = state.access.provider().map(|provider| Named {
        name: provider.name().to_owned(),
        begin: "/api/v1/sign-in/begin".to_owned(),
    });
    let password = match state.access.people() {
        Ok(people) => with(people, |people| people.any_user()).await?,
        Err(_) => false,
    };
    Ok(Json(Ways { password, provider }))
}

/// Sends a browser to the provider.
///
/// # Errors
///
/// Where there is no provider, or too many are sent there.
pub async fn begin(State(state): State<ApiState>) -> Result<Response, Problem> {
    let provider = state.access.must_provider()?;
    state.access.may_be_sent()?;
    let secret = super::people::secret();
    Ok(match provider.begin(&secret).await {
        Ok(url) => {
            let cookie = attempt(&secret, ATTEMPT_S, state.access.is_secure());
            gone(&url, &[cookie])
        }
        Err(error) => {
            tracing::warn!(%error, "nobody can sign in by the provider");
            gone(&told(&provider, &error), &[])
        }
    })
}

/// Takes in a browser that the provider has sent back.
///
/// # Errors
///
/// Where there is no provider, too many come, or the file of people cannot be written.
pub async fn back(
    State(state): State<ApiState>,
    Asked(back): Asked<Back>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let provider = state.access.must_provider()?;
    state.access.may_be_sent()?;
    let now = crate::clock::now();
    let cookies = headers.get(header::COOKIE).and_then(|it| it.to_str().ok());
    let secret = cookies.and_then(|cookies| cookie_of(cookies, ATTEMPT));
    let secure = state.access.is_secure();
    let over = attempt("", 0, secure);
    let by = provider.name().to_owned();
    let people = state.access.people()?;
    let person = match provider.finish(secret, &back, now).await {
        Ok(person) => person,
        Err(error) => {
            tracing::warn!(%error, "nobody was signed in by the provider");
            let what = format!("was refused by {by}: {error}");
            with(people, move |people| people.note("somebody", &what, now)).await?;
            return Ok(gone(&told(&provider, &error), &[over]));
        }
    };
    let secret = with(people, move |people| {
        let name = people.name_for_guest(&person.name, &by)?;
        let (role, lines) = (person.role, person.lines.as_ref());
        let secret = people.welcome(&name, role, lines, now)?;
        let (role, subject) = (role.word(), &person.subject);
        let what = format!("signed in by {by} as {role}, there called {subject}");
        people.note(&name, &what, now)?;
        Ok(secret)
    });
    let session = super::session::cookie(&secret.await?, SESSION.as_secs(), secure);
    Ok(gone(provider.home(), &[over, session]))
}

/// The cookie of an attempt. It comes along when the provider sends the browser back, which a strict
/// one would not.
fn attempt(secret: &str, age_s: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{ATTEMPT}={secret}; HttpOnly; SameSite=Lax; Path=/; Max-Age={age_s}{secure}")
}

/// The page that tells of an error.
fn told(provider: &Provider, error: &SignInError) -> String {
    format!("{}#/sign-in/{}", provider.home(), error.word())
}

/// Sends a browser elsewhere.
fn gone(to: &str, cookies: &[String]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(to) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, to);
    }
    for cookie in cookies
        .iter()
        .filter_map(|it| HeaderValue::from_str(it).ok())
    {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests;
