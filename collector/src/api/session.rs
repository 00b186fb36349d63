//! Signing in and out, and keeping users, tokens and the audit log.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::LineId;

use super::access::{COOKIE, session_of};
use super::people::{AuditEntry, People, PeopleError, SESSION, Token, User};
use super::request::{Asked, Named, Page, Sent, paging};
use super::who::{Role, Who};
use super::{ApiState, Problem};

/// Who asks, as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The user who has signed in.
    pub user: Option<String>,
    /// What they may.
    pub role: Role,
    /// The lines that they see; all where absent.
    pub lines: Option<Vec<LineId>>,
    /// Whether they may do something with incidents.
    pub may_act: bool,
    /// Whether nobody is set up, and everybody on this machine may everything.
    pub open: bool,
}

/// A name and a password.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningIn {
    /// The name.
    user: String,
    /// The password.
    password: String,
}

/// A user to be added.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to sign in with.
    name: String,
    /// The password, 12 letters or more.
    password: String,
    /// What the user may.
    role: Role,
    /// The lines that the user sees; all where absent.
    #[serde(default)]
    lines: Option<Vec<LineId>>,
}

/// A token to be made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    name: String,
    /// What its bearer may.
    role: Role,
    /// The lines that its bearer sees; all where absent.
    #[serde(default)]
    lines: Option<Vec<LineId>>,
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// Its number.
    pub id: i64,
    /// What to send as bearer token; told this once.
    pub secret: String,
}

/// That somebody is signed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedOut {
    /// Where the browser should go to be signed out of the identity provider as well.
    pub then: Option<String>,
}

/// Which entries of the audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    limit: Option<u16>,
    cursor: Option<String>,
}

/// Who asks.
pub async fn session(who: Who) -> Json<Session> {
    Json(Session {
        may_act: who.role >= Role::Field,
        user: who.user,
        role: who.role,
        lines: who.lines,
        open: who.open,
    })
}

/// Signs somebody in: the answer carries the cookie of the session.
///
/// # Errors
///
/// Where the name or the password is wrong, or too many were.
pub async fn sign_in(
    State(state): State<ApiState>,
    Sent(SigningIn { user, password }): Sent<SigningIn>,
) -> Result<Response, Problem> {
    state.access.may_try(&user)?;
    let people = state.access.people()?;
    let name: String = user.chars().take(64).collect();
    let secret = with(people, move |people| {
        let now = crate::clock::now();
        let secret = people.sign_in(&user, &password, now)?;
        let what = if secret.is_some() {
            "signed in"
        } else {
            "was refused"
        };
        people.note(&name, what, now)?;
        Ok(secret)
    });
    let wrong = || Problem::new(StatusCode::UNAUTHORIZED, "user or password: not right");
    let secret = secret.await?.ok_or_else(wrong)?;
    let cookie = cookie(&secret, SESSION.as_secs(), state.access.is_secure());
    Ok(with_cookie(StatusCode::NO_CONTENT, &cookie))
}

/// The cookie of a session.
pub(super) fn cookie(secret: &str, age_s: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age_s}{secure}")
}

/// Signs out whoever asks.
///
/// # Errors
///
/// Where the file of people cannot be written.
pub async fn sign_out(
    State(state): State<ApiState>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let secret = headers.get(header::COOKIE).and_then(|it| it.to_str().ok());
    let mut then = None;
    if let Some(secret) = secret.and_then(session_of).map(ToOwned::to_owned) {
        let work = move |people: &People| {
            let guest = people.sign_out(&secret)?;
            people.note(who.name(), "signed out", crate::clock::now())?;
            Ok(guest)
        };
        let guest = with(state.access.people()?, work).await?;
        if let (true, Some(provider)) = (guest, state.access.provider()) {
            then = provider.farewell().await;
        }
    }
    let over = cookie("", 0, state.access.is_secure());
    Ok(with_cookie(Json(SignedOut { then }), &over))
}

fn with_cookie(answer: impl IntoResponse, cookie: &str) -> Response {
    let mut response = answer.into_response();
    // A secret of ours is hexadecimal.
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// All users.
///
/// # Errors
///
/// Where this collector keeps none, or their file cannot be read.
pub async fn users(State(state): State<ApiState>) -> Result<Json<Page<User>>, Problem> {
    let users = with(state.access.people()?, People::users).await?;
    Ok(Json(Page::whole(users)))
}

/// Adds a user.
///
/// # Errors
///
/// Where the name or password cannot be, or there is such a user.
pub async fn add_user(
    State(state): State<ApiState>,
    who: Who,
    Sent(new): Sent<NewUser>,
) -> Result<Json<User>, Problem> {
    let now = crate::clock::now();
    let user = User {
        name: new.name,
        role: new.role,
        lines: new.lines,
        added: now,
    };
    let password = new.password;
    let work = move |people: &People| {
        people.add(&user, &password)?;
        let what = format!("added user {} as {}", user.name, user.role.word());
        people.note(who.name(), &what, now)?;
        Ok(user)
    };
    with(state.access.people()?, work).await.map(Json)
}

/// Removes a user.
///
/// # Errors
///
/// Where there is none, or it is the last admin.
pub async fn remove_user(
    State(state): State<ApiState>,
    who: Who,
    Named(name): Named,
) -> Result<StatusCode, Problem> {
    let work = move |people: &People| {
        people.remove(&name)?;
        let name: String = name.chars().take(64).collect();
        people.note(
            who.name(),
            &format!("removed user {name}"),
            crate::clock::now(),
        )
    };
    with(state.access.people()?, work).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All tokens, without their secrets.
///
/// # Errors
///
/// Where this collector keeps none, or their file cannot be read.
pub async fn tokens(State(state): State<ApiState>) -> Result<Json<Page<Token>>, Problem> {
    let tokens = with(state.access.people()?, People::tokens).await?;
    Ok(Json(Page::whole(tokens)))
}

/// Makes a token; its secret is told this once.
///
/// # Errors
///
/// Where the name cannot be.
pub async fn make_token(
    State(state): State<ApiState>,
    who: Who,
    Sent(new): Sent<NewToken>,
) -> Result<Json<TokenMade>, Problem> {
    let now = crate::clock::now();
    let token = Token {
        id: 0,
        name: new.name,
        role: new.role,
        lines: new.lines,
        added: now,
    };
    let work = move |people: &People| {
        let (id, secret) = people.make_token(&token)?;
        let what = format!("made token {id} as {}", token.role.word());
        people.note(who.name(), &what, now)?;
        Ok(TokenMade { id, secret })
    };
    with(state.access.people()?, work).await.map(Json)
}

/// Revokes a token.
///
/// # Errors
///
/// Where there is none.
pub async fn revoke(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let missing = |_| Problem::not_found("there is no such token");
    let id: i64 = id.parse().map_err(missing)?;
    let work = move |people: &People| {
        people.revoke(id)?;
        people.note(
            who.name(),
            &format!("revoked token {id}"),
            crate::clock::now(),
        )
    };
    with(state.access.people()?, work).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who did what, the newest first.
///
/// # Errors
///
/// Where the query is none, or the file cannot be read.
pub async fn audit(
    State(state): State<ApiState>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let (limit, before) = paging(which.limit, which.cursor.as_deref())?;
    let before = before.map_or(i64::MAX, |before| before.0);
    let work = move |people: &People| people.audit(before, limit + 1);
    let entries = with(state.access.people()?, work).await?;
    let key = |entry: &AuditEntry| crate::store::rows::RowId(entry.id);
    Ok(Json(Page::cut(entries, limit, key)))
}

/// Asks people on a thread that may wait for a disk or a password.
pub(super) async fn with<T: Send + 'static>(
    people: std::sync::Arc<People>,
    work: impl FnOnce(&People) -> Result<T, PeopleError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(move || work(&people)).await;
    let stopping = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the collector is stopping");
    Ok(done.map_err(stopping)??)
}
