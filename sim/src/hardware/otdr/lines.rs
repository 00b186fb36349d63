//! The OTDR that is spoken to in lines: written by hand from the commands of `silkline-otdr-scpi`, not
//! shared with what speaks to it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::debug;

use super::{Core, Refused, State};

/// The longest line that is taken.
const MOST_BYTES: u64 = 1_000;
/// Errors that are remembered.
const MOST_ERRORS: usize = 20;
/// The bit of the operation register that is set while it measures (SCPI-99, volume 1, 20.1).
const MEASURING: u16 = 16;

/// What the lines have set, shared by all who speak to the unit.
#[derive(Debug, Default)]
struct Front {
    port: u16,
    pulse_ns: u32,
    average_s: u16,
    errors: Vec<&'static str>,
}

/// Serves until the task is stopped.
pub(in crate::hardware) async fn serve(listener: TcpListener, core: Core) {
    let front = Arc::new(Mutex::new(Front {
        port: 1,
        pulse_ns: 1_000,
        average_s: 10,
        errors: Vec::new(),
    }));
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let talk = talk(stream, core.clone(), Arc::clone(&front));
        talks.spawn(async {
            if let Err(error) = talk.await {
                debug!(%error, "a talk in lines broke");
            }
        });
        while talks.try_join_next().is_some() {}
    }
}

async fn talk(stream: TcpStream, core: Core, front: Arc<Mutex<Front>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        let read = (&mut reader).take(MOST_BYTES).read_line(&mut line).await?;
        if read == 0 || !line.ends_with('\n') {
            return Ok(());
        }
        let answer = {
            let mut front = front.lock().unwrap_or_else(PoisonError::into_inner);
            front.answer(line.trim(), &core)
        };
        if let Some(answer) = answer.filter(|_| core.answers()) {
            writer.write_all(&answer).await?;
        }
    }
}

impl Front {
    /// What is answered; nothing to a command, whose errors are kept until they are asked for.
    fn answer(&mut self, line: &str, core: &Core) -> Option<Vec<u8>> {
        let status = core.status.borrow().clone();
        let text = match line {
            "*IDN?" => "silkline,reference OTDR,0,1".to_owned(),
            "STAT:OPER:COND?" => {
                let busy = status.state == State::Busy;
                (if busy { MEASURING } else { 0 }).to_string()
            }
            "SYST:TEMP?" => "+3.12E+01".to_owned(),
            "SYST:ERR?" if self.errors.is_empty() => "0,\"No error\"".to_owned(),
            "SYST:ERR?" => self.errors.remove(0).to_owned(),
            "TRAC:DATA:SOR?" if status.trace.is_empty() => {
                self.error("-230,\"Data corrupt or stale\"");
                return Some(b"#10\n".to_vec());
            }
            "TRAC:DATA:SOR?" => {
                let digits = status.trace.len().to_string();
                let mut block = format!("#{}{digits}", digits.len()).into_bytes();
                block.extend(status.trace.iter());
                block.push(b'\n');
                return Some(block);
            }
            command => {
                if let Err(error) = self.obey(command, core) {
                    self.error(error);
                }
                return None;
            }
        };
        Some(format!("{text}\n").into_bytes())
    }

    fn obey(&mut self, command: &str, core: &Core) -> Result<(), &'static str> {
        let out_of_range = "-222,\"Data out of range\"";
        let (head, value) = command.split_once(' ').unwrap_or((command, ""));
        match head {
            "ROUT:CLOS" => {
                let port = value.strip_prefix("(@").and_then(|v| v.strip_suffix(')'));
                let port = port.and_then(|port| port.parse().ok());
                self.port = port.ok_or(out_of_range)?;
            }
            "SENS:PULS" => self.pulse_ns = value.parse().map_err(|_| out_of_range)?,
            "SENS:AVER:TIME" => self.average_s = value.parse().map_err(|_| out_of_range)?,
            "ABOR" => core.stop(),
            "INIT:IMM" => core
                .order(self.port, self.pulse_ns, self.average_s)
                .map_err(|refused| match refused {
                    Refused::Nonsense => out_of_range,
                    Refused::Busy => "-213,\"Init ignored\"",
                    Refused::Gone => "-240,\"Hardware error\"",
                })?,
            _ => return Err("-113,\"Undefined header\""),
        }
        Ok(())
    }

    fn error(&mut self, error: &'static str) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }
}
