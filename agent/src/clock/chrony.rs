//! What chronyd says of the clock: the one question of `chronyc tracking`, on this machine alone.
//!
//! # Source
//!
//! chrony's command and monitoring protocol, version 6 (`candm.h`): request 33, reply 5. A request is as long
//! as its reply, so that nobody gains by a false sender.

use core::time::Duration;
use std::net::{SocketAddr, UdpSocket};

/// Where chronyd answers questions that need no rights.
pub(super) const ADDRESS: &str = "127.0.0.1:323";
/// What is there while it runs.
pub(super) const SIGN: &str = "/run/chrony";

/// It answers within a fraction of a millisecond, or not at all.
const WITHIN: Duration = Duration::from_millis(20);
/// Bytes of the request and of its reply.
const LENGTH: usize = 104;
const VERSION: u8 = 6;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ASK_TRACKING: u16 = 33;
const TELL_TRACKING: u16 = 5;
/// Where the reply tells of leap seconds, and whether there is a time to hold to at all.
const LEAP_AT: usize = 54;
/// Where it tells what is to be added to the clock.
const CORRECTION_AT: usize = 68;
/// The clock holds to no time.
const UNSYNCHRONISED: u16 = 3;
/// Bits of the fraction in one of its numbers; seven bits of exponent stand before them.
const FRACTION_BITS: u32 = 25;

/// What chronyd tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tracking {
    pub(super) is_synchronised: bool,
    /// How far the clock is ahead of the right time, in seconds.
    pub(super) ahead_s: f64,
}

/// Asks who listens at `address`; nothing where nobody answers as chronyd does.
pub(super) fn ask(address: SocketAddr, number: u32) -> Option<Tracking> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
    socket.connect(address).ok()?;
    socket.set_read_timeout(Some(WITHIN)).ok()?;
    socket.send(&question(number)).ok()?;
    let mut answer = [0; 2 * LENGTH];
    let size = socket.recv(&mut answer).ok()?;
    understood(answer.get(..size)?, number)
}

fn question(number: u32) -> Vec<u8> {
    let mut bytes = vec![VERSION, REQUEST, 0, 0];
    bytes.extend(ASK_TRACKING.to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(number.to_be_bytes());
    bytes.resize(LENGTH, 0);
    bytes
}

fn understood(answer: &[u8], number: u32) -> Option<Tracking> {
    let short = |at: usize| Some(u16::from_be_bytes(*answer.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u32::from_be_bytes(*answer.get(at..)?.first_chunk()?));
    let is_ours = answer.len() >= LENGTH
        && answer.first_chunk() == Some(&[VERSION, REPLY])
        && (short(4)?, short(6)?, short(8)?) == (ASK_TRACKING, TELL_TRACKING, 0)
        && long(16)? == number;
    is_ours.then_some(())?;
    Some(Tracking {
        is_synchronised: short(LEAP_AT)? != UNSYNCHRONISED,
        ahead_s: -number_of(long(CORRECTION_AT)?),
    })
}

/// A number of seven bits of exponent and a fraction, both with a sign.
fn number_of(bits: u32) -> f64 {
    let fraction_width = 32 - FRACTION_BITS;
    let exponent = bits.cast_signed() >> FRACTION_BITS;
    let fraction = (bits << fraction_width).cast_signed() >> fraction_width;
    f64::from(fraction) * 2_f64.powi(exponent - FRACTION_BITS.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply as chronyd gives it, with its leap status and correction.
    fn reply(number: u32, leap: u16, correction: u32) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[..2].copy_from_slice(&[6, 2]);
        bytes[4..6].copy_from_slice(&33_u16.to_be_bytes());
        bytes[6..8].copy_from_slice(&5_u16.to_be_bytes());
        bytes[16..20].copy_from_slice(&number.to_be_bytes());
        bytes[54..56].copy_from_slice(&leap.to_be_bytes());
        bytes[68..72].copy_from_slice(&correction.to_be_bytes());
        bytes
    }

    #[test]
    fn numbers_are_what_chrony_writes() {
        for (bits, wanted) in [
            (0, 0.0),
            ((2 << 25) | (1 << 23), 1.0),
            // The lowest fraction is -1.
            (1 << 24, -0.5),
            ((1 << 25) | (1 << 24), -1.0),
            // An exponent of -9.
            (((128 - 9) << 25) | (1 << 23), 0.25 / 512.0),
        ] {
            // All of them are powers of two, so nothing is rounded.
            assert_eq!(number_of(bits).to_bits(), f64::to_bits(wanted), "{bits}");
        }
    }

    #[test]
    fn a_reply_tells_whether_the_clock_holds_to_a_time_and_how_far_it_is_off() {
        let slow = (1 << 25) | (1 << 23);
        let half_a_second_slow = Tracking {
            is_synchronised: true,
            ahead_s: -0.5,
        };
        assert_eq!(understood(&reply(7, 0, slow), 7), Some(half_a_second_slow));
        assert!(!understood(&reply(7, 3, 0), 7).unwrap().is_synchronised);
    }

    #[test]
    fn what_is_no_reply_to_our_question_tells_nothing() {
        let good = reply(7, 0, 0);
        assert!(understood(&good, 7).is_some());
        assert_eq!(understood(&good, 8), None);
        for length in 0..LENGTH {
            assert_eq!(understood(&good[..length], 7), None, "{length}");
        }
        for (at, byte) in [(0, 5), (1, 1), (5, 34), (7, 6), (9, 1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(understood(&bad, 7), None, "byte {at}");
        }
    }

    #[test]
    fn it_is_asked_in_the_form_it_wants_and_nobody_is_waited_for_long() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut asked = [0; 2 * LENGTH];
            let (size, from) = server.recv_from(&mut asked).unwrap();
            assert_eq!(size, LENGTH, "as long as the reply");
            assert_eq!(asked[..6], [6, 1, 0, 0, 0, 33]);
            let number = u32::from_be_bytes(asked[8..12].try_into().unwrap());
            server.send_to(&reply(number, 3, 0), from).unwrap();
        });
        let told = ask(address, 9);
        answering.join().unwrap();
        // A machine that sleeps in between may be late.
        assert!(told.is_none_or(|told| !told.is_synchronised));
        assert_eq!(ask(address, 10), None, "nobody is there any more");
    }
}
