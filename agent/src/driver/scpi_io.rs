//! SCPI over TCP: one connection, one question at a time, everything bounded in bytes and time.
//!
//! After any timeout or answer that can't be read the connection is thrown away: a late answer can
//! reach nobody. A shot is started here, looked after at each poll, and when it is over its block is
//! fetched and handed over; it goes into the folder that is watched anyway, and so through the same checks
//! and the same spool as one that the instrument drops by itself.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use silkline_protocol::codec::MAX_TRACE;

use super::fetch::Failure;
use super::otdr::ShotSettings;
use super::scpi::{
    ERROR_QUERY, MAX_ERRORS, MAX_LINE, bits_in, block_digits, block_length, decode, error_in,
    shown, start_lines,
};
use super::session::{Polled, Request};
use super::{Fault, Patience};
use crate::clock::{Clock, Moment};
use crate::config::Device;
use crate::profile::{ScpiMap, ScpiShot};

/// How long a block may take beside its size: 4 MiB over the slowest link that is of use.
const FETCH: Duration = Duration::from_secs(60);
/// How long after its average a shot may run before it is given up.
const OVERTIME: Duration = Duration::from_secs(30);

/// The way to one instrument.
pub struct ScpiLink {
    address: String,
    connection: Option<Connection>,
    running: Option<Running>,
    /// The port and the trace of the shot that is over, or why it has none.
    over: Option<(u16, Result<Vec<u8>, Failure>)>,
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// A shot that was started and has not been fetched.
#[derive(Clone, Copy)]
struct Running {
    port: u16,
    until: Moment,
}

impl ScpiLink {
    /// The link to `address`, not connected yet.
    #[must_use]
    pub const fn new(address: String) -> Self {
        Self {
            address,
            connection: None,
            running: None,
            over: None,
        }
    }

    /// The port and the trace of a shot that has ended since this was asked last, or why it has none.
    pub fn fetched(&mut self) -> Option<(u16, Result<Vec<u8>, Failure>)> {
        self.over.take()
    }

    /// Asks for every point, and sees to the shot that runs.
    pub async fn poll(
        &mut self,
        (device, map): (&Device, &ScpiMap),
        patience: Patience,
        clock: &Clock,
    ) -> Polled {
        let mut patience = patience;
        let mut answers = Vec::new();
        let mut requests = Vec::new();
        for place in &map.points {
            if !patience.is_left() {
                break;
            }
            let begun = clock.moment();
            let within = patience.within(device.timeout);
            let answer = self.ask(&place.query, within).await;
            let fault = answer.as_ref().err().cloned();
            patience.observe(fault.as_ref());
            let took = clock.moment() - begun;
            requests.push(Request { took, fault });
            answers.push(answer);
        }
        if self.running.is_some() && patience.is_left() {
            self.look_after(device, clock).await;
        }
        Polled {
            readings: decode(map, &answers).into(),
            requests,
        }
    }

    /// Starts a shot.
    ///
    /// # Errors
    ///
    /// Why it was not started, or may not have been.
    pub async fn shoot(
        &mut self,
        (device, shot): (&Device, &ScpiShot),
        settings: ShotSettings,
        clock: &Clock,
    ) -> Result<(), Fault> {
        let within = device.timeout;
        let status = self.ask(&shot.status, within).await?;
        if matches!(shot.told, crate::profile::ScpiTold::Running(_))
            && !shot.told.is_over(bits_in(&status)?)
        {
            return Err(Fault::Refused("it is measuring already".to_owned()));
        }
        self.running = None;
        self.command(&start_lines(shot, settings), within).await?;
        self.running = Some(Running {
            port: settings.port,
            until: clock.moment() + settings.average + OVERTIME,
        });
        Ok(())
    }

    /// Sends `lines` one after another, upon which the instrument must have no error.
    ///
    /// # Errors
    ///
    /// Its error, or why it may not have taken them.
    pub async fn command(&mut self, lines: &[String], within: Duration) -> Result<(), Fault> {
        // What others did wrong before is not ours.
        self.errors(within).await?;
        for line in lines {
            self.tell(line, within).await?;
        }
        match self.errors(within).await? {
            Some(error) => Err(Fault::Refused(error)),
            None => Ok(()),
        }
    }

    /// Ends the shot that runs.
    ///
    /// # Errors
    ///
    /// Why it may run on.
    pub async fn abort(&mut self, device: &Device, shot: &ScpiShot) -> Result<(), Fault> {
        let Some(line) = &shot.abort else {
            return Err(Fault::NotSupported("it can't be stopped".to_owned()));
        };
        self.tell(line, device.timeout).await?;
        if let Some(error) = self.errors(device.timeout).await? {
            return Err(Fault::Refused(error));
        }
        self.running = None;
        Ok(())
    }

    /// Fetches the shot that runs where it is over.
    async fn look_after(&mut self, device: &Device, clock: &Clock) {
        let (Some(running), Some(shot)) = (self.running, device.scpi_shot()) else {
            return;
        };
        let reason = match self.finished(device, shot, running).await {
            Ok(false) if clock.moment() < running.until => return,
            Ok(false) => "it runs on and is given up".to_owned(),
            Ok(true) => {
                self.running = None;
                return;
            }
            // Silence now may be an answer later; what is refused stays so.
            Err(fault) if fault.is_absence() && clock.moment() < running.until => return,
            Err(fault) => format!("its trace could not be fetched: {fault}"),
        };
        self.running = None;
        let read = Vec::new();
        self.over = Some((running.port, Err(Failure { reason, read })));
    }

    /// Whether the shot is over and its trace is here.
    async fn finished(
        &mut self,
        device: &Device,
        shot: &ScpiShot,
        running: Running,
    ) -> Result<bool, Fault> {
        let status = bits_in(&self.ask(&shot.status, device.timeout).await?)?;
        if !shot.told.is_over(status) {
            return Ok(false);
        }
        let fetched = self.block(&shot.fetch, device.timeout).await;
        if matches!(fetched, Err(Fault::Timeout(_) | Fault::Unreachable(_))) {
            return fetched.map(|_| true);
        }
        let error = self.errors(device.timeout).await?;
        let sor = fetched.map_err(|fault| match error {
            Some(error) => Fault::Refused(error),
            None => fault,
        })?;
        self.over = Some((running.port, Ok(sor)));
        Ok(true)
    }

    /// Reads the error queue until it is empty, and gives the first error.
    async fn errors(&mut self, within: Duration) -> Result<Option<String>, Fault> {
        let mut first = None;
        for _ in 0..MAX_ERRORS {
            let answer = self.ask(ERROR_QUERY, within).await?;
            match error_in(&answer).inspect_err(|_| self.connection = None)? {
                None => return Ok(first),
                Some(error) => first = first.or(Some(error)),
            }
        }
        self.connection = None;
        Err(Fault::Garbled(format!(
            "{MAX_ERRORS} errors and no end: {}",
            first.unwrap_or_default()
        )))
    }

    async fn tell(&mut self, line: &str, within: Duration) -> Result<(), Fault> {
        self.bounded(within, async |connection| connection.send(line).await)
            .await
    }

    async fn ask(&mut self, query: &str, within: Duration) -> Result<String, Fault> {
        self.bounded(within, async |connection| {
            connection.send(query).await?;
            connection.line().await
        })
        .await
    }

    async fn block(&mut self, query: &str, within: Duration) -> Result<Vec<u8>, Fault> {
        self.bounded(within + FETCH, async |connection| {
            connection.send(query).await?;
            connection.block().await
        })
        .await
    }

    /// Does one exchange over the connection, a new one where there is none; keeps it only where all
    /// went well.
    async fn bounded<T>(
        &mut self,
        within: Duration,
        exchange: impl AsyncFnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (kept, address) = (self.connection.take(), &self.address);
        let done = tokio::time::timeout(within, async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::to(address).await?,
            };
            exchange(&mut connection)
                .await
                .map(|done| (done, connection))
        });
        let (done, connection) = done.await.map_err(|_| Fault::Timeout(within))??;
        self.connection = Some(connection);
        Ok(done)
    }
}

impl Connection {
    async fn to(address: &str) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let (reader, writer) = stream.into_split();
        let reader = BufReader::new(reader);
        Ok(Self { reader, writer })
    }

    async fn send(&mut self, line: &str) -> Result<(), Fault> {
        let unasked = self.reader.buffer();
        if !unasked.is_empty() {
            let said = String::from_utf8_lossy(unasked);
            return Err(Fault::Garbled(format!("it said unasked {}", shown(&said))));
        }
        let line = format!("{line}\n");
        self.writer.write_all(line.as_bytes()).await.map_err(broken)
    }

    async fn line(&mut self) -> Result<String, Fault> {
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let mut limited = (&mut self.reader).take(most);
        limited
            .read_until(b'\n', &mut bytes)
            .await
            .map_err(broken)?;
        if bytes.last() != Some(&b'\n') {
            return Err(match bytes.len() {
                MAX_LINE => Fault::Garbled(format!("a line of more than {MAX_LINE} bytes")),
                _ => Fault::Unreachable("the connection was closed".to_owned()),
            });
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Fault::Garbled("a line that is no text".to_owned()))?;
        Ok(text.trim_end().to_owned())
    }

    async fn block(&mut self) -> Result<Vec<u8>, Fault> {
        let mut start = [0; 2];
        self.reader.read_exact(&mut start).await.map_err(broken)?;
        let mut digits = vec![0; block_digits(start)?];
        self.reader.read_exact(&mut digits).await.map_err(broken)?;
        let mut bytes = vec![0; block_length(&digits, MAX_TRACE)?];
        self.reader.read_exact(&mut bytes).await.map_err(broken)?;
        // The line's end after the block.
        self.line().await?;
        Ok(bytes)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn broken(error: std::io::Error) -> Fault {
    Fault::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests;
