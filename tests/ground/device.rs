//! Modbus TCP devices for stories, written against the protocol's text alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A device that listens on a free loopback port until it is dropped.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Device {
    /// An amplifier by the map of `silkline-edfa`; its temperature changes with every request.
    pub(crate) async fn amplifier() -> Self {
        let asked = Arc::new(AtomicU16::new(0));
        Self::start(move |request| Some(answer(request, &|at| register(at, &asked)))).await
    }

    /// A device that answers every request with bytes that are no Modbus.
    pub(crate) async fn rubbish() -> Self {
        Self::start(|_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await
    }

    /// A device that accepts connections and never says a word.
    pub(crate) async fn silent() -> Self {
        Self::start(|_| None).await
    }

    async fn start(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answer.clone()));
            }
        });
        Self { port, task }
    }
}

async fn converse(mut stream: TcpStream, answer: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut request = [0u8; 260];
    while let Ok(length @ 1..) = stream.read(&mut request).await {
        let Some(reply) = answer(&request[..length]) else {
            continue;
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// The answer to a request to read registers: MBAP header, function, byte count, values.
fn answer(request: &[u8], register: &impl Fn(u16) -> i16) -> Vec<u8> {
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    let (first, count) = (word(8), word(10));
    let bytes = u8::try_from(count * 2).unwrap();
    let mut reply = request[..4].to_vec();
    reply.extend((u16::from(bytes) + 3).to_be_bytes());
    reply.extend([request[6], request[7], bytes]);
    reply.extend((first..first + count).flat_map(|at| register(at).to_be_bytes()));
    reply
}

fn register(at: u16, asked: &AtomicU16) -> i16 {
    match (at, at % 16) {
        (0, _) => 1,
        (1, _) => i16::try_from(asked.fetch_add(1, Ordering::Relaxed) % 600).unwrap(),
        (_, 0) => -1720,
        (_, 1) => 100,
        (_, 2) => 1820,
        (_, 3) => -2500,
        (_, 4) => 3000,
        (_, 5) => 250,
        (_, 6) => 3200,
        _ => 0,
    }
}
