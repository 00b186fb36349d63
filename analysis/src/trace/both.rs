//! Two traces of one fibre, from both its ends: what each joint truly loses.
//!
//! A joint between glasses that scatter differently shows too much loss one way and too little, or
//! a gain, the other way; the mean of both ways is its loss. The same holds for a section's slope
//! and for the whole fibre.
//!
//! ```text
//! events from A ─┐                     ┌─ loss both ways at each, listed there or not
//!                ├─▶ length ─▶ joints ─┼─ slopes between them, both ways
//! events from B ─┘   a + b = L         └─ closure: a + b - L
//! ```
//!
//! Positions count from A's zero, on A's scale. Both traces share the group index's error, so that
//! it stretches all alike and cancels in nothing but itself.

mod measure;
mod mirror;

use serde::Serialize;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use self::measure::Way;
use self::mirror::Mirror;
use super::analyse::{Analysis, InstrumentFault};
use super::end::EndOfFibre;
use super::event::{Event, EventKind};
use super::samples::Trace;

/// From half a 95 % interval to a standard deviation.
const HALF_95: f64 = 1.96;

/// Lengths from both ends that differ by more are not of one fibre: as a part, and in metres.
const LENGTHS_DIFFER: (f64, f64) = (0.01, 30.0);

/// What a zero, set by hand on a screen, may be off by: one standard deviation, in metres.
const ZERO_SD_M: f64 = 0.5;

/// With fewer joints from either end nothing can be said of how many both should list.
const FEWEST_LISTED: usize = 3;

/// A joint this near to an end of the fibre is that end's connector, in metres.
const AT_END_M: f64 = 5.0;

/// A stretch of B's positions is believed from here on: two settings of the index differ by more.
const LEAST_STRETCH: f64 = 2e-4;

/// One end's view.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its trace.
    pub trace: &'a Trace,
    /// What the trace says by itself.
    pub analysis: &'a Analysis,
}

/// How long the fibre is known to be, from A's zero to B's zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownLength {
    /// The length.
    pub at: OpticalLength,
    /// Half of its 95 % interval.
    pub plus_minus: OpticalLength,
}

/// Why two traces make no pair.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BothError {
    /// One of the shots says nothing about the fibre.
    #[error("the shot from {end}: {fault}")]
    Fault {
        /// Which end's.
        end: char,
        /// Why.
        fault: InstrumentFault,
    },
    /// Nothing tells how long the fibre is.
    #[error("neither trace shows the fibre's end, no joint is seen from both, no length is known")]
    NoLength,
    /// Both look from the same end.
    #[error("{joints} joints lie at the same distances in both traces: taken from the same end?")]
    SameEnd {
        /// Joints at the same distances.
        joints: usize,
    },
    /// The lengths do not belong together.
    #[error("{from_a:.1} from A and {from_b:.1} from B: not one fibre, or one is broken")]
    Lengths {
        /// How far A sees.
        from_a: OpticalLength,
        /// How far B sees.
        from_b: OpticalLength,
    },
}

/// A fibre seen from both ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BothEnds {
    /// From A's zero to B's zero.
    pub length_m: OpticalLength,
    /// Half of its 95 % interval, without the group index's error.
    pub length_plus_minus_m: OpticalLength,
    /// Whether the positions from both ends add up.
    pub closure: Closure,
    /// All joints, in order from A.
    pub joints: Vec<Joint>,
    /// The glass between them, in order from A.
    pub sections: Vec<Section>,
    /// Loss of the whole fibre without the connectors at its ends: the mean of both ways.
    pub total_loss_db: Option<Db>,
    /// Half of its 95 % interval.
    pub total_loss_plus_minus_db: Option<Db>,
    /// The same as A sees it.
    pub total_from_a_db: Option<Db>,
    /// The same as B sees it.
    pub total_from_b_db: Option<Db>,
    /// What a reader of the numbers should know.
    pub notes: Vec<String>,
}

/// `dA + dB - L`: nothing where zeros and lengths are right, negative where glass is missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Closure {
    /// What distances from both ends to the same places add up to; none where nothing was seen
    /// from both.
    pub sum_m: Option<OpticalLength>,
    /// The length they should add up to, from what is known or from the fibre's ends.
    pub length_m: Option<OpticalLength>,
    /// The sum less that length.
    pub gap_m: Option<OpticalLength>,
    /// Half of the gap's 95 % interval.
    pub plus_minus_m: OpticalLength,
    /// Joints seen from both ends.
    pub joints: usize,
}

impl Closure {
    /// Whether the gap is nothing, as far as can be told.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.gap_m.is_none_or(|gap| gap.abs() <= self.plus_minus_m)
    }
}

/// From which end a joint was listed as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// From both.
    Both,
    /// From A alone.
    FromA,
    /// From B alone.
    FromB,
}

/// What one end sees of a joint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OneWay {
    /// Its apparent loss, negative for a gain.
    pub loss_db: Db,
    /// Half of the 95 % interval.
    pub plus_minus_db: Db,
    /// Its reflectance.
    pub reflectance_db: Option<Db>,
}

/// One joint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Joint {
    /// Where, from A's zero.
    pub at_m: OpticalLength,
    /// Half of the 95 % interval.
    pub plus_minus_m: OpticalLength,
    /// From which end it was listed.
    pub seen: Seen,
    /// Whether it reflects.
    pub reflective: bool,
    /// As A sees it.
    pub from_a: Option<OneWay>,
    /// As B sees it.
    pub from_b: Option<OneWay>,
    /// Its loss: the mean of both ways.
    pub loss_db: Option<Db>,
    /// Half of the 95 % interval.
    pub loss_plus_minus_db: Option<Db>,
    /// Whether one way shows a gain.
    pub gainer: bool,
    /// Distances from both ends less the length, where both list it.
    pub gap_m: Option<OpticalLength>,
}

/// Glass between two joints.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Where it begins, from A's zero.
    pub from_m: OpticalLength,
    /// Where it ends.
    pub to_m: OpticalLength,
    /// Its attenuation as A sees it.
    pub from_a_db_per_km: Option<DbPerKm>,
    /// The same as B sees it.
    pub from_b_db_per_km: Option<DbPerKm>,
    /// Its attenuation: the mean of both ways.
    pub mean_db_per_km: Option<DbPerKm>,
    /// Half of the 95 % interval.
    pub plus_minus_db_per_km: Option<DbPerKm>,
}

/// A number with one standard deviation, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Metres {
    at: f64,
    sd: f64,
}

impl Metres {
    fn of(at: OpticalLength, plus_minus: OpticalLength) -> Self {
        Self {
            at: at.get(),
            sd: plus_minus.get() / HALF_95,
        }
    }

    /// The mean of two by inverse variance.
    fn with(self, other: Self) -> Self {
        let [w, v] = [self, other].map(|m| 1.0 / (m.sd * m.sd).max(1e-4));
        Self {
            at: (self.at * w + other.at * v) / (w + v),
            sd: (1.0 / (w + v)).sqrt(),
        }
    }

    fn half(self) -> OpticalLength {
        OpticalLength::of(HALF_95 * self.sd)
    }
}

/// Puts two traces of one fibre together.
///
/// # Errors
///
/// [`BothError`] where a shot is faulty, or the two do not belong together.
pub fn combine(
    a: &Side<'_>,
    b: &Side<'_>,
    known: Option<KnownLength>,
) -> Result<BothEnds, BothError> {
    for (end, side) in [('A', a), ('B', b)] {
        if let Some(fault) = side.analysis.fault {
            return Err(BothError::Fault { end, fault });
        }
    }
    // B's positions on A's scale: what the settings of the index make different is known.
    let index = b.trace.settings().group_index.get() / a.trace.settings().group_index.get();
    let ends = Ends::of(a, b, index);
    let known = known.map(|known| Metres::of(known.at, known.plus_minus));
    let guess = known.or_else(|| ends.length()).ok_or(BothError::NoLength)?;
    let cut = ends.cut(known);
    if cut.is_none() && ends.differ() && known.is_none() {
        return Err(ends.error());
    }
    let listed = |side: &Side<'_>| joints_of(&side.analysis.events);
    let (listed_a, listed_b) = (listed(a), listed(b));
    let mirror = Mirror::of(&listed_a, &listed_b, guess, index);
    let joints = mirror::unmirrored(&listed_a, &listed_b, index);
    if joints > 2 * mirror.pairs.len() {
        return Err(BothError::SameEnd { joints });
    }
    let aligned = Aligned::new(&listed_a, &listed_b, &mirror);
    let mut notes = mirror.notes.clone();
    notes.extend(aligned.strangers(listed_a.len().min(listed_b.len())));
    notes.extend(cut.map(|gap| {
        format!(
            "the fibre is cut: both ends together see {:.1} m {} than the whole",
            gap.abs(),
            if gap < 0.0 { "less" } else { "more" }
        )
    }));
    let ways = [
        Way::forward(a.trace, &aligned),
        Way::backward(b.trace, &aligned, &mirror),
    ];
    let joints = aligned.joints(&ways, &mirror);
    let [from_a, from_b] = ways.each_ref().map(|way| way.total(&aligned));
    let total = mean(from_a, from_b);
    notes.extend(told(&joints));
    Ok(BothEnds {
        length_m: OpticalLength::of(mirror.length.at),
        length_plus_minus_m: mirror.length.half(),
        closure: closure(&mirror, &ends, known),
        sections: aligned.sections(&ways),
        joints,
        total_loss_db: total.map(|(loss, _)| Db::of(loss)),
        total_loss_plus_minus_db: total.map(|(_, sd)| Db::of(HALF_95 * sd)),
        total_from_a_db: from_a.map(|(loss, _)| Db::of(loss)),
        total_from_b_db: from_b.map(|(loss, _)| Db::of(loss)),
        notes,
    })
}

/// Whether two lengths in metres are not of one fibre.
fn lengths_differ(a: f64, b: f64) -> bool {
    let (part, metres) = LENGTHS_DIFFER;
    (a - b).abs() > metres.max(part * a.max(b))
}

/// The events that are joints: no ghosts, no end, nothing before the fibre.
fn joints_of(events: &[Event]) -> Vec<Event> {
    let joint = |event: &&Event| {
        !matches!(event.kind, EventKind::Ghost | EventKind::End)
            && event.at.get() > -event.plus_minus.get().max(AT_END_M)
    };
    let fibre = events
        .iter()
        .take_while(|event| event.kind != EventKind::End);
    fibre.filter(joint).copied().collect()
}

/// What both ends say of the same number, and its standard deviation.
fn mean(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    let ((a, sd_a), (b, sd_b)) = (a?, b?);
    Some((f64::midpoint(a, b), 0.5 * sd_a.hypot(sd_b)))
}

/// What joints seen from one end alone mean for the reader.
fn told(joints: &[Joint]) -> Vec<String> {
    let count = |seen| joints.iter().filter(|joint| joint.seen == seen).count();
    let line = |(seen, end, other)| {
        let count = count(seen);
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| {
            format!(
                "{count} joint{plural} listed from {end} alone; {other}'s loss is measured there"
            )
        })
    };
    [(Seen::FromA, 'A', 'B'), (Seen::FromB, 'B', 'A')]
        .into_iter()
        .filter_map(line)
        .collect()
}

/// How far each end sees, and the launch fibres that may lie behind the other.
struct Ends {
    from_a: Option<Metres>,
    from_b: Option<Metres>,
    launch_a: f64,
    launch_b: f64,
}

impl Ends {
    fn of(a: &Side<'_>, b: &Side<'_>, index: f64) -> Self {
        let at = |side: &Side<'_>, scale: f64| {
            let scaled = |end: &EndOfFibre| Metres {
                at: end.at.get() * scale,
                sd: end.plus_minus.get() / HALF_95,
            };
            side.analysis.end.as_ref().map(scaled)
        };
        Self {
            from_a: at(a, 1.0),
            from_b: at(b, index),
            launch_a: a.trace.settings().launch.get(),
            launch_b: b.trace.settings().launch.get() * index,
        }
    }

    /// The length as each end sees it: the other's launch fibre may still hang on, or may not.
    fn each(&self) -> [Option<Metres>; 2] {
        let less = |end: Metres, launch: f64| Metres {
            at: end.at - launch,
            ..end
        };
        let (Some(a), Some(b)) = (self.from_a, self.from_b) else {
            return [self.from_a, self.from_b];
        };
        let (a_less, b_less) = (less(a, self.launch_b), less(b, self.launch_a));
        let pairs = [(a, b), (a_less, b_less), (a_less, b), (a, b_less)];
        let off = |pair: &&(Metres, Metres)| (pair.0.at - pair.1.at).abs();
        let best = pairs.iter().min_by(|x, y| {
            // Without hanging fibres, unless that fits clearly better.
            off(x).max(1.0).total_cmp(&off(y).max(1.0))
        });
        best.map_or([None, None], |(a, b)| [Some(*a), Some(*b)])
    }

    fn length(&self) -> Option<Metres> {
        match self.each() {
            [Some(a), Some(b)] => Some(a.with(b)),
            [a, b] => a.or(b),
        }
    }

    fn differ(&self) -> bool {
        let [Some(a), Some(b)] = self.each() else {
            return false;
        };
        lengths_differ(a.at, b.at)
    }

    fn error(&self) -> BothError {
        let at = |end: Option<Metres>| OpticalLength::of(end.map_or(0.0, |end| end.at));
        BothError::Lengths {
            from_a: at(self.from_a),
            from_b: at(self.from_b),
        }
    }

    /// By how much both ends miss or overlap where neither sees as far as the fibre is long.
    fn cut(&self, known: Option<Metres>) -> Option<f64> {
        let (known, a, b) = (known?, self.from_a?, self.from_b?);
        let (part, metres) = LENGTHS_DIFFER;
        let short = |end: Metres| known.at - end.at > metres.max(part * known.at);
        (short(a) && short(b)).then_some(a.at + b.at - known.at)
    }
}

fn closure(mirror: &Mirror, ends: &Ends, known: Option<Metres>) -> Closure {
    let cut = ends.cut(known).is_some();
    let sum = match (ends.from_a, ends.from_b) {
        (Some(a), Some(b)) if cut => Some(Metres {
            at: a.at + b.at,
            sd: a.sd.hypot(b.sd),
        }),
        _ => mirror.sum,
    };
    let length = known.or_else(|| ends.length());
    let gap = sum.zip(length).map(|(sum, length)| Metres {
        at: sum.at - length.at,
        sd: sum.sd.hypot(length.sd).hypot(ZERO_SD_M),
    });
    let metres = |value: Option<Metres>| value.map(|value| OpticalLength::of(value.at));
    Closure {
        sum_m: metres(sum),
        length_m: metres(length),
        gap_m: metres(gap),
        plus_minus_m: gap.map_or_else(OpticalLength::default, Metres::half),
        joints: mirror.pairs.len(),
    }
}

/// A place on the fibre with the events that show it.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: Metres,
    a: Option<Event>,
    b: Option<Event>,
}

impl Place {
    fn reflects(&self) -> bool {
        let reflects = |event: &Event| event.kind == EventKind::Reflective;
        self.a.iter().chain(&self.b).any(reflects)
    }
}

/// All joints of both lists, in order from A.
struct Aligned {
    places: Vec<Place>,
    length: f64,
}

impl Aligned {
    fn new(a: &[Event], b: &[Event], mirror: &Mirror) -> Self {
        let place = |event: &Event| Metres::of(event.at, event.plus_minus);
        let mut places: Vec<Place> = Vec::new();
        let pairs = mirror.paired(a, b);
        for (j, known) in a.iter().enumerate() {
            let other = pairs.iter().find(|(_, of_a)| *of_a == j);
            let other = other.and_then(|(i, _)| b.get(*i)).copied();
            let at = place(known);
            let flipped = other.map(|other| place(&mirror.event(&other)));
            places.push(Place {
                at: flipped.map_or(at, |flipped| at.with(flipped)),
                a: Some(*known),
                b: other,
            });
        }
        for (i, seen) in b.iter().enumerate() {
            if !pairs.iter().any(|(of_b, _)| *of_b == i) {
                let own = place(&mirror.event(seen));
                places.push(Place {
                    at: Metres {
                        at: own.at,
                        sd: own.sd.hypot(mirror.length.sd),
                    },
                    a: None,
                    b: Some(*seen),
                });
            }
        }
        let length = mirror.length.at;
        places.retain(|place| place.at.at > -AT_END_M && place.at.at < length + AT_END_M);
        places.sort_by(|a, b| a.at.at.total_cmp(&b.at.at));
        Self { places, length }
    }

    /// A warning where hardly any of the joints that either end lists is seen by the other: one may
    /// be hidden by a gain, most are not. `listed` is how many the end with fewer lists.
    fn strangers(&self, listed: usize) -> Option<String> {
        let shared = self
            .places
            .iter()
            .filter(|place| place.a.is_some() && place.b.is_some())
            .count();
        (listed >= FEWEST_LISTED && shared * 3 < listed).then(|| {
            format!("{shared} of {listed} joints are listed from both ends: one fibre, or two?")
        })
    }

    fn joints(&self, ways: &[Way<'_>; 2], mirror: &Mirror) -> Vec<Joint> {
        let [forward, backward] = ways;
        let joint = |(k, place): (usize, &Place)| {
            let from_a = forward.step(self, k).map(|step| one_way(step, place.a));
            let from_b = backward.step(self, k).map(|step| one_way(step, place.b));
            let number = |way: &Option<OneWay>| {
                way.map(|way| (way.loss_db.get(), way.plus_minus_db.get() / HALF_95))
            };
            let loss = mean(number(&from_a), number(&from_b));
            let gain = |way: &OneWay| way.loss_db.get() < -way.plus_minus_db.get();
            let gap = place.a.zip(place.b).map(|(a, b)| {
                OpticalLength::of(a.at.get() + mirror.scale * b.at.get() - self.length)
            });
            Joint {
                at_m: OpticalLength::of(place.at.at),
                plus_minus_m: place.at.half(),
                seen: match (place.a, place.b) {
                    (Some(_), Some(_)) => Seen::Both,
                    (Some(_), None) => Seen::FromA,
                    (None, _) => Seen::FromB,
                },
                reflective: place.reflects(),
                from_a,
                from_b,
                loss_db: loss.map(|(loss, _)| Db::of(loss)),
                loss_plus_minus_db: loss.map(|(_, sd)| Db::of(HALF_95 * sd)),
                gainer: from_a.iter().chain(&from_b).any(gain),
                gap_m: gap,
            }
        };
        self.places.iter().enumerate().map(joint).collect()
    }

    fn sections(&self, ways: &[Way<'_>; 2]) -> Vec<Section> {
        let [forward, backward] = ways;
        let section = |k: usize| {
            let (from, to) = self.section(k);
            let slopes = (forward.slope(k), backward.slope(k));
            let both = mean(slopes.0, slopes.1);
            let slope = |slope: Option<(f64, f64)>| slope.map(|(slope, _)| DbPerKm::of(slope));
            Section {
                from_m: OpticalLength::of(from),
                to_m: OpticalLength::of(to),
                from_a_db_per_km: slope(slopes.0),
                from_b_db_per_km: slope(slopes.1),
                mean_db_per_km: slope(both),
                plus_minus_db_per_km: both.map(|(_, sd)| DbPerKm::of(HALF_95 * sd)),
            }
        };
        let (first, last) = self.inner();
        (first..=last).map(section).collect()
    }

    /// The first and the last section of the fibre itself, without what lies behind the connectors
    /// at its ends.
    fn inner(&self) -> (usize, usize) {
        let at = |k: usize| self.places.get(k).map(|place| place.at.at);
        let count = self.places.len();
        let first = usize::from(at(0).is_some_and(|at| at < AT_END_M));
        let far = |at: f64| at > self.length - AT_END_M;
        let last = count - usize::from(count > first && at(count - 1).is_some_and(far));
        (first, last)
    }

    /// Where section `k` lies: before joint `k`, the last behind the last joint.
    fn section(&self, k: usize) -> (f64, f64) {
        let at = |k: usize| self.places.get(k).map(|place| place.at.at);
        let from = k.checked_sub(1).and_then(at).unwrap_or(0.0);
        (from, at(k).unwrap_or(self.length))
    }
}

fn one_way((loss, sd): (f64, f64), event: Option<Event>) -> OneWay {
    OneWay {
        loss_db: Db::of(loss),
        plus_minus_db: Db::of(HALF_95 * sd),
        reflectance_db: event.and_then(|event| event.reflectance),
    }
}
