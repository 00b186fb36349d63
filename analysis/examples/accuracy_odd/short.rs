//! Fibres of a few long pulses: joints two to six pulses apart, as a metro line shows under 10 µs.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};
use silkline_sim::forward::{Fibre, Instrument, Joint, Part};

use crate::draw::{self, Case, Kind, METRES_A_NS, Mark, Noise};

/// Draws one with a pulse of `pulse_ns`.
pub(crate) fn case(pulse_ns: u16, noise: Noise, seed: u64) -> Case {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut between = |low: f64, high: f64| low + (high - low) * dice.random::<f64>();
    let pulse_m = f64::from(pulse_ns) * METRES_A_NS;
    let attenuation = between(0.18, 0.36);
    let (parts, marks) = laid(&mut between, pulse_m, attenuation);
    let at_m = marks.last().map_or(0.0, |end| end.at_m);
    let steps = marks.iter().map(|mark| mark.step_db);
    let lost_db = steps.filter(|db| db.is_finite()).sum::<f64>() + attenuation * at_m / 1_000.0;
    let (margin, fading) = match noise {
        Noise::Quiet => (15.0, 0.002),
        Noise::Middle => (9.0, 0.005),
        Noise::Noisy => (6.0, 0.012),
    };
    let range_db = lost_db + margin;
    let fibre = Fibre {
        panel: Joint::default(),
        parts,
    };
    let spacing = pulse_m / between(10.0, 60.0);
    let range = at_m * 1.5 + 10.0 * pulse_m;
    let shot = draw::shot(&fibre, pulse_ns, [spacing, range], seed);
    let instrument = Instrument {
        dynamic_range: Db::of(range_db - 7.5 * (f64::from(pulse_ns) / 1_000.0).log10()),
        bandwidth: between(0.35, 3.0),
        headroom: Db::of(between(4.0, 12.0)),
        fading: Db::of(fading),
        tail: 0.0,
        jitter: OpticalLength::default(),
    };
    Case {
        fibre,
        instrument,
        shot,
        marks,
        noise,
        pulse_m,
        range_db,
    }
}

/// Glass with splices and a few bends, and a dark end.
fn laid(
    between: &mut dyn FnMut(f64, f64) -> f64,
    pulse_m: f64,
    attenuation: f64,
) -> (Vec<Part>, Vec<Mark>) {
    let (mut parts, mut marks, mut at_m) = (Vec::new(), Vec::new(), 0.0);
    let mut left = between(2.0, 6.99).floor();
    let mut nearest = [3.0, 8.0];
    loop {
        let [least, most] = nearest;
        let length = between(least, most) * pulse_m;
        nearest = [2.0, 6.0];
        at_m += length;
        let ends = left < 0.5;
        let bend = between(0.0, 1.0) < 0.15;
        let step_db = match (ends, bend) {
            (true, _) => 0.0,
            (false, true) => between(1.0, 5.0),
            (false, false) => 10_f64.powf(between(-1.3, 0.0)),
        };
        parts.push(Part {
            length: OpticalLength::of(length),
            attenuation: DbPerKm::of(attenuation),
            backscatter: Db::of(-81.5),
            then: Joint::splice(Db::of(step_db)),
        });
        marks.push(Mark {
            at_m,
            kind: if ends { Kind::DarkEnd } else { Kind::Splice },
            step_db: if ends { f64::INFINITY } else { step_db },
            reflectance_db: None,
            scatter_db: 0.0,
        });
        if ends {
            return (parts, marks);
        }
        left -= 1.0;
    }
}
