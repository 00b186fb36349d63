//! RTU frames from the specification's examples, and every way in which bytes can mislead.

use super::*;

const NOW: Moment = Moment::START;

fn read(count: u16) -> Order {
    Order::Read(Read {
        function: Function::Input,
        start: 8,
        count,
    })
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = bytes.to_vec();
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

fn answer(unit: u8, words: &[u16]) -> Vec<u8> {
    let mut frame = vec![unit, 4, u8::try_from(words.len() * 2).unwrap()];
    frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    framed(&frame)
}

fn values(found: Found, count: u16) -> Vec<u16> {
    let Found::Answer(body) = found else {
        panic!("{found:?}")
    };
    let Order::Read(read) = read(count) else {
        unreachable!()
    };
    words(read, &body)
}

#[test]
fn frames_are_those_of_the_specification() {
    // Reading two holding registers from 0x6B of unit 17, with the check sum as published.
    let order = Order::Read(Read {
        function: Function::Holding,
        start: 0x6B,
        count: 3,
    });
    assert_eq!(order.frame(0x11), [0x11, 3, 0, 0x6B, 0, 3, 0x76, 0x87],);
    let write = Order::Write(1, vec![0x0A, 0x0102]);
    assert_eq!(
        write.frame(0x11),
        [0x11, 16, 0, 1, 0, 2, 4, 0, 0x0A, 1, 2, 0xC6, 0xF0]
    );
}

#[test]
fn an_answer_may_come_byte_by_byte_and_after_noise() {
    let mut exchange = Exchange::default();
    exchange.begin();
    let mut wire = vec![0xFF, 0, 7, 4];
    wire.extend(answer(7, &[1, 2]));
    let (last, first) = wire.split_last().unwrap();
    for byte in first {
        assert_eq!(exchange.push(7, &read(2), &[*byte]), Found::Nothing);
    }
    assert_eq!(values(exchange.push(7, &read(2), &[*last]), 2), [1, 2]);
}

#[test]
fn each_wrong_frame_is_told_from_silence() {
    for (wire, wanted) in [
        (framed(&[7, 0x84, 2]), Found::Exception(2)),
        (
            answer(8, &[1, 2]),
            Found::Wrong("unit 8 answered, asked was 7".into()),
        ),
        (
            answer(7, &[1]),
            Found::Wrong("function 4 and 7 bytes, want 4 and 9".into()),
        ),
        (
            framed(&[7, 3, 4, 0, 1, 0, 2]),
            Found::Wrong("function 3 and 9 bytes, want 4 and 9".into()),
        ),
        (vec![7, 4, 4, 0, 1, 0, 2, 0, 0], Found::Nothing),
        (vec![7, 4, 4, 0], Found::Nothing),
    ] {
        let mut exchange = Exchange::default();
        exchange.begin();
        assert_eq!(exchange.push(7, &read(2), &wire), wanted, "{wire:?}");
    }
}

#[test]
fn a_device_that_never_stops_is_cut_off() {
    let mut exchange = Exchange::default();
    exchange.begin();
    let mut pushes = 0;
    while exchange.push(7, &read(2), &[0x55; 100]) == Found::Nothing {
        pushes += 1;
        assert!(pushes < 100 && exchange.bytes.len() <= LONGEST_FRAME);
    }
}

#[test]
fn an_owed_answer_is_not_taken_for_the_same_question() {
    let mut exchange = Exchange::default();
    exchange.owe(7, &read(2), NOW);
    // The same question needs another one before it, of another length.
    let first = exchange.before(7, &read(2), NOW).unwrap();
    assert_ne!(first.shape(), read(2).shape());
    exchange.begin();
    assert_eq!(
        exchange.push(7, &first, &answer(7, &[6, 6])),
        Found::Nothing
    );
    assert_eq!(exchange.late(), 1);
    assert_eq!(values(exchange.push(7, &first, &answer(7, &[1])), 1), [1]);
    exchange.settle(7);
    assert_eq!(exchange.before(7, &read(2), NOW), None);
}

#[test]
fn a_question_of_another_length_needs_nothing_before_it() {
    let mut exchange = Exchange::default();
    exchange.owe(7, &read(2), NOW);
    assert_eq!(exchange.before(7, &read(3), NOW), None);
    exchange.begin();
    let mut wire = answer(7, &[6, 6]);
    wire.extend(answer(7, &[1, 2, 3]));
    assert_eq!(values(exchange.push(7, &read(3), &wire), 3), [1, 2, 3]);
}

#[test]
fn what_another_unit_owes_costs_nothing() {
    let mut exchange = Exchange::default();
    exchange.owe(9, &read(2), NOW);
    exchange.begin();
    assert_eq!(
        exchange.push(7, &read(2), &answer(9, &[6, 6])),
        Found::Nothing
    );
    assert_eq!(
        values(exchange.push(7, &read(2), &answer(7, &[1, 2])), 2),
        [1, 2]
    );
    assert_eq!(exchange.late(), 1);
}

#[test]
fn nothing_is_owed_for_ever_and_lengths_do_not_run_out() {
    let mut exchange = Exchange::default();
    for _ in 0..200 {
        let order = exchange.before(7, &read(2), NOW).unwrap_or_else(|| read(2));
        exchange.owe(7, &order, NOW);
    }
    assert!(exchange.owed[&7].len() <= usize::from(super::super::MAX_WORDS));
    assert_eq!(exchange.before(7, &read(2), NOW + OWED_FOR), None);
}

#[test]
fn a_write_is_confirmed_by_place_and_count() {
    let write = Order::Write(100, vec![1, 2]);
    let mut exchange = Exchange::default();
    exchange.begin();
    let wrong = framed(&[7, 16, 0, 100, 0, 1]);
    assert!(matches!(exchange.push(7, &write, &wrong), Found::Wrong(_)));
    exchange.begin();
    let right = framed(&[7, 16, 0, 100, 0, 2]);
    assert!(matches!(exchange.push(7, &write, &right), Found::Answer(_)));
}

#[test]
fn coils_come_by_the_byte() {
    let read = Read {
        function: Function::Coil,
        start: 3,
        count: 10,
    };
    assert_eq!(
        words(read, &[2, 0b101, 0b10]),
        [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    );
}

/// Records 1 and 2 of file 4, as in the example of the Modbus Application Protocol 1.1b3, 6.14.
const RECORDS: Records = Records {
    file: 4,
    first: 1,
    count: 2,
};

#[test]
fn records_are_asked_for_and_read_as_in_the_specification() {
    let frame = Order::Records(RECORDS).frame(9);
    assert_eq!(frame[..10], [9, 20, 7, 6, 0, 4, 0, 1, 0, 2]);
    let body = [6, 5, 6, 0x0D, 0xFE, 0x00, 0x20];
    assert_eq!(RECORDS.words(&body), Some(vec![0x0DFE, 0x0020]));
    for wrong in [
        &body[..6],
        &[6, 5, 7, 0x0D, 0xFE, 0x00, 0x20],
        &[6, 4, 6, 0x0D, 0xFE, 0x00, 0x20],
        &[8, 5, 6, 0x0D, 0xFE, 0x00, 0x20, 0, 0],
        &[],
    ] {
        assert_eq!(RECORDS.words(wrong), None, "{wrong:?}");
    }
}

#[test]
fn records_that_come_late_are_told_from_those_asked_for_now() {
    let mut exchange = Exchange::default();
    let order = Order::Records(RECORDS);
    exchange.owe(9, &order, Moment::START);
    let next = Order::Records(Records {
        first: 3,
        ..RECORDS
    });
    // The late answer would look the same, so something of another length is asked before.
    let before = exchange.before(9, &next, Moment::START);
    assert!(
        matches!(before, Some(Order::Records(Records { count, .. })) if count != 2),
        "{before:?}"
    );
    let mut answer = vec![9, 20, 6, 5, 6, 0x0D, 0xFE, 0x00, 0x20];
    answer.extend(checksum(&answer).to_le_bytes());
    exchange.begin();
    let found = exchange.push(9, &order, &answer);
    assert_eq!(found, Found::Answer(answer[2..9].to_vec()));
}
