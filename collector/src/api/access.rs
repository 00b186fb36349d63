//! Who may ask: on this machine everybody, from elsewhere whoever knows the token.
//!
//! The token is taken as a bearer token or as the password of HTTP Basic, for a browser can send
//! nothing else with an event stream. Without a token only names of this machine are taken as host,
//! so that a page from elsewhere that points its own name at this machine reads nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::config::Secret;

/// An address that others can reach, and no token to keep them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} can be reached by others: want a token_file in [api], or a loopback address")]
pub struct NoAuthentication(pub SocketAddr);

/// Who may ask.
#[derive(Clone, Debug)]
pub struct Access {
    token: Option<Secret>,
    public_host: Option<String>,
}

impl Access {
    /// The rule for a server on `listen`.
    ///
    /// # Errors
    ///
    /// [`NoAuthentication`] where others can reach the address and there is no token.
    pub fn new(
        listen: SocketAddr,
        token: Option<Secret>,
        public_url: Option<&str>,
    ) -> Result<Self, NoAuthentication> {
        let token = token.filter(|token| !token.reveal().is_empty());
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(NoAuthentication(listen));
        }
        let public_host = public_url
            .and_then(|url| url.split_once("://"))
            .map(|(_, rest)| {
                let host = rest.split(['/', '?']).next().unwrap_or(rest);
                without_port(host).to_ascii_lowercase()
            });
        Ok(Self { token, public_host })
    }

    /// Whether a request with these headers may be answered.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let Some(token) = &self.token else {
            return self.check_host(text(header::HOST).unwrap_or_default());
        };
        let given = text(header::AUTHORIZATION).and_then(given_token);
        if given.is_some_and(|given| same(given.as_bytes(), token.reveal().as_bytes())) {
            return Ok(());
        }
        let detail = "want the token, as a bearer token or as the password of any user name";
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
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

/// Lets a request through, or answers why not.
pub async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
            let challenge = HeaderValue::from_static("Basic realm=\"silkline\", charset=\"UTF-8\"");
            ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
        }
        Err(problem) => problem.into_response(),
    }
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
    let bytes = from_base64(rest.trim())?;
    let pair = String::from_utf8(bytes).ok()?;
    pair.split_once(':')
        .map(|(_, password)| password.to_owned())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b));
    a.len() == b.len() && differing == 0
}

/// The bytes of base64 text (RFC 4648, section 4).
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
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

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for open in ["0.0.0.0:8080", "192.0.2.7:8080", "[::]:8080"] {
            let listen = open.parse().unwrap();
            let refused = Access::new(listen, None, None).unwrap_err();
            assert!(refused.to_string().contains("token_file"), "{refused}");
            assert!(
                Access::new(listen, Some(secret("  \n")), None).is_err(),
                "an empty token"
            );
            assert!(Access::new(listen, Some(secret("s3cret\n")), None).is_ok());
        }
        assert!(Access::new("[::1]:0".parse().unwrap(), None, None).is_ok());
    }

    #[test]
    fn the_token_comes_as_bearer_or_as_password() {
        let listen = "0.0.0.0:8080".parse().unwrap();
        let access = Access::new(listen, Some(secret("s3cret")), None).unwrap();
        // base64 of "noc:s3cret".
        for good in ["Bearer s3cret", "bearer s3cret", "Basic bm9jOnMzY3JldA=="] {
            assert!(
                access.check(&with(header::AUTHORIZATION, good)).is_ok(),
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
            let problem = access.check(&with(header::AUTHORIZATION, bad)).unwrap_err();
            assert_eq!(problem.status, 401, "{bad}");
        }
        assert_eq!(access.check(&HeaderMap::new()).unwrap_err().status, 401);
    }

    #[test]
    fn without_a_token_only_this_machine_is_taken_as_host() {
        let listen = "127.0.0.1:8080".parse().unwrap();
        let access = Access::new(listen, None, Some("https://Noc.example:8443/silkline")).unwrap();
        for good in ["127.0.0.1:8080", "localhost", "[::1]:8080", "noc.example"] {
            assert!(access.check(&with(header::HOST, good)).is_ok(), "{good}");
        }
        for bad in ["evil.example", "127.0.0.1.evil.example:8080", ""] {
            assert_eq!(
                access.check(&with(header::HOST, bad)).unwrap_err().status,
                421,
                "{bad}"
            );
        }
    }

    #[test]
    fn base64_is_read_as_the_standard_writes_it() {
        // RFC 4648, section 10.
        let vectors = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (text, want) in vectors {
            assert_eq!(from_base64(text).unwrap(), want.as_bytes());
        }
        assert_eq!(from_base64("a b"), None);
    }
}
