//! The dashboard's files, inside the program.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use super::Problem;

/// What `make web` has built; nothing where it was not built.
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Files;

/// Vite names these by their contents, so they never change.
const HASHED: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Asked again each time, answered briefly where nothing changed.
const ASK_AGAIN: &str = "no-cache";

/// What stands in the page's place where it was not built.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>silkline</title>
<h1>Built without the dashboard</h1>
<p>This collector works, but its page was not built. Run <code>make web</code> and build again.</p>
<p>The same facts: <a href=\"/api/v1/incidents?state=open\">open incidents</a>,
<a href=\"/api/v1/lines\">lines</a>, <a href=\"/api/v1/devices\">devices</a>,
<a href=\"/api/v1/openapi.json\">all there is</a>.</p>
</html>
";

/// Answers with the file at the path, or with the page at the root.
pub async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = Files::get(path) else {
        if path == "index.html" {
            return Html(NOT_BUILT).into_response();
        }
        return Problem::not_found(format!("there is nothing at {}", uri.path())).into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return super::problem::method_not_allowed(method, uri)
            .await
            .into_response();
    }
    let etag = etag(&file.metadata.sha256_hash());
    let cache = if path.starts_with(HASHED) {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let shared = [
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::ETAG, etag.clone()),
    ];
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes())
    {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (
        shared,
        [(header::CONTENT_TYPE, media_type(path))],
        file.data,
    )
        .into_response()
}

/// The media type of what Vite puts out.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

fn etag(hash: &[u8]) -> String {
    let digits: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}
