//! SCPI as bytes: lines, numbers, the error queue, blocks. Pure.
//!
//! # Source
//!
//! IEEE 488.2-1992: definite-length arbitrary block 8.7.9, numbers 8.7.2 and 8.7.4. SCPI-99: volume 2,
//! 21.8, `SYSTem:ERRor?` answers `0,"No error"` when the queue is empty.

use silkline_protocol::id::PointName;
use silkline_protocol::sample::BadReading;

use super::otdr::ShotSettings;
use super::readings::ByName;
use super::{Fault, Taken};
use crate::profile::{Raw, ScpiMap, ScpiShot, filled};

/// The longest answer that is a line.
pub const MAX_LINE: usize = 4096;
/// The most errors read out of a queue before it counts as one that never empties.
pub const MAX_ERRORS: usize = 20;
/// What asks for the oldest error.
pub const ERROR_QUERY: &str = "SYST:ERR?";

/// The lines that start a shot with `settings`.
#[must_use]
pub fn start_lines(shot: &ScpiShot, settings: ShotSettings) -> Vec<String> {
    let line = |line: &String| filled(line, |value| settings.value(value).1);
    shot.commands.iter().map(line).collect()
}

/// The error that an answer to [`ERROR_QUERY`] tells; nothing where the queue is empty.
///
/// # Errors
///
/// [`Fault::Garbled`] where it is no such answer.
pub fn error_in(answer: &str) -> Result<Option<String>, Fault> {
    let garbled = || Fault::Garbled(format!("{ERROR_QUERY} answered {}", shown(answer)));
    let (number, words) = answer.split_once(',').unwrap_or((answer, ""));
    let number: i64 = number.trim().parse().map_err(|_| garbled())?;
    let words = words.trim().trim_matches('"');
    Ok((number != 0).then(|| format!("error {number}: {}", shown(words))))
}

/// The number in an answer; whole ones keep their digits.
#[must_use]
pub fn number_in(answer: &str) -> Option<Raw> {
    let text = answer.trim();
    // A channel list of one channel, as switches answer with (SCPI-99, volume 1, 8.3.2).
    let channel = text
        .strip_prefix("(@")
        .and_then(|text| text.strip_suffix(')'));
    let text = channel.unwrap_or(text);
    let whole = text.parse::<i64>().ok();
    whole
        .map(|number| Raw::Whole(number.into()))
        .or_else(|| text.parse::<f64>().ok().map(Raw::Real))
}

/// The bits in an answer to a status query.
///
/// # Errors
///
/// [`Fault::Garbled`] where it is no whole number from zero.
pub fn bits_in(answer: &str) -> Result<u32, Fault> {
    let text = answer.trim().trim_start_matches('+');
    text.parse()
        .map_err(|_| Fault::Garbled(format!("status answered {}", shown(answer))))
}

/// How many digits a block's length has, by its first two bytes `#n`.
///
/// # Errors
///
/// [`Fault::Garbled`] where they begin no definite-length block.
pub fn block_digits(start: [u8; 2]) -> Result<usize, Fault> {
    match start {
        [b'#', digit @ b'1'..=b'9'] => Ok(usize::from(digit - b'0')),
        _ => Err(Fault::Garbled(format!(
            "{:?} begins no block of stated length",
            String::from_utf8_lossy(&start)
        ))),
    }
}

/// A block's length, by its digits.
///
/// # Errors
///
/// [`Fault::Garbled`] where they are none, or more than `most`.
pub fn block_length(digits: &[u8], most: usize) -> Result<usize, Fault> {
    let text = core::str::from_utf8(digits).unwrap_or("");
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<usize>() {
        Ok(length) if plain && length <= most => Ok(length),
        Ok(length) if plain => Err(Fault::Garbled(format!(
            "a block of {length} bytes, at most {most} are taken"
        ))),
        _ => Err(Fault::Garbled(format!("{text:?} is no length of a block"))),
    }
}

/// The readings of a poll, from the answers in the order of the map's points; those that were not
/// asked any more are absent at the end.
#[must_use]
pub fn decode(map: &ScpiMap, answers: &[Result<String, Fault>]) -> ByName {
    let asked = map.points.iter().enumerate();
    let reading = |(at, place): (usize, &crate::profile::ScpiPoint)| {
        let name: PointName = place.point.name.clone();
        let taken = match answers.get(at) {
            Some(Ok(answer)) => {
                number_in(answer).map_or(Taken::bad(BadReading::Garbled), |raw| Taken {
                    raw: Some(raw),
                    reading: place.point.meaning.reading(raw),
                })
            }
            Some(Err(fault)) => Taken::bad(fault.reason()),
            None => Taken::bad(Fault::Skipped.reason()),
        };
        (name, taken)
    };
    asked.map(reading).collect()
}

/// An answer as it is shown in a message: short and on one line.
#[must_use]
pub fn shown(answer: &str) -> String {
    let plain = answer.chars().filter(|letter| !letter.is_control());
    format!("{:?}", plain.take(80).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Library, Map, ShotStart};
    use core::time::Duration;
    use silkline_protocol::sample::Reading;

    fn profile() -> crate::profile::Profile {
        let id = "silkline-otdr-scpi".parse().unwrap();
        Library::embedded().find(&id).unwrap().clone()
    }

    #[test]
    fn a_shot_is_the_lines_of_the_profile() {
        let ShotStart::Lines(shot) = profile().shot.unwrap().start else {
            panic!("no lines")
        };
        let settings = ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: 300,
            average: Duration::from_millis(10),
        };
        let wanted = [
            "ROUT:CLOS (@3)",
            "SENS:PULS 300",
            "SENS:AVER:TIME 1",
            "INIT:IMM",
        ];
        assert_eq!(start_lines(&shot, settings), wanted);
    }

    #[test]
    fn the_error_queue_tells_and_is_empty() {
        assert_eq!(error_in("0,\"No error\"").unwrap(), None);
        assert_eq!(error_in("+0").unwrap(), None);
        let said = error_in("-222,\"Data out of range\"").unwrap().unwrap();
        assert_eq!(said, "error -222: \"Data out of range\"");
        assert!(error_in("hello").is_err() && error_in("").is_err());
    }

    #[test]
    fn a_switch_may_tell_where_it_stands_as_a_channel_list() {
        assert_eq!(number_in("(@3)"), Some(Raw::Whole(3)));
        assert_eq!(number_in("3\r"), Some(Raw::Whole(3)));
        for none in ["(@)", "(@1,2)", "(@1:3)", "(3)", "@3"] {
            assert_eq!(number_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_block_says_its_length_and_lies_are_refused() {
        assert_eq!(block_digits(*b"#5").unwrap(), 5);
        assert_eq!(block_length(b"12345", 20_000).unwrap(), 12_345);
        for start in [*b"#0", *b"#a", *b"-1", *b"\n#"] {
            assert!(block_digits(start).is_err(), "{start:?}");
        }
        for digits in [&b"99999"[..], b"+1", b"1e3", b"", b"\xff\xff"] {
            assert!(block_length(digits, 20_000).is_err(), "{digits:?}");
        }
    }

    #[test]
    fn each_answer_is_a_reading_or_the_reason_there_is_none() {
        let Map::Scpi(map) = profile().map else {
            panic!("no lines")
        };
        let of = |answers: &[Result<String, Fault>]| -> Vec<Reading> {
            decode(&map, answers)
                .values()
                .map(|taken| taken.reading)
                .collect()
        };
        let temp = Ok("+3.15E+01".to_owned());
        let idle = Ok("16\r".to_owned());
        // In the order of the points' names: module_temp, operation.
        assert_eq!(
            of(&[idle, temp]),
            [Reading::Value(31.5), Reading::Value(16.0)]
        );
        let timeout = Err(Fault::Timeout(Duration::from_secs(1)));
        assert_eq!(
            of(&[timeout]),
            [
                Reading::Bad(BadReading::Timeout),
                Reading::Bad(BadReading::Timeout)
            ]
        );
        for wrong in ["", "NaN", "9.91E37 and more", "four"] {
            let both = of(&[Ok(wrong.into()), Ok("400".into())]);
            assert_eq!(both[1], Reading::Bad(BadReading::Garbled), "{wrong}");
            assert_eq!(both[0], Reading::Bad(BadReading::OutOfRange));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, start: [u8; 2]) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = (error_in(&text), number_in(&text), bits_in(&text), shown(&text));
            let _ = (block_digits(start), block_length(&bytes, 1000));
        }
    }
}
