//! As much of HTTP/1.1 as three pages need: one GET a connection. Pure but for reading the request.

use core::fmt::Write as _;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest head of a request; browsers send a few hundred bytes.
const HEAD_MAX: usize = 8 * 1024;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Page,
    Style,
    Status,
    Metrics,
    /// There is nothing of that name.
    Elsewhere,
    /// Anything but a GET.
    Otherwise,
    Unreadable,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: u16,
    kind: &'static str,
    body: Vec<u8>,
}

/// Reads the head of a request; what may follow it is nothing to us.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Asked> {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes).await?;
        head.extend(bytes.iter().take(count));
        if count == 0 || ends(&head) || head.len() > HEAD_MAX {
            return Ok(asked(&head));
        }
    }
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).any(|four| four == b"\r\n\r\n")
}

fn asked(head: &[u8]) -> Asked {
    if !ends(head) || head.len() > HEAD_MAX {
        return Asked::Unreadable;
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(path), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Unreadable;
    };
    if !version.starts_with(b"HTTP/1.") {
        return Asked::Unreadable;
    }
    if method != b"GET" {
        return Asked::Otherwise;
    }
    match path.split(|byte| *byte == b'?').next().unwrap_or_default() {
        b"/" => Asked::Page,
        b"/style.css" => Asked::Style,
        b"/status.json" => Asked::Status,
        b"/metrics" => Asked::Metrics,
        _ => Asked::Elsewhere,
    }
}

/// What follows the head of an answer that is well.
pub(super) fn body(answer: &[u8]) -> Option<&[u8]> {
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    answer.get(end + 4..)
}

impl Answer {
    pub(super) const fn page(body: String) -> Self {
        Self {
            code: 200,
            kind: "text/html; charset=utf-8",
            body: body.into_bytes(),
        }
    }

    pub(super) fn style(body: &str) -> Self {
        Self {
            code: 200,
            kind: "text/css; charset=utf-8",
            body: body.into(),
        }
    }

    pub(super) const fn json(body: Vec<u8>) -> Self {
        Self {
            code: 200,
            kind: "application/json",
            body,
        }
    }

    pub(super) const fn text(body: String) -> Self {
        Self {
            code: 200,
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: body.into_bytes(),
        }
    }

    pub(super) fn refusal(code: u16, why: &str) -> Self {
        Self {
            code,
            kind: "text/plain; charset=utf-8",
            body: format!("{why}\n").into_bytes(),
        }
    }

    /// The whole answer. Nothing may be loaded, run, framed or sent from the page.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let word = match self.code {
            200 => "OK",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Bad Request",
        };
        let mut head = String::new();
        // Writing into a String does not fail.
        let _ = write!(
            head,
            "HTTP/1.1 {} {word}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'self'; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'none'\r\n\r\n",
            self.code,
            self.kind,
            self.body.len(),
        );
        let mut bytes = head.into_bytes();
        bytes.extend(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_request_is_what_it_is() {
        for (head, wanted) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Asked::Page),
            ("GET /?x=1 HTTP/1.0\r\n\r\n", Asked::Page),
            ("GET /status.json HTTP/1.1\r\n\r\n", Asked::Status),
            ("GET /metrics HTTP/1.1\r\n\r\n", Asked::Metrics),
            ("GET /../etc/passwd HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            ("POST / HTTP/1.1\r\n\r\n", Asked::Otherwise),
            ("GET / HTTP/1.1\r\nHost", Asked::Unreadable),
            ("GET /\r\n\r\n", Asked::Unreadable),
            ("GET / SPDY\r\n\r\n", Asked::Unreadable),
        ] {
            assert_eq!(asked(head.as_bytes()), wanted, "{head:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(HEAD_MAX));
        assert_eq!(asked(long.as_bytes()), Asked::Unreadable);
    }

    #[test]
    fn an_answer_carries_its_policy_and_its_body() {
        let answer = Answer::page("<p>".into()).bytes();
        let text = String::from_utf8(answer.clone()).unwrap();
        assert!(text.contains("default-src 'none'") && text.contains("Content-Length: 3"));
        assert!(!text.contains("unsafe"), "{text}");
        assert_eq!(body(&answer), Some(&b"<p>"[..]));
        assert_eq!(body(&Answer::refusal(404, "no").bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            asked(&bytes);
            body(&bytes);
        }
    }
}
