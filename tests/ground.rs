//! The ground that stories stand on: a folder of their own, child processes, ports, waiting.

pub(crate) mod broker;
pub(crate) mod device;
pub(crate) mod network;

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything that should come may take on a busy machine of two cores.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// How long a program may take to leave at the end of a story.
const LEAVING: Duration = Duration::from_secs(10);

/// Asks `question` until it has an answer; `None` when `within` has passed without one.
pub(crate) async fn answer<T>(
    within: Duration,
    mut question: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = question().await {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// As [`answer`], but the story ends here if none comes.
pub(crate) async fn wait<T>(what: &str, question: impl AsyncFnMut() -> Option<T>) -> T {
    match answer(SOON, question).await {
        Some(answer) => answer,
        None => panic!("waited {SOON:?} for {what} in vain"),
    }
}

/// A loopback port that nobody listens on, for TCP and for UDP.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether somebody listens on `port`.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(200)).is_ok()
}

/// Waits until somebody listens on `port`.
pub(crate) async fn listening(port: u16) {
    wait(&format!("port {port} to listen"), async || {
        listens(port).then_some(())
    })
    .await;
}

/// The data that is shared but not part of the project; `None`, said aloud, where it is absent.
pub(crate) fn shared_data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(part);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: ../shared/data/{part} is not there");
    None
}

/// The project's own folder.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// One of our programs, beside this test in the target folder.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{name} is not built: run `make build`, or `make test` for everything"
    );
    path
}

/// A child process, ended by its id when dropped; what it says goes to a file.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; what it says is appended to `{name}.log` in `folder`.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            name: name.to_owned(),
            log,
        }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power cut would: kill -9.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to leave (SIGTERM), waits, and gives its exit code.
    pub(crate) async fn leave(&mut self) -> Option<i32> {
        let _ = Command::new("kill")
            .arg(self.id().to_string())
            .stderr(Stdio::null())
            .status();
        let ended = answer(SOON, async || self.child.try_wait().ok().flatten()).await;
        ended
            .unwrap_or_else(|| panic!("{} does not leave", self.name))
            .code()
    }
}

impl Drop for Program {
    /// Asks it to leave before it is killed, so that what it has started itself ends as well.
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.id().to_string())
            .stderr(Stdio::null())
            .status();
        let deadline = Instant::now() + LEAVING;
        while self.runs() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let from = said.len().saturating_sub(3000);
            let tail = said.get(from..).unwrap_or(&said);
            println!("--- the last that {} said ---\n{tail}", self.name);
        }
    }
}
