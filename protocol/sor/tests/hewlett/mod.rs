//! A version 1 file as a Hewlett Packard E6000A wrote it in 1998, byte by byte.
//!
//! It shares no code with the crate. Fields, widths and the sizes of the blocks are those that the
//! reader pyOTDR publishes with its example of that instrument, so that the layout is checked
//! against a real file's sizes and not only against ourselves. The samples are made up.

/// Samples of the trace.
pub(crate) const SAMPLES: u32 = 11_776;

/// One-way time between samples in units of 1e-14 s.
pub(crate) const SPACING: u32 = 2_499_999;

/// Group index in units of 1e-5.
pub(crate) const INDEX: u32 = 147_110;

/// One event: distance in kilometres, slope, loss and reflectance in thousandths, and its code.
pub(crate) type Event = (f64, i16, i16, i32, &'static str);

/// The instrument's table.
pub(crate) const EVENTS: [Event; 5] = [
    (0.0, 0, 0, -50_000, "1F9999LS"),
    (12.711, 344, 209, 0, "0F9999LS"),
    (25.351, 342, 87, -51_514, "1F9999LS"),
    (38.047, 344, 149, 0, "0F9999LS"),
    (50.728, 344, 13_232, -16_726, "1E9999LS"),
];

/// A block: its name, its version times a hundred, its bytes.
pub(crate) type Block = (&'static str, u16, Vec<u8>);

/// The blocks in the order of the file, without the checksum.
pub(crate) fn blocks() -> Vec<Block> {
    vec![
        ("GenParams", 101, general()),
        ("SupParams", 101, supplier()),
        ("FxdParams", 101, fixed()),
        ("DataPts", 101, points()),
        ("KeyEvents", 101, events()),
        ("HPEvent", 221, vec![7; 122]),
        ("Threshold", 100, vec![8; 42]),
        ("HPSpecialInfo", 222, vec![9; 1_506]),
    ]
}

/// The file of these blocks, with a checksum behind them.
pub(crate) fn file(blocks: &[Block]) -> Vec<u8> {
    let names: usize = blocks.iter().map(|(name, ..)| name.len() + 7).sum();
    let map = u32::try_from(8 + names + "Cksum".len() + 7).unwrap();
    let mut file = Vec::new();
    file.extend(100_u16.to_le_bytes());
    file.extend(map.to_le_bytes());
    file.extend(u16::try_from(blocks.len() + 2).unwrap().to_le_bytes());
    for (name, version, bytes) in blocks {
        entry(&mut file, name, *version, bytes.len());
    }
    entry(&mut file, "Cksum", 100, 2);
    for (.., bytes) in blocks {
        file.extend(bytes);
    }
    let sum = crc(&file);
    file.extend(sum.to_le_bytes());
    file
}

fn entry(file: &mut Vec<u8>, name: &str, version: u16, size: usize) {
    text(file, name);
    file.extend(version.to_le_bytes());
    file.extend(u32::try_from(size).unwrap().to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// CRC-16 CCITT, bit by bit.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum: u16, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            let shifted = sum << 1;
            if sum & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    })
}

fn general() -> Vec<u8> {
    let mut bytes = b"EN".to_vec();
    text(&mut bytes, "K1 AB");
    text(&mut bytes, " ");
    bytes.extend(1_310_u16.to_le_bytes());
    text(&mut bytes, " ");
    text(&mut bytes, " ");
    text(&mut bytes, " ");
    bytes.extend(b"CC");
    bytes.extend(0_i32.to_le_bytes());
    text(&mut bytes, "HP ");
    text(&mut bytes, "HP Emulation SW");
    bytes
}

fn supplier() -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [
        "Hewlett Packard",
        "E6000A ",
        "3617G00108 ",
        "E6008A ",
        "DE37300051 ",
        "3.0",
        "A3717-00051\n28.01.98 ",
    ] {
        text(&mut bytes, field);
    }
    bytes
}

fn fixed() -> Vec<u8> {
    let mut bytes = 886_668_374_u32.to_le_bytes().to_vec();
    bytes.extend(b"mt");
    bytes.extend(13_100_u16.to_le_bytes());
    bytes.extend(0_i32.to_le_bytes()); // acquisition offset
    bytes.extend(1_u16.to_le_bytes()); // pulses
    bytes.extend(1_000_u16.to_le_bytes());
    bytes.extend(SPACING.to_le_bytes());
    bytes.extend(SAMPLES.to_le_bytes());
    bytes.extend(INDEX.to_le_bytes());
    bytes.extend(815_u16.to_le_bytes());
    bytes.extend(30_u32.to_le_bytes()); // averages
    bytes.extend(2_943_998_u32.to_le_bytes()); // range
    bytes.extend(0_i32.to_le_bytes()); // front panel offset
    bytes.extend(52_058_u16.to_le_bytes());
    bytes.extend(1_000_u16.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes()); // power offset
    bytes.extend(0_u16.to_le_bytes()); // loss threshold
    bytes.extend(0_u16.to_le_bytes()); // reflectance threshold
    bytes.extend(5_000_u16.to_le_bytes());
    bytes
}

/// Sample `i` of the trace: falling fibre, and noise that no two neighbours share.
pub(crate) fn sample(i: u32) -> u16 {
    u16::try_from(15_829 + i * 4 + (i * 7_919) % 13).unwrap()
}

fn points() -> Vec<u8> {
    let mut bytes = SAMPLES.to_le_bytes().to_vec();
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(SAMPLES.to_le_bytes());
    bytes.extend(1_000_u16.to_le_bytes());
    for i in 0..SAMPLES {
        bytes.extend(sample(i).to_le_bytes());
    }
    bytes
}

/// The time of a distance in units of 1e-10 s, one way.
fn time(km: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred thousand")]
    let time = (km / (1e-4 * 0.299_792_458 / (f64::from(INDEX) * 1e-5))).round() as i32;
    time
}

fn events() -> Vec<u8> {
    let mut bytes = u16::try_from(EVENTS.len()).unwrap().to_le_bytes().to_vec();
    for (number, (km, slope, loss, reflectance, code)) in (1_u16..).zip(EVENTS) {
        bytes.extend(number.to_le_bytes());
        bytes.extend(time(km).to_le_bytes());
        bytes.extend(slope.to_le_bytes());
        bytes.extend(loss.to_le_bytes());
        bytes.extend(reflectance.to_le_bytes());
        bytes.extend(code.as_bytes());
        text(&mut bytes, " ");
    }
    bytes.extend(17_456_i32.to_le_bytes()); // total loss
    bytes.extend(time(0.0).to_le_bytes());
    bytes.extend(time(50.728).to_le_bytes());
    bytes.extend(31_500_u16.to_le_bytes()); // return loss
    bytes.extend(time(0.0).to_le_bytes());
    bytes.extend(time(50.728).to_le_bytes());
    bytes
}
