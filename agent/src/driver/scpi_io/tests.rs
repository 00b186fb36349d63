//! The link against an instrument in this process that answers well, wrongly, late or not at all.

use std::sync::{Arc, Mutex};

use silkline_protocol::sample::{BadReading, Reading};
use tokio::net::TcpListener;

use super::*;
use crate::profile::Map;

/// How the instrument misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Well,
    Silent,
    Closes,
    Endless,
    NoText,
    /// Answers the first question after the timeout, with 99.
    Late,
    /// Its error queue never empties.
    Complains,
    /// Says a longer block than is taken.
    Boasts,
    /// Ends in the middle of a block.
    Tears,
    /// Says more than it was asked.
    Babbles,
}

#[derive(Default)]
struct Inner {
    way: Way,
    lines: Vec<String>,
    errors: Vec<&'static str>,
    status: u32,
    trace: Vec<u8>,
    connections: usize,
}

#[derive(Clone, Default)]
struct Instrument(Arc<Mutex<Inner>>);

impl Instrument {
    fn set(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().unwrap());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let instrument = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                instrument.set(|inner| inner.connections += 1);
                tokio::spawn(instrument.clone().talk(stream));
            }
        });
        address
    }

    async fn talk(self, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let way = self.0.lock().unwrap().way;
            if way == Way::Closes {
                return;
            }
            let Some(answer) = self.answer(&line) else {
                continue;
            };
            match way {
                Way::Silent => continue,
                Way::Late => {
                    self.set(|inner| inner.way = Way::Well);
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let _ = writer.write_all(b"99\n").await;
                    continue;
                }
                Way::Endless => {
                    while writer.write_all(&[b'x'; 1000]).await.is_ok() {}
                    return;
                }
                Way::NoText => drop(writer.write_all(b"\xff\xfe\n").await),
                Way::Babbles => drop(writer.write_all(b"16\n17\n").await),
                _ => drop(writer.write_all(&answer).await),
            }
            if way == Way::Tears && line.starts_with("TRAC") {
                return;
            }
        }
    }

    /// What it answers; nothing to a command.
    fn answer(&self, line: &str) -> Option<Vec<u8>> {
        let mut inner = self.0.lock().unwrap();
        inner.lines.push(line.to_owned());
        let text = match line {
            "STAT:OPER:COND?" => inner.status.to_string(),
            "SYST:TEMP?" => "31.5".to_owned(),
            "SYST:ERR?" if inner.way == Way::Complains => "-100,\"Command error\"".to_owned(),
            "SYST:ERR?" => match inner.errors.pop() {
                Some(error) => error.to_owned(),
                None => "0,\"No error\"".to_owned(),
            },
            "INIT:IMM" => {
                inner.status = 16;
                return None;
            }
            "ABOR" => {
                inner.status = 0;
                return None;
            }
            "TRAC:DATA:SOR?" => {
                let length = match inner.way {
                    Way::Boasts => MAX_TRACE + 1,
                    Way::Tears => inner.trace.len() + 1,
                    _ => inner.trace.len(),
                };
                let digits = length.to_string();
                let mut block = format!("#{}{digits}", digits.len()).into_bytes();
                block.extend(&inner.trace);
                block.push(b'\n');
                return Some(block);
            }
            _ => return None,
        };
        Some(format!("{text}\r\n").into_bytes())
    }
}

struct Bench {
    instrument: Instrument,
    link: ScpiLink,
    device: Device,
    map: ScpiMap,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let instrument = Instrument::default();
        let address = instrument.serve().await;
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\n[[device]]\nid = \"otdr-1\"\n\
             profile = \"silkline-otdr-scpi\"\naddress = \"{address}\"\ntimeout = \"200ms\"\n\
             folder = \"{}\"\n[[device.view]]\nport = 3\nview = \"east\"\n",
            folder.path().display()
        );
        let config = crate::config::read("agent.toml", &text).unwrap_or_else(|e| panic!("{e}"));
        let device = config.devices[0].clone();
        let Map::Scpi(map) = device.profile.map.clone() else {
            panic!("no lines")
        };
        Self {
            instrument,
            link: ScpiLink::new(address),
            device,
            map,
            clock: Clock::start(),
            folder,
        }
    }

    async fn poll(&mut self) -> Polled {
        let patience = Patience::new(true);
        let what = (&self.device, &self.map);
        let polled = self.link.poll(what, patience, &self.clock).await;
        if let Some((port, Ok(sor))) = self.link.fetched() {
            let pattern = &self.device.otdr.as_ref().unwrap().watch.pattern;
            let name = crate::folder::name_for(pattern, self.device.id.as_str(), port);
            crate::folder::put(self.folder.path(), &name, &sor).unwrap();
        }
        polled
    }

    async fn shoot(&mut self) -> Result<(), Fault> {
        let shot = self.device.scpi_shot().unwrap().clone();
        let settings = ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: 300,
            average: Duration::from_secs(10),
        };
        let what = (&self.device, &shot);
        self.link.shoot(what, settings, &self.clock).await
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_shot_goes_from_its_commands_to_a_file_in_the_folder() {
    let mut bench = Bench::new().await;
    let trace: Vec<u8> = (0..100_000u32).map(|byte| byte.to_le_bytes()[0]).collect();
    bench.instrument.set(|inner| inner.trace = trace.clone());
    bench.shoot().await.unwrap();
    let lines = bench.instrument.lines();
    for wanted in [
        "ROUT:CLOS (@3)",
        "SENS:PULS 300",
        "SENS:AVER:TIME 10",
        "INIT:IMM",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{lines:?}");
    }
    bench.poll().await;
    assert!(bench.files().is_empty(), "it runs");
    let again = bench.shoot().await;
    assert!(
        matches!(&again, Err(Fault::Refused(why)) if why.contains("measuring")),
        "{again:?}"
    );
    bench.instrument.set(|inner| inner.status = 0);
    let polled = bench.poll().await;
    assert!(polled.answered());
    let files = bench.files();
    assert_eq!(files.len(), 1, "{files:?}");
    let pattern = &bench.device.otdr.as_ref().unwrap().watch.pattern;
    let port = crate::folder::port_of(pattern, "otdr-1", &files[0]);
    assert_eq!(port, Some(3));
    let kept = std::fs::read(bench.folder.path().join(&files[0])).unwrap();
    assert_eq!(kept, trace);
    bench.poll().await;
    assert_eq!(bench.files().len(), 1, "fetched once");
}

#[tokio::test]
async fn what_the_error_queue_says_is_why_a_shot_is_refused() {
    let mut bench = Bench::new().await;
    bench
        .instrument
        .set(|inner| inner.errors = vec!["-113,\"of old\""]);
    bench.shoot().await.unwrap();

    let mut bench = Bench::new().await;
    bench.instrument.set(|inner| inner.way = Way::Complains);
    let fault = bench.shoot().await.unwrap_err();
    assert!(
        matches!(&fault, Fault::Garbled(why) if why.contains("no end")),
        "{fault:?}"
    );
    assert_eq!(
        bench.instrument.lines().len(),
        1 + MAX_ERRORS,
        "asked a bounded number of times, and not started"
    );
}

#[tokio::test]
async fn a_shot_that_is_aborted_leaves_no_file() {
    let mut bench = Bench::new().await;
    bench.shoot().await.unwrap();
    let (device, shot) = (
        bench.device.clone(),
        bench.device.scpi_shot().unwrap().clone(),
    );
    bench.link.abort(&device, &shot).await.unwrap();
    bench.poll().await;
    assert!(bench.files().is_empty());
    bench.shoot().await.unwrap();
}

#[tokio::test]
async fn every_wrong_answer_is_a_bad_reading_and_a_new_connection() {
    use BadReading::{Garbled, Timeout, Unreachable};
    for (way, wanted) in [
        (Way::Silent, Timeout),
        (Way::Closes, Unreachable),
        (Way::Endless, Garbled),
        (Way::NoText, Garbled),
    ] {
        let mut bench = Bench::new().await;
        bench.instrument.set(|inner| inner.way = way);
        let polled = bench.poll().await;
        let operation = polled.readings.get(&"operation".parse().unwrap()).unwrap();
        assert_eq!(operation.reading, Reading::Bad(wanted), "{way:?}");
        bench.instrument.set(|inner| inner.way = Way::Well);
        let polled = bench.poll().await;
        let temp = polled
            .readings
            .get(&"module_temp".parse().unwrap())
            .unwrap();
        assert_eq!(temp.reading, Reading::Value(31.5), "{way:?}");
        assert!(bench.instrument.0.lock().unwrap().connections > 1);
    }
}

#[tokio::test]
async fn a_late_or_unasked_answer_reaches_no_other_question() {
    for way in [Way::Late, Way::Babbles] {
        let mut bench = Bench::new().await;
        bench.instrument.set(|inner| inner.way = way);
        bench.poll().await;
        bench.instrument.set(|inner| inner.way = Way::Well);
        // The late answer has come by now, to a connection that nobody reads.
        tokio::time::sleep(Duration::from_millis(350)).await;
        for _ in 0..3 {
            let polled = bench.poll().await;
            let of = |name: &str| polled.readings.get(&name.parse().unwrap()).unwrap().reading;
            assert_eq!(of("operation"), Reading::Value(0.0), "{way:?}");
            assert_eq!(of("module_temp"), Reading::Value(31.5), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_block_that_lies_is_no_file() {
    for way in [Way::Boasts, Way::Tears] {
        let mut bench = Bench::new().await;
        bench.instrument.set(|inner| inner.trace = vec![7; 1000]);
        bench.shoot().await.unwrap();
        bench.instrument.set(|inner| {
            inner.way = way;
            inner.status = 0;
        });
        bench.poll().await;
        assert!(bench.files().is_empty(), "{way:?}");
        bench.instrument.set(|inner| inner.way = Way::Well);
        let polled = bench.poll().await;
        assert!(polled.answered(), "it goes on");
        // A connection that broke may be had again, and the trace with it.
        assert_eq!(
            bench.files().len(),
            usize::from(way == Way::Tears),
            "{way:?}"
        );
    }
}
