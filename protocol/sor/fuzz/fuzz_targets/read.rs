//! Any bytes read or err; what was read is bounded by the file and survives being written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use silkline_sor::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = read(bytes) else { return };
    assert!(found.curve.raw.len() <= bytes.len() / 2 + 1);
    let again = read(&write(&found)).expect("what was read can be written and read");
    assert_eq!(again.curve, found.curve);
});
