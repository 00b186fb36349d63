//! The link against devices that misbehave, as bytes on a loopback socket.

use silkline_protocol::sample::BadReading;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::profile::Function;

mod framed;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// What a scripted device does with one request.
#[derive(Clone, Debug)]
enum Act {
    /// Answers with these registers.
    Words(Vec<u16>),
    /// Answers with these bytes after the header's unit.
    Pdu(Vec<u8>),
    /// Waits for a word on the channel, then answers with these registers.
    Late(Vec<u16>),
    /// Says nothing.
    Silent,
    /// Closes the connection.
    Close,
}

/// A device that plays `script`, one act a request over all its connections.
struct Device {
    address: String,
    asked: mpsc::Receiver<u8>,
    go: mpsc::Sender<()>,
}

async fn device(script: Vec<Act>) -> Device {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, asked) = mpsc::channel(64);
    let (go, wait) = mpsc::channel(1);
    let shared = std::sync::Arc::new(tokio::sync::Mutex::new((script.into_iter(), wait)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, shared.clone(), tell.clone()));
        }
    });
    Device { address, asked, go }
}

type Script = std::sync::Arc<tokio::sync::Mutex<(std::vec::IntoIter<Act>, mpsc::Receiver<()>)>>;

async fn serve(mut stream: TcpStream, script: Script, tell: mpsc::Sender<u8>) {
    let mut request = [0u8; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let _ = tell.send(request[6]).await;
        let act = script.lock().await.0.next().unwrap_or(Act::Silent);
        let pdu = match act {
            Act::Words(words) => pdu(&words),
            Act::Pdu(bytes) => bytes,
            Act::Late(words) => {
                script.lock().await.1.recv().await;
                pdu(&words)
            }
            Act::Silent => continue,
            Act::Close => return,
        };
        let length = u16::try_from(pdu.len() + 1).unwrap().to_be_bytes();
        let mut frame = vec![
            request[0], request[1], 0, 0, length[0], length[1], request[6],
        ];
        frame.extend(pdu);
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}

fn pdu(words: &[u16]) -> Vec<u8> {
    let mut pdu = vec![4, u8::try_from(words.len() * 2).unwrap()];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
}

const READ: Read = Read {
    function: Function::Input,
    start: 0,
    count: 2,
};

fn unit(number: u8, timeout: Duration) -> Unit {
    Unit {
        number,
        timeout,
        pause: Duration::ZERO,
    }
}

fn link(device: &Device) -> ModbusLink {
    ModbusLink::new(Address::Network(device.address.clone()), Clock::start())
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_one() {
    let device = device(vec![
        Act::Late(vec![1, 1]),
        Act::Words(vec![2, 2]),
        Act::Words(vec![3, 3]),
    ])
    .await;
    let mut link = link(&device);
    assert!(matches!(
        link.read(unit(1, SHORT), READ).await,
        Err(Fault::Timeout(_))
    ));
    device.go.send(()).await.unwrap();
    assert_eq!(link.read(unit(1, LONG), READ).await, Ok(vec![2, 2]));
    assert_eq!(link.read(unit(1, LONG), READ).await, Ok(vec![3, 3]));
}

#[tokio::test]
async fn every_wrong_answer_has_its_fault_and_the_next_request_is_answered() {
    let cases = [
        (Act::Words(vec![1]), BadReading::Garbled),
        (Act::Words(vec![1, 2, 3]), BadReading::Garbled),
        (Act::Pdu(vec![3, 4, 0, 1, 0, 2]), BadReading::Garbled),
        (Act::Pdu(vec![4, 9, 0]), BadReading::Garbled),
        (Act::Pdu(vec![0x84, 2]), BadReading::NotSupported),
        (Act::Pdu(vec![0x84, 6]), BadReading::Refused),
        (Act::Pdu(vec![0x84, 11]), BadReading::Unreachable),
        (Act::Pdu(vec![0x83, 2]), BadReading::Garbled),
        (Act::Close, BadReading::Unreachable),
        (Act::Silent, BadReading::Timeout),
    ];
    for (act, wanted) in cases {
        let device = device(vec![act.clone(), Act::Words(vec![7, 8])]).await;
        let mut link = link(&device);
        let patience = if matches!(act, Act::Silent) {
            SHORT
        } else {
            LONG
        };
        let fault = link
            .read(unit(1, patience), READ)
            .await
            .expect_err("is wrong");
        assert_eq!(fault.reason(), wanted, "{act:?} gave {fault:?}");
        assert_eq!(
            link.read(unit(1, LONG), READ).await,
            Ok(vec![7, 8]),
            "after {act:?}"
        );
    }
}

#[tokio::test]
async fn a_truncated_frame_ends_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&[0, 0, 0, 0, 0, 7, 1, 4]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut link = ModbusLink::new(Address::Network(address), Clock::start());
    assert!(matches!(
        link.read(unit(1, SHORT), READ).await,
        Err(Fault::Timeout(_))
    ));
}

#[tokio::test]
async fn units_behind_one_address_share_the_connection() {
    let mut device = device(vec![Act::Words(vec![1, 1]), Act::Words(vec![2, 2])]).await;
    let mut link = link(&device);
    assert_eq!(link.read(unit(5, LONG), READ).await, Ok(vec![1, 1]));
    assert_eq!(link.read(unit(9, LONG), READ).await, Ok(vec![2, 2]));
    assert_eq!(
        (device.asked.recv().await, device.asked.recv().await),
        (Some(5), Some(9))
    );
}

#[tokio::test]
async fn a_dead_unit_costs_one_request_once_it_is_known_to_be_dead() {
    let device = device(vec![Act::Silent, Act::Words(vec![1, 1])]).await;
    let mut link = link(&device);
    let plan = [READ, READ, READ];
    let answers = link.poll(unit(1, SHORT), &plan, Patience::new(false)).await;
    let skipped = answers
        .iter()
        .filter(|answer| answer.words == Err(Fault::Skipped))
        .count();
    assert_eq!((answers.len(), skipped), (3, 2));
    assert_eq!(link.read(unit(2, LONG), READ).await, Ok(vec![1, 1]));
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut link = ModbusLink::new(Address::Network(address), Clock::start());
    assert!(matches!(
        link.read(unit(1, LONG), READ).await,
        Err(Fault::Unreachable(_))
    ));
}

#[tokio::test]
async fn coils_past_the_count_are_cut_off() {
    let device = device(vec![Act::Pdu(vec![1, 2, 0b0000_0101, 0b0000_0010])]).await;
    let mut link = link(&device);
    let read = Read {
        function: Function::Coil,
        start: 3,
        count: 10,
    };
    let words = link.read(unit(1, LONG), read).await.unwrap();
    assert_eq!(words, [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_write_is_confirmed_by_place_and_count() {
    let device = device(vec![Act::Pdu(vec![16, 0, 100, 0, 0])]).await;
    let mut link = link(&device);
    // The scripted device reads twelve bytes of the request, which is enough to answer.
    let outcome = link.write(unit(1, LONG), 100, vec![1, 2]).await;
    assert!(matches!(outcome, Err(Fault::Garbled(_))), "{outcome:?}");
}
