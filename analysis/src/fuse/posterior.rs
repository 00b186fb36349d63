//! All sources multiplied on the ground, on a grid that is fine where anything is narrow.

use silkline_protocol::id::NodeId;
use silkline_protocol::plant::{Line, SpanId};
use silkline_protocol::unit::RouteLength;

use super::OUTLIERS;
use super::glass::{Glass, Hypothesis};
use super::mode::{Mode, modes};
use crate::place::{Candidate, rounded, to_mm};
use crate::spread::{Spread, normal_below};

/// How far a span's end is softened: a break in the hut's own cable belongs to both sides.
const SOFT_M: f64 = 25.0;

/// Grid points across the whole line, and to each side of every narrow part.
const COARSE: i32 = 600;
const FINE: i32 = 160;

/// Probability from which a further place is worth showing.
const WORTH: f64 = 0.05;

/// A place wider than this share of what is possible is a stretch and not a point.
const POINT_SHARE: f64 = 0.5;

/// What one source other than a trace says on the ground.
pub(super) struct Likelihood {
    pub(super) id: String,
    pub(super) kind: &'static str,
    shape: Shape,
}

enum Shape {
    Normal(Spread),
    Stretch(f64, f64),
}

/// Where the fault is.
pub(super) struct Answer {
    places: Vec<Cluster>,
    /// The damage between two breaks, where there may well be two.
    extent: Option<[RouteLength; 2]>,
    single: Option<Single>,
    interval95: Option<[RouteLength; 2]>,
    stretch: Option<SpanId>,
}

/// The one place.
#[derive(Clone, Copy)]
pub(super) struct Single {
    pub(super) mean: RouteLength,
    pub(super) sd: f64,
    pub(super) interval50: [RouteLength; 2],
    /// Whether any source tells a point; else only a stretch is known.
    pub(super) is_point: bool,
}

/// One place of one hypothesis, after all sources have spoken.
struct Cluster {
    weight: f64,
    density: Density,
    ids: Vec<String>,
    /// Whether a source tells this place; else it is where nothing else is left.
    is_point: bool,
}

/// Probability over the grid; adds up to one.
#[derive(Clone)]
struct Density {
    xs: Vec<f64>,
    below: Vec<f64>,
    /// The median and half of the central 68 %: a tail of outliers moves neither.
    middle: f64,
    sd: f64,
}

impl Likelihood {
    pub(super) fn normal(id: &str, kind: &'static str, spread: Spread) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            shape: Shape::Normal(spread),
        }
    }

    pub(super) fn stretch(id: &str, from: RouteLength, to: RouteLength) -> Self {
        let (low, high) = (from.get().min(to.get()), from.get().max(to.get()));
        Self {
            id: id.to_owned(),
            kind: "light_lost",
            shape: Shape::Stretch(low, high),
        }
    }

    pub(super) const fn is_stretch(&self) -> bool {
        matches!(self.shape, Shape::Stretch(..))
    }

    /// What it says alone, as a spread.
    pub(super) fn alone(&self) -> Spread {
        match &self.shape {
            Shape::Normal(spread) => spread.clone(),
            Shape::Stretch(low, high) => Spread::normal(
                RouteLength::of(f64::midpoint(*low, *high)),
                RouteLength::of((high - low) / 12.0_f64.sqrt()),
            ),
        }
    }

    fn at(&self, x: f64, length: f64) -> f64 {
        (1.0 - OUTLIERS).mul_add(self.own(x), OUTLIERS / length)
    }

    /// Whether it tells this place, rather than being wrong about it.
    fn means(&self, x: f64, length: f64) -> bool {
        !self.is_stretch() && (1.0 - OUTLIERS) * self.own(x) > OUTLIERS / length
    }

    fn own(&self, x: f64) -> f64 {
        match &self.shape {
            Shape::Normal(spread) => spread.density(x),
            Shape::Stretch(low, high) => {
                let inside = normal_below((x - low) / SOFT_M) - normal_below((x - high) / SOFT_M);
                inside / (high - low).max(1.0)
            }
        }
    }
}

/// Multiplies everything.
pub(super) fn combine(line: &Line, glass: Option<&Glass>, sources: &[Likelihood]) -> Answer {
    let hypotheses = glass.map_or_else(
        || {
            vec![Hypothesis {
                weight: 1.0,
                places: Vec::new(),
            }]
        },
        |glass| glass.hypotheses(line.length()),
    );
    let ground = Told::of(line, &hypotheses, sources);
    let (mut singles, mut pair) = (Vec::new(), Vec::new());
    for Hypothesis { weight, places } in hypotheses {
        match places.len() {
            0 => singles.extend(ground.clusters(weight, None)),
            2 => pair.extend(
                places
                    .iter()
                    .flat_map(|p| ground.clusters(weight / 2.0, Some(p))),
            ),
            _ => singles.extend(places.iter().flat_map(|p| ground.clusters(weight, Some(p)))),
        }
    }
    conclude(line, &ground.xs, singles, pair, sources)
}

/// What all sources but traces tell of each point of the line.
struct Told<'a> {
    length: f64,
    xs: Vec<f64>,
    product: Vec<f64>,
    sources: &'a [Likelihood],
    /// Whether any of them tells a point.
    is_point: bool,
}

impl<'a> Told<'a> {
    fn of(line: &Line, hypotheses: &[Hypothesis], sources: &'a [Likelihood]) -> Self {
        let length = line.length().get().max(1.0);
        let xs = grid(length, hypotheses, sources);
        let all = |x: &f64| sources.iter().map(|s| s.at(*x, length)).product();
        Self {
            length,
            product: xs.iter().map(all).collect(),
            xs,
            sources,
            is_point: sources.iter().any(|source| !source.is_stretch()),
        }
    }

    /// Where the fault is if traces mean `place`, or nothing.
    fn clusters(&self, weight: f64, place: Option<&(Spread, Vec<String>)>) -> Vec<Cluster> {
        let prior = |x: f64| place.map_or(1.0 / self.length, |(spread, _)| spread.density(x));
        let both = self.xs.iter().zip(&self.product);
        let values: Vec<f64> = both.map(|(x, told)| prior(*x) * told).collect();
        let meant = |x: f64| {
            let by_traces = place.filter(|_| prior(x) > OUTLIERS / self.length);
            let traces = by_traces.into_iter().flat_map(|(_, ids)| ids);
            let others = self.sources.iter().filter(|s| s.means(x, self.length));
            traces.chain(others.map(|s| &s.id)).cloned().collect()
        };
        let cluster = |(values, ids)| {
            let (mass, density) = Density::of(&self.xs, values)?;
            Some(Cluster {
                weight: weight * mass,
                density,
                ids,
                is_point: self.is_point || place.is_some(),
            })
        };
        let parts = parts(&self.xs, &values, meant);
        parts.into_iter().filter_map(cluster).collect()
    }
}

/// A density in parts: one for each set of sources that mean one place of it. Humps that the same
/// sources mean stay together: a source may be unsure between them.
fn parts(
    xs: &[f64],
    values: &[f64],
    meant: impl Fn(f64) -> Vec<String>,
) -> Vec<(Vec<f64>, Vec<String>)> {
    let mut parts: Vec<(Vec<f64>, Vec<String>)> = Vec::new();
    for Mode { points, peak } in modes(values) {
        let ids = xs.get(peak).map(|x| meant(*x)).unwrap_or_default();
        let known = parts.iter().position(|(_, others)| *others == ids);
        let known = known.unwrap_or_else(|| {
            parts.push((vec![0.0; values.len()], ids));
            parts.len() - 1
        });
        let Some((part, _)) = parts.get_mut(known) else {
            continue;
        };
        let own = part.iter_mut().zip(values).take(points.end);
        own.skip(points.start).for_each(|(to, from)| *to = *from);
    }
    parts
}

fn conclude(
    line: &Line,
    xs: &[f64],
    singles: Vec<Cluster>,
    pair: Vec<Cluster>,
    sources: &[Likelihood],
) -> Answer {
    let weight = |clusters: &[Cluster]| clusters.iter().map(|c| c.weight).sum::<f64>();
    let two = weight(&pair);
    let all = (weight(&singles) + two).max(f64::MIN_POSITIVE);
    let extent = (two / all >= WORTH).then(|| outer(&pair)).flatten();
    let merged = merge(singles, pair, all);
    let is_clear = merged.iter().skip(1).all(|other| other.weight < WORTH);
    let mixed = mixture(xs, &merged);
    let interval = |share: f64| {
        let tail = (1.0 - share) / 2.0;
        mixed
            .as_ref()
            .map(|m| [m.quantile(tail), m.quantile(1.0 - tail)].map(RouteLength::of))
    };
    let only_stretches = merged.first().is_some_and(|main| !main.is_point);
    let interval95 = if only_stretches {
        told_stretch(sources)
    } else {
        interval(0.95)
    };
    let single = merged
        .first()
        .filter(|_| is_clear)
        .zip(interval(0.5))
        .map(|(main, half)| {
            let narrow = main.density.sd * 2.0 < POINT_SHARE * line.length().get();
            Single {
                mean: RouteLength::of(main.density.middle),
                sd: main.density.sd,
                interval50: half,
                is_point: main.is_point && narrow,
            }
        });
    let stretch = only_stretches
        .then(|| stretch_span(line, interval95))
        .flatten();
    Answer {
        places: merged,
        extent,
        single,
        interval95,
        stretch,
    }
}

/// From the first to the last of several places.
fn outer(clusters: &[Cluster]) -> Option<[RouteLength; 2]> {
    let most = clusters.iter().map(|c| c.weight).fold(0.0, f64::max);
    let likely = clusters.iter().filter(|c| c.weight >= WORTH * most);
    let means = likely.map(|cluster| cluster.density.middle);
    let low = means.clone().min_by(f64::total_cmp)?;
    Some([low, means.max_by(f64::total_cmp)?].map(RouteLength::of))
}

/// The stretch that all stretches share, as they told it.
fn told_stretch(sources: &[Likelihood]) -> Option<[RouteLength; 2]> {
    let mut ends: Option<(f64, f64)> = None;
    for source in sources {
        if let Shape::Stretch(low, high) = source.shape {
            let (l, h) = ends.unwrap_or((low, high));
            ends = Some((l.max(low), h.min(high)));
        }
    }
    ends.filter(|(low, high)| low < high)
        .map(|(low, high)| [low, high].map(RouteLength::of))
}

fn stretch_span(line: &Line, ends: Option<[RouteLength; 2]>) -> Option<SpanId> {
    let [low, high] = ends?;
    let near = |at: RouteLength| -> Option<NodeId> {
        let apart = |n: &&silkline_protocol::plant::Node| (n.chainage - at).abs().get();
        line.nodes
            .iter()
            .min_by(|a, b| apart(a).total_cmp(&apart(b)))
            .map(|n| n.id.clone())
    };
    near(low)
        .zip(near(high))
        .map(|(from, to)| SpanId { from, to })
}

/// Puts together what means the same place, the likeliest first. Weights become probabilities
/// that there is a fault: both places of a pair have the pair's.
fn merge(mut clusters: Vec<Cluster>, pair: Vec<Cluster>, all: f64) -> Vec<Cluster> {
    clusters.extend(pair.into_iter().map(|c| Cluster {
        weight: c.weight * 2.0,
        ..c
    }));
    clusters.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut merged: Vec<Cluster> = Vec::new();
    for mut cluster in clusters {
        cluster.weight = (cluster.weight / all).min(1.0);
        let near = |known: &&mut Cluster| {
            let apart = (known.density.middle - cluster.density.middle).abs();
            apart < 3.0 * known.density.sd.hypot(cluster.density.sd)
        };
        match merged.iter_mut().find(near) {
            Some(known) => {
                known.weight = (known.weight + cluster.weight).min(1.0);
                known.ids.extend(cluster.ids);
                known.ids.sort();
                known.ids.dedup();
            }
            None => merged.push(cluster),
        }
    }
    merged.retain(|cluster| cluster.weight > 1e-6);
    merged.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    merged
}

fn mixture(xs: &[f64], clusters: &[Cluster]) -> Option<Density> {
    let mut values = vec![0.0; xs.len()];
    for cluster in clusters {
        let mut before = 0.0;
        for (value, below) in values.iter_mut().zip(&cluster.density.below) {
            *value += cluster.weight * (below - before);
            before = *below;
        }
    }
    Density::of_masses(xs, values)
}

impl Density {
    /// The density of `values` per metre and their whole mass.
    fn of(xs: &[f64], values: Vec<f64>) -> Option<(f64, Self)> {
        let mut masses = vec![0.0];
        let pairs = xs.iter().zip(&values);
        for ((x, v), (y, w)) in pairs.clone().zip(pairs.skip(1)) {
            masses.push((y - x) * f64::midpoint(*v, *w));
        }
        let mass: f64 = masses.iter().sum();
        Self::of_masses(xs, masses).map(|density| (mass, density))
    }

    /// Each mass lies between its point and the one before.
    fn of_masses(xs: &[f64], masses: Vec<f64>) -> Option<Self> {
        let whole: f64 = masses.iter().sum();
        if !(whole > 0.0 && whole.is_finite()) {
            return None;
        }
        let add = |sum: &mut f64, mass: f64| {
            *sum += mass / whole;
            Some(*sum)
        };
        let below = masses.into_iter().scan(0.0, add).collect();
        let mut made = Self {
            xs: xs.to_vec(),
            below,
            middle: 0.0,
            sd: 0.0,
        };
        made.middle = made.quantile(0.5);
        made.sd = (made.quantile(0.841_345) - made.quantile(0.158_655)) / 2.0;
        Some(made)
    }

    fn quantile(&self, share: f64) -> f64 {
        let k = self.below.partition_point(|below| *below < share);
        let of = |values: &[f64], k: usize| values.get(k).copied();
        let (Some(x), Some(b)) = (of(&self.xs, k), of(&self.below, k)) else {
            return self.xs.last().copied().unwrap_or_default();
        };
        let before = k.checked_sub(1);
        let Some((y, c)) = before.and_then(|k| of(&self.xs, k).zip(of(&self.below, k))) else {
            return x;
        };
        if b > c {
            (x - y).mul_add((share - c) / (b - c), y)
        } else {
            x
        }
    }
}

impl Answer {
    pub(super) const fn single(&self) -> Option<&Single> {
        self.single.as_ref()
    }

    pub(super) const fn interval95(&self) -> Option<[RouteLength; 2]> {
        self.interval95
    }

    /// The span that stretches alone told.
    pub(super) fn stretch(&self) -> Option<SpanId> {
        self.stretch.clone()
    }

    pub(super) const fn extent(&self) -> Option<[RouteLength; 2]> {
        self.extent
    }

    /// Every place worth showing, by rising chainage.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut worth: Vec<&Cluster> = self
            .places
            .iter()
            .filter(|cluster| cluster.weight >= WORTH / 5.0)
            .collect();
        worth.sort_by(|a, b| a.density.middle.total_cmp(&b.density.middle));
        let candidate = |cluster: &Cluster| {
            let density = &cluster.density;
            let ends = [density.quantile(0.025), density.quantile(0.975)];
            Candidate {
                chainage_m: to_mm(RouteLength::of(density.middle)),
                interval95_m: ends.map(|x| to_mm(RouteLength::of(x))),
                weight: rounded(cluster.weight, 1e4),
                sources: cluster.ids.clone(),
            }
        };
        worth.into_iter().map(candidate).collect()
    }
}

/// Where to look: everywhere coarsely, finely around every narrow part and every end of a span.
fn grid(length: f64, hypotheses: &[Hypothesis], sources: &[Likelihood]) -> Vec<f64> {
    let mut xs: Vec<f64> = (0..=COARSE)
        .map(|k| length * f64::from(k) / f64::from(COARSE))
        .collect();
    let mut around = |mean: f64, sd: f64| {
        let step = 6.5 * sd / f64::from(FINE);
        xs.extend((-FINE..=FINE).map(|k| step.mul_add(f64::from(k), mean)));
    };
    for (spread, _) in hypotheses.iter().flat_map(|h| &h.places) {
        spread
            .parts()
            .iter()
            .filter(|p| p.weight > 1e-4)
            .for_each(|p| around(p.mean, p.sd));
    }
    for source in sources {
        match &source.shape {
            Shape::Normal(spread) => spread.parts().iter().for_each(|p| around(p.mean, p.sd)),
            Shape::Stretch(low, high) => {
                around(*low, SOFT_M);
                around(*high, SOFT_M);
            }
        }
    }
    xs.retain(|x| (0.0..=length).contains(x));
    xs.sort_by(f64::total_cmp);
    xs.dedup_by(|a, b| *a - *b < 1e-9);
    xs
}
