//! Settings of what runs outside: the broker and the database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use silkline_protocol::settings::Section;

use super::{Address, Paths};

/// Where the messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerSettings {
    /// A broker inside this program, for agents on this machine.
    Embedded {
        /// The address to listen on: loopback; port 0 takes a free one.
        listen: SocketAddr,
    },
    /// A broker somewhere else.
    External {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// Whether the connection is encrypted.
        security: Security,
        /// Name and password, where it asks for them.
        login: Option<BrokerLogin>,
    },
}

/// Whether a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// In the clear.
    Plain,
    /// By TLS.
    Tls {
        /// The authority that must have signed the server's certificate (PEM).
        ca: PathBuf,
        /// What is shown to the server.
        client: Option<ClientKey>,
    },
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// The certificate chain (PEM).
    pub cert: PathBuf,
    /// The private key (PEM).
    pub key: PathBuf,
}

/// Name and password at a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerLogin {
    /// The name.
    pub username: String,
    /// The file with the password.
    pub password_file: PathBuf,
}

impl BrokerSettings {
    /// This machine only, on the port of MQTT.
    pub const LISTEN: &str = "127.0.0.1:1883";
}

/// Where history goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxSettings {
    /// The address of the server, such as `http://127.0.0.1:8086`.
    pub url: String,
    /// The organisation.
    pub org: String,
    /// The bucket.
    pub bucket: String,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// Lines in one request.
    pub batch: usize,
    /// How long one request may take.
    pub timeout: Duration,
}

impl InfluxSettings {
    /// What the makers of InfluxDB advise for one request.
    pub const BATCH: usize = 5000;
    /// A slow disk gets through a batch in this.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

pub(super) fn broker(top: &mut Section<'_>, paths: &Paths<'_>) -> Option<BrokerSettings> {
    let Some(mut section) = top.section("broker") else {
        let listen = Address::parse(BrokerSettings::LISTEN)?.0;
        return Some(BrokerSettings::Embedded { listen });
    };
    if section.has("url") {
        external(&mut section, paths)
    } else {
        embedded(&mut section)
    }
}

/// The embedded broker knows no users, so it is for this machine only.
fn embedded(section: &mut Section<'_>) -> Option<BrokerSettings> {
    let listen = section
        .optional("listen")
        .or_else(|| Address::parse(BrokerSettings::LISTEN))?
        .0;
    if !listen.ip().is_loopback() {
        let problem = format!(
            "{listen} can be reached by others: want a loopback address, or the url of a broker \
             with users such as mosquitto"
        );
        section.wrong("listen", problem);
    }
    Some(BrokerSettings::Embedded { listen })
}

fn external(section: &mut Section<'_>, paths: &Paths<'_>) -> Option<BrokerSettings> {
    let url: Option<String> = section.required("url");
    let ca = paths.optional(section, "ca");
    let client = ["cert", "key"].iter().any(|key| section.has(key)).then(|| {
        let cert = paths.required(section, "cert");
        let key = paths.required(section, "key");
        Some(ClientKey {
            cert: cert?,
            key: key?,
        })
    });
    let login = section.has("username").then(|| {
        let username = section.required("username");
        let password_file = paths.required(section, "password_file");
        Some(BrokerLogin {
            username: username?,
            password_file: password_file?,
        })
    });
    let Some(address) = split_url(&url?) else {
        section.wrong("url", "want mqtt://host:port or mqtts://host:port");
        return None;
    };
    let security = match (address.encrypted, ca) {
        (true, Some(ca)) => Security::Tls {
            ca,
            client: client.flatten(),
        },
        (true, None) => {
            section.wrong(
                "url",
                "mqtts needs ca: the authority of the server's certificate",
            );
            return None;
        }
        (false, _) => Security::Plain,
    };
    let (host, port) = (address.host, address.port);
    Some(BrokerSettings::External {
        host,
        port,
        security,
        login: login.flatten(),
    })
}

struct Url {
    encrypted: bool,
    host: String,
    port: u16,
}

fn split_url(url: &str) -> Option<Url> {
    let (scheme, rest) = url.split_once("://")?;
    let (encrypted, usual) = match scheme {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return None,
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, port.parse().ok()?),
        _ => (rest, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return None;
    }
    Some(Url {
        encrypted,
        host: host.to_owned(),
        port,
    })
}

pub(super) fn influx(top: &mut Section<'_>, paths: &Paths<'_>) -> Option<InfluxSettings> {
    let mut section = top.section("influx")?;
    let url: Option<String> = section.required("url");
    let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    if url.as_ref().is_some_and(|url| !is_http(url)) {
        section.wrong("url", "want http://host:port or https://host:port");
    }
    let org = section.or("org", "silkline".to_owned());
    let bucket = section.or("bucket", "silkline".to_owned());
    let token_file = paths.optional(&mut section, "token_file");
    let batch = section.or("batch", InfluxSettings::BATCH).max(1);
    let timeout = section.or("timeout", InfluxSettings::TIMEOUT);
    Some(InfluxSettings {
        url: url?,
        org,
        bucket,
        token_file,
        batch,
        timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_url_is_taken_apart() {
        let of = |url| split_url(url).map(|url| (url.encrypted, url.host, url.port));
        assert_eq!(
            of("mqtt://baku.example:1884"),
            Some((false, "baku.example".into(), 1884))
        );
        assert_eq!(
            of("mqtts://baku.example"),
            Some((true, "baku.example".into(), 8883))
        );
        assert_eq!(of("mqtt://[::1]:1883/"), Some((false, "::1".into(), 1883)));
        for bad in [
            "baku.example",
            "http://a",
            "mqtt://",
            "mqtt://a:b",
            "mqtt://a/b",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
