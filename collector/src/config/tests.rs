//! What the settings promise: all mistakes at once, and an example that says what is true.

use super::*;
use crate::notify::language::Language;

const EXAMPLE: &str = include_str!("../../../deploy/config/collector.toml");

fn parse(text: &str) -> Result<Settings, Mistakes> {
    read("collector.toml", text, Path::new("/etc/silkline"))
}

/// The example with what stands behind `# ` as keys or tables switched on, and so a broker outside.
fn everything() -> String {
    let is_setting = |line: &str| {
        let key = line.split(['=', ' ']).next().unwrap_or("");
        let word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        line.starts_with('[') || (word && line.contains(" = "))
    };
    let mut text = String::new();
    for line in EXAMPLE
        .lines()
        .filter(|line| *line != "listen = \"127.0.0.1:1883\"")
    {
        let setting = line.strip_prefix("# ").filter(|line| is_setting(line));
        text.push_str(setting.unwrap_or(line));
        text.push('\n');
    }
    text
}

#[test]
fn the_example_holds_the_defaults() {
    let shown = parse(EXAMPLE).unwrap();
    let plain = parse("plant = \"plant.toml\"\ndata = \"/var/lib/silkline/collector\"\n").unwrap();
    assert_eq!(shown, plain);
    assert_eq!(plain.store, StoreSettings::default());
}

#[test]
fn every_key_of_the_example_is_one_and_shows_its_default() {
    let text = everything();
    let settings = parse(&text).unwrap();
    let influx = settings.influx.unwrap();
    assert_eq!(
        (influx.batch, influx.timeout),
        (InfluxSettings::BATCH, InfluxSettings::TIMEOUT)
    );
    assert_eq!(
        (influx.org.as_str(), influx.bucket.as_str()),
        ("silkline", "silkline")
    );
    let email = &settings.channels.email[0];
    assert_eq!(
        (email.port, email.security),
        (EmailSettings::PORT, EmailSettings::SECURITY)
    );
    let webhook = &settings.channels.webhook[0];
    assert_eq!((email.routing.least, webhook.routing.least), (LEAST, LEAST));
    assert_eq!(email.speech, Speech::Language(Language::default()));
    assert_eq!(webhook.format, WebhookSettings::FORMAT);
    assert_eq!(settings.channels.syslog.len(), 1);
    assert!(settings.lines.is_some() && settings.api.token_file.is_some());
    let sign_in = settings.sign_in.unwrap();
    assert_eq!(sign_in.scopes, SignInSettings::SCOPES);
    assert_eq!(sign_in.groups_claim, SignInSettings::GROUPS_CLAIM);
    assert_eq!(sign_in.name_claim, SignInSettings::NAME_CLAIM);
    assert!(sign_in.everybody.is_some() && sign_in.groups.len() == 1);
    let BrokerSettings::External {
        security: Security::Tls { client, .. },
        login,
        ..
    } = settings.broker
    else {
        panic!("{:?}", settings.broker);
    };
    assert!(client.is_some() && login.is_some());
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = "plant = 7\nlines = [\"Baku\"]\ncolour = \"red\"\n[broker]\nlisten = \"0.0.0.0:1883\"\n\
        [store]\nkeep = \"a while\"\n[api]\nlisten = \"everywhere\"\n[influx]\nurl = \"ftp://x\"\n\
        [[notify.webhook]]\nname = \"a\"\nurl = \"mailto:x\"\n[[notify.webhook]]\nname = \"a\"\n\
        url = \"http://x\"\nleast = \"awful\"\nhours = \"22-6\"\nformat = \"template\"\n\
        language = \"xx\"\nkinds = [\"leak\"]\n[[notify.syslog]]\nname = \"log\"\nurl = \"http://x\"\n";
    let mistakes = parse(text).unwrap_err().to_string();
    for want in [
        "collector.toml:1:9: plant:",
        "collector.toml:1:1: data: is missing",
        "collector.toml:2:9: lines:",
        "collector.toml:3:1: colour: is no key here",
        "collector.toml:5:10: broker.listen: 0.0.0.0:1883 can be reached by others",
        "collector.toml:7:8: store.keep:",
        "collector.toml:9:10: api.listen:",
        "collector.toml:11:7: influx.url:",
        "collector.toml:14:7: notify.webhook[0].url:",
        "collector.toml:16:8: notify.webhook[1].name: \"a\" is the name of another channel",
        "collector.toml:18:9: notify.webhook[1].least:",
        "collector.toml:19:9: notify.webhook[1].hours: 22-6 is not hours",
        "collector.toml:20:10: notify.webhook[1].format:",
        "collector.toml:21:12: notify.webhook[1].language:",
        "collector.toml:22:9: notify.webhook[1].kinds:",
        "collector.toml:25:7: notify.syslog[0].url: want udp://… or tcp://…",
    ] {
        assert!(mistakes.contains(want), "{want} is not in\n{mistakes}");
    }
}

#[test]
fn paths_count_from_the_folder_of_the_settings() {
    let settings = parse(EXAMPLE).unwrap();
    assert_eq!(settings.plant, Path::new("/etc/silkline/plant.toml"));
    assert_eq!(settings.data, Path::new("/var/lib/silkline/collector"));
}

#[test]
fn a_broker_is_inside_or_outside_but_not_half() {
    let with = |broker: &str| {
        let text = format!("plant = \"p\"\ndata = \"d\"\n[broker]\n{broker}\n");
        parse(&text).map_err(|mistakes| mistakes.to_string())
    };
    for (broker, want) in [
        ("url = \"mqtts://a\"", "mqtts needs ca"),
        (
            "url = \"mqtt://a\"\nusername = \"x\"",
            "password_file: is missing",
        ),
        ("url = \"http://a\"", "want mqtt://host:port"),
        ("ca = \"ca.pem\"", "ca: is no key here"),
    ] {
        let said = with(broker).unwrap_err();
        assert!(said.contains(want), "{broker}: {said}");
    }
    let BrokerSettings::External { port, security, .. } =
        with("url = \"mqtt://a\"").unwrap().broker
    else {
        panic!("inside");
    };
    assert_eq!((port, security), (1883, Security::Plain));
}

#[test]
fn a_secret_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "open sesame\n").unwrap();
    let secret = Secret::read(&file).unwrap();
    assert_eq!(secret.reveal(), "open sesame");
    assert_eq!(format!("{secret:?}"), "[hidden]");
}
