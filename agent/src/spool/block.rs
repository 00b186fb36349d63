//! A run of samples as it lies sealed on the disk: each number by how much it differs from the one that
//! its device gave before. Pure.
//!
//! ```text
//!   -15.23  -15.24  -15.2  -15.21        what a device said, in hundredths
//!   -1523      -1     +4      -1         what is kept: a byte each
//! ```
//!
//! Samples of a device come at even times and their values wander, so most numbers take one byte. What
//! can't be put so that it comes back exactly is kept as it is.

use std::collections::BTreeMap;

use super::pack::{self, pull, push};

/// The most samples in a block: half a minute of a large hut, a minute of a small one.
pub(super) const MOST: usize = 2_048;
/// The most bytes of numbers that samples may have between them to become a block: who reads one sample
/// of it has all of them in memory.
pub(super) const ROOM: usize = 1 << 20;
/// The most numbers in a sample.
const NUMBERS: usize = 16_384;
/// Stands before a number that is kept as it is.
const AS_IT_IS: u64 = 0;

/// A sample apart from its number in its stream, which its place in the run gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Where its words are.
    pub(super) template: i64,
    /// A checksum of these, kept here since they lie elsewhere.
    pub(super) words: u32,
    /// As [`pack`] makes them.
    pub(super) numbers: Vec<u8>,
}

/// The samples of a block, unsealed: one piece of memory for the numbers of all, since a spool keeps some
/// of them at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// The template of each device in it, and the checksum of its words.
    templates: Vec<(i64, u32)>,
    /// Of each sample which of these, and where its numbers end.
    samples: Vec<(u32, u32)>,
    numbers: Vec<u8>,
}

/// What is known of a template's numbers while a block is written or read.
#[derive(Clone, Debug, Default)]
struct Column {
    places: u64,
    before: i64,
}

#[derive(Clone, Debug, Default)]
struct Device {
    words: u32,
    time: u64,
    period: u64,
    columns: Vec<Column>,
}

/// The samples in the form that [`open`] reads; nothing where one of them is none.
pub(super) fn seal(samples: &[Sealed]) -> Option<Vec<u8>> {
    let all: Vec<Vec<u64>> = samples.iter().map(numbers).collect::<Option<_>>()?;
    let mut devices: BTreeMap<i64, Device> = BTreeMap::new();
    for (sample, numbers) in samples.iter().zip(&all) {
        let values = numbers.len().checked_sub(1)?;
        let device = devices.entry(sample.template).or_insert_with(|| Device {
            words: sample.words,
            columns: vec![Column::default(); values],
            ..Device::default()
        });
        if device.columns.len() != values || device.words != sample.words {
            return None;
        }
        for (column, number) in device.columns.iter_mut().zip(numbers.iter().skip(1)) {
            column.places = column.places.max(pack::places(*number));
        }
    }
    let mut body = Vec::with_capacity(samples.len() * 32);
    push(&mut body, u64::try_from(samples.len()).ok()?);
    push(&mut body, u64::try_from(devices.len()).ok()?);
    for (template, device) in &devices {
        push(&mut body, u64::try_from(*template).ok()?);
        push(&mut body, u64::from(device.words));
        push(&mut body, u64::try_from(device.columns.len()).ok()?);
        let places = device.columns.iter().map(|column| column.places);
        places.for_each(|places| push(&mut body, places));
    }
    let order: BTreeMap<i64, u64> = devices.keys().copied().zip(0..).collect();
    for (sample, numbers) in samples.iter().zip(&all) {
        push(&mut body, *order.get(&sample.template)?);
        devices.get_mut(&sample.template)?.write(&mut body, numbers);
    }
    Some(body)
}

/// The samples of a block; nothing where `body` is none.
pub(super) fn open(body: &[u8]) -> Option<Run> {
    let mut rest = body;
    let count = bounded(&mut rest, MOST)?;
    let known = bounded(&mut rest, count)?;
    let (mut devices, mut run) = (Vec::new(), Run::default());
    for _ in 0..known {
        let template = i64::try_from(pull(&mut rest)?).ok()?;
        let mut device = Device {
            words: u32::try_from(pull(&mut rest)?).ok()?,
            ..Device::default()
        };
        let columns = bounded(&mut rest, NUMBERS)?;
        for _ in 0..columns {
            device.columns.push(Column {
                places: pull(&mut rest).filter(|places| *places <= pack::PLACES)?,
                before: 0,
            });
        }
        run.templates.push((template, device.words));
        devices.push(device);
    }
    run.samples.reserve_exact(count);
    for _ in 0..count {
        let at = bounded(&mut rest, known)?;
        devices.get_mut(at)?.read(&mut rest, &mut run.numbers)?;
        let end = u32::try_from(run.numbers.len()).ok()?;
        run.samples.push((u32::try_from(at).ok()?, end));
    }
    run.numbers.shrink_to_fit();
    rest.is_empty().then_some(run)
}

impl Run {
    /// How many samples there are.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// A sample by its place in the run.
    pub(super) fn get(&self, at: usize) -> Option<Sealed> {
        let (device, end) = *self.samples.get(at)?;
        let before = at.checked_sub(1).and_then(|at| self.samples.get(at));
        let begin = before.map_or(0, |(_, end)| *end);
        let (template, words) = *self.templates.get(usize::try_from(device).ok()?)?;
        let span = usize::try_from(begin).ok()?..usize::try_from(end).ok()?;
        Some(Sealed {
            template,
            words,
            numbers: self.numbers.get(span)?.to_vec(),
        })
    }

    /// The samples in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Sealed> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Makes it so much larger, for a test of what is too large.
    #[cfg(test)]
    pub(super) fn pad(&mut self, bytes: usize) {
        self.numbers.extend(core::iter::repeat_n(0, bytes));
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.templates.len() * size_of::<(i64, u32)>()
            + self.samples.len() * size_of::<(u32, u32)>();
        lists + self.numbers.len()
    }
}

impl Device {
    fn write(&mut self, body: &mut Vec<u8>, numbers: &[u64]) {
        let Some((time, values)) = numbers.split_first() else {
            return;
        };
        let guess = self.time.wrapping_add(self.period);
        push(body, zigzag(time.wrapping_sub(guess).cast_signed()));
        self.passes(*time);
        for (column, number) in self.columns.iter_mut().zip(values) {
            match column.scaled(*number) {
                Some(value) => {
                    let step = zigzag(value.wrapping_sub(column.before));
                    // None is as large as that: the mantissas have fifteen digits.
                    push(body, step.saturating_add(1));
                    column.before = value;
                }
                None => {
                    push(body, AS_IT_IS);
                    push(body, *number);
                }
            }
        }
    }

    fn read(&mut self, rest: &mut &[u8], numbers: &mut Vec<u8>) -> Option<()> {
        let guess = self.time.wrapping_add(self.period);
        let time = guess.wrapping_add(unzigzag(pull(rest)?).cast_unsigned());
        self.passes(time);
        push(numbers, time);
        for column in &mut self.columns {
            let code = pull(rest)?;
            if code == AS_IT_IS {
                push(numbers, pull(rest)?);
                continue;
            }
            column.before = column.before.wrapping_add(unzigzag(code - 1));
            push(numbers, pack::shortest(column.before, column.places)?);
        }
        Some(())
    }

    fn passes(&mut self, time: u64) {
        if self.time != 0 {
            self.period = time.wrapping_sub(self.time);
        }
        self.time = time;
    }
}

impl Column {
    /// The number in units of the column's last place; nothing where it would not come back.
    fn scaled(&self, number: u64) -> Option<i64> {
        let up = self.places.checked_sub(pack::places(number))?;
        let factor = 10i64.checked_pow(u32::try_from(up).ok()?)?;
        let value = pack::mantissa(number)?.checked_mul(factor)?;
        let fits = value.unsigned_abs() < 1 << 60;
        (fits && pack::shortest(value, self.places) == Some(number)).then_some(value)
    }
}

fn numbers(sample: &Sealed) -> Option<Vec<u64>> {
    let mut rest = sample.numbers.as_slice();
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        numbers.push(pull(&mut rest)?);
    }
    (!numbers.is_empty() && numbers.len() <= NUMBERS).then_some(numbers)
}

fn bounded(rest: &mut &[u8], most: usize) -> Option<usize> {
    usize::try_from(pull(rest)?)
        .ok()
        .filter(|count| *count <= most)
}

/// Small numbers of either sign as small ones of none.
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use silkline_protocol::sample::{Reading, Sample};
    use silkline_protocol::time::Timestamp;

    use super::*;

    fn opened(body: &[u8]) -> Option<Vec<Sealed>> {
        open(body).map(|run| run.iter().collect())
    }

    fn sample(template: i64, at: i64, values: &[f64]) -> Sealed {
        let named = values
            .iter()
            .zip(0..)
            .map(|(value, at): (_, u32)| (format!("p.{at}").parse().unwrap(), Reading::of(*value)));
        let sample = Sample {
            at: Timestamp::from_nanos(at),
            readings: named.collect(),
        };
        let payload = silkline_protocol::codec::to_json(&sample);
        let numbers = pack::split(&payload).unwrap().numbers;
        let words = 77;
        Sealed {
            template,
            words,
            numbers,
        }
    }

    #[test]
    fn values_that_wander_take_a_byte_each() {
        let all: Vec<Sealed> = (0..2_000)
            .map(|at: i64| {
                let values: Vec<f64> = (0..20)
                    .map(|point| ((point * 40 - 1_500 + (at * 31 + point * 7) % 9) as f64) / 100.0)
                    .collect();
                let jitter = (at * 7_919) % 2_000_000;
                let time = 1_760_000_000_000_000_000 + (at / 50) * 1_000_000_000 + jitter;
                sample(1 + at % 50, time, &values)
            })
            .collect();
        let body = seal(&all).unwrap();
        assert_eq!(opened(&body).unwrap(), all);
        let each = body.len() / all.len();
        assert!((20..32).contains(&each), "{each} bytes a sample of 20");
    }

    #[test]
    fn what_would_not_come_back_is_kept_as_it_is() {
        let odd = [
            sample(3, 5, &[-0.0, 1.5, 123_456_789.0]),
            sample(3, 4, &[0.0, 0.000_123_45, -999_999.5]),
            sample(9, 0, &[]),
        ];
        assert_eq!(opened(&seal(&odd).unwrap()).unwrap(), odd);
    }

    #[test]
    fn rubbish_is_no_block() {
        let whole = seal(&[sample(1, 7, &[1.25, -2.0])]).unwrap();
        for length in 0..whole.len() {
            assert_eq!(open(&whole[..length]), None);
        }
        let none = Sealed {
            template: 1,
            words: 0,
            numbers: vec![0x80],
        };
        assert_eq!(seal(&[none]), None);
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(
            samples in prop::collection::vec((1i64..4, any::<[u64; 4]>()), 1..40),
        ) {
            let samples: Vec<Sealed> = samples
                .into_iter()
                .map(|(template, some)| {
                    let mut numbers = Vec::new();
                    some.iter().for_each(|number| push(&mut numbers, number >> 1));
                    let words = u32::MAX - u32::try_from(template).unwrap();
                    Sealed { template, words, numbers }
                })
                .collect();
            let body = seal(&samples).unwrap();
            prop_assert_eq!(opened(&body).unwrap(), samples);
        }

        #[test]
        fn any_bytes_are_opened_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            open(&bytes);
        }
    }
}
