//! The database's side of the wire: requests out, what its answers mean.
//!
//! ```text
//!   InfluxDB 1.x     POST /write?db=…&precision=ns         made by  POST /query  CREATE DATABASE
//!   everything else  POST /api/v2/write?org=…&bucket=…     made by  influxdb2's create_bucket
//! ```
//!
//! Which one it is says `GET /ping`. Bodies are gzip. The client of influxdb2 shows no header of an
//! answer, and compresses only what it has written itself, so writing goes by a client of our own;
//! `Retry-After` needs that.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use influxdb2::api::organization::ListOrganizationRequest;
use influxdb2::models::PostBucketRequest;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, RequestBuilder, Response};
use silkline_protocol::time::Timestamp;

use super::ForwardError;
use crate::clock;
use crate::config::{InfluxSettings, Secret};

/// The longest that a server is believed when it says how long to wait.
const MOST_WAIT: Duration = Duration::from_secs(600);

/// What the server made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has all of it.
    Taken,
    /// It has all but so many points that are older than it keeps any.
    Old(u64),
    /// Something in it is not to its liking.
    Refused(String),
    /// It is too much at once.
    TooLarge,
    /// There is no such bucket or database.
    NoBucket,
    /// Not now.
    Later(Later),
}

/// Why not now, and when, where the server says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Later {
    pub(super) why: String,
    pub(super) after: Option<Duration>,
}

impl From<String> for Later {
    fn from(why: String) -> Self {
        Self { why, after: None }
    }
}

/// What the server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    One,
    Two,
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    settings: InfluxSettings,
    http: Client,
    token: String,
    dialect: Option<Dialect>,
}

impl Server {
    pub(super) fn new(settings: InfluxSettings) -> Result<Self, ForwardError> {
        let wrong = |error: reqwest::Error| ForwardError::Client(error.to_string());
        let mut builder = Client::builder()
            .timeout(settings.timeout)
            .user_agent(concat!("silkline/", env!("CARGO_PKG_VERSION")));
        if settings.url.starts_with("https:") {
            // An authority of the house's own stands in the system's list.
            for cert in rustls_native_certs::load_native_certs().certs {
                let cert = Certificate::from_der(&cert).map_err(wrong)?;
                builder = builder.add_root_certificate(cert);
            }
        }
        let mut server = Self {
            http: builder.build().map_err(wrong)?,
            settings,
            token: String::new(),
            dialect: None,
        };
        server.read_token()?;
        Ok(server)
    }

    /// Writes lines.
    pub(super) async fn write(&mut self, text: &str) -> Answer {
        let dialect = match self.dialect().await {
            Ok(dialect) => dialect,
            Err(why) => return Answer::Later(why.into()),
        };
        let body = match gzip(text) {
            Ok(body) => body,
            Err(error) => return Answer::Later(format!("compressing: {error}").into()),
        };
        let InfluxSettings { org, bucket, .. } = &self.settings;
        let request = match dialect {
            Dialect::One => {
                let query = [("db", bucket.as_str()), ("precision", "ns")];
                self.post("/write").query(&query)
            }
            Dialect::Two => {
                let query = [
                    ("org", org.as_str()),
                    ("bucket", bucket),
                    ("precision", "ns"),
                ];
                self.post("/api/v2/write").query(&query)
            }
        };
        let answer = request.header(CONTENT_ENCODING, "gzip").body(body).send();
        let answer = match answer.await {
            Ok(answer) => judged(answer).await,
            Err(error) => Answer::Later(said(&error).into()),
        };
        if let Answer::Later(_) = answer {
            // The server may be another one next time, and its token a new one.
            self.dialect = None;
            if let Err(error) = self.read_token() {
                tracing::warn!(%error, "the token of the database");
            }
        }
        answer
    }

    /// Makes the bucket that the settings name.
    pub(super) async fn make_bucket(&mut self) -> Result<(), String> {
        let bucket = self.settings.bucket.clone();
        if self.dialect().await? == Dialect::One {
            let name = bucket.replace('\\', "\\\\").replace('"', "\\\"");
            let query = [("q", format!("CREATE DATABASE \"{name}\""))];
            let answer = self.post("/query").query(&query).send().await;
            let answer = answer.map_err(|error| said(&error))?;
            let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
            // Mistakes in a query come with a 200.
            if !status.is_success() || text.contains("\"error\"") {
                return Err(format!("database {bucket} not made: {status}: {text}"));
            }
        } else {
            self.make_by_org(&bucket).await?;
        }
        tracing::info!(bucket, "made in the database");
        Ok(())
    }

    async fn make_by_org(&self, bucket: &str) -> Result<(), String> {
        let InfluxSettings {
            url, org, timeout, ..
        } = &self.settings;
        let failed = |error: String| format!("bucket {bucket} not made: {error}");
        let client = influxdb2::ClientBuilder::new(url, org, &self.token).build();
        let client = client.map_err(|error| failed(error.to_string()))?;
        let making = async {
            let wanted = ListOrganizationRequest {
                org: Some(org.clone()),
                ..ListOrganizationRequest::default()
            };
            let found = client.list_organizations(wanted).await;
            let found = found.map_err(|error| error.to_string())?;
            let id = found.orgs.into_iter().find_map(|found| found.id);
            let id = id.ok_or_else(|| format!("no organisation {org}"))?;
            let request = PostBucketRequest::new(id, bucket.to_owned());
            let made = client.create_bucket(Some(request)).await;
            made.map_err(|error| error.to_string())
        };
        let made = tokio::time::timeout(*timeout, making).await;
        made.map_err(|_| failed(format!("no answer within {timeout:?}")))?
            .map_err(failed)
    }

    async fn dialect(&mut self) -> Result<Dialect, String> {
        if let Some(known) = self.dialect {
            return Ok(known);
        }
        let answer = self.http.get(self.url("/ping")).send().await;
        let answer = answer.map_err(|error| said(&error))?;
        let version = answer.headers().get("x-influxdb-version");
        let version = version.and_then(|version| version.to_str().ok());
        let found = dialect_of(version);
        self.dialect = Some(found);
        Ok(found)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let request = self.http.post(self.url(path));
        match self.token.split_once(':') {
            _ if self.token.is_empty() => request,
            Some((name, password)) if self.dialect == Some(Dialect::One) => {
                request.basic_auth(name, Some(password))
            }
            _ => request.header("Authorization", format!("Token {}", self.token)),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url.trim_end_matches('/'))
    }

    fn read_token(&mut self) -> Result<(), ForwardError> {
        let Some(path) = &self.settings.token_file else {
            return Ok(());
        };
        let secret = Secret::read(path).map_err(|source| ForwardError::Token {
            path: path.clone(),
            source,
        })?;
        secret.reveal().clone_into(&mut self.token);
        Ok(())
    }
}

/// InfluxDB before 2 says so; others speak the second dialect, whatever their number.
fn dialect_of(version: Option<&str>) -> Dialect {
    let version = version.unwrap_or_default().trim_start_matches('v');
    if version.starts_with("0.") || version.starts_with("1.") {
        Dialect::One
    } else {
        Dialect::Two
    }
}

fn gzip(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// An error with what lies behind it: that of the client alone says hardly anything.
fn said(error: &reqwest::Error) -> String {
    use core::error::Error;
    let behind = core::iter::successors(error.source(), |error| (*error).source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

async fn judged(answer: Response) -> Answer {
    let (status, after) = (answer.status(), retry_after(answer.headers(), clock::now()));
    let text = answer.text().await.unwrap_or_default();
    judge(status.as_u16(), text.trim(), after)
}

/// A bad line (400, 422), a missing bucket (404) or too many lines (413) are the request's fault, all
/// else the server's. Any success will do: some servers answer 200 where InfluxDB answers 204.
fn judge(status: u16, text: &str, after: Option<Duration>) -> Answer {
    let why = || format!("{status}: {text}");
    match status {
        200..=299 => Answer::Taken,
        // The rest of the request has been written.
        400 | 422 if text.contains("retention policy") => Answer::Old(dropped(text)),
        400 | 422 => Answer::Refused(why()),
        404 if text.contains("not found") => Answer::NoBucket,
        413 => Answer::TooLarge,
        _ => Answer::Later(Later { why: why(), after }),
    }
}

/// The number behind `dropped=` in an answer; one where there is none.
fn dropped(text: &str) -> u64 {
    let (_, rest) = text.split_once("dropped=").unwrap_or_default();
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    let digits = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    digits.parse().unwrap_or(1)
}

/// How long the server wants to be left alone: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let until = i64::try_from(until.as_nanosecond()).ok()?;
            Timestamp::from_nanos(until) - now
        }
    };
    Some(wait.min(MOST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whose_fault_it_is() {
        let later = |why: &str| {
            Answer::Later(Later {
                why: why.to_owned(),
                after: Some(Duration::from_secs(3)),
            })
        };
        let partial = "partial write: points beyond retention policy dropped=17";
        let conflict = "partial write: field type conflict: input field \"value\" dropped=1";
        for (status, text, want) in [
            (200, "", Answer::Taken),
            (204, "", Answer::Taken),
            (400, partial, Answer::Old(17)),
            (400, conflict, Answer::Refused(format!("400: {conflict}"))),
            (401, "no", later("401: no")),
            (404, "database not found: \"x\"", Answer::NoBucket),
            (404, "404 page", later("404: 404 page")),
            (413, "", Answer::TooLarge),
            (422, "bad", Answer::Refused("422: bad".to_owned())),
            (429, "slow", later("429: slow")),
            (503, "down", later("503: down")),
        ] {
            let found = judge(status, text, Some(Duration::from_secs(3)));
            assert_eq!(found, want, "{status} {text}");
        }
    }

    #[test]
    fn a_server_may_say_when_to_come_again() {
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, Timestamp::from_seconds(784_111_770))
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("86400"), Some(MOST_WAIT), "not for ever");
        // The example of RFC 9110: 784111777.
        let date = wait("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date, Some(Duration::from_secs(7)));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn the_first_dialect_is_known_by_its_number() {
        for (version, want) in [
            (Some("1.6.7~rc0"), Dialect::One),
            (Some("1.8.10"), Dialect::One),
            (Some("v2.7.1"), Dialect::Two),
            (Some("3.0.0"), Dialect::Two),
            (None, Dialect::Two),
        ] {
            assert_eq!(dialect_of(version), want, "{version:?}");
        }
    }
}
