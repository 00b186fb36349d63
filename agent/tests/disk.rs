//! The real program on a real file system that is full, read-only, or damaged: from the start, or all at
//! once while it runs. The file system is a small one of its own, in a mount namespace that ends with the
//! program; where the kernel gives us none, a test says "skipped".

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that can't go on has failed; what is skipped is said; it waits by the real clock"
)]

#[allow(dead_code, reason = "the benches use more of it")]
#[path = "../benches/station/centre.rs"]
mod centre;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use centre::{Broker, Counted, collect};

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
        let mount =
            format!("mount -t tmpfs -o {options} none \"$DATA\" && cd \"$DATA\" && {before}");
        Self::within(folder, &["--map-root-user", "--mount"], &mount, None)
    }

    /// Starts it in `folder` after these orders to a shell in a namespace that `unshare` makes so.
    fn within(folder: &Path, unshare: &[&str], before: &str, broker: Option<u16>) -> Option<Self> {
        let mut probe = Command::new("unshare");
        probe.args(unshare).arg("true").stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            println!("skipped: no mount namespace can be had here");
            return None;
        }
        let mut command = Command::new("unshare");
        command.args(unshare);
        Some(Self::by(command, folder, before, broker))
    }

    /// Starts it in `folder` by `command`, after these orders to a shell.
    fn by(mut command: Command, folder: &Path, before: &str, broker: Option<u16>) -> Self {
        let local = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = local.local_addr().unwrap().port();
        drop(local);
        let data = folder.join("disk");
        std::fs::create_dir_all(&data).unwrap();
        let uplink = broker.map_or_else(String::new, |broker| {
            format!("[[uplink]]\nurl = \"mqtt://127.0.0.1:{broker}\"\n")
        });
        let text = format!(
            "site = \"bench\"\nlines = [\"a-b\"]\ndata = {data:?}\nlocal = \"127.0.0.1:{port}\"\n{uplink}\
             [[device]]\nid = \"edfa-1\"\nprofile = \"silkline-edfa\"\naddress = \"127.0.0.1:{}\"\npoll = \"50ms\"\n",
            device()
        );
        let settings = folder.join("agent.toml");
        std::fs::write(&settings, text).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command
            .args(["sh", "-c", &format!("{before} && exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_silkline-agent"))
            .arg("--config")
            .arg(settings)
            .arg("run")
            .env("DATA", &data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            data,
            local: port,
        }
    }

    /// Waits until the program counts none of it.
    fn until_none(&mut self, name: &str) {
        let deadline = Instant::now() + SOON;
        while self.counts(name) != Some(0) {
            assert!(Instant::now() < deadline, "{name}: {:?}", self.counts(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells it to leave, and waits until it has.
    fn leave(&mut self) {
        let mut kill = Command::new("kill");
        assert!(
            kill.arg(self.child.id().to_string())
                .status()
                .unwrap()
                .success()
        );
        assert!(self.child.wait().unwrap().success());
    }

    /// The largest file that it may write from now on.
    fn limit_files(&self, limit: &str) {
        let limited = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string()])
            .arg(format!("--fsize={limit}:unlimited"))
            .status();
        assert!(limited.unwrap().success());
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
const UNSYNCED: &str = "silkline_agent_records_unsynced{kind=\"sample\"}";
const DELIVERED: &str = "silkline_agent_records_delivered_total{kind=\"sample\"}";

#[test]
fn a_full_disk_stops_nothing_and_is_over_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let filled = "head -c 1500000 /dev/zero > filler";
    let Some(mut agent) = Running::start(folder.path(), "size=2m", filled) else {
        return;
    };
    agent.until(FAILURES, 2);
    agent.until(UNSYNCED, 20);
    let polls = agent.until(POLLS, 1);
    agent.until(POLLS, polls + 20);
    std::fs::remove_file(agent.inside("filler")).unwrap();
    agent.until_none(UNSYNCED);
    // What was taken before is there still, and what came meanwhile.
    let taken = agent.until(TAKEN, 40);
    assert!(agent.until(WAITING, taken) >= taken);
    assert_eq!(agent.counts(REFUSED), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("full") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_disk_that_takes_nothing_for_a_while_costs_no_record() {
    let folder = tempfile::tempdir().unwrap();
    // Its log is a file too, and can't be written either.
    let before = "trap '' XFSZ";
    let mut agent = Running::by(Command::new("env"), folder.path(), before, None);
    agent.until(TAKEN, 20);
    agent.limit_files("0");
    agent.until(UNSYNCED, 20);
    let polls = agent.until(POLLS, 1);
    agent.until(POLLS, polls + 20);
    agent.limit_files("unlimited");
    agent.until_none(UNSYNCED);
    let taken = agent.until(TAKEN, 60);
    assert_eq!(agent.counts(REFUSED), Some(0));
    // Killed without a word: what was taken is on the disk, each record once.
    agent.child.kill().unwrap();
    agent.child.wait().unwrap();
    let (held, said) = inspected(&agent.data.join("spool.sqlite"));
    assert!(held >= taken, "{taken} taken: {said}");
}

/// How many records a spool's file holds, and what is said of it.
fn inspected(file: &Path) -> (u64, String) {
    let inspected = Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
        .args(["spool", "inspect", "--file"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inspected.stdout).into_owned();
    let words = said.split_whitespace().collect::<Vec<_>>();
    let records = words.iter().position(|word| word.starts_with("record"));
    let count = records.and_then(|at| words.get(at.checked_sub(1)?)?.parse::<u64>().ok());
    (count.unwrap_or_default(), said)
}

/// What is preloaded into a program so that its disk forgets what a failed fsync should have kept.
fn forgetful(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("lost_pages.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/lost_pages.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .stderr(Stdio::null())
        .status();
    if compiled.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    println!("skipped: there is no C compiler");
    None
}

#[test]
fn an_fsync_that_failed_is_never_taken_for_one_that_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = forgetful(folder.path()) else {
        return;
    };
    let (disk, fail) = (folder.path().join("power-cut"), folder.path().join("fail"));
    std::fs::create_dir(&disk).unwrap();
    let mut command = Command::new("env");
    command
        .env("LOST_PAGES_DISK", &disk)
        .env("LOST_PAGES_FAIL", &fail)
        .env("LD_PRELOAD", library);
    let mut agent = Running::by(command, folder.path(), "true", None);
    agent.until(TAKEN, 10);
    for _ in 0..5 {
        let failures = agent.until(FAILURES, 0);
        // One fsync fails; all that follow succeed, without what that one should have kept.
        // That of a checkpoint fails no transaction: then it is the turn of another.
        let deadline = Instant::now() + SOON;
        while agent.counts(FAILURES).is_none_or(|now| now <= failures) {
            assert!(Instant::now() < deadline, "no fsync failed");
            if !fail.exists() {
                std::fs::write(&fail, "").unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = std::fs::remove_file(&fail);
        agent.until_none(UNSYNCED);
        let taken = agent.until(TAKEN, 1);
        agent.until(TAKEN, taken + 5);
    }
    let taken = ["gap", "event", "trace", "sample"].map(|kind| {
        let name = format!("silkline_agent_records_taken_total{{kind=\"{kind}\"}}");
        agent.until(&name, 0)
    });
    assert_eq!(agent.counts(REFUSED), Some(0));
    agent.child.kill().unwrap();
    agent.child.wait().unwrap();
    let (held, said) = inspected(&disk.join("spool.sqlite"));
    assert!(held >= taken.iter().sum(), "{taken:?} taken: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_keeps_no_record_from_the_collector() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start() else {
        println!("skipped: mosquitto is not installed");
        return;
    };
    let counted = Arc::new(Counted::default());
    let centre = tokio::spawn(collect(broker.port, "a-b", counted.clone()));
    let mount =
        "head -c 16000000 /dev/zero > image && mkfs.ext4 -q image && mount -o loop image \"$DATA\"";
    let mount = format!("cd {:?} && {mount}", folder.path());
    let tried = Command::new("unshare")
        .args(["--mount", "sh", "-c", &mount])
        .env("DATA", "/mnt")
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: no file system can be mounted from a file here");
        return;
    }
    let started = Running::within(folder.path(), &["--mount"], &mount, Some(broker.port));
    let mut agent = started.unwrap();
    agent.until(DELIVERED, 20);
    // As the kernel does upon an error of the disk: whatever is open stays open, and is read-only.
    let aborted = Command::new("nsenter")
        .args(["--target", &agent.child.id().to_string(), "--mount"])
        .args(["mount", "-o", "remount,abort"])
        .arg(&agent.data)
        .status();
    assert!(aborted.unwrap().success());
    agent.until(UNSYNCED, 5);
    let delivered = agent.until(DELIVERED, 20);
    agent.until(DELIVERED, delivered + 60);
    assert_eq!(agent.counts(REFUSED), Some(0));
    // Told to leave, it does, and in good order.
    agent.leave();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("the disk takes nothing"), "{log}");
    assert!(log.contains("agent left"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    counted.end();
    centre.abort();
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
