//! A few events so near that one disturbs the other: what explains the samples around them.

mod foot;
mod imaged;
mod veiled;

use super::blocks::{Block, Frame};
use super::fit::{Belief, Bottom, Problem};
use super::model::{Layout, Model};
use super::noise::{Noise, POWER_A_DB};
use super::unseen::unseen;
use super::veil::Veil;
use super::{Course, Found, Image, Start};
use crate::trace::samples::{Trace, whole};

use foot::foot;

/// How far a stretch's slope may lie from the usual one, in dB/km: wide on purpose.
const SLOPE_SPREAD: f64 = 0.25;

/// So few independent samples tell noise so badly that variances are to be doubled.
const FEW: f64 = 5.0;

/// A fit that misses no more than so many times what noise does leaves nothing to explain while
/// the receiver is open.
const FITS: f64 = 1.3;

/// Others tell nothing new of the receiver with less than this share of the own precision.
const NEWS: f64 = 0.05;

/// The model holds where it misses no more than so many times what noise does.
const GOOD_FIT: f64 = 2.0;

/// A reflection that the search did not see must explain so much, in squared deviations.
const REFLECTS: f64 = 11.0;

/// One that lingers is looked for where a single straight step would gain this share of that.
const LIKELY: f64 = 0.1;

/// What lingers of a reflection does so for about as many pulses, within this logarithm; one of
/// at least this height, over the light of the glass, may.
const LINGER: f64 = 4.0;
const LINGER_SPREAD: f64 = 0.8;
const LINGERS: f64 = 10.0;
const LINGER_RANGE: [f64; 2] = [0.7, 40.0];

/// Glass behind the last event is cut short where this many pulses are left, and where what is cut
/// off strays by so many deviations from what noise makes of it.
const LEAST_GLASS: f64 = 3.0;
const STRAYS: f64 = 2.0;

/// Events that are solved together.
pub(super) struct Group<'a> {
    /// Which of all events the first is.
    pub(super) first: usize,
    starts: &'a [Start],
    course: Course,
    noise: Noise,
    frame: Frame,
    blocks: Vec<Block>,
    pulse: f64,
    spacing: f64,
    /// Level of a power of one.
    unit: f64,
    /// What lingers at the first block.
    tail: Option<[f64; 2]>,
    /// Images that are expected among them.
    images: Vec<Image>,
    parts: Parts,
    /// Samples before which bright ones have not risen.
    feet: Vec<Option<f64>>,
    solved: Option<Solved>,
}

/// What an explanation is made of.
#[derive(Clone, Debug)]
struct Parts {
    /// Which of the events reflect, and of which something lingers.
    reflects: Vec<bool>,
    lingers: Vec<bool>,
    /// Which of the images show.
    images: Vec<bool>,
    /// Whether something lingers from before.
    before: bool,
}

impl Parts {
    /// Every explanation in which one thing more lingers.
    fn richer(&self, starts: &[Start]) -> Vec<Self> {
        let mut all = Vec::new();
        for (k, start) in starts.iter().enumerate() {
            let reflects = self.reflects.get(k).copied().unwrap_or(true) && start.height > 0.0;
            if reflects && !self.lingers.get(k).copied().unwrap_or(true) {
                let mut richer = self.clone();
                let own = richer.lingers.iter_mut().skip(k).take(1);
                own.for_each(|one| *one = true);
                all.push(richer);
            }
        }
        if !self.before {
            let before = true;
            all.push(Self {
                before,
                ..self.clone()
            });
        }
        all
    }

    /// The explanation in which an event reflects, if it does not do so yet.
    fn shining(&self, k: usize) -> Option<Self> {
        let mut richer = self.clone();
        let own = richer.reflects.get_mut(k)?;
        let dim = !*own;
        *own = true;
        dim.then_some(richer)
    }
}

/// The bottom of one explanation.
struct Solved {
    /// How much more is doubted since the noise was learnt from glass of this length.
    doubt: f64,
    layout: Layout,
    bottom: Bottom,
    belief: Belief,
    /// What may reflect after all.
    veils: Vec<Veil>,
}

impl<'a> Group<'a> {
    /// The events of a range, with the samples around them.
    pub(super) fn of(
        (trace, noise): (&Trace, Noise),
        course: Course,
        starts: &'a [Start],
        [first, last]: [usize; 2],
    ) -> Option<Self> {
        let own = starts.get(first..last)?;
        let before = first.checked_sub(1).and_then(|k| starts.get(k));
        let from = before.map_or(course.from, |before| before.hidden[1].max(course.from));
        let unit = own.first()?.before.level;
        let to = starts
            .get(last)
            .map_or(course.to, |next| next.hidden[0].min(course.to));
        let (pulse, spacing) = (trace.pulse().get(), trace.step_m());
        let zone = |start: &Start| {
            let most = (start.height.max(1.0) / noise.rough.max(1e-4))
                .ln()
                .max(4.0);
            let before = 0.3 * pulse + 3.0 * start.sigma;
            let behind = pulse + most * start.constant;
            [start.at - before, start.at + behind].map(|at| at / spacing)
        };
        let scale = 10_f64.powf(unit / 5.0);
        let noise = Noise {
            receiver: noise.receiver / scale,
            ..noise
        };
        let sigma = noise.receiver.hypot(noise.rough).hypot(noise.fading);
        let feet: Vec<Option<f64>> = own.iter().map(|start| foot(trace, start, sigma)).collect();
        let hides = own.iter().zip(&feet).filter(|(start, _)| start.saturated);
        let hides = hides.map(|(start, foot)| {
            let [from, to] = start.hidden;
            [foot.map_or(from, |foot| whole(foot) + 1), to]
        });
        let frame = Frame {
            blind: hides.collect(),
            sharp: own
                .iter()
                .any(|start| start.height > 0.0 && !start.saturated),
            from,
            to,
            zones: own.iter().map(zone).collect(),
            unit,
            limit: course.limit,
        };
        let blocks = frame.blocks(trace, noise.receiver);
        Some(Self {
            feet,
            first,
            starts: own,
            course,
            noise,
            frame,
            blocks,
            images: Vec::new(),
            pulse,
            spacing,
            unit,
            tail: before.map_or(course.tail, |before| before.tail),
            parts: Parts {
                reflects: own.iter().map(|start| start.height > 0.0).collect(),
                lingers: own.iter().map(lingers).collect(),
                images: Vec::new(),
                before: before.map_or(course.tail, |before| before.tail).is_some(),
            },
            solved: None,
        })
    }

    /// The same events on glass that ends sooner; none where little of it would be left.
    pub(super) fn before(
        &self,
        trace: &Trace,
        course: Course,
        starts: &'a [Start],
    ) -> Option<Self> {
        let end = self.first + self.starts.len();
        let [_, clear] = self.starts.last()?.hidden;
        let least = whole(LEAST_GLASS * self.pulse / self.spacing);
        (end == starts.len() && clear + least < course.to)
            .then(|| Self::of((trace, self.noise()), course, starts, [self.first, end]))?
    }

    /// The same events on glass of so many pulses to both sides; none where there is no more of it.
    pub(super) fn near(&self, trace: &Trace, starts: &'a [Start], pulses: f64) -> Option<Self> {
        let reach = whole(pulses * self.pulse / self.spacing);
        let [[from, _], [_, to]] = [self.starts.first()?.hidden, self.starts.last()?.hidden];
        let course = Course {
            from: self.course.from.max(from.saturating_sub(reach)),
            to: self.course.to.min(to + reach),
            ..self.course
        };
        let end = self.first + self.starts.len();
        let near = Self::of((trace, self.noise()), course, starts, [self.first, end])?;
        (near.blocks.len() < self.blocks.len()).then_some(near)
    }

    /// The noise of the trace.
    fn noise(&self) -> Noise {
        Noise {
            receiver: self.noise.receiver * 10_f64.powf(self.unit / 5.0),
            ..self.noise
        }
    }

    /// Whether what lies behind the same events on shorter glass is no glass as that before it.
    pub(super) fn strays_from(&self, brief: &Self) -> bool {
        let Some(brief_solved) = &brief.solved else {
            return false;
        };
        let more = self.blocks.len().saturating_sub(brief.blocks.len()) as f64;
        self.solved.as_ref().is_none_or(|solved| {
            let over =
                (solved.bottom.cost - brief_solved.bottom.cost) / brief_solved.bottom.excess();
            over > more + STRAYS * (2.0 * more).sqrt()
        })
    }

    /// Solves with the constant believed, and finds what reflects or lingers after all.
    pub(super) fn decide(&mut self, constant: Belief) {
        let before = self.solved.take();
        let first = before.is_none();
        let values = before.map(|solved| solved.bottom.values);
        self.solved = self.explain(&self.parts, constant, values);
        let fits =
            |solved: &Option<Solved>| solved.as_ref().is_some_and(|s| s.bottom.excess() < FITS);
        if !fits(&self.solved) {
            for parts in self.parts.richer(self.starts) {
                if !self.lacks(first) {
                    break;
                }
                if !self.promises(&parts, constant) {
                    continue;
                }
                self.choose(parts, constant, None);
            }
        }
        self.unveil(constant);
    }

    /// Takes another explanation where it is worth its price; whether it did.
    fn choose(&mut self, parts: Parts, constant: Belief, known: Option<Vec<f64>>) -> bool {
        let other = self.explain(&parts, constant, known);
        other.is_some_and(|other| self.take(parts, other))
    }

    /// The same of one that is solved: it must cost so much less.
    fn take(&mut self, parts: Parts, other: Solved) -> bool {
        let cost = self.solved.as_ref().map_or(f64::MAX, |s| s.bottom.cost);
        let better = other.bottom.cost + REFLECTS < cost;
        if better {
            (self.solved, self.parts) = (Some(other), parts);
        }
        better
    }

    /// Whether so much is left over that a richer explanation may be worth its price.
    fn lacks(&self, first: bool) -> bool {
        self.solved.as_ref().is_none_or(|solved| {
            let Bottom { cost, freedom, .. } = solved.bottom;
            let luck = (2.0 * freedom).sqrt();
            cost > freedom + REFLECTS - luck && !(first && solved.bottom.excess() < FITS)
        })
    }

    /// Whether one look at a richer explanation, from where the present one ends, shows that it may
    /// be worth its price.
    fn promises(&self, parts: &Parts, constant: Belief) -> bool {
        let Some(solved) = &self.solved else {
            return true;
        };
        let (model, values, beliefs) = self.model(parts, constant);
        let values = solved.led(&model.layout, values);
        let shares: Vec<usize> = model.layout.new_shares(&solved.layout).collect();
        let problem = Problem {
            model: &model,
            beliefs: &beliefs,
            noise: self.noise,
        };
        problem.promise(&values, &shares) > LIKELY * REFLECTS
    }

    /// The model of an explanation, where its unknowns begin, and what is believed of them.
    fn model(&self, chosen: &Parts, constant: Belief) -> (Model, Vec<f64>, Vec<Belief>) {
        let triples = self
            .starts
            .iter()
            .zip(&chosen.reflects)
            .zip(&chosen.lingers);
        let parts: Vec<[bool; 2]> = triples
            .map(|((start, reflects), lingers)| {
                [*reflects && !start.saturated, *reflects && *lingers]
            })
            .collect();
        let refs = self.starts.iter().take(1).chain(self.starts);
        let refs: Vec<f64> = refs.map(|start| start.at).collect();
        let layout = Layout::new(&refs, &parts, &chosen.images, chosen.before);
        let (values, beliefs) = self.begin(&layout, constant);
        let unit = |start: &Start| ((start.before.level - self.unit) * POWER_A_DB).exp();
        let model = Model {
            layout,
            blocks: self.blocks.clone(),
            pulse: self.pulse,
            fade: (-self.course.slope * POWER_A_DB).max(0.0),
            spacing: self.spacing,
            units: self.starts.iter().map(unit).collect(),
            image_units: self
                .images
                .iter()
                .map(|image| self.light_at(image.at))
                .collect(),
        };
        (model, values, beliefs)
    }

    /// Solves one explanation, from these values on where it was solved before.
    fn explain(&self, chosen: &Parts, constant: Belief, known: Option<Vec<f64>>) -> Option<Solved> {
        let (model, values, beliefs) = self.model(chosen, constant);
        let problem = Problem {
            model: &model,
            beliefs: &beliefs,
            noise: self.noise,
        };
        let bottom = match known.filter(|known| known.len() == values.len()) {
            Some(known) => problem.again(known)?,
            None => problem.solve(values)?,
        };
        let glass: usize = self.blocks.iter().map(|block| block.count).sum();
        let independent = glass as f64 * self.spacing / (2.0 * self.noise.reach + self.spacing);
        Some(Solved {
            doubt: (1.0 + FEW / independent.max(FEW)).sqrt(),
            layout: model.layout,
            bottom,
            belief: constant,
            veils: Vec::new(),
        })
    }

    /// Where the unknowns begin, and what is believed of them.
    fn begin(&self, layout: &Layout, constant: Belief) -> (Vec<f64>, Vec<Belief>) {
        let mut values = vec![0.0; layout.count];
        let mut beliefs = vec![Belief::OPEN; layout.count];
        let mut set = |at: usize, value: f64, belief: Belief| {
            let [low, high] = belief.range;
            let own = values.iter_mut().zip(&mut beliefs).skip(at).take(1);
            own.for_each(|(v, b)| (*v, *b) = (value.clamp(low, high), belief));
        };
        let pulse = self.pulse.ln();
        let length = |belief: Belief| Belief {
            value: belief.value + pulse,
            range: belief.range.map(|log| log + pulse),
            ..belief
        };
        set(layout.constant, constant.value + pulse, length(constant));
        let lines = self.starts.iter().take(1).map(|start| start.before);
        let lines = lines.chain(self.starts.iter().map(|start| start.after));
        let slope = Belief {
            value: self.course.slope * POWER_A_DB,
            sigma: SLOPE_SPREAD / 1_000.0 * POWER_A_DB,
            ..Belief::OPEN
        };
        for (([level, tilt], _), line) in layout.glass.iter().zip(lines) {
            set(*level, (line.level - self.unit) * POWER_A_DB, Belief::OPEN);
            set(*tilt, line.slope * POWER_A_DB, slope);
        }
        let linger = length(Belief {
            value: LINGER.ln(),
            sigma: LINGER_SPREAD,
            range: LINGER_RANGE.map(f64::ln),
        });
        let edges = layout.edges.iter().zip(self.starts).zip(&self.feet);
        for ((edge, start), foot) in edges {
            let [low, high] = start.hidden.map(|sample| sample as f64 * self.spacing);
            let range = [low.min(start.at) - self.pulse, high.max(start.at)];
            let open = Belief {
                range,
                ..Belief::OPEN
            };
            let place = foot.map_or((start.at, open), |foot| self.risen(foot));
            set(edge.place, place.0, place.1);
            if let Some(height) = edge.height {
                set(height, start.height.max(0.01), Belief::POSITIVE);
            }
            if let Some([share, reach]) = edge.linger {
                let usual = [1e-4 * start.height, LINGER * self.pulse];
                let [height, metres] = start.tail.map_or(usual, |[height, metres]| {
                    let risen = -(-self.pulse / metres).exp_m1();
                    let behind = (high - start.at - self.pulse).max(0.0) / metres;
                    [height * behind.min(5.0).exp() / risen, metres]
                });
                set(share, height, Belief::POSITIVE);
                set(reach, metres.ln(), linger);
            }
        }
        for (image, own) in self.images.iter().zip(&layout.images) {
            if let Some((edge, index)) = own.and_then(|edge| Some((edge, edge.height?))) {
                let [place, height] = self.beliefs_of(image);
                set(edge.place, place.value, place);
                set(index, height.value, height);
            }
        }
        if let Some([share, reach]) = layout.launch {
            let [height, metres] = self.tail.unwrap_or([1e-3, LINGER * self.pulse]);
            set(share, height, Belief::POSITIVE);
            set(reach, metres.ln(), linger);
        }
        (values, beliefs)
    }

    /// What is believed of the place of a bright reflection: between the last sample that shows
    /// nothing of it and the next.
    fn risen(&self, foot: f64) -> (f64, Belief) {
        let middle = (foot + 0.5) * self.spacing;
        let (reach, late) = (0.3 * self.spacing, 0.1 * self.pulse);
        let range = [middle - 3.0 * reach, middle + 2.0 * reach + late];
        let belief = Belief {
            value: middle,
            sigma: reach + late / 2.0,
            range,
        };
        (middle, belief)
    }

    /// Whether what others tell of the constant is news.
    pub(super) fn hears(&self, told: Belief) -> bool {
        let own = self.tale().map_or(0.0, |[_, precise]| precise);
        told.sigma.powi(-2) > NEWS * own
    }

    /// What this group alone says of the constant: logarithm of pulses, and precision.
    pub(super) fn tale(&self) -> Option<[f64; 2]> {
        let solved = self.solved.as_ref().filter(|s| s.holds())?;
        let at = solved.layout.constant;
        let mut own = vec![0.0; solved.layout.count];
        own.iter_mut().skip(at).take(1).for_each(|one| *one = 1.0);
        let [moved, veiled] = solved.veiled(&own);
        let excess = solved.bottom.excess();
        let after = (solved.bottom.sigma(&own).powi(2) + veiled / excess).recip();
        let before = solved.belief.sigma.powi(-2);
        let precise = after - before;
        (precise > 1e-3 * before).then_some(())?;
        let value = solved.bottom.values.get(at)? + moved - self.pulse.ln();
        let alone = (value * after - solved.belief.value * before) / precise;
        Some([alone, precise / excess])
    }

    /// Whether the model explains the samples.
    pub(super) fn holds(&self) -> bool {
        self.solved.as_ref().is_some_and(Solved::holds)
    }

    /// Whether it places every event to within a pulse.
    pub(super) fn places(&self) -> bool {
        let known = |k: usize| {
            let found = self.solved.as_ref()?.answer(k)?;
            Some(found.sigma < self.pulse)
        };
        (0..self.starts.len()).all(|k| known(k).unwrap_or(false))
    }

    /// What is known of each event; none where the model does not hold.
    pub(super) fn answers(&self) -> Vec<Option<Found>> {
        let Some(solved) = self.solved.as_ref().filter(|s| s.holds()) else {
            return vec![None; self.starts.len()];
        };
        let answer = |k: usize| {
            let found = solved.answer(k)?;
            let is_image = self.is_image(k);
            Some(Found { is_image, ..found })
        };
        let near = |(k, start): (usize, &Start)| {
            let far = self.pulse + 4.0 * start.sigma;
            answer(k).filter(|found| (found.at - start.at).abs() < far)
        };
        self.starts.iter().enumerate().map(near).collect()
    }
}

/// Whether what remains of a reflection is to be reckoned with.
fn lingers(start: &Start) -> bool {
    start.height > LINGERS || start.tail.is_some()
}

impl Solved {
    fn holds(&self) -> bool {
        self.bottom.excess() < GOOD_FIT
    }

    /// By how much what may reflect after all moves a sum of the unknowns, and the variance of that.
    fn veiled(&self, shares: &[f64]) -> [f64; 2] {
        let moves = self.veils.iter().map(|veil| veil.moves(shares));
        moves.fold([0.0; 2], |[a, b], [by, variance]| [a + by, b + variance])
    }

    /// Values of another explanation of the same events with what is known by this one, the shares
    /// of light that this one lacks none.
    fn led(&self, layout: &Layout, mut values: Vec<f64>) -> Vec<f64> {
        for [from, to] in self.layout.shared(layout) {
            let known = self.bottom.values.get(from).copied();
            if let (Some(value), Some(known)) = (values.get_mut(to), known) {
                *value = known;
            }
        }
        for share in layout.new_shares(&self.layout) {
            if let Some(value) = values.get_mut(share) {
                *value = 0.0;
            }
        }
        values
    }

    /// One event's answer.
    fn answer(&self, k: usize) -> Option<Found> {
        let Self { layout, bottom, .. } = self;
        let value = |at: usize| bottom.values.get(at).copied().unwrap_or(0.0);
        let doubt = bottom.excess().sqrt() * self.doubt;
        // By how much a sum of the unknowns is moved, and its deviation.
        let known = |shares: &[(usize, f64)]| {
            let mut row = vec![0.0; layout.count];
            for (at, share) in shares {
                row.iter_mut()
                    .skip(*at)
                    .take(1)
                    .for_each(|one| *one += share);
            }
            let [moved, veiled] = self.veiled(&row);
            (moved, (bottom.sigma(&row) * doubt).hypot(veiled.sqrt()))
        };
        let edge = layout.edges.get(k)?;
        let at = value(edge.place);
        let ([level, slope], from) = layout.glass.get(k)?;
        let before = value(*level) + value(*slope) * (at - from);
        let ([below, tilt], start) = layout.glass.get(k + 1)?;
        let after = value(*below) + value(*tilt) * (at - start);
        let shares = [
            (*level, 1.0),
            (*slope, at - from),
            (*below, -1.0),
            (*tilt, start - at),
            (edge.place, value(*slope) - value(*tilt)),
        ];
        let (moved, sigma) = known(&shares);
        let sigma_db = sigma / POWER_A_DB;
        let loss = [
            (before - after + moved) / POWER_A_DB,
            unseen(sigma_db) * sigma_db,
        ];
        let height = |index: usize| [value(index), known(&[(index, 1.0)]).1];
        let height = edge.height.map(height);
        let (moved, sigma) = known(&[(edge.place, 1.0)]);
        sigma.is_finite().then_some(Found {
            at: at + moved,
            sigma,
            loss,
            height,
            is_image: false,
        })
    }
}
