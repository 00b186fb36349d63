//! The agent, built alone, meets a broker over TLS with a certificate of its own.
//!
//! The broker runs with the configuration and the access list of deploy/, the certificates come from
//! the script there. What a site publishes under its own name arrives; under another's it does not.

use std::path::Path;
use std::process::{Command, Output};

use crate::ground::broker::Mosquitto;
use crate::ground::device::Device;
use crate::ground::network::{Network, amplifier};
use crate::ground::{program, project};

/// deploy/'s broker, with this story's folder and port in place of the system's.
async fn broker(folder: &Path) -> Mosquitto {
    let deploy = project().join("deploy/mosquitto");
    let certificates = folder.join("certs");
    let mut make = Command::new(deploy.join("certificates.sh"));
    let made = make
        .arg(&certificates)
        .args(["127.0.0.1", "west", "east"])
        .status()
        .unwrap();
    assert!(made.success(), "certificates.sh");
    std::fs::copy(deploy.join("acl"), certificates.join("acl")).unwrap();
    let settings = std::fs::read_to_string(deploy.join("mosquitto.conf")).unwrap();
    let here = format!("{}/", certificates.display());
    let kept = |line: &&str| !line.starts_with("listener") && !line.starts_with("persistence");
    let lines: Vec<&str> = settings.lines().filter(kept).collect();
    Mosquitto::start(
        folder,
        &lines.join("\n").replace("/etc/mosquitto/silkline/", &here),
    )
    .await
}

/// mosquitto's own client, as `who`.
fn client(name: &str, folder: &Path, port: u16, who: &str) -> Command {
    let file = |ending: &str| folder.join("certs").join(format!("{who}.{ending}"));
    let mut command = Command::new(name);
    command.args([
        "-V",
        "5",
        "-q",
        "1",
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "--cafile",
    ]);
    command.arg(folder.join("certs/ca.crt"));
    command
        .arg("--cert")
        .arg(file("crt"))
        .arg("--key")
        .arg(file("key"));
    command
}

/// Whether a retained `message` published by `who` on `topic` is there for the collector to read.
fn arrives(folder: &Path, port: u16, who: &str, topic: &str) -> bool {
    let mut publish = client("mosquitto_pub", folder, port, who);
    publish
        .args(["-r", "-t", topic, "-m", who])
        .output()
        .unwrap();
    let mut read = client("mosquitto_sub", folder, port, "collector");
    let Output { stdout, .. } = read
        .args(["-t", topic, "-C", "1", "-W", "2"])
        .output()
        .unwrap();
    stdout.starts_with(who.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_built_alone_connects_by_tls_and_only_as_itself() {
    let network = Network::new(0);
    let folder = network.folder().to_owned();
    let broker = broker(&folder).await;
    let network = Network {
        broker: broker.port,
        ..network
    };
    let certs = folder.join("certs");
    let certs = certs.display();
    let keys = |who: &str| {
        format!(
            "ca = \"{certs}/ca.crt\"\ncert = \"{certs}/{who}.crt\"\nkey = \"{certs}/{who}.key\"\n"
        )
    };
    let url = format!("url = \"mqtts://127.0.0.1:{}\"\n", broker.port);
    let _collector = network
        .collector_over(&format!("{url}{}", keys("collector")))
        .await;
    let device = Device::amplifier().await;
    let uplink = format!("[[uplink]]\n{url}{}", keys("west"));
    let devices = amplifier("edfa-1", device.port, "200ms");
    let _agent = network.agent_over(&program("silkline-agent-alone"), "west", &uplink, &devices);
    network.samples(10).await;
    let status = client("mosquitto_sub", &folder, broker.port, "collector")
        .args([
            "-t",
            "silkline/1/site/west/status/main",
            "-C",
            "1",
            "-W",
            "5",
        ])
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["online"], true);

    let port = broker.port;
    assert!(
        arrives(
            &folder,
            port,
            "east",
            "silkline/1/west-east/east/edfa-9/about"
        ),
        "as itself"
    );
    for topic in [
        "silkline/1/west-east/west/edfa-9/about",
        "silkline/1/site/west/status/other",
        "silkline/1/west-east/west/gap",
        "silkline/1/west-east/east/committed",
        "silkline/1/west-east/incident/i-1",
    ] {
        assert!(
            !arrives(&folder, port, "east", topic),
            "east must not publish on {topic}"
        );
    }
    let nobody = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--cafile"])
        .arg(folder.join("certs/ca.crt"))
        .args(["-t", "silkline/1/west-east/east/gap", "-m", "x"])
        .output()
        .unwrap();
    assert!(
        !nobody.status.success(),
        "without a certificate nobody gets in"
    );
}
