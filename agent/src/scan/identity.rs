//! What a Modbus device says of itself: Read Device Identification, function 43 with MEI type 14
//! (Modbus Application Protocol 1.1b3, 6.21). The Modbus library has no way to ask for it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The function and the kind of what it encapsulates.
const ENCAPSULATED: [u8; 2] = [0x2B, 0x0E];
/// All of the basic objects (vendor, product, revision), from the first on.
const BASIC_FROM_FIRST: [u8; 2] = [1, 0];
/// The transaction is the only one of its connection.
const TRANSACTION: [u8; 2] = [0x51, 0x1B];
/// The longest frame (Modbus Messaging on TCP/IP 1.0b, 3.1.3).
const LONGEST: usize = 260;

/// Asks `unit` at `address` over a connection of its own; nothing where it does not tell.
pub(super) async fn ask(address: &str, unit: u8) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let [function, kind] = ENCAPSULATED;
    let [code, first] = BASIC_FROM_FIRST;
    let [high, low] = TRANSACTION;
    let request = [high, low, 0, 0, 0, 5, unit, function, kind, code, first];
    stream.write_all(&request).await.ok()?;
    let mut header = [0; 7];
    stream.read_exact(&mut header).await.ok()?;
    let length = length(header, unit)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    objects(&body)
}

/// The length of what follows a header that answers us.
fn length(header: [u8; 7], unit: u8) -> Option<usize> {
    let [high, low, 0, 0, long, short, from] = header else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([long, short])).checked_sub(1)?;
    ([high, low] == TRANSACTION && from == unit && length <= LONGEST).then_some(length)
}

/// The texts of an answer, those that are empty left out.
fn objects(body: &[u8]) -> Option<String> {
    let (head, mut rest) = body.split_at_checked(7)?;
    let [function, kind, _code, _conformity, _more, _next, count] = *head else {
        return None;
    };
    if [function, kind] != ENCAPSULATED {
        return None;
    }
    let mut texts = Vec::new();
    for _ in 0..count {
        let (object, after) = rest.split_at_checked(2)?;
        let (text, after) = after.split_at_checked(usize::from(*object.last()?))?;
        let text = String::from_utf8_lossy(text).trim().to_owned();
        texts.extend((!text.is_empty()).then_some(text));
        rest = after;
    }
    (!texts.is_empty()).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(texts: &[&str]) -> Vec<u8> {
        let mut body = vec![0x2B, 0x0E, 1, 1, 0, 0, u8::try_from(texts.len()).unwrap()];
        for (at, text) in texts.iter().enumerate() {
            body.extend([u8::try_from(at).unwrap(), u8::try_from(text.len()).unwrap()]);
            body.extend(text.as_bytes());
        }
        body
    }

    #[test]
    fn the_objects_are_read_and_a_cut_answer_says_nothing() {
        let whole = answer(&["Eltek", " ", "Smartpack", "2.4"]);
        assert_eq!(objects(&whole).unwrap(), "Eltek, Smartpack, 2.4");
        for end in 0..whole.len() {
            assert_eq!(objects(&whole[..end]), None, "{end}");
        }
        assert_eq!(objects(&[0xAB, 1]), None, "an exception");
        assert_eq!(objects(&answer(&[])), None);
    }

    #[test]
    fn a_header_of_somebody_else_is_not_ours() {
        assert_eq!(length([0x51, 0x1B, 0, 0, 0, 9, 3], 3), Some(8));
        assert_eq!(length([0x51, 0x1C, 0, 0, 0, 9, 3], 3), None);
        assert_eq!(length([0x51, 0x1B, 0, 0, 0, 9, 4], 3), None);
        assert_eq!(length([0x51, 0x1B, 0, 0, 0, 0, 3], 3), None);
        assert_eq!(length([0x51, 0x1B, 0, 0, 0xFF, 0, 3], 3), None);
        assert_eq!(length([0x51, 0x1B, 0, 1, 0, 9, 3], 3), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut body = answer(&[]);
            body[6] = bytes.first().copied().unwrap_or(0);
            body.extend(&bytes);
            objects(&body);
            objects(&bytes);
        }
    }
}
