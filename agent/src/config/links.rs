//! The ways out: brokers, and a modem where none answers.

use std::path::PathBuf;
use std::time::Duration;

use silkline_protocol::settings::Section;
#[cfg(test)]
use silkline_protocol::settings::{self, Mistakes};

use super::read::{SPAN_MIN, within};
use super::{
    Broker, DEFAULT_MODEM_AFTER, DEFAULT_MODEM_TIMEOUT, DEFAULT_SAMPLE_EVERY, Identity, Metered,
    Modem, Secret, UplinkSettings,
};

/// More often is no thin stream.
const THIN_MIN: Duration = Duration::from_secs(1);
/// The longest name of an interface (Linux, IFNAMSIZ less its end).
const LONGEST_INTERFACE: usize = 15;

pub(super) fn modem(section: &mut Section<'_>) -> Option<Modem> {
    let command: Option<Vec<String>> = section.required("command");
    let timeout = within(section, "timeout", DEFAULT_MODEM_TIMEOUT, SPAN_MIN);
    let after = section.or("after", DEFAULT_MODEM_AFTER);
    let command = command?;
    if !command
        .first()
        .is_some_and(|program| program.starts_with('/'))
    {
        section.wrong(
            "command",
            "does not begin with the whole path of a program: no shell looks for it",
        );
    }
    Some(Modem {
        command,
        timeout,
        after,
    })
}

pub(super) fn uplink(section: &mut Section<'_>) -> Option<UplinkSettings> {
    let broker: Option<Broker> = section.required("url");
    let ca = section.optional("ca");
    let cert: Option<PathBuf> = section.optional("cert");
    let key: Option<PathBuf> = section.optional("key");
    if cert.is_some() != key.is_some() {
        section.wrong("cert", "and key stand together or not at all");
    }
    let identity = cert.zip(key).map(|(cert, key)| Identity { cert, key });
    let username = section.optional("username");
    let password = section.optional("password_file").map(Secret::File);
    let interface: Option<String> = section.optional("interface");
    if interface
        .as_ref()
        .is_some_and(|name| name.is_empty() || name.len() > LONGEST_INTERFACE)
    {
        section.wrong(
            "interface",
            "is no name of a network interface, such as wwan0",
        );
    }
    let metered = section.or("metered", false);
    let sample_every = within(section, "sample_every", DEFAULT_SAMPLE_EVERY, THIN_MIN);
    if !metered && section.has("sample_every") {
        section.wrong("sample_every", "belongs to an uplink that is metered only");
    }
    let plain = broker.as_ref().is_some_and(|broker| !broker.tls);
    if plain && (ca.is_some() || identity.is_some()) {
        section.wrong(
            "url",
            "is without TLS, so ca, cert and key do nothing: write mqtts://",
        );
    }
    Some(UplinkSettings {
        broker: broker?,
        ca,
        identity,
        username,
        password,
        metered: metered.then_some(Metered { sample_every }),
        interface,
    })
}

/// The uplink whose keys are `text`.
#[cfg(test)]
pub(crate) fn uplink_of(text: &str) -> Result<UplinkSettings, Mistakes> {
    settings::read("uplink.toml", text, uplink)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        uplink_of(text).unwrap_err().to_string()
    }

    #[test]
    fn an_uplink_that_costs_says_how_often_samples_go() {
        let plain = uplink_of("url = \"mqtt://a\"").unwrap();
        assert_eq!((plain.metered, plain.interface), (None, None));
        let text = "url = \"mqtt://a\"\nmetered = true\ninterface = \"wwan0\"\n";
        let metered = uplink_of(text).unwrap();
        let sample_every = DEFAULT_SAMPLE_EVERY;
        assert_eq!(metered.metered, Some(Metered { sample_every }));
        assert_eq!(metered.interface.as_deref(), Some("wwan0"));
    }

    #[test]
    fn what_makes_no_sense_of_an_uplink_is_told() {
        let url = "url = \"mqtt://a\"\n";
        for (keys, wanted) in [
            ("sample_every = \"1h\"", "metered only"),
            ("metered = true\nsample_every = \"1ms\"", "sample_every"),
            ("interface = \"\"", "no name of a network interface"),
            (
                "interface = \"much-too-long-0\"\ncert = \"/c\"",
                "stand together",
            ),
        ] {
            let said = mistakes(&format!("{url}{keys}\n"));
            assert!(said.contains(wanted), "{keys}: {said}");
        }
    }

    #[test]
    fn a_modem_is_a_program_by_its_whole_path() {
        let of = |text: &str| settings::read("a.toml", text, modem);
        let good = of("command = [\"/usr/bin/sms\", \"+994\"]").unwrap();
        assert_eq!(
            (good.timeout, good.after),
            (DEFAULT_MODEM_TIMEOUT, DEFAULT_MODEM_AFTER)
        );
        for bad in ["command = [\"sms\"]", "command = []"] {
            let said = of(bad).unwrap_err().to_string();
            assert!(said.contains("whole path"), "{said}");
        }
    }
}
