//! The collector says that it lives, so that its silence means something.
//!
//! ```text
//!   commit task steps + broker reached ──each beat──▶ silkline/1/collector/{store}, retained
//!                                                └──▶ a dead man's switch, by GET
//! ```
//!
//! The broker keeps the last word and says `online: false` itself when the connection breaks. The
//! dead man's switch is called only while the work is done: a collector that hangs, or that cannot
//! reach its broker, is as good as none.

use std::time::Duration;

use silkline_protocol::codec;
use silkline_protocol::id::{LineId, StoreId};
use silkline_protocol::message::Beat;
use silkline_protocol::topic::Topic;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::BeatSettings;
use crate::ingest::Outgoing;

/// How long a call to the dead man's switch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a beat needs to know.
#[derive(Clone, Debug)]
pub struct Heart {
    /// How often, and whom to call.
    pub settings: BeatSettings,
    /// The name of the store.
    pub store: StoreId,
    /// The lines that are kept.
    pub lines: Vec<LineId>,
    /// How many steps the commit task has taken.
    pub steps: watch::Receiver<u64>,
    /// Whether the broker is reached.
    pub up: watch::Receiver<Result<(), String>>,
    /// What goes to the broker.
    pub outgoing: mpsc::Sender<Outgoing>,
}

/// The topic and the payload of a beat; also the collector's last will, with `online: false`.
#[must_use]
pub fn message(store: &StoreId, lines: &[LineId], online: bool) -> Outgoing {
    let topic = Topic::Collector {
        store: store.clone(),
    };
    let beat = Beat {
        online,
        at: clock::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lines: lines.to_vec(),
    };
    Outgoing::new(topic.to_string(), codec::to_json(&beat))
}

/// Beats until `stop`.
pub async fn run(mut heart: Heart, stop: CancellationToken) {
    let mut ticks = interval(heart.settings.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    let mut told = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = heart.up.changed() => {
                heart.connected();
                continue;
            }
            _ = ticks.tick() => {}
        }
        if let Err(why) = heart.is_well() {
            if told.as_ref() != Some(&why) {
                tracing::warn!(why, "no beat");
            }
            told = Some(why);
            continue;
        }
        heart.say();
        let (Some(url), Ok(client)) = (&heart.settings.url, &client) else {
            told = None;
            continue;
        };
        let called = tokio::select! {
            () = stop.cancelled() => return,
            called = client.get(url).send() => called.and_then(reqwest::Response::error_for_status),
        };
        let why = called.err().map(|error| error.without_url().to_string());
        if let (Some(why), true) = (&why, told != why) {
            tracing::warn!(why, "the dead man's switch does not answer");
        }
        told = why;
    }
}

impl Heart {
    /// After a connection the broker still holds the last will, or nothing.
    fn connected(&self) {
        if self.up.borrow().is_ok() {
            self.say();
        }
    }

    /// A full queue means that the broker takes nothing; the next beat is soon.
    fn say(&self) {
        let _ = self
            .outgoing
            .try_send(message(&self.store, &self.lines, true));
    }

    /// Whether the work is done since the last beat, or what is missing.
    fn is_well(&mut self) -> Result<(), String> {
        self.up.borrow().clone()?;
        let stepped = self.steps.has_changed().unwrap_or(false);
        self.steps.mark_unchanged();
        if stepped {
            Ok(())
        } else {
            Err("nothing was committed since the last beat".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    struct Bench {
        steps: watch::Sender<u64>,
        up: watch::Sender<Result<(), String>>,
        said: mpsc::Receiver<Outgoing>,
        heart: Heart,
    }

    fn bench(url: Option<String>) -> Bench {
        // Fails where another test was first; one provider is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (steps, steps_end) = watch::channel(0);
        let (up, up_end) = watch::channel(Ok(()));
        let (outgoing, said) = mpsc::channel(4);
        let heart = Heart {
            settings: BeatSettings {
                every: Duration::from_millis(20),
                url,
                ..BeatSettings::default()
            },
            store: "store-1".parse().unwrap(),
            lines: vec!["baku-poti".parse().unwrap()],
            steps: steps_end,
            up: up_end,
            outgoing,
        };
        Bench {
            steps,
            up,
            said,
            heart,
        }
    }

    #[test]
    fn it_is_well_only_while_steps_are_taken_and_the_broker_is_there() {
        let mut bench = bench(None);
        assert!(bench.heart.is_well().is_err(), "no step yet");
        bench.steps.send_modify(|steps| *steps += 1);
        assert_eq!(bench.heart.is_well(), Ok(()));
        assert!(bench.heart.is_well().is_err(), "no step since");
        bench.steps.send_modify(|steps| *steps += 1);
        let _ = bench.up.send_replace(Err("gone".to_owned()));
        assert_eq!(bench.heart.is_well(), Err("gone".to_owned()));
    }

    #[tokio::test]
    async fn a_beat_is_said_and_the_switch_is_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping", listener.local_addr().unwrap());
        let Bench {
            steps,
            up,
            mut said,
            heart,
        } = bench(Some(url));
        steps.send_modify(|steps| *steps += 1);
        let stop = CancellationToken::new();
        let beating = tokio::spawn(run(heart, stop.clone()));
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = [0; 9];
        socket.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"GET /ping");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
        let message = said.recv().await.unwrap();
        assert_eq!(message.topic, "silkline/1/collector/store-1");
        let beat: Beat = serde_json::from_slice(&message.payload).unwrap();
        assert!(beat.online && beat.lines.len() == 1);
        stop.cancel();
        beating.await.unwrap();
        drop(up);
    }
}
