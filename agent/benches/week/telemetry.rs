//! What amplifiers say, second after second: slow drift, the time of day, and an instrument's noise, in
//! the instrument's own steps. The same for the same number, always.

use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

/// When simulated time begins.
const BEGIN: i64 = 1_760_000_000_000_000_000;

/// One quantity: its name, its value at rest, the step it is told in, its noise and how it follows the
/// day, both in steps.
#[derive(Debug)]
struct Point {
    name: PointName,
    at_rest: f64,
    places: i32,
    noise: f64,
    day: f64,
    drift: f64,
}

/// An amplifier.
#[derive(Debug)]
pub(crate) struct Amplifier {
    /// Its name.
    pub(crate) id: DeviceId,
    number: u64,
    points: Vec<Point>,
    chance: u64,
}

impl Amplifier {
    /// One with twenty points.
    pub(crate) fn new(number: u64) -> Self {
        // Powers in 0.01 dB, gain and tilt in 0.1 dB, currents in 0.1 mA, temperatures in 0.1 degrees, supplies
        // in 0.01 V.
        let kinds = [
            ("in_power", 4, -17.2, 2, 2.5, 6.0),
            ("out_power", 4, 1.4, 2, 1.2, 3.0),
            ("gain", 2, 18.6, 1, 0.4, 0.5),
            ("pump_bias", 4, 214.0, 1, 3.0, 8.0),
            ("pump_temp", 2, 25.0, 1, 0.6, 1.0),
            ("module_temp", 2, 31.0, 1, 0.5, 40.0),
            ("supply", 2, 53.4, 2, 1.0, 12.0),
        ];
        let mut points = Vec::new();
        for (name, count, at_rest, places, noise, day) in kinds {
            for index in 1..=count {
                points.push(Point {
                    name: format!("{name}.{index}").parse().unwrap(),
                    at_rest: at_rest + f64::from(index) * 0.37 + number as f64 * 0.11,
                    places,
                    noise,
                    day,
                    drift: 0.0,
                });
            }
        }
        Self {
            id: format!("edfa-{number}").parse().unwrap(),
            number,
            points,
            chance: 0x9E37_79B9_7F4A_7C15 ^ (number + 1),
        }
    }

    /// Its sample of this second.
    pub(crate) fn poll(&mut self, second: u64) -> Sample {
        let day = (second as f64 / 86_400.0 * core::f64::consts::TAU).sin();
        let chance = &mut self.chance;
        let readings = self.points.iter_mut().map(|point| {
            // Slow wander: half an hour of memory.
            point.drift += 0.02 * point.noise * spread(chance) - point.drift / 1_800.0;
            let steps = point.day * day + point.drift + point.noise * spread(chance);
            let scale = 10f64.powi(point.places);
            let value = (point.at_rest * scale + steps).round() / scale;
            (point.name.clone(), Reading::of(value))
        });
        let readings = readings.collect();
        // Each has its phase in the second, and comes a little late.
        let phase = self.number as i64 * 19_876_543;
        let late = (spread(&mut self.chance).abs() * 800_000.0) as i64;
        let at = Timestamp::from_nanos(BEGIN + second as i64 * 1_000_000_000 + phase + late);
        Sample { at, readings }
    }
}

/// A number about zero with a standard deviation of about one.
fn spread(chance: &mut u64) -> f64 {
    let mut sum = 0.0;
    for _ in 0..4 {
        *chance ^= *chance << 13;
        *chance ^= *chance >> 7;
        *chance ^= *chance << 17;
        sum += (*chance >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
    }
    sum * 1.73
}
