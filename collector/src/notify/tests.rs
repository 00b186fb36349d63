//! Notices from the outbox to real servers: a mail server as a child process, a web server here.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use silkline_analysis::incident::State as Life;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::language::Language;
use super::*;
use crate::api::example::incident;
use crate::config::{
    Channels, EmailSettings, MailSecurity, Speech, WebhookFormat, WebhookSettings,
};
use crate::store::write::Told;
use crate::store::{Reader, Writer};

mod alertmanager;

/// Long enough for a busy machine; nothing waits this long when all is well.
const DEADLINE: Duration = Duration::from_secs(30);

/// An outbox with its notifier and a commit task that writes down what it reports.
struct Office {
    writer: Writer,
    reports: mpsc::Receiver<Report>,
    wake: Arc<tokio::sync::Notify>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), ChannelError>>,
    _folder: tempfile::TempDir,
}

impl Office {
    fn open(email: Vec<EmailSettings>, webhook: Vec<WebhookSettings>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.db");
        let writer = Writer::open(&path, &"test-store".parse().unwrap()).unwrap();
        let (report, reports) = mpsc::channel(64);
        let (wake, stop) = (
            Arc::new(tokio::sync::Notify::new()),
            CancellationToken::new(),
        );
        let state = NotifyState {
            store: Reader::new(path),
            settings: Arc::new(settings(email, webhook)),
            plant: Arc::new(crate::api::example::plant()),
            reports: report,
            wake: wake.clone(),
            metrics: Arc::new(Metrics::new()),
            stop: stop.clone(),
        };
        let running = tokio::spawn(run(state));
        Self {
            writer,
            reports,
            wake,
            stop,
            running,
            _folder: folder,
        }
    }

    /// Puts notices into the outbox at once.
    fn write(&mut self, notices: &[(&str, &str)]) {
        let incident = incident("i-1", Life::Open);
        let mut transaction = self.writer.begin(clock::now()).unwrap();
        for (channel, reason) in notices {
            let told = Told {
                channel,
                reason,
                text: &incident.headline,
                incident: &incident,
                due: clock::now(),
            };
            transaction.notice(&told).unwrap();
        }
        transaction.commit(false).unwrap();
        self.wake.notify_one();
    }

    /// The next report, written down as the commit task would.
    async fn report(&mut self) -> Report {
        let report = tokio::time::timeout(DEADLINE, self.reports.recv())
            .await
            .unwrap()
            .unwrap();
        let mut transaction = self.writer.begin(clock::now()).unwrap();
        transaction.report(&report).unwrap();
        transaction.commit(false).unwrap();
        report
    }

    async fn close(mut self) {
        self.stop.cancel();
        while self.reports.recv().await.is_some() {}
        self.running.await.unwrap().unwrap();
    }
}

fn settings(email: Vec<EmailSettings>, webhook: Vec<WebhookSettings>) -> Settings {
    let text = "plant = \"plant.toml\"\ndata = \"data\"\n";
    let read = crate::config::read("test", text, Path::new(".")).unwrap();
    let channels = Channels {
        email,
        webhook,
        syslog: Vec::new(),
    };
    Settings { channels, ..read }
}

fn webhook(name: &str, address: SocketAddr, secret_file: Option<&Path>) -> WebhookSettings {
    WebhookSettings {
        routing: example::routing(name),
        speech: Speech::Language(Language::En),
        format: WebhookFormat::Silkline,
        template_file: None,
        url: format!("http://{address}/hook"),
        secret_file: secret_file.map(Path::to_path_buf),
    }
}

type Call = (HeaderMap, serde_json::Value);

/// A receiver that refuses the first `refusals` calls and hands over the others.
async fn receiver(refusals: usize) -> (SocketAddr, mpsc::Receiver<Call>) {
    let (calls, called) = mpsc::channel(16);
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(refusals));
    let hook = move |State(calls): State<mpsc::Sender<Call>>, headers: HeaderMap, body: Bytes| {
        let left = left.clone();
        async move {
            use std::sync::atomic::Ordering::SeqCst;
            if left
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
                .is_ok()
            {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            calls
                .send((headers, serde_json::from_slice(&body).unwrap()))
                .await
                .unwrap();
            StatusCode::NO_CONTENT
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hook", post(hook)).with_state(calls);
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (address, called)
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_webhook_gets_the_incident_with_its_signature() {
    let (address, mut called) = receiver(0).await;
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all(b"k\n").unwrap();
    let mut office = Office::open(Vec::new(), vec![webhook("ops", address, Some(key.path()))]);
    office.write(&[("ops", "opened")]);
    let (headers, body) = tokio::time::timeout(DEADLINE, called.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&body["reason"], &body["incident"]["id"]),
        (&"opened".into(), &"i-1".into())
    );
    assert_eq!(
        headers[webhook::NOTICE_HEADER],
        body["notice"].as_str().unwrap()
    );
    assert!(
        headers[webhook::SIGNATURE_HEADER]
            .to_str()
            .unwrap()
            .starts_with("sha256=")
    );
    assert_eq!(office.report().await, Report::NoticeSent { id: 1 });
    office.close().await;
}

#[tokio::test]
async fn a_refused_notice_waits_and_keeps_its_number() {
    let (address, mut called) = receiver(1).await;
    let mut office = Office::open(Vec::new(), vec![webhook("ops", address, None)]);
    office.write(&[("ops", "opened")]);
    let Report::NoticeFailed {
        id: 1,
        error,
        again: Some(again),
    } = office.report().await
    else {
        panic!("not a failure that is tried again");
    };
    assert!(
        error.contains("503") && again > clock::now(),
        "{error} {again}"
    );
    assert_eq!(office.report().await, Report::NoticeSent { id: 1 });
    let (headers, _) = called.recv().await.unwrap();
    assert!(
        headers[webhook::NOTICE_HEADER]
            .to_str()
            .unwrap()
            .ends_with("-1")
    );
    office.close().await;
}

#[tokio::test]
async fn a_dead_channel_delays_no_other() {
    let (address, mut called) = receiver(0).await;
    let hooks = vec![
        webhook("dead", nobody().await, None),
        webhook("ops", address, None),
    ];
    let mut office = Office::open(Vec::new(), hooks);
    office.write(&[
        ("dead", "opened"),
        ("dead", "located"),
        ("ops", "opened"),
        ("gone", "opened"),
    ]);
    let (_, body) = tokio::time::timeout(DEADLINE, called.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body["reason"], "opened");
    let mut seen = [
        office.report().await,
        office.report().await,
        office.report().await,
    ];
    seen.sort_by_key(|report| match report {
        Report::NoticeSent { id } | Report::NoticeFailed { id, .. } => *id,
        Report::Passed { .. } | Report::Refused { .. } => 0,
    });
    let [
        Report::NoticeFailed { error, .. },
        Report::NoticeFailed { error: second, .. },
        sent,
    ] = seen
    else {
        panic!("{seen:?}");
    };
    assert!(
        !error.contains("/hook"),
        "the address may be a secret: {error}"
    );
    assert!(second.contains("not tried again yet"), "{second}");
    assert_eq!(sent, Report::NoticeSent { id: 3 });
    office.close().await;
}

#[tokio::test]
async fn a_test_says_what_is_wrong() {
    let hooks = || vec![webhook("ops", SocketAddr::from(([127, 0, 0, 1], 9)), None)];
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unknown = test(&settings(Vec::new(), hooks()), "noc")
        .await
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no channel \"noc\", the settings have ops"
    );
    let failed = test(&settings(Vec::new(), hooks()), "ops")
        .await
        .unwrap_err();
    assert!(matches!(failed, TestError::Failed { .. }), "{failed}");
}

/// A mail server that prints what it gets, one argument a line, on the port that it says first.
const MAIL_SERVER: &str = r#"
import asyncio, json, sys
from aiosmtpd.controller import Controller
class Print:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps([envelope.rcpt_tos, envelope.content.decode()]), flush=True)
        return "250 OK"
c = Controller(Print(), hostname="127.0.0.1", port=0)
c.ready_timeout = 20
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); c.port = s.getsockname()[1]; s.close()
c.start()
print(c.port, flush=True)
sys.stdin.read()
"#;

struct MailServer {
    _child: Child,
    port: u16,
    mails: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl MailServer {
    /// Nothing where the machine has no such server.
    async fn start() -> Option<Self> {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", MAIL_SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let mut mails = BufReader::new(child.stdout.take()?).lines();
        let port = tokio::time::timeout(DEADLINE, mails.next_line())
            .await
            .ok()?
            .ok()??;
        Some(Self {
            _child: child,
            port: port.parse().ok()?,
            mails,
        })
    }

    /// The next mail: its recipients and its text.
    async fn mail(&mut self) -> (Vec<String>, String) {
        let line = tokio::time::timeout(DEADLINE, self.mails.next_line())
            .await
            .unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

fn mailbox(port: u16, to: &[&str]) -> EmailSettings {
    EmailSettings {
        routing: example::routing("noc"),
        speech: Speech::Language(Language::En),
        host: "127.0.0.1".to_owned(),
        port,
        security: MailSecurity::None,
        username: None,
        password_file: None,
        from: "silkline@noc.example".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_mail_reaches_every_mailbox_that_takes_it() {
    let Some(mut server) = MailServer::start().await else {
        println!("skipped: no aiosmtpd");
        return;
    };
    let to = ["gone@noc.example", "crew@noc.example", "duty@noc.example"];
    let mut office = Office::open(vec![mailbox(server.port, &to)], Vec::new());
    office.write(&[("noc", "located")]);
    for wanted in ["crew@noc.example", "duty@noc.example"] {
        let (recipients, text) = server.mail().await;
        assert_eq!(recipients, [wanted]);
        assert!(
            text.contains("Subject: [silkline] CRITICAL, located: "),
            "{text}"
        );
        assert!(text.contains("geo:40.792345,46.112345"), "{text}");
    }
    assert_eq!(office.report().await, Report::NoticeSent { id: 1 });
    office.close().await;
}

#[tokio::test]
async fn what_waited_together_is_one_mail() {
    let Some(mut server) = MailServer::start().await else {
        println!("skipped: no aiosmtpd");
        return;
    };
    let mut office = Office::open(
        vec![mailbox(server.port, &["crew@noc.example"])],
        Vec::new(),
    );
    office.write(&[("noc", "opened"), ("noc", "located"), ("noc", "worse")]);
    let mut sent = [
        office.report().await,
        office.report().await,
        office.report().await,
    ];
    sent.sort_by_key(|report| match report {
        Report::NoticeSent { id } => *id,
        other => panic!("{other:?}"),
    });
    let (_, text) = server.mail().await;
    assert!(text.contains(", worse: "), "{text}");
    test(
        &settings(
            vec![mailbox(server.port, &["crew@noc.example"])],
            Vec::new(),
        ),
        "noc",
    )
    .await
    .unwrap();
    let (_, next) = server.mail().await;
    assert!(next.contains("this is a test"), "another mail came: {next}");
    office.close().await;
}

#[tokio::test]
async fn who_comes_second_is_told_only_of_what_nobody_took() {
    let (address, mut called) = receiver(0).await;
    let mut second = webhook("duty", address, None);
    second.routing.after = Some(Duration::from_secs(600));
    let mut office = Office::open(Vec::new(), vec![second]);
    for (id, life) in [("i-1", Life::Acknowledged), ("i-2", Life::Open)] {
        let incident = incident(id, life);
        let mut transaction = office.writer.begin(clock::now()).unwrap();
        transaction
            .incident(&incident.lines[0].clone(), &incident)
            .unwrap();
        let told = Told {
            channel: "duty",
            reason: "opened",
            text: &incident.headline,
            incident: &incident,
            due: clock::now(),
        };
        transaction.notice(&told).unwrap();
        transaction.commit(false).unwrap();
    }
    office.wake.notify_one();
    for _ in 0..2 {
        assert!(matches!(office.report().await, Report::NoticeSent { .. }));
    }
    let (_, body) = called.recv().await.unwrap();
    assert_eq!(
        (&body["reason"], &body["incident"]["id"]),
        (&"waiting".into(), &"i-2".into())
    );
    assert!(
        called.try_recv().is_err(),
        "the other was taken by somebody"
    );
    office.close().await;
}
