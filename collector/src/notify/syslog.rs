//! Telling a syslog server, for monitoring that collects everything in one place.
//!
//! # Source
//!
//! RFC 5424 (the message), RFC 5426 (UDP), RFC 6587 (TCP, octet counting). `32473` is the private
//! enterprise number for examples: silkline has none of its own.

use std::fmt::Write;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use super::channel::ChannelError;
use super::message::Message;
use crate::api::incidents::{Incident, Severity};
use crate::config::SyslogSettings;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Facility local0.
const FACILITY: u8 = 16;
/// What every server takes in one datagram (RFC 5426, section 3.2).
const LONGEST: usize = 2_048;

/// A syslog server that is told.
#[derive(Debug)]
pub struct Syslog {
    name: String,
    transport: Transport,
    address: String,
    host: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl Syslog {
    /// The channel of these settings.
    ///
    /// # Errors
    ///
    /// Where the address is none.
    pub fn new(settings: &SyslogSettings) -> Result<Self, ChannelError> {
        let parts = settings.url.split_once("://");
        let transport = match parts {
            Some(("udp", _)) => Some(Transport::Udp),
            Some(("tcp", _)) => Some(Transport::Tcp),
            _ => None,
        };
        let address = parts.map(|(_, rest)| rest.trim_end_matches('/'));
        let ported = |address: &&str| {
            let port = address
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            matches!(port, Some(Ok(_)))
        };
        let (Some(transport), Some(address)) = (transport, address.filter(ported)) else {
            return Err(ChannelError::Setting {
                channel: settings.routing.name.clone(),
                problem: format!(
                    "url {:?}: want udp://host:port or tcp://host:port",
                    settings.url
                ),
            });
        };
        Ok(Self {
            name: settings.routing.name.clone(),
            transport,
            address: address.to_owned(),
            host: host(),
        })
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers one message. UDP says nothing of whether it arrived.
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        let line = line(message, &self.host);
        let sent = tokio::time::timeout(PATIENCE, async {
            match self.transport {
                Transport::Udp => self.datagram(line.as_bytes()).await,
                Transport::Tcp => self.stream(line.as_bytes()).await,
            }
        });
        let failed = |error: std::io::Error| format!("{}: {error}", self.address);
        match sent.await {
            Ok(sent) => sent.map_err(failed),
            Err(_) => Err(format!("{}: no answer", self.address)),
        }
    }

    async fn datagram(&self, line: &[u8]) -> std::io::Result<()> {
        let server = tokio::net::lookup_host(&self.address).await?.next();
        let server = server.ok_or(std::io::ErrorKind::NotFound)?;
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any).await?;
        socket.send_to(line, server).await.map(|_| ())
    }

    async fn stream(&self, line: &[u8]) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream
            .write_all(format!("{} ", line.len()).as_bytes())
            .await?;
        stream.write_all(line).await?;
        stream.shutdown().await
    }
}

/// The message as RFC 5424 writes it.
fn line(message: &Message, host: &str) -> String {
    let incident = message.incident.as_ref();
    let level = incident.map_or(6, |incident| level(incident, &message.reason));
    let priority = FACILITY * 8 + level;
    let mut data = format!(
        "[silkline@32473 incident=\"{}\" reason=\"{}\"",
        quoted(&message.incident_id),
        quoted(&message.reason)
    );
    if let Some(incident) = incident {
        // Writing to a string cannot fail.
        let _ = write!(
            data,
            " line=\"{}\" kind=\"{}\"",
            incident.place.line,
            quoted(&incident.kind)
        );
        if let Some(at) = incident.place.chainage_m {
            let _ = write!(data, " chainage_m=\"{at:.1}\"");
        }
        if let (Some(lat), Some(lon)) = (incident.place.lat, incident.place.lon) {
            let _ = write!(data, " lat=\"{lat:.6}\" lon=\"{lon:.6}\"");
        }
    }
    data.push(']');
    let text: String = message
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let id: String = message
        .id
        .chars()
        .filter(char::is_ascii_graphic)
        .take(32)
        .collect();
    // To the microsecond at most, the standard says.
    let at = message.at.to_string();
    let at = at
        .get(..19)
        .map_or_else(|| "-".to_owned(), |at| format!("{at}Z"));
    // The mark in front of the text says that it is UTF-8.
    let mut line = format!("<{priority}>1 {at} {host} silkline - {id} {data} \u{feff}{text}");
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

/// The standard's level: 2 critical, 3 error, 4 warning, 5 notice.
fn level(incident: &Incident, reason: &str) -> u8 {
    match incident.severity {
        _ if reason == "cleared" => 5,
        Severity::Critical => 2,
        Severity::Major => 3,
        Severity::Minor | Severity::Warning => 4,
    }
}

/// A value as it may stand between quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// This machine's name, as far as a syslog header holds it.
fn host() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name: String = name
        .chars()
        .filter(char::is_ascii_graphic)
        .take(255)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::notify::example;

    fn settings(url: &str) -> SyslogSettings {
        SyslogSettings {
            routing: example::routing("log"),
            url: url.to_owned(),
        }
    }

    fn message(reason: &str) -> Message {
        Message::of(&example::row(reason), None)
    }

    #[test]
    fn a_message_has_the_parts_of_the_standard() {
        let line = line(&message("located"), "noc-1");
        assert!(
            line.starts_with("<130>1 2023-11-14T22:13:20Z noc-1 silkline - "),
            "{line}"
        );
        for wanted in [
            "[silkline@32473 incident=\"i-1\" reason=\"located\" line=\"",
            "chainage_m=\"28420.0\"",
            "lat=\"40.792345\" lon=\"46.112345\"] \u{feff}Break on Digital Silk Way",
        ] {
            assert!(line.contains(wanted), "{wanted:?} is not in {line}");
        }
        let over = super::line(&message("cleared"), "-");
        assert!(over.starts_with("<133>1 "), "an end is a notice: {over}");
    }

    #[test]
    fn whatever_the_words_are_the_message_stays_one_line_within_its_bounds() {
        let mut message = message("located");
        message.text = "a\n<1>1 forged\u{416}".repeat(400);
        message.incident_id = "a\"] b\\".to_owned();
        let line = line(&message, "h");
        assert!(line.len() <= LONGEST && !line.contains('\n'));
        assert!(line.contains("incident=\"a\\\"\\] b\\\\\""), "{line}");
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        for url in [
            "udp://host",
            "tcp://",
            "host:514",
            "tls://host:6514",
            "udp://h:x",
        ] {
            let refused = Syslog::new(&settings(url)).unwrap_err().to_string();
            assert!(refused.contains("udp://host:port"), "{refused}");
        }
    }

    #[tokio::test]
    async fn it_arrives_over_udp() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("udp://{}", server.local_addr().unwrap());
        let syslog = Syslog::new(&settings(&url)).unwrap();
        syslog.send(&message("opened")).await.unwrap();
        let mut taken = [0; 4_096];
        let (length, _) = server.recv_from(&mut taken).await.unwrap();
        let text = core::str::from_utf8(&taken[..length]).unwrap();
        assert!(text.contains("reason=\"opened\""), "{text}");
    }

    #[tokio::test]
    async fn over_tcp_its_length_goes_first() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}", server.local_addr().unwrap());
        let syslog = Syslog::new(&settings(&url)).unwrap();
        let message = message("opened");
        let (sent, taken) = tokio::join!(syslog.send(&message), async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        });
        sent.unwrap();
        let (length, rest) = taken.split_once(' ').unwrap();
        assert_eq!(length.parse(), Ok(rest.len()));
    }
}
