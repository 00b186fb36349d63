//! Modbus TCP devices in this process, as cheap as can be: they answer, and note when they were asked.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One device.
#[derive(Debug)]
pub(crate) struct Device {
    /// Where it listens.
    pub(crate) port: u16,
    asked: AtomicU64,
    times: Mutex<Vec<Instant>>,
    silent: AtomicBool,
}

impl Device {
    /// Starts one on a free port; a silent one takes connections and never answers.
    pub(crate) async fn start(silent: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let device = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            asked: AtomicU64::new(0),
            times: Mutex::default(),
            silent: AtomicBool::new(silent),
        });
        let own = device.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        device
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Forgets when it was asked.
    pub(crate) fn forget(&self) {
        self.times.lock().unwrap().clear();
    }

    /// Of the requests since [`forget`](Self::forget), how many came and how many of those that should
    /// have, once a `period`, came within `margin` of their time.
    pub(crate) fn on_time(&self, period: Duration, margin: Duration) -> (usize, usize) {
        let times = self.times.lock().unwrap();
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return (0, 0);
        };
        let wanted = ((*last - *first).as_secs_f64() / period.as_secs_f64()).round() as usize + 1;
        // Lateness is against the best phase: that of the earliest request.
        let phase = |time: &Instant| (*time - *first).as_secs_f64() % period.as_secs_f64();
        let spread = |late: f64| late.min(period.as_secs_f64() - late);
        let well = times
            .iter()
            .filter(|time| spread(phase(time)) <= margin.as_secs_f64());
        (well.count().min(wanted), wanted)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut request = [0; 12];
        let mut answer = Vec::with_capacity(300);
        while stream.read_exact(&mut request).await.is_ok() {
            if self.silent.load(Ordering::Relaxed) {
                continue;
            }
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            self.times.lock().unwrap().push(Instant::now());
            let count = u16::from_be_bytes([request[10], request[11]]);
            let Ok(bytes) = u8::try_from(u32::from(count) * 2) else {
                return;
            };
            answer.clear();
            answer.extend(&request[..4]);
            answer.extend((u16::from(bytes) + 3).to_be_bytes());
            answer.extend([request[6], request[7], bytes]);
            for at in 0..u64::from(count) {
                // Every value changes a little each time, as readings do.
                let value = 20_000 + at * 100 + (asked.wrapping_mul(31).wrapping_add(at * 17)) % 23;
                answer.extend(u16::try_from(value % 65_536).unwrap().to_be_bytes());
            }
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}
