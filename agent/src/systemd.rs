//! What is told to systemd, where it started us: that we are ready, reload, leave, how we are, and
//! that we are alive (`sd_notify(3)`).
//!
//! Datagrams to a socket whose name is in the environment; without one nothing is sent. A manager that
//! does not listen never keeps us waiting.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::Moment;
use crate::pulse::Pulses;

/// Longer than anybody reads of a status line.
const STATUS_MAX: usize = 200;

/// Where the service manager listens.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that we are alive.
    alive_every: Option<Duration>,
}

/// What it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// All is started, or reloaded.
    Ready,
    /// New settings are being taken up.
    Reloading,
    /// We leave.
    Stopping,
    /// How we are, in words.
    Status(String),
    /// The loops go on.
    Alive,
}

impl Manager {
    /// The manager that started us, if one did.
    #[must_use]
    pub fn of_environment() -> Self {
        let microseconds = std::env::var("WATCHDOG_USEC").ok();
        let is_ours =
            std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        Self::at(
            std::env::var_os("NOTIFY_SOCKET"),
            microseconds.filter(|_| is_ours).as_deref(),
        )
    }

    /// The manager at `socket` that wants a sign of life within `microseconds`.
    #[must_use]
    pub fn at(socket: Option<OsString>, microseconds: Option<&str>) -> Self {
        let address = socket.and_then(|name| address(name.as_bytes()).ok());
        let socket = address.and_then(|address| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        let within = microseconds
            .and_then(|text| text.parse().ok())
            .filter(|within: &u64| *within > 0)
            .map(Duration::from_micros);
        Self {
            alive_every: within.filter(|_| socket.is_some()).map(|within| within / 2),
            socket,
        }
    }

    /// How often it wants to hear that we are alive, if it does.
    #[must_use]
    pub const fn alive_every(&self) -> Option<Duration> {
        self.alive_every
    }

    /// Tells it `news`.
    pub fn tell(&self, news: &News) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if let Err(error) = socket.send_to_addr(line(news).as_bytes(), address) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    /// Says that we are alive, if we are: a loop that has not been heard of for longer than it said
    /// keeps us silent, and the manager starts us anew.
    pub fn watch(&self, pulses: &Pulses, now: Moment) {
        match pulses.overdue(now) {
            None => self.tell(&News::Alive),
            Some(name) => {
                tracing::error!(
                    name,
                    "a loop has stopped: the service manager will start us anew"
                );
                self.tell(&News::Status(format!("stopped: {name}")));
            }
        }
    }
}

fn address(name: &[u8]) -> std::io::Result<SocketAddr> {
    match name.split_first() {
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    }
}

fn line(news: &News) -> String {
    match news {
        News::Ready => "READY=1".to_owned(),
        News::Reloading => "RELOADING=1".to_owned(),
        News::Stopping => "STOPPING=1".to_owned(),
        News::Alive => "WATCHDOG=1".to_owned(),
        News::Status(words) => {
            // A line end would begin another assignment.
            let words: String = words
                .chars()
                .map(|letter| if letter.is_control() { ' ' } else { letter })
                .take(STATUS_MAX)
                .collect();
            format!("STATUS={words}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 512];
        socket.set_nonblocking(true).unwrap();
        let count = socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..count].to_vec()).unwrap())
    }

    #[test]
    fn a_manager_hears_each_news_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(Some(path.into()), Some("20000000"));
        assert_eq!(manager.alive_every(), Some(Duration::from_secs(10)));
        for (news, wanted) in [
            (News::Ready, "READY=1"),
            (News::Reloading, "RELOADING=1"),
            (News::Stopping, "STOPPING=1"),
            (News::Alive, "WATCHDOG=1"),
            (News::Status("two\nlines".into()), "STATUS=two lines"),
        ] {
            manager.tell(&news);
            assert_eq!(heard(&socket).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn a_name_in_the_abstract_namespace_is_reached() {
        let name = format!("silkline-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(Some(format!("@{name}").into()), None);
        manager.tell(&News::Ready);
        assert_eq!(heard(&socket).as_deref(), Some("READY=1"));
        assert_eq!(manager.alive_every(), None);
    }

    #[test]
    fn without_a_manager_nothing_is_sent_and_nothing_waits() {
        for (socket, within) in [(None, Some("1000")), (Some("/no/such".into()), Some("x"))] {
            let manager = Manager::at(socket, within);
            manager.tell(&News::Ready);
            assert_eq!(manager.alive_every(), None);
        }
    }

    #[test]
    fn a_loop_that_stopped_keeps_us_silent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(Some(path.into()), Some("1000000"));
        let pulses = Pulses::default();
        let pulse = pulses.of("poller 192.0.2.1");
        let at = |seconds| Moment::START + Duration::from_secs(seconds);
        pulse.expect_by(at(10));
        manager.watch(&pulses, at(9));
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"));
        manager.watch(&pulses, at(11));
        assert_eq!(
            heard(&socket).as_deref(),
            Some("STATUS=stopped: poller 192.0.2.1")
        );
        assert_eq!(heard(&socket), None);
    }
}
