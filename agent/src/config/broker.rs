//! Where a broker is: `mqtt://host:port` or `mqtts://host:port`.

use core::fmt;
use core::str::FromStr;

use silkline_protocol::setting_from_text;

/// The registered port of MQTT without TLS.
const PLAIN_PORT: u16 = 1883;
/// The registered port of MQTT with TLS.
const TLS_PORT: u16 = 8883;

/// The address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Whether the connection is by TLS.
    pub tls: bool,
    /// The host's name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text that is not a broker's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a broker such as mqtts://broker.example.net:8883 or mqtt://127.0.0.1:1883")]
pub struct BadBroker(String);

impl FromStr for Broker {
    type Err = BadBroker;

    fn from_str(text: &str) -> Result<Self, BadBroker> {
        let bad = || BadBroker(text.chars().take(100).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(bad()),
        };
        let rest = rest.trim_end_matches('/');
        let default = if tls { TLS_PORT } else { PLAIN_PORT };
        let bare = rest
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'));
        let (host, port) = match bare {
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
            None => (rest, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let strange = |letter: char| letter.is_whitespace() || "/@?#".contains(letter);
        if host.is_empty() || host.contains(strange) || port == 0 {
            return Err(bad());
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

setting_from_text!(Broker);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        for (text, wanted) in [
            ("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883"),
            (
                "mqtts://broker.example.net/",
                "mqtts://broker.example.net:8883",
            ),
            (
                "mqtts://broker.example.net:8884",
                "mqtts://broker.example.net:8884",
            ),
            ("mqtt://[::1]:1884", "mqtt://[::1]:1884"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(text.parse::<Broker>().unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn what_is_no_address_says_what_would_be() {
        for bad in [
            "",
            "mqtt://",
            "http://a",
            "broker:1883",
            "mqtt://a:b",
            "mqtt://u:p@h:1",
            "mqtt://a:0",
        ] {
            let said = bad.parse::<Broker>().unwrap_err().to_string();
            assert!(said.contains("mqtts://"), "{said}");
        }
    }
}
