//! Fibres, instruments and shots drawn at random from a seed, with everything about them known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};
use silkline_sim::Seed;
use silkline_sim::forward::{Fibre, Instrument, Joint, Part, Shot};

/// Pulse widths swept, in nanoseconds.
pub(crate) const PULSES_NS: [u16; 9] = [5, 10, 30, 100, 300, 1_000, 3_000, 10_000, 20_000];

/// Samples a pulse: from 0.4 pulses apart to dense.
const SAMPLES_A_PULSE: [f64; 5] = [2.5, 5.0, 10.0, 20.0, 40.0];

/// A shot of the sweep has no more samples, so that the sweep ends.
const MOST_SAMPLES: f64 = 40_000.0;

/// Length of a nanosecond of pulse on the trace, at the group index of the shots.
pub(crate) const METRES_A_NS: f64 = 0.102_095_5;

/// Shots are averaged over so many seconds.
const AVERAGE_S: u16 = 180;

/// The backscatter coefficient that files tell.
const TOLD_BACKSCATTER: f64 = -81.5;

/// What a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Splice,
    Gain,
    Bend,
    Reflective,
    DarkEnd,
    BrightEnd,
    /// A dark end up to three pulses behind a closure.
    Break,
}

impl Kind {
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Splice, "splice"),
        (Self::Gain, "gain"),
        (Self::Bend, "bend"),
        (Self::Reflective, "reflective"),
        (Self::DarkEnd, "dark end"),
        (Self::BrightEnd, "bright end"),
        (Self::Break, "break behind closure"),
    ];

    pub(crate) const fn is_end(self) -> bool {
        matches!(self, Self::DarkEnd | Self::BrightEnd | Self::Break)
    }
}

/// How noisy a trace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noise {
    Quiet,
    Middle,
    Noisy,
}

impl Noise {
    pub(crate) const ALL: [(Self, &'static str); 3] = [
        (Self::Quiet, "quiet"),
        (Self::Middle, "middle"),
        (Self::Noisy, "noisy"),
    ];

    /// Decibels of the end's backscatter over the receiver's noise, and of the fading.
    const fn ranges(self) -> ([f64; 2], [f64; 2]) {
        match self {
            Self::Quiet => ([12.0, 20.0], [0.001, 0.003]),
            Self::Middle => ([7.0, 12.0], [0.003, 0.008]),
            Self::Noisy => ([4.0, 7.0], [0.008, 0.02]),
        }
    }
}

/// One true event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) at_m: f64,
    pub(crate) kind: Kind,
    /// The step it shows, one way: its loss and the change of backscatter.
    pub(crate) step_db: f64,
    pub(crate) reflectance_db: Option<f64>,
    /// By how much the glass before it scatters more than the file says, as decibels of power.
    pub(crate) scatter_db: f64,
}

/// One shot to take.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) fibre: Fibre,
    pub(crate) instrument: Instrument,
    pub(crate) shot: Shot,
    /// The events in order, the end last.
    pub(crate) marks: Vec<Mark>,
    pub(crate) noise: Noise,
    pub(crate) pulse_m: f64,
    /// One-way decibels from the backscatter at the panel to the receiver's noise.
    pub(crate) range_db: f64,
}

/// A source of draws.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    fn log_between(&mut self, [low, high]: [f64; 2]) -> f64 {
        self.between([low.ln(), high.ln()]).exp()
    }

    fn happens(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = self.0.random_range(0..all.len().max(1));
        all.get(at).copied()
    }
}

/// Draws a case for one pulse width.
pub(crate) fn case(pulse_ns: u16, noise: Noise, seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let pulse_m = f64::from(pulse_ns) * METRES_A_NS;
    let attenuation = dice.between([0.18, 0.36]);
    let (margins, fadings) = noise.ranges();
    let (fibre, marks) = fibre(&mut dice, pulse_m, attenuation);
    let length = fibre.length().get();
    let last_level = |sum: f64, mark: &Mark| {
        sum + if mark.kind.is_end() {
            0.0
        } else {
            mark.step_db
        }
    };
    let lost = marks
        .iter()
        .fold(attenuation * length / 1_000.0, last_level);
    let range_db = lost + dice.between(margins);
    let dynamic = range_db - 7.5 * (f64::from(pulse_ns) / 1_000.0).log10();
    let instrument = Instrument {
        dynamic_range: Db::of(dynamic),
        bandwidth: dice.between([0.35, 0.5]),
        headroom: Db::of(dice.between([4.0, 12.0])),
        fading: Db::of(dice.log_between(fadings)),
        tail: dice.one_of(&[0.0, 1e-5, 3e-4]).unwrap_or_default(),
        jitter: OpticalLength::default(),
    };
    let range = length * 1.15 + 30.0 * pulse_m + 100.0;
    let dense = dice.one_of(&SAMPLES_A_PULSE).unwrap_or(10.0);
    let spacing = (pulse_m / dense).max(range / MOST_SAMPLES);
    let shot = shot(&fibre, pulse_ns, [spacing, range], seed);
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

/// A shot of three minutes with samples so many metres apart up to a range, its noise and its fading from
/// a seed.
pub(crate) fn shot(fibre: &Fibre, pulse_ns: u16, [spacing, range]: [f64; 2], seed: u64) -> Shot {
    Shot {
        spacing: OpticalLength::of(spacing),
        range: OpticalLength::of(range),
        noise: Seed(seed),
        grain: Seed(seed ^ 0x5eed),
        ..Shot::of(fibre.length(), pulse_ns, AVERAGE_S)
    }
}

/// A fibre with a handful of events at random distances.
fn fibre(dice: &mut Dice, pulse_m: f64, attenuation: f64) -> (Fibre, Vec<Mark>) {
    let longest = (25.0 / attenuation * 1_000.0).min(100_000.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2 to 9 by the clamp before"
    )]
    let most = (longest / pulse_m / 8.0).clamp(2.0, 9.0) as u32;
    let count = dice.0.random_range(1..=most);
    let far = (longest / pulse_m / f64::from(count + 1)).clamp(9.0, 300.0);
    let (mut parts, mut marks) = (Vec::new(), Vec::new());
    let (mut at_m, mut backscatter, mut budget_db) = (0.0, TOLD_BACKSCATTER, 10.0);
    let mut part = |length: f64, backscatter: f64, then: Joint| {
        parts.push(Part {
            length: OpticalLength::of(length),
            attenuation: DbPerKm::of(attenuation),
            backscatter: Db::of(backscatter),
            then,
        });
    };
    for k in 0..count {
        let near = k > 0 && dice.happens(0.2);
        let pulses = if near { [0.3, 4.0] } else { [8.0, far] };
        let length = pulse_m * dice.log_between(pulses);
        at_m += length;
        let (kind, joint, change) = event(dice, budget_db);
        budget_db -= joint.loss.get();
        part(length, backscatter, joint);
        let scatter_db = backscatter - TOLD_BACKSCATTER;
        backscatter += change;
        marks.push(Mark {
            at_m,
            kind,
            step_db: joint.loss.get() - change / 2.0,
            reflectance_db: joint.reflectance.map(Db::get),
            scatter_db,
        });
    }
    let state = Walked {
        at_m,
        backscatter,
        far,
    };
    finish(dice, pulse_m, state, (&mut part, &mut marks));
    let panel = if dice.happens(0.5) {
        Joint::reflecting(Db::default(), Db::of(dice.between([-60.0, -40.0])))
    } else {
        Joint::default()
    };
    (Fibre { panel, parts }, marks)
}

/// How far a fibre has been laid.
struct Walked {
    at_m: f64,
    backscatter: f64,
    far: f64,
}

/// Lays the last stretch: an end, or a closure with a break behind it.
fn finish(
    dice: &mut Dice,
    pulse_m: f64,
    walked: Walked,
    (part, marks): (&mut dyn FnMut(f64, f64, Joint), &mut Vec<Mark>),
) {
    let Walked {
        mut at_m,
        backscatter,
        far,
    } = walked;
    let broken = dice.happens(0.3);
    if broken {
        let length = pulse_m * dice.log_between([8.0, far]);
        at_m += length;
        let loss = dice.log_between([0.05, 1.0]);
        part(length, backscatter, Joint::splice(Db::of(loss)));
        marks.push(Mark {
            at_m,
            kind: Kind::Splice,
            step_db: loss,
            reflectance_db: None,
            scatter_db: backscatter - TOLD_BACKSCATTER,
        });
    }
    let length = pulse_m
        * if broken {
            dice.between([0.5, 3.5])
        } else {
            dice.log_between([8.0, far])
        };
    at_m += length;
    let reflectance_db = (!broken && dice.happens(0.5)).then(|| dice.between([-55.0, -14.0]));
    let kind = match (broken, reflectance_db) {
        (true, _) => Kind::Break,
        (false, None) => Kind::DarkEnd,
        (false, Some(_)) => Kind::BrightEnd,
    };
    part(
        length,
        backscatter,
        Joint {
            loss: Db::default(),
            reflectance: reflectance_db.map(Db::of),
        },
    );
    marks.push(Mark {
        at_m,
        kind,
        step_db: f64::INFINITY,
        reflectance_db,
        scatter_db: backscatter - TOLD_BACKSCATTER,
    });
}

/// A joint, and by how much the backscatter changes behind it.
fn event(dice: &mut Dice, budget_db: f64) -> (Kind, Joint, f64) {
    let most = budget_db.clamp(0.03, 5.0);
    let draw = dice.between([0.0, 1.0]);
    if draw < 0.4 {
        let loss = dice.log_between([0.02, most.min(1.0)]);
        return (Kind::Splice, Joint::splice(Db::of(loss)), 0.0);
    }
    if draw < 0.55 {
        let change = dice.log_between([0.1, 1.0]);
        let loss = dice.between([0.0, 0.02]);
        return (Kind::Gain, Joint::splice(Db::of(loss)), change);
    }
    if draw < 0.7 {
        let loss = dice.log_between([most.min(0.5), most]);
        return (Kind::Bend, Joint::splice(Db::of(loss)), 0.0);
    }
    let loss = dice.log_between([0.02, most.min(1.0)]);
    let reflectance = dice.between([-70.0, -14.0]);
    let joint = Joint::reflecting(Db::of(loss), Db::of(reflectance));
    (Kind::Reflective, joint, 0.0)
}
