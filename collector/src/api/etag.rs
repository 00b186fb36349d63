//! Answers that are not sent twice: a name for what is in them, compared with what the client has.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The JSON of `answer`, or 304 where the client has it already.
pub(super) fn tagged(headers: &HeaderMap, answer: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(answer) else {
        return Json(answer).into_response();
    };
    let digest = Sha256::digest(&body);
    let mut tag = String::from("W/\"");
    for byte in digest.iter().take(12) {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == tag || known.trim() == "*");
    let shared = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (shared, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let first = tagged(&HeaderMap::new(), &[1, 2]);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].clone();
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, tag)]);
        assert_eq!(tagged(&asked, &[1, 2]).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(tagged(&asked, &[1, 3]).status(), StatusCode::OK);
        let any = HeaderMap::from_iter([(header::IF_NONE_MATCH, "\"x\", *".parse().unwrap())]);
        assert_eq!(tagged(&any, &[1]).status(), StatusCode::NOT_MODIFIED);
    }
}
