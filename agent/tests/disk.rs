//! The real program on a real file system that is full, read-only, or damaged. The file system is a
//! small one of its own, in a mount namespace that ends with the program; where the kernel gives us none,
//! a test says "skipped".

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that can't go on has failed; what is skipped is said; it waits by the real clock"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);

/// Answers every Modbus request with registers of one value; ends with the test.
fn device() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).is_ok() {
        let bytes = request[11].saturating_mul(2);
        let mut answer = request[..4].to_vec();
        answer.extend([0, bytes.saturating_add(3), request[6], request[7], bytes]);
        answer.extend(core::iter::repeat_n(1, usize::from(bytes)));
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The program with its data on a file system of its own.
struct Running {
    child: Child,
    data: PathBuf,
    local: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts it in `folder`, on a file system made with these options, after these orders to a shell.
    fn start(folder: &Path, options: &str, before: &str) -> Option<Self> {
        let probe = Command::new("unshare")
            .args(["--map-root-user", "--mount", "true"])
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            println!("skipped: no mount namespace can be had here");
            return None;
        }
        let local = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = local.local_addr().unwrap().port();
        drop(local);
        let data = folder.join("disk");
        std::fs::create_dir_all(&data).unwrap();
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = {data:?}\nlocal = \"127.0.0.1:{port}\"\n\
             [[device]]\nid = \"edfa-1\"\nprofile = \"silkline-edfa\"\naddress = \"127.0.0.1:{}\"\npoll = \"50ms\"\n",
            device()
        );
        let settings = folder.join("agent.toml");
        std::fs::write(&settings, text).unwrap();
        let orders = format!(
            "mount -t tmpfs -o {options} none {data:?} && cd {data:?} && {before} && exec \"$@\""
        );
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &orders, "sh"])
            .arg(env!("CARGO_BIN_EXE_silkline-agent"))
            .arg("--config")
            .arg(settings)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(Self {
            child,
            data,
            local: port,
        })
    }

    /// What the program counts under this name, while it answers.
    fn counts(&self, name: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.local)).ok()?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until the program counts at least so much.
    fn until(&mut self, name: &str, least: u64) -> u64 {
        let deadline = Instant::now() + SOON;
        loop {
            match self.counts(name) {
                Some(count) if count >= least => return count,
                found if Instant::now() > deadline => panic!("{name}: {found:?}, want {least}"),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
        }
    }

    /// A file of the file system that only the program has.
    fn inside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(self.data.strip_prefix("/").unwrap()).join(name)
    }
}

const TAKEN: &str = "silkline_agent_records_taken_total{kind=\"sample\"}";
const REFUSED: &str = "silkline_agent_records_refused_total{kind=\"sample\"}";
const WAITING: &str = "silkline_agent_records_waiting{kind=\"sample\"}";
const FAILURES: &str = "silkline_agent_spool_failures_total";
const POLLS: &str = "silkline_agent_polls_total";

#[test]
fn a_full_disk_stops_nothing_and_is_over_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let filled = "head -c 1500000 /dev/zero > filler";
    let Some(mut agent) = Running::start(folder.path(), "size=2m", filled) else {
        return;
    };
    agent.until(FAILURES, 3);
    let polls = agent.until(POLLS, 1);
    agent.until(POLLS, polls + 20);
    let failed = agent.until(FAILURES, 4);
    // What was taken before is there still.
    let taken = agent.counts(TAKEN).unwrap();
    assert!(taken > 0 && agent.counts(WAITING) == Some(taken));
    std::fs::remove_file(agent.inside("filler")).unwrap();
    agent.until(TAKEN, taken + 20);
    let waiting = agent.counts(WAITING).unwrap();
    assert!(waiting >= taken + 20, "{waiting} of {taken} and 20");
    assert!(agent.counts(FAILURES).unwrap() >= failed);
    assert!(agent.counts(REFUSED).unwrap() > 0);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("full") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_disk_that_cannot_be_written_is_named_and_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = "mount -o remount,ro \"$PWD\"";
    let Some(mut agent) = Running::start(folder.path(), "size=2m", sealed) else {
        return;
    };
    let code = agent.child.wait().unwrap().code();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(code, Some(69), "{log}");
    let said = log.to_lowercase();
    assert!(
        said.contains("read-only") && said.contains("spool"),
        "{log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}
