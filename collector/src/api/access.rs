//! Who may ask: people who have signed in, programs that bear a token, and where neither is set up,
//! everybody on this machine. On an address that others can reach, nobody without one of these.
//!
//! The token of the settings is taken as a bearer token or as the password of HTTP Basic; it may
//! everything. Without any secret only names of this machine are taken as host, so that a page from
//! elsewhere that points its own name at this machine reads nothing. What a session's cookie asks to
//! change must carry a header that only our own page can set.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Problem;
use super::gate::{Gate, Rate};
use super::people::{People, PeopleError};
use super::sign_in::Provider;
use super::who::{Role, Who};
use crate::config::Secret;

/// The cookie of a session.
pub(super) const COOKIE: &str = "silkline";
/// The header by which the page shows that it is ours: no form and no image elsewhere can set it.
const OURS: HeaderName = HeaderName::from_static("x-silkline");
/// What somebody must be able to ask who has not signed in yet.
const DOOR: [&str; 3] = [
    "/api/v1/sign-in",
    "/api/v1/sign-in/begin",
    "/api/v1/sign-in/back",
];
/// What one user or program may ask: a page fetches a hundred things as it opens.
const ASKING: Rate = Rate {
    burst: 2000.0,
    per_second: 500.0,
};
/// Vain tries to sign in, for one name: a slip of the fingers, not a dictionary.
const SIGNING_IN: Rate = Rate {
    burst: 5.0,
    per_second: 1.0 / 30.0,
};

/// What browsers are sent to the identity provider and taken back, all together: a whole shift signs
/// in at once, and each costs questions to the provider.
const SENDING: Rate = Rate {
    burst: 200.0,
    per_second: 5.0,
};

/// An address that others can reach, and nothing to keep them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached by others: want a user (silkline-collector user add NAME --role admin), \
     [sign_in], a token_file in [api], or a loopback address"
)]
pub struct NoAuthentication(pub SocketAddr);

/// Who may ask.
#[derive(Clone, Debug)]
pub struct Access {
    listen: SocketAddr,
    token: Option<Secret>,
    public_host: Option<String>,
    /// Whether the page is reached by HTTPS, so that its cookie goes nowhere else.
    secure: bool,
    people: Option<Arc<People>>,
    provider: Option<Arc<Provider>>,
    asking: Arc<Gate>,
    signing_in: Arc<Gate>,
    sending: Arc<Gate>,
}

impl Access {
    /// The rule for a server on `listen`.
    #[must_use]
    pub fn new(listen: SocketAddr, token: Option<Secret>, public_url: Option<&str>) -> Self {
        let public_host = public_url
            .and_then(|url| url.split_once("://"))
            .map(|(_, rest)| {
                let host = rest.split(['/', '?']).next().unwrap_or(rest);
                without_port(host).to_ascii_lowercase()
            });
        Self {
            listen,
            token: token.filter(|token| !token.reveal().is_empty()),
            public_host,
            secure: public_url.is_some_and(|url| url.starts_with("https://")),
            people: None,
            provider: None,
            asking: Arc::new(Gate::new(ASKING)),
            signing_in: Arc::new(Gate::new(SIGNING_IN)),
            sending: Arc::new(Gate::new(SENDING)),
        }
    }

    /// The same, with an identity provider.
    #[must_use]
    pub fn by(mut self, provider: Provider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Whether strangers are kept out.
    ///
    /// # Errors
    ///
    /// [`NoAuthentication`] where others can reach the address and nobody could ever sign in.
    pub fn keeps_strangers_out(&self) -> Result<(), NoAuthentication> {
        let people = self.people.as_ref();
        let known = people.is_some_and(|people| people.any().unwrap_or(false));
        let shut = self.token.is_some() || self.provider.is_some() || known;
        if shut || self.listen.ip().is_loopback() {
            return Ok(());
        }
        Err(NoAuthentication(self.listen))
    }

    /// The same, with people who can sign in.
    #[must_use]
    pub fn with(mut self, people: People) -> Self {
        self.people = Some(Arc::new(people));
        self
    }

    /// The people who can sign in.
    ///
    /// # Errors
    ///
    /// Where this server keeps none.
    pub(super) fn people(&self) -> Result<Arc<People>, Problem> {
        let none = || Problem::new(StatusCode::CONFLICT, "this collector keeps no users");
        self.people.clone().ok_or_else(none)
    }

    /// The identity provider, where there is one.
    pub(super) fn provider(&self) -> Option<Arc<Provider>> {
        self.provider.clone()
    }

    /// The identity provider.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(super) fn must_provider(&self) -> Result<Arc<Provider>, Problem> {
        let none = || {
            Problem::new(
                StatusCode::CONFLICT,
                "this collector has no identity provider",
            )
        };
        self.provider().ok_or_else(none)
    }

    /// Lets a browser go to the identity provider, or come back.
    ///
    /// # Errors
    ///
    /// Where too many do.
    pub(super) fn may_be_sent(&self) -> Result<(), Problem> {
        let now = crate::clock::instant();
        self.sending
            .take("everybody", now)
            .map_err(Problem::too_often)
    }

    /// Whether a cookie is for HTTPS alone.
    pub(super) const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Lets `name` try a password.
    ///
    /// # Errors
    ///
    /// Where it has been tried too often.
    pub(super) fn may_try(&self, name: &str) -> Result<(), Problem> {
        let name: String = name.chars().take(64).collect();
        self.signing_in
            .take(&name, crate::clock::instant())
            .map_err(Problem::too_often)
    }

    /// Who asks with these headers.
    ///
    /// # Errors
    ///
    /// Why nobody who may.
    pub fn who(&self, headers: &HeaderMap, changes: bool) -> Result<Who, Problem> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let given = text(header::AUTHORIZATION).and_then(given_token);
        if let (Some(token), Some(given)) = (&self.token, &given)
            && same(given.as_bytes(), token.reveal().as_bytes())
        {
            return Ok(Who::keeper());
        }
        let now = crate::clock::now();
        if let Some(people) = &self.people {
            if let Some(who) = given
                .map(|given| people.bearer(&given))
                .transpose()?
                .flatten()
            {
                return Ok(who);
            }
            let secret = text(header::COOKIE).and_then(session_of);
            if let Some(who) = secret
                .map(|it| people.session(it, now))
                .transpose()?
                .flatten()
            {
                if changes && !headers.contains_key(OURS) {
                    let detail = "a change by a session wants the header x-silkline: page";
                    return Err(Problem::new(StatusCode::FORBIDDEN, detail));
                }
                return Ok(who);
            }
        }
        if self.is_open()? {
            self.check_host(text(header::HOST).unwrap_or_default())?;
            return Ok(Who::everybody());
        }
        let detail = "sign in, or give a token as a bearer token or as the password of HTTP Basic";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }

    /// Whether nobody is set up at all, and only this machine can ask. Where others can reach the
    /// address, a door whose last user was removed stays shut.
    fn is_open(&self) -> Result<bool, PeopleError> {
        let people = self
            .people
            .as_ref()
            .map(|people| people.any())
            .transpose()?;
        let known = self.token.is_some() || self.provider.is_some() || people.unwrap_or(false);
        Ok(!known && self.listen.ip().is_loopback())
    }

    /// Whether people can sign in on the page, so that the page itself must be there for everybody.
    fn has_users(&self) -> bool {
        let any = self.people.as_ref().map(|people| people.any());
        self.provider.is_some() || any.is_some_and(|any| any.unwrap_or(true))
    }

    fn check_host(&self, host: &str) -> Result<(), Problem> {
        let name = without_port(host).to_ascii_lowercase();
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&name.as_str());
        if here || self.public_host.as_ref() == Some(&name) {
            return Ok(());
        }
        let found: String = name.chars().take(80).collect();
        let detail = format!("host {found:?} is neither this machine nor public_url of [api]");
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }
}

/// Lets a request through with who asks, or answers why not.
pub async fn guard(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let changes = !request.method().is_safe();
    let page = !path.starts_with("/api/") && path != "/metrics";
    let signing_in = path == "/api/v1/session" && request.method() == axum::http::Method::POST;
    let at_the_door = DOOR.contains(&path) && request.method().is_safe();
    let asks_nothing = at_the_door || page && access.has_users();
    if signing_in && request.headers().contains_key(OURS) || asks_nothing {
        return next.run(request).await;
    }
    let needed = Role::needed(request.method(), path);
    let who = access.who(request.headers(), changes).and_then(|who| {
        if who.role < needed {
            let detail = format!(
                "your role is {}, this wants {}",
                who.role.word(),
                needed.word()
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let wait = access.asking.take(who.name(), crate::clock::instant());
        wait.map_err(Problem::too_often).map(|()| who)
    });
    match who {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
            // A browser would ask for Basic in a window of its own, over our sign-in.
            let challenge = if access.has_users() {
                "Bearer realm=\"silkline\""
            } else {
                "Basic realm=\"silkline\", charset=\"UTF-8\""
            };
            let challenge = HeaderValue::from_static(challenge);
            ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// The secret of a session in a `Cookie` header.
pub(super) fn session_of(header: &str) -> Option<&str> {
    cookie_of(header, COOKIE)
}

/// The cookie `name` in a `Cookie` header.
pub(super) fn cookie_of<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let pairs = header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// The token in an `Authorization` header.
fn given_token(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(rest.trim()).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    pair.split_once(':')
        .map(|(_, password)| password.to_owned())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b));
    a.len() == b.len() && differing == 0
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::read(file.path()).unwrap()
    }

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn people() -> (tempfile::TempDir, People) {
        let folder = tempfile::tempdir().unwrap();
        let people = People::open(&folder.path().join("people.data")).unwrap();
        (folder, people)
    }

    fn aysel() -> super::super::people::User {
        super::super::people::User {
            name: "aysel".to_owned(),
            role: Role::Operator,
            lines: None,
            added: crate::clock::now(),
        }
    }

    #[test]
    fn an_address_that_others_reach_needs_somebody_who_may() {
        for reached in ["0.0.0.0:8080", "192.0.2.7:8080", "[::]:8080"] {
            let listen = reached.parse().unwrap();
            let refused = |access: Access| access.keeps_strangers_out().is_err();
            assert!(refused(Access::new(listen, None, None)));
            let empty = Some(secret("  \n"));
            assert!(refused(Access::new(listen, empty, None)), "an empty token");
            assert!(!refused(Access::new(
                listen,
                Some(secret("s3cret\n")),
                None
            )));
            let (_folder, people) = people();
            assert!(refused(Access::new(listen, None, None).with(people)));
            let (_folder, people) = self::people();
            people.add(&aysel(), "correct horse battery").unwrap();
            assert!(!refused(Access::new(listen, None, None).with(people)));
        }
        let here = Access::new("[::1]:0".parse().unwrap(), None, None);
        assert_eq!(here.keeps_strangers_out(), Ok(()));
    }

    #[test]
    fn who_removes_the_last_user_opens_nothing_to_others() {
        let (_folder, people) = people();
        people.add(&aysel(), "correct horse battery").unwrap();
        let reached = Access::new("192.0.2.7:8080".parse().unwrap(), None, None).with(people);
        let host = with(header::HOST, "127.0.0.1:8080");
        assert_eq!(reached.who(&host, false).unwrap_err().status, 401);
        reached.people().unwrap().remove("aysel").unwrap();
        assert_eq!(reached.who(&host, false).unwrap_err().status, 401);
    }

    #[test]
    fn the_token_comes_as_bearer_or_as_password() {
        let listen = "0.0.0.0:8080".parse().unwrap();
        let access = Access::new(listen, Some(secret("s3cret")), None);
        // base64 of "noc:s3cret".
        for good in ["Bearer s3cret", "bearer s3cret", "Basic bm9jOnMzY3JldA=="] {
            assert!(
                access.who(&with(header::AUTHORIZATION, good), true).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "Bearer s3cre",
            "Bearer s3cret2",
            "Basic !",
            "Digest s3cret",
            "s3cret",
            "",
        ] {
            let problem = access
                .who(&with(header::AUTHORIZATION, bad), false)
                .unwrap_err();
            assert_eq!(problem.status, 401, "{bad}");
        }
        assert_eq!(
            access.who(&HeaderMap::new(), false).unwrap_err().status,
            401
        );
    }

    #[test]
    fn without_a_token_only_this_machine_is_taken_as_host() {
        let listen = "127.0.0.1:8080".parse().unwrap();
        let access = Access::new(listen, None, Some("https://Noc.example:8443/silkline"));
        for good in ["127.0.0.1:8080", "localhost", "[::1]:8080", "noc.example"] {
            assert!(
                access.who(&with(header::HOST, good), true).is_ok(),
                "{good}"
            );
        }
        for bad in ["evil.example", "127.0.0.1.evil.example:8080", ""] {
            assert_eq!(
                access
                    .who(&with(header::HOST, bad), false)
                    .unwrap_err()
                    .status,
                421,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_session_changes_nothing_without_the_header_of_our_page() {
        let (_folder, people) = people();
        people.add(&aysel(), "correct horse battery").unwrap();
        let secret = people.sign_in("aysel", "correct horse battery", crate::clock::now());
        let secret = secret.unwrap().unwrap();
        let access = Access::new("127.0.0.1:1".parse().unwrap(), None, None).with(people);
        let host = with(header::HOST, "127.0.0.1");
        assert_eq!(
            access.who(&host, false).unwrap_err().status,
            401,
            "no longer open"
        );
        let mut headers = with(header::COOKIE, &format!("x=1; {COOKIE}={secret}"));
        assert_eq!(access.who(&headers, false).unwrap().name(), "aysel");
        assert_eq!(access.who(&headers, true).unwrap_err().status, 403);
        headers.insert(OURS, HeaderValue::from_static("page"));
        assert_eq!(access.who(&headers, true).unwrap().role, Role::Operator);
    }

    #[test]
    fn a_password_can_be_tried_a_few_times_only() {
        let access = Access::new("127.0.0.1:1".parse().unwrap(), None, None);
        let tries = (0..20).filter(|_| access.may_try("aysel").is_ok()).count();
        assert_eq!(tries, 5);
        assert!(access.may_try("other").is_ok());
    }
}
