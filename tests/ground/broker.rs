//! Real MQTT brokers for stories: mosquitto on a free loopback port, and a client that listens.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

use super::{Program, free_port, listening};

/// A mosquitto with its default persistence; killed and started again, it keeps its port.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    folder: PathBuf,
    program: Program,
}

impl Mosquitto {
    /// Starts one in `folder`, with `extra` lines of configuration after the listener's.
    pub(crate) async fn start(folder: &Path, extra: &str) -> Self {
        let port = free_port();
        let data = folder.join("mosquitto");
        std::fs::create_dir_all(&data).unwrap();
        let data = data.display();
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {data}/\n{extra}\n"
        );
        std::fs::write(folder.join("mosquitto.conf"), settings).unwrap();
        let program = Self::run(folder);
        listening(port).await;
        Self {
            port,
            folder: folder.to_owned(),
            program,
        }
    }

    fn run(folder: &Path) -> Program {
        let mut command = Command::new("/usr/sbin/mosquitto");
        Program::start(
            "mosquitto",
            folder,
            command.arg("-c").arg(folder.join("mosquitto.conf")),
        )
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again after a kill.
    pub(crate) async fn again(&mut self) {
        self.program = Self::run(&self.folder);
        listening(self.port).await;
    }
}

/// A client without any knowledge of silkline, for publishing rubbish and for listening in.
pub(crate) fn client(port: u16, id: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30));
    options.set_max_packet_size(Some(8 * 1024 * 1024));
    options.set_clean_start(true);
    AsyncClient::new(options, 1000)
}

/// Publishes `messages` and waits until the broker has taken every one of them.
pub(crate) async fn publish(port: u16, messages: &[(String, Vec<u8>)]) {
    let (client, mut events) = client(port, "stranger");
    let count = messages.len();
    let sender = async {
        for (topic, payload) in messages {
            client
                .publish(topic, QoS::AtLeastOnce, false, payload.clone())
                .await
                .unwrap();
        }
        core::future::pending::<()>().await;
    };
    let receiver = async {
        let mut taken = 0;
        while taken < count {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => taken += 1,
                Ok(_) => {}
                Err(error) => panic!("the broker does not take {:?}: {error}", messages[taken].0),
            }
        }
    };
    tokio::select! { () = sender => {}, () = receiver => {} }
}
