//! Carries history from the hot store to InfluxDB, and remembers how far it has come.
//!
//! ```text
//!   store ──rows after the cursor──▶ lines ──POST──▶ server
//!     ▲                                                │ taken
//!     └── cursor, by the commit task ◀─────────────────┘
//! ```
//!
//! The server may be down, slow or full: this task waits and tries again, with a growing pause, and
//! nothing else notices. What was sent and not yet noted down when the program dies is sent again,
//! which changes nothing there. A line that the server refuses is looked for by halving and left
//! out, counted, with what the server said.

use std::sync::Arc;
use std::time::Duration;

use influxdb2::{Client, RequestError};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{InfluxSettings, Secret};
use crate::metrics::{Metrics, count_many};
use crate::state::Report;
use crate::store::rows::RowId;
use crate::store::{Reader, StoreError};

pub mod line;

use line::Lines;

/// The cursor of samples.
pub const SAMPLES: &str = "influx-samples";
/// The cursor of incidents, which counts revisions.
pub const INCIDENTS: &str = "influx-incidents";

/// Rows read at a time.
const ROWS: usize = 500;
/// How long at most until a new look, should no wake come.
const LOOK: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles up to [`MOST_PAUSE`].
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// The forwarder and what it needs.
#[derive(Debug)]
pub struct Forward {
    client: Client,
    settings: InfluxSettings,
    store: Reader,
    reports: mpsc::Sender<Report>,
    wake: Arc<Notify>,
    metrics: Arc<Metrics>,
    told: String,
}

/// Why nothing can be forwarded at all.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The token cannot be read.
    #[error("influx: token_file {path}: {source}")]
    Token {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The client cannot be made.
    #[error("influx: {0}")]
    Client(String),
}

/// Lines that stand for rows up to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    cursor: &'static str,
    kind: &'static str,
    rows: u64,
    lines: Lines,
    upto: RowId,
    /// The newest row of the kind, so far as is known.
    newest: RowId,
}

/// What the server made of a request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    /// Something in it is not to its liking.
    Refused(String),
    /// Not now.
    Later(String),
}

impl Forward {
    /// A forwarder to the server of `settings`.
    ///
    /// # Errors
    ///
    /// Where the token cannot be read or the client cannot be made.
    pub fn new(
        settings: InfluxSettings,
        store: Reader,
        reports: mpsc::Sender<Report>,
        wake: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ForwardError> {
        let token = match &settings.token_file {
            None => String::new(),
            Some(path) => Secret::read(path)
                .map_err(|source| ForwardError::Token {
                    path: path.clone(),
                    source,
                })?
                .reveal()
                .to_owned(),
        };
        let client = influxdb2::ClientBuilder::new(&settings.url, &settings.org, token)
            .build()
            .map_err(|error| ForwardError::Client(error.to_string()))?;
        Ok(Self {
            client,
            settings,
            store,
            reports,
            wake,
            metrics,
            told: String::new(),
        })
    }

    /// Forwards until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        // The running cursors go ahead of the stored ones, which the commit task writes in its time.
        let mut at = [None, None];
        let mut pause = LEAST_PAUSE;
        while !stop.is_cancelled() {
            let step = stop.run_until_cancelled(self.step(&mut at)).await;
            let wait = match step {
                None => break,
                Some(Ok(true)) => {
                    pause = LEAST_PAUSE;
                    continue;
                }
                Some(Ok(false)) => LOOK,
                Some(Err(why)) => {
                    self.tell(&why);
                    self.metrics.forward_failed.inc();
                    let wait = pause;
                    pause = (pause * 2).min(MOST_PAUSE);
                    stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                    continue;
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Forwards one load of each kind; whether there was any.
    async fn step(&mut self, at: &mut [Option<RowId>; 2]) -> Result<bool, String> {
        let read = |error: StoreError| error.to_string();
        let [samples, incidents] = at;
        let (from, most) = (*samples, self.settings.batch);
        let load = self
            .store
            .ask_async(move |ask| sample_load(ask, from, most))
            .await;
        let sent = self.forward(load.map_err(read)?, samples).await?;
        let from = *incidents;
        let load = self
            .store
            .ask_async(move |ask| incident_load(ask, from))
            .await;
        Ok(self.forward(load.map_err(read)?, incidents).await? | sent)
    }

    async fn forward(&mut self, load: Load, at: &mut Option<RowId>) -> Result<bool, String> {
        if load.rows == 0 {
            *at = Some(load.upto);
            return Ok(false);
        }
        let refused = self.send(&load.lines.text).await?;
        count_many(&self.metrics.forward_in, load.kind, load.rows);
        count_many(&self.metrics.forward_out, load.kind, load.rows);
        count_many(&self.metrics.forward_dropped, "refused_lines", refused);
        *at = Some(load.upto);
        if load.kind == "sample" {
            self.metrics.forward_behind.set(load.newest.0 - load.upto.0);
        }
        let report = Report::Passed {
            cursor: load.cursor,
            id: load.upto,
        };
        self.reports
            .send(report)
            .await
            .map_err(|_| "the commit task has ended".to_owned())?;
        self.told.clear();
        Ok(true)
    }

    /// Sends lines, without those that the server refuses; gives how many those are.
    async fn send(&self, text: &str) -> Result<u64, String> {
        let mut parts = vec![text];
        let mut refused = 0;
        while let Some(part) = parts.pop() {
            match self.post(part).await {
                Answer::Taken => {}
                Answer::Later(why) => return Err(why),
                Answer::Refused(why) => {
                    if let Some((first, second)) = halves(part) {
                        parts.extend([second, first]);
                    } else {
                        refused += 1;
                        tracing::error!(line = part.trim_end(), why, "the database refuses a line");
                    }
                }
            }
        }
        Ok(refused)
    }

    async fn post(&self, text: &str) -> Answer {
        if text.is_empty() {
            return Answer::Taken;
        }
        let InfluxSettings {
            org,
            bucket,
            timeout,
            ..
        } = &self.settings;
        let request = self
            .client
            .write_line_protocol(org, bucket, text.to_owned());
        match tokio::time::timeout(*timeout, request).await {
            Err(_) => Answer::Later(format!("no answer within {timeout:?}")),
            Ok(Ok(())) => Answer::Taken,
            Ok(Err(RequestError::Http { status, text })) => {
                judge(status.as_u16(), format!("{status}: {}", text.trim()))
            }
            Ok(Err(error)) => Answer::Later(error.to_string()),
        }
    }

    /// Says why nothing goes, once for each reason.
    fn tell(&mut self, why: &str) {
        if self.told != why {
            tracing::warn!(why, "cannot forward to the database");
            why.clone_into(&mut self.told);
        }
    }
}

/// A bad line (400, 422) or too many of them (413) are the request's fault, all else the server's.
/// Any success will do: some servers answer 200 where InfluxDB answers 204.
fn judge(status: u16, why: String) -> Answer {
    match status {
        200..=299 => Answer::Taken,
        400 | 413 | 422 => Answer::Refused(why),
        _ => Answer::Later(why),
    }
}

/// Two parts of `text` cut between lines; nothing for a single line.
fn halves(text: &str) -> Option<(&str, &str)> {
    let lines = text.matches('\n').count();
    let (at, _) = text.match_indices('\n').nth((lines / 2).checked_sub(1)?)?;
    let (first, second) = text.split_at_checked(at + 1)?;
    (!second.is_empty()).then_some((first, second))
}

fn sample_load(
    ask: &crate::store::Queries<'_>,
    from: Option<RowId>,
    most: usize,
) -> Result<Load, StoreError> {
    let from = from.map_or_else(|| ask.cursor(SAMPLES), Ok)?;
    let mut load = Load::empty(SAMPLES, "sample", from);
    load.newest = ask.newest_sample()?.unwrap_or(from);
    for row in ask.samples_after(from, ROWS)? {
        if load.lines.count >= most {
            break;
        }
        load.lines.sample(&row);
        load.rows += 1;
        load.upto = row.id;
    }
    Ok(load)
}

fn incident_load(ask: &crate::store::Queries<'_>, from: Option<RowId>) -> Result<Load, StoreError> {
    let from = from.map_or_else(|| ask.cursor(INCIDENTS), Ok)?;
    let mut load = Load::empty(INCIDENTS, "incident", from);
    for row in ask.incidents_after(from, ROWS)? {
        load.lines.incident(&row);
        load.rows += 1;
        load.upto = row.revision;
    }
    Ok(load)
}

impl Load {
    fn empty(cursor: &'static str, kind: &'static str, upto: RowId) -> Self {
        Self {
            cursor,
            kind,
            rows: 0,
            lines: Lines::default(),
            newest: upto,
            upto,
        }
    }
}

#[cfg(test)]
mod tests;
