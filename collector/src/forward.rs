//! Carries history from the hot store to InfluxDB, and remembers how far it has come.
//!
//! ```text
//!   store ──rows after the cursor──▶ lines ──POST──▶ server
//!     ▲                                                │ taken
//!     └── cursor, by the commit task ◀─────────────────┘
//! ```
//!
//! The server may be down, slow or full: this task waits and tries again, with a growing pause, and
//! nothing else notices, or for as long as the server asks for. What was sent and not yet noted down
//! when the program dies is sent again, which changes nothing there. A line that the server refuses
//! is looked for by halving, left out, counted, and kept in the quarantine with what the server said.
//! A bucket that is missing is made.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::InfluxSettings;
use crate::metrics::{Metrics, count_many};
use crate::state::Report;
use crate::store::rows::{RowId, SampleRow};
use crate::store::{Queries, Reader, StoreError};

pub mod line;
mod server;

use line::Lines;
use server::{Answer, Later, Server};

/// The cursor of samples.
pub const SAMPLES: &str = "influx-samples";
/// The cursor of incidents, which counts revisions.
pub const INCIDENTS: &str = "influx-incidents";
/// The cursor of anomalies, which counts revisions.
pub const ANOMALIES: &str = "influx-anomalies";
/// The cursor of traces.
pub const TRACES: &str = "influx-traces";

/// Rows read at a time: of samples enough for some requests, for sealed ones are costly to find.
const ROWS: usize = 2_000;
/// How long at most until a new look, should no wake come.
const LOOK: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles up to [`MOST_PAUSE`].
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// The forwarder and what it needs.
#[derive(Debug)]
pub struct Forward {
    server: Server,
    store: Reader,
    reports: mpsc::Sender<Report>,
    wake: Arc<Notify>,
    metrics: Arc<Metrics>,
    told: String,
    /// How far each kind has come; ahead of the stored cursors, which the commit task writes in its
    /// time.
    at: [Option<RowId>; 4],
    /// Samples that were read and not yet sent.
    samples: VecDeque<SampleRow>,
    /// Lines in one request: fewer after the server found them too many.
    lines: usize,
    most_lines: usize,
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

/// What is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sample,
    Incident,
    Anomaly,
    Trace,
}

/// Lines that stand for rows up to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    kind: Kind,
    rows: usize,
    lines: Lines,
    upto: RowId,
}

/// What became of the lines of a load.
#[derive(Debug, Default)]
struct Sent {
    /// Refused, each with what the server said.
    refused: Vec<(String, String)>,
    /// Older than the server keeps anything.
    old: u64,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Sample, Self::Incident, Self::Anomaly, Self::Trace];

    const fn cursor(self) -> &'static str {
        match self {
            Self::Sample => SAMPLES,
            Self::Incident => INCIDENTS,
            Self::Anomaly => ANOMALIES,
            Self::Trace => TRACES,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Incident => "incident",
            Self::Anomaly => "anomaly",
            Self::Trace => "trace",
        }
    }
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
        let most_lines = settings.batch;
        Ok(Self {
            server: Server::new(settings)?,
            store,
            reports,
            wake,
            metrics,
            told: String::new(),
            at: [None; 4],
            samples: VecDeque::new(),
            lines: most_lines,
            most_lines,
        })
    }

    /// Forwards until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = LEAST_PAUSE;
        while !stop.is_cancelled() {
            let step = stop.run_until_cancelled(self.step()).await;
            let wait = match step {
                None => break,
                Some(Ok(true)) => {
                    pause = LEAST_PAUSE;
                    continue;
                }
                Some(Ok(false)) => LOOK,
                Some(Err(Later { why, after })) => {
                    self.tell(&why);
                    self.metrics.forward_failed.inc();
                    let wait = after.unwrap_or(pause);
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
    async fn step(&mut self) -> Result<bool, Later> {
        let mut any = false;
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let load = self
                .load(kind, self.at.get(index).copied().flatten())
                .await?;
            let upto = load.upto;
            any |= self.forward(load).await?;
            if let Some(at) = self.at.get_mut(index) {
                *at = Some(upto);
            }
        }
        Ok(any)
    }

    /// The next lines of a kind.
    async fn load(&mut self, kind: Kind, from: Option<RowId>) -> Result<Load, Later> {
        let read = |error: StoreError| Later::from(error.to_string());
        if kind == Kind::Sample {
            return self.sample_load(from).await.map_err(read);
        }
        let most = self.lines.min(ROWS);
        let load = move |ask: &Queries<'_>| {
            let from = from.map_or_else(|| ask.cursor(kind.cursor()), Ok)?;
            load(ask, kind, from, most)
        };
        self.store.ask_async(load).await.map_err(read)
    }

    /// Lines of the samples that were read, of more where all of those are sent.
    async fn sample_load(&mut self, from: Option<RowId>) -> Result<Load, StoreError> {
        let mut begin = from.unwrap_or_default();
        if self.samples.is_empty() {
            let read = move |ask: &Queries<'_>| {
                let from = from.map_or_else(|| ask.cursor(SAMPLES), Ok)?;
                let rows = ask.samples_after(from, ROWS)?;
                Ok((from, rows, ask.newest_sample()?))
            };
            let (from, rows, last) = self.store.ask_async(read).await?;
            self.samples = rows.into();
            let behind = last.map_or(0, |last| last.0 - from.0);
            self.metrics.forward_behind.set(behind);
            begin = from;
        }
        let mut load = Load::empty(Kind::Sample, begin);
        for row in &self.samples {
            if load.lines.count >= self.lines {
                break;
            }
            load.lines.sample(row);
            load.rows += 1;
            load.upto = row.id;
        }
        Ok(load)
    }

    async fn forward(&mut self, load: Load) -> Result<bool, Later> {
        if load.rows == 0 {
            return Ok(false);
        }
        let sent = self.send(&load.lines.text).await?;
        let (kind, rows, metrics) = (load.kind.word(), load.rows as u64, &self.metrics);
        count_many(&metrics.forward_in, kind, rows);
        count_many(&metrics.forward_out, kind, rows);
        count_many(&metrics.forward_dropped, "old_points", sent.old);
        let refused = sent.refused.len() as u64;
        count_many(&metrics.forward_dropped, "refused_lines", refused);
        if load.kind == Kind::Sample {
            self.samples.drain(..load.rows.min(self.samples.len()));
        }
        for (line, why) in sent.refused {
            tracing::error!(line, why, "the database refuses a line");
            self.report(Report::Refused { line, why }).await?;
        }
        let passed = Report::Passed {
            cursor: load.kind.cursor(),
            id: load.upto,
        };
        self.report(passed).await?;
        self.lines = (self.lines + self.lines / 10 + 1).min(self.most_lines);
        self.told.clear();
        Ok(true)
    }

    async fn report(&self, report: Report) -> Result<(), Later> {
        let sent = self.reports.send(report).await;
        sent.map_err(|_| Later::from("the commit task has ended".to_owned()))
    }

    /// Sends lines, without those that the server refuses.
    async fn send(&mut self, text: &str) -> Result<Sent, Later> {
        let mut parts = vec![text];
        let (mut sent, mut made) = (Sent::default(), false);
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            let answer = self.server.write(part).await;
            let why = match answer {
                Answer::Taken => continue,
                Answer::Old(many) => {
                    sent.old += many;
                    continue;
                }
                Answer::Later(later) => return Err(later),
                Answer::NoBucket if made => return Err("no bucket".to_owned().into()),
                Answer::NoBucket => {
                    self.server.make_bucket().await.map_err(Later::from)?;
                    made = true;
                    parts.push(part);
                    continue;
                }
                Answer::TooLarge => {
                    self.lines = (part.matches('\n').count() / 2).max(1);
                    "413: too large".to_owned()
                }
                Answer::Refused(why) => why,
            };
            match halves(part) {
                Some((first, second)) => parts.extend([second, first]),
                None => sent.refused.push((part.trim_end().to_owned(), why)),
            }
        }
        Ok(sent)
    }

    /// Says why nothing goes, once for each reason.
    fn tell(&mut self, why: &str) {
        if self.told != why {
            tracing::warn!(why, "cannot forward to the database");
            why.clone_into(&mut self.told);
        }
    }
}

/// Two parts of `text` cut between lines; nothing for a single line.
fn halves(text: &str) -> Option<(&str, &str)> {
    let lines = text.matches('\n').count();
    let (at, _) = text.match_indices('\n').nth((lines / 2).checked_sub(1)?)?;
    let (first, second) = text.split_at_checked(at + 1)?;
    (!second.is_empty()).then_some((first, second))
}

/// Lines of what there are few of.
fn load(ask: &Queries<'_>, kind: Kind, from: RowId, most: usize) -> Result<Load, StoreError> {
    let mut load = Load::empty(kind, from);
    match kind {
        Kind::Incident => {
            for row in ask.incidents_after(from, most)? {
                load.add(row.revision, |lines| lines.incident(&row));
            }
        }
        Kind::Anomaly => {
            for row in ask.anomalies_after(from, most)? {
                load.add(row.revision, |lines| lines.anomaly(&row));
            }
        }
        Kind::Trace => {
            for row in ask.traces_after(from, most)? {
                load.add(row.id, |lines| lines.trace(&row));
            }
        }
        Kind::Sample => {}
    }
    Ok(load)
}

impl Load {
    fn empty(kind: Kind, upto: RowId) -> Self {
        Self {
            kind,
            rows: 0,
            lines: Lines::default(),
            upto,
        }
    }

    fn add(&mut self, id: RowId, line: impl FnOnce(&mut Lines)) {
        line(&mut self.lines);
        self.rows += 1;
        self.upto = id;
    }
}

#[cfg(test)]
mod grafana;
#[cfg(test)]
mod tests;
