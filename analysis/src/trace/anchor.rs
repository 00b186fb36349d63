//! One shot's positions in another's: a group index, a launch fibre or an instrument that differs.
//!
//! An index error stretches all positions alike, another launch shifts them alike, and both show in
//! the events that two shots have in common. So a place is told from the events around it:
//!
//! ```text
//! events of both ─▶ vote over stretch and shift ─▶ pairs ─▶ line through them ─▶ what is left over,
//!                   which pairs agree most                   weighted            shrunk to its noise
//! ```
//!
//! What is left over at a pair is believed as far as it exceeds what the pairs' own uncertainty
//! explains: glass put in at a repair shows there, noise does not.

use silkline_protocol::unit::OpticalLength;

use super::event::{Event, EventKind};

/// Group indices in use differ by less than this, as a part of themselves: 1.462 to 1.480.
const MOST_STRETCH: f64 = 0.008;

/// Stretches tried on either side of none.
const STRETCHES: i32 = 80;

/// Events of one shot that vote at the most: the surest ones.
const MOST_VOTERS: usize = 40;

/// Two events at one place may lie this far apart beside their own intervals, in metres.
const SAME_PLACE_M: f64 = 4.0;

/// Rounds of pairing and fitting.
const ROUNDS: usize = 4;

/// How often unrelated events may be taken for the same.
const BY_CHANCE: f64 = 0.01;

/// From half a 95 % interval to a standard deviation, and back.
const HALF_95: f64 = 1.96;

/// What is known of the stretch before any pair: one standard deviation.
const STRETCH_SD: f64 = 0.002;

/// How positions of a shot turn into a reference's.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchors {
    pairs: Vec<Pair>,
    line: Mapping,
}

/// A position in the reference's own coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchored {
    /// Where, from the reference's zero.
    pub at: OpticalLength,
    /// Half of the 95 % interval, with that of the events it is told from.
    pub plus_minus: OpticalLength,
    /// The reference's nearest event that both shots show.
    pub near: OpticalLength,
    /// How far behind that event, negative before it.
    pub from_near: OpticalLength,
}

/// An event seen in both: bare metres, standard deviation of the difference.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    shot: f64,
    reference: f64,
    sd: f64,
    /// What the line leaves over, as far as it is believed.
    left: f64,
}

/// `reference = middle + scale · (shot - centre)`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mapping {
    scale: f64,
    centre: f64,
    middle: f64,
    scale_sd: f64,
    middle_sd: f64,
    /// How far single pairs really are off the line.
    loose_sd: f64,
}

/// The event of a list that lies nearest to a position.
#[must_use]
pub fn nearest(events: &[Event], at: OpticalLength) -> Option<&Event> {
    let off = |event: &&Event| (event.at - at).abs().get();
    events.iter().min_by(|a, b| off(a).total_cmp(&off(b)))
}

/// Finds which events of a shot are which of a reference; none where too few agree to be sure.
#[must_use]
pub fn anchor(shot: &[Event], reference: &[Event]) -> Option<Anchors> {
    let (shot, reference) = (voters(shot), voters(reference));
    let mut line = vote(&shot, &reference)?;
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        let slack = if round == 0 {
            3.0 * SAME_PLACE_M
        } else {
            SAME_PLACE_M
        };
        pairs = paired(&shot, &reference, &line, slack);
        line = Mapping::through(&pairs)?;
    }
    let tells = pairs.len() >= fewest_pairs(&shot, &reference, &line);
    tells.then(|| Anchors::new(pairs, line))
}

impl Anchors {
    fn new(mut pairs: Vec<Pair>, line: Mapping) -> Self {
        let looseness = line.loose_sd * line.loose_sd;
        for pair in &mut pairs {
            let believed = looseness / (looseness + pair.sd * pair.sd);
            pair.left = believed * (pair.reference - line.at(pair.shot));
        }
        pairs.sort_by(|a, b| a.shot.total_cmp(&b.shot));
        Self { pairs, line }
    }

    /// Where a position of the shot lies in the reference.
    #[must_use]
    pub fn to_reference(&self, at: OpticalLength, plus_minus: OpticalLength) -> Anchored {
        let place = at.get();
        let next = self.pairs.partition_point(|pair| pair.shot < place);
        let before = next.checked_sub(1).and_then(|k| self.pairs.get(k));
        let (left, left_sd) = between(before, self.pairs.get(next), place, self.line.loose_sd);
        let here = self.line.at(place) + left;
        let lever = (place - self.line.centre) * self.line.scale_sd;
        let own = plus_minus.get() * self.line.scale;
        let line_sd = self.line.middle_sd.hypot(lever).hypot(left_sd);
        let off = |pair: &&Pair| (pair.reference - here).abs();
        let near = self
            .pairs
            .iter()
            .min_by(|a, b| off(a).total_cmp(&off(b)))
            .map_or(0.0, |pair| pair.reference);
        Anchored {
            at: OpticalLength::of(here),
            plus_minus: OpticalLength::of(own.hypot(HALF_95 * line_sd)),
            near: OpticalLength::of(near),
            from_near: OpticalLength::of(here - near),
        }
    }

    /// The same event in the reference's coordinates.
    #[must_use]
    pub fn event(&self, event: &Event) -> Event {
        let anchored = self.to_reference(event.at, event.plus_minus);
        Event {
            at: anchored.at,
            plus_minus: anchored.plus_minus,
            ..*event
        }
    }

    /// How many events both show.
    #[must_use]
    pub const fn matches(&self) -> usize {
        self.pairs.len()
    }

    /// How much longer the reference's positions are: the ratio of the group indices, shot's over
    /// reference's.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        self.line.scale
    }

    /// Standard deviation of [`Self::scale`].
    pub(crate) const fn scale_sd(&self) -> f64 {
        self.line.scale_sd
    }

    /// The numbers of the events that make the pairs: the shot's, then the reference's.
    pub(crate) fn pairs_of(&self, shot: &[Event], reference: &[Event]) -> Vec<(usize, usize)> {
        let number = |events: &[Event], at: f64| {
            let here = |event: &Event| (event.at.get() - at).abs() < 1e-9;
            events.iter().position(here)
        };
        let both =
            |pair: &Pair| Some((number(shot, pair.shot)?, number(reference, pair.reference)?));
        self.pairs.iter().filter_map(both).collect()
    }

    /// Where the shot's zero lies in the reference.
    #[must_use]
    pub fn offset(&self) -> OpticalLength {
        OpticalLength::of(self.line.at(0.0))
    }
}

/// What is left over between two pairs, and how sure.
fn between(before: Option<&Pair>, after: Option<&Pair>, place: f64, loose: f64) -> (f64, f64) {
    let sure = |pair: &Pair| loose * pair.sd / loose.hypot(pair.sd).max(f64::MIN_POSITIVE);
    match (before, after) {
        (Some(a), Some(b)) => {
            let share = (place - a.shot) / (b.shot - a.shot).max(f64::MIN_POSITIVE);
            let left = a.left + share * (b.left - a.left);
            (left, ((1.0 - share) * sure(a)).hypot(share * sure(b)))
        }
        // Behind the last pair nothing holds the place but the line.
        (Some(only), None) | (None, Some(only)) => (only.left, loose.max(sure(only))),
        (None, None) => (0.0, loose),
    }
}

/// The events that can be recognised, the surest places first where there are too many.
fn voters(events: &[Event]) -> Vec<Event> {
    let mut kept: Vec<Event> = events
        .iter()
        .filter(|event| event.kind != EventKind::Ghost)
        .copied()
        .collect();
    kept.sort_by(|a, b| a.plus_minus.get().total_cmp(&b.plus_minus.get()));
    kept.truncate(MOST_VOTERS);
    kept
}

/// Whether two events may be one: what reflects goes on reflecting.
fn may_be_one(a: EventKind, b: EventKind) -> bool {
    let reflects = |kind| matches!(kind, EventKind::Reflective | EventKind::End);
    reflects(a) == reflects(b)
}

/// What a pair counts for: ends and reflections are few and sure.
const fn weight(a: EventKind, b: EventKind) -> f64 {
    match (a, b) {
        (EventKind::End, EventKind::End) => 2.0,
        (EventKind::Reflective, EventKind::Reflective) => 1.5,
        _ => 1.0,
    }
}

/// The stretch and shift that most pairs agree on.
fn vote(shot: &[Event], reference: &[Event]) -> Option<Mapping> {
    let mut best: Option<(f64, Mapping)> = None;
    for k in -STRETCHES..=STRETCHES {
        let scale = 1.0 + MOST_STRETCH * f64::from(k) / f64::from(STRETCHES);
        let Some((votes, shift)) = densest(shot, reference, scale) else {
            continue;
        };
        let unlikely = 0.5 * ((scale - 1.0) / STRETCH_SD).powi(2).min(4.0);
        let score = votes - 0.25 * unlikely - 0.1 * (shift.abs() / 50.0).min(5.0);
        if best.is_none_or(|(least, _)| score > least) {
            best = Some((score, Mapping::of(scale, shift)));
        }
    }
    best.map(|(_, line)| line)
}

/// The shift that most pairs agree on, for one stretch.
fn densest(shot: &[Event], reference: &[Event], scale: f64) -> Option<(f64, f64)> {
    let mut shifts: Vec<(f64, f64)> = Vec::new();
    for now in shot {
        let same = |known: &&Event| may_be_one(now.kind, known.kind);
        shifts.extend(reference.iter().filter(same).map(|known| {
            (
                known.at.get() - scale * now.at.get(),
                weight(now.kind, known.kind),
            )
        }));
    }
    shifts.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Half a step of the stretch moves the far end by as much again.
    let longest = shot.iter().map(|event| event.at.get()).fold(0.0, f64::max);
    let width = 2.0 * SAME_PLACE_M + 0.5 * MOST_STRETCH / f64::from(STRETCHES) * longest;
    let (mut first, mut votes) = (0, 0.0);
    let mut best: Option<(f64, f64)> = None;
    for (last, (shift, weight)) in shifts.iter().enumerate() {
        votes += weight;
        while let Some((early, weight)) = shifts.get(first).filter(|(s, _)| shift - s > width) {
            debug_assert!(first <= last && early.is_finite(), "the window moves on");
            votes -= weight;
            first += 1;
        }
        let middle = shifts.get(first).map_or(*shift, |(s, _)| (s + shift) / 2.0);
        if best.is_none_or(|(most, _)| votes > most) {
            best = Some((votes, middle));
        }
    }
    best
}

/// Pairs within what their intervals and `slack` allow, each event in one pair at the most.
fn paired(shot: &[Event], reference: &[Event], line: &Mapping, slack: f64) -> Vec<Pair> {
    let mut all: Vec<(f64, usize, usize, Pair)> = Vec::new();
    for (i, now) in shot.iter().enumerate() {
        for (j, known) in reference.iter().enumerate() {
            let sd = now.plus_minus.get().hypot(known.plus_minus.get()) / HALF_95;
            let off = (known.at.get() - line.at(now.at.get())).abs();
            let lever = (now.at.get() - line.centre).abs() * line.scale_sd.min(1e-4);
            if may_be_one(now.kind, known.kind) && off < slack + 3.0 * sd + lever {
                let pair = Pair {
                    shot: now.at.get(),
                    reference: known.at.get(),
                    sd: sd.max(0.1),
                    left: 0.0,
                };
                all.push((off / (sd + slack), i, j, pair));
            }
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut kept: Vec<(usize, usize, Pair)> = Vec::new();
    for (_, i, j, pair) in all {
        if !kept.iter().any(|(a, b, _)| *a == i || *b == j) {
            kept.push((i, j, pair));
        }
    }
    kept.into_iter().map(|(_, _, pair)| pair).collect()
}

/// Fewest pairs that unrelated events would hardly give anywhere between no stretch and shift and
/// those found: the farther from none, the more places there were to agree by chance.
fn fewest_pairs(shot: &[Event], reference: &[Event], line: &Mapping) -> usize {
    let reach = |events: &[Event]| {
        let at = events.iter().map(|event| event.at.get());
        at.fold(0.0, f64::max)
    };
    let length = reach(shot).min(reach(reference)).max(1.0);
    let halves = shot.iter().chain(reference).map(|e| e.plus_minus.get());
    let mean = halves.sum::<f64>() / (shot.len() + reference.len()).max(1) as f64;
    let width = 2.0 * (SAME_PLACE_M + 2.0 * mean);
    let expected = (shot.len() * reference.len()) as f64 * width / length;
    let shifts = 1.0 + 2.0 * line.at(0.0).abs() / width;
    let stretches = 1.0 + 2.0 * (line.scale - 1.0).abs() * length / width;
    let tries = shifts * stretches;
    let mut count = 0;
    let mut chance = 1.0;
    while count < 2 || chance * tries > BY_CHANCE {
        count += 1;
        chance *= expected / count as f64;
        if count > 1_000 {
            break;
        }
    }
    count
}

impl Mapping {
    const fn of(scale: f64, shift: f64) -> Self {
        Self {
            scale,
            centre: 0.0,
            middle: shift,
            scale_sd: STRETCH_SD,
            middle_sd: SAME_PLACE_M,
            loose_sd: SAME_PLACE_M,
        }
    }

    fn at(&self, shot: f64) -> f64 {
        self.middle + self.scale * (shot - self.centre)
    }

    /// The weighted line through the pairs, with what is known of stretches.
    fn through(pairs: &[Pair]) -> Option<Self> {
        let weight = |pair: &Pair| 1.0 / (pair.sd * pair.sd + 0.25);
        let sum = |f: &dyn Fn(&Pair) -> f64| pairs.iter().map(|p| weight(p) * f(p)).sum::<f64>();
        let all = sum(&|_| 1.0);
        if all <= 0.0 {
            return None;
        }
        let centre = sum(&|p| p.shot) / all;
        let middle = sum(&|p| p.reference) / all;
        let spread = sum(&|p| (p.shot - centre).powi(2)) + STRETCH_SD.powi(-2);
        let joint = sum(&|p| (p.shot - centre) * (p.reference - middle - p.shot + centre));
        let scale = 1.0 + joint / spread;
        let left = |p: &Pair| p.reference - middle - scale * (p.shot - centre);
        let degrees = (pairs.len() as f64 - 2.0).max(1.0);
        let misfit = pairs.iter().map(|p| (left(p) / p.sd).powi(2)).sum::<f64>() / degrees;
        let sd2 = pairs.iter().map(|p| p.sd * p.sd).sum::<f64>() / pairs.len().max(1) as f64;
        let loose = if pairs.len() > 2 {
            (misfit - 1.0).max(0.0) * sd2
        } else {
            0.0
        };
        let wider = misfit.max(1.0);
        Some(Self {
            scale,
            centre,
            middle,
            scale_sd: (wider / spread).sqrt(),
            middle_sd: (wider / all).sqrt(),
            loose_sd: loose.sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;
    use silkline_protocol::unit::Db;

    fn event(at: f64, kind: EventKind, half: f64) -> Event {
        Event {
            at: OpticalLength::of(at),
            plus_minus: OpticalLength::of(half),
            kind,
            loss: Some(Db::of(0.1)),
            ..EMPTY
        }
    }

    const EMPTY: Event = Event {
        at: OpticalLength::of(0.0),
        plus_minus: OpticalLength::of(1.0),
        kind: EventKind::Loss,
        loss: None,
        loss_plus_minus: None,
        reflectance: None,
        slope_before: None,
        saturated: false,
    };

    /// A fibre's events, and the same as another instrument would tell them.
    fn fibre(seed: u64) -> (Vec<Event>, Vec<Event>, impl Fn(f64) -> f64) {
        let mut dice = Dice::new(seed * 1_000_003);
        let scale = dice.between(0.996, 1.004);
        let shift = dice.between(-60.0, 60.0);
        let mut at = 0.0;
        let (mut known, mut seen) = (Vec::new(), Vec::new());
        for k in 0..12 {
            at += dice.between(1_500.0, 5_000.0);
            let kind = if k == 11 {
                EventKind::End
            } else if dice.uniform() < 0.2 {
                EventKind::Reflective
            } else {
                EventKind::Loss
            };
            let sd = dice.between(0.5, 5.0);
            let off = |dice: &mut Dice| sd * dice.normal();
            if dice.uniform() > 0.15 {
                known.push(event(at + off(&mut dice), kind, HALF_95 * sd));
            }
            if dice.uniform() > 0.15 {
                let told = (at - shift) / scale + off(&mut dice);
                seen.push(event(told, kind, HALF_95 * sd));
            }
        }
        (seen, known, move |true_at| (true_at - shift) / scale)
    }

    #[test]
    fn another_index_and_launch_cancel_and_the_interval_holds() {
        let (mut inside, mut all, mut worst) = (0.0, 0.0, 0.0_f64);
        for seed in 0..200 {
            let (seen, known, told) = fibre(seed);
            let Some(anchors) = anchor(&seen, &known) else {
                continue;
            };
            let mut dice = Dice::new((seed + 9_999) * 1_000_003);
            for _ in 0..5 {
                let truth = dice.between(2_000.0, 28_000.0);
                let at = told(truth) + dice.normal();
                let found = anchors.to_reference(OpticalLength::of(at), OpticalLength::of(HALF_95));
                let off = (found.at.get() - truth).abs();
                worst = worst.max(off);
                all += 1.0;
                inside += f64::from(u8::from(off <= found.plus_minus.get()));
            }
        }
        assert!(all >= 900.0, "{all}");
        let share = inside / all;
        assert!((0.90..0.995).contains(&share), "{share}");
        assert!(worst < 40.0, "{worst}");
    }

    #[test]
    fn unrelated_events_anchor_nothing() {
        let mut anchored = 0;
        for seed in 0..100 {
            let (seen, _, _) = fibre(seed);
            let (_, other, _) = fibre(seed + 5_000);
            anchored += usize::from(anchor(&seen, &other).is_some());
        }
        assert!(anchored <= 10, "{anchored} of 100");
    }

    #[test]
    fn glass_put_in_at_a_repair_moves_what_lies_behind_alone() {
        let known: Vec<Event> = (1..=10)
            .map(|k| event(f64::from(k) * 3_000.0, EventKind::Loss, 1.0))
            .collect();
        let longer = |event: &Event| Event {
            at: event.at + OpticalLength::of(if event.at.get() > 15_500.0 { 12.0 } else { 0.0 }),
            ..*event
        };
        let seen: Vec<Event> = known.iter().map(longer).collect();
        let anchors = anchor(&seen, &known).unwrap();
        let told = |at: f64| {
            let found = anchors.to_reference(OpticalLength::of(at), OpticalLength::of(1.0));
            found.at.get()
        };
        assert!((told(9_000.0) - 9_000.0).abs() < 2.0, "{}", told(9_000.0));
        assert!(
            (told(24_012.0) - 24_000.0).abs() < 2.0,
            "{}",
            told(24_012.0)
        );
    }

    #[test]
    fn the_nearest_event_is_named() {
        let known = [
            event(1_000.0, EventKind::Loss, 1.0),
            event(5_000.0, EventKind::End, 1.0),
        ];
        let near = nearest(&known, OpticalLength::of(4_000.0)).unwrap();
        assert!((near.at.get() - 5_000.0).abs() < 1e-9);
        assert_eq!(nearest(&[], OpticalLength::of(1.0)), None);
    }
}
