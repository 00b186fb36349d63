//! The linear-Gaussian chain over all landmarks of a view, with a share of wrong ones.
//!
//! Unknown and independent: where the view begins (flat), the index error common to marks and
//! shot, each link's excess, its coils, each mark's error, the shot's error. All landmark places
//! X and the fault f are linear in these. With C the covariance of [X, f] and R the variances of
//! the plant's landmark places: `A = (C_XX + R)⁻¹, y = x_plant - M, f = M_f + kᵀAy,
//! var = C_ff - kᵀAk`. A landmark may be plainly wrong: the answer without it is mixed in by its
//! odds, or takes over. Priors that turn out too narrow widen the answer.

use core::cmp::Ordering;

use super::{Chain, Coil, INDEX_SD, Knot, Link, REACH, Walk};
use crate::matrix::{Matrix, dot};
use crate::spread::{Part, Spread};

/// Where the view begins is told by its node alone.
const FLAT_VARIANCE: f64 = 1e8;

/// How likely a landmark is plainly wrong, and the variance of how far.
const WRONG_PRIOR: f64 = 0.01;
const WRONG_VARIANCE: f64 = 110.0 * 110.0;

/// Odds above which a landmark is left out.
const CERTAIN: f64 = 99.0;

/// Odds below which it is not worth a part of the mixture.
const NEGLIGIBLE: f64 = 1e-5;

/// Weight of the prior in the widening, in degrees of freedom.
const PRIOR_DOF: f64 = 10.0;

/// The prior of one unknown and what it does to every landmark and the fault.
struct Unknown {
    variance: f64,
    /// Derivatives of the places of the knots, and of the fault, by the unknown.
    knots: Vec<f64>,
    fault: f64,
}

/// Means and derivatives for the knots around one point of the glass.
struct Model {
    /// Where the plant says the knots are, and how sure.
    told: Vec<(f64, f64, bool)>,
    /// Where the glass alone puts them.
    means: Vec<f64>,
    fault: f64,
    unknowns: Vec<Unknown>,
}

/// Where on the ground `d` is; `sd` is the point's own standard deviation along the glass.
pub(super) fn locate(chain: &Chain, d: f64, sd: f64) -> Spread {
    let mut model = Model::of(chain, d, sd);
    for _ in 0..model.told.len() {
        let Some(answer) = Answer::of(&model) else {
            break;
        };
        let worst = answer
            .suspects
            .iter()
            .max_by(|a, b| a.odds.total_cmp(&b.odds));
        match worst {
            Some(worst) if worst.odds > CERTAIN => model.distrust(worst.knot),
            _ => return answer.spread(chain),
        }
    }
    let flat = FLAT_VARIANCE.sqrt();
    Spread::of(vec![Part {
        weight: 1.0,
        mean: chain.chainage(model.fault).get(),
        sd: flat,
    }])
}

impl Model {
    fn of(chain: &Chain, d: f64, sd: f64) -> Self {
        let (k, walk) = chain.walk(d);
        let first = k.saturating_sub(REACH);
        let window = Window {
            chain,
            first,
            size: chain.knots.len().min(k + 1 + REACH) - first,
        };
        let grounds = window.grounds();
        let begin = chain.knots.get(first).map_or(0.0, |knot| knot.z);
        let step = |at: &mut f64, ground: &f64| {
            *at += ground;
            Some(*at)
        };
        let means: Vec<f64> = core::iter::once(begin)
            .chain(grounds.iter().scan(begin, step))
            .collect();
        let own = chain
            .knots
            .get(k)
            .map_or(0.0, |knot| (d - knot.d).max(0.0) - walk.slack);
        let last = chain.links.get(k).map_or(0.0, |link| link.ground_to(own));
        let fault = means.get(k - first).copied().unwrap_or_default() + last;
        let told = window
            .knots()
            .map(|knot| (knot.z, knot.z_sd * knot.z_sd, knot.fallible));
        let mut model = Self {
            told: told.collect(),
            means,
            fault,
            unknowns: Vec::new(),
        };
        model.unknown(FLAT_VARIANCE, vec![1.0; window.size], 1.0);
        model.add_links(&window, &grounds, (k - first, last, walk));
        model.add_marks(&window, k - first);
        model.add_index();
        let own_variance = sd.mul_add(sd, walk.loose);
        model.unknown(own_variance, vec![0.0; window.size], window.per(k - first));
        model
    }

    /// Excess and coils of every link; `fault` is the link that holds the fault, the ground from
    /// its knot to the fault, and the coils between.
    fn add_links(&mut self, window: &Window<'_>, grounds: &[f64], fault: (usize, f64, Walk)) {
        let (own, last, walk) = fault;
        for (n, link) in window.links().enumerate() {
            let later = |each: f64| -> Vec<f64> {
                (0..window.size)
                    .map(|m| if m > n { each } else { 0.0 })
                    .collect()
            };
            let per = window.per(n);
            let whole = -grounds.get(n).copied().unwrap_or_default() * per;
            let of_fault = |before: f64, at: f64| match n.cmp(&own) {
                Ordering::Less => before,
                Ordering::Equal => at,
                Ordering::Greater => 0.0,
            };
            let excess = of_fault(whole, -last * per);
            self.unknown(link.excess_sd * link.excess_sd, later(whole), excess);
            let coils: f64 = link.coils.iter().copied().map(Coil::variance).sum();
            let before = if n == own {
                walk.slack_variance.min(coils)
            } else {
                coils
            };
            self.unknown(before, later(-per), of_fault(-per, -per));
            self.unknown(coils - before, later(-per), of_fault(-per, 0.0));
        }
    }

    fn add_marks(&mut self, window: &Window<'_>, own: usize) {
        for (n, knot) in window.knots().enumerate() {
            let (left, right) = (window.per(n.saturating_sub(1)), window.per(n));
            let of = |m: usize| match m.cmp(&n) {
                Ordering::Less => 0.0,
                Ordering::Equal => left,
                Ordering::Greater => left - right,
            };
            let fault = if own < n { 0.0 } else { left - right };
            self.unknown(
                knot.d_sd * knot.d_sd,
                (0..window.size).map(of).collect(),
                fault,
            );
        }
    }

    fn add_index(&mut self) {
        let begin = self.means.first().copied().unwrap_or_default();
        let knots = self.means.iter().map(|mean| mean - begin).collect();
        let fault = self.fault - begin;
        self.unknown(INDEX_SD * INDEX_SD, knots, fault);
    }

    fn unknown(&mut self, variance: f64, knots: Vec<f64>, fault: f64) {
        if variance > 0.0 {
            self.unknowns.push(Unknown {
                variance,
                knots,
                fault,
            });
        }
    }

    fn covariance(&self, r: usize, c: usize) -> f64 {
        let cell = |u: &Unknown| {
            u.knots
                .get(r)
                .zip(u.knots.get(c))
                .map_or(0.0, |(r, c)| u.variance * r * c)
        };
        self.unknowns.iter().map(cell).sum()
    }

    /// Makes as if the plant did not tell where knot `n` is.
    fn distrust(&mut self, n: usize) {
        if let Some(told) = self.told.get_mut(n) {
            told.1 = FLAT_VARIANCE;
            told.2 = false;
        }
    }
}

/// The knots around the fault that count.
struct Window<'a> {
    chain: &'a Chain,
    first: usize,
    size: usize,
}

impl Window<'_> {
    fn knots(&self) -> impl Iterator<Item = &Knot> {
        self.chain.knots.iter().skip(self.first).take(self.size)
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        self.chain.links.iter().skip(self.first).take(self.size)
    }

    /// Ground to a metre of glass behind knot `n`, coils left out.
    fn per(&self, n: usize) -> f64 {
        self.chain
            .links
            .get(self.first + n)
            .map_or(1.0, |link| 1.0 / (1.0 + link.excess))
    }

    /// Ground from each knot to the next, by the glass and the excess.
    fn grounds(&self) -> Vec<f64> {
        let pairs = self.knots().zip(self.knots().skip(1)).zip(self.links());
        let ground = |((from, to), link): ((&Knot, &Knot), &Link)| {
            let coils: f64 = link.coils.iter().map(|coil| coil.glass).sum();
            (to.d - from.d - coils) / (1.0 + link.excess)
        };
        pairs.map(ground).collect()
    }
}

/// A landmark that may be wrong, and the answer without it.
struct Suspect {
    knot: usize,
    odds: f64,
    mean: f64,
    variance: f64,
}

struct Answer {
    mean: f64,
    variance: f64,
    suspects: Vec<Suspect>,
    widen: f64,
}

impl Answer {
    fn of(model: &Model) -> Option<Self> {
        let size = model.told.len();
        let noise = |n: usize| model.told.get(n).map_or(0.0, |told| told.1);
        let a = Matrix::from_fn(size, |r, c| {
            model.covariance(r, c) + if r == c { noise(r) } else { 0.0 }
        })
        .inverse()?;
        let of_fault = |n: usize| -> f64 {
            let each = |u: &Unknown| {
                u.knots
                    .get(n)
                    .map_or(0.0, |knot| u.variance * knot * u.fault)
            };
            model.unknowns.iter().map(each).sum()
        };
        let k: Vec<f64> = (0..size).map(of_fault).collect();
        let y: Vec<f64> = model
            .told
            .iter()
            .zip(&model.means)
            .map(|(t, m)| t.0 - m)
            .collect();
        let (ay, ak) = (a.times(&y), a.times(&k));
        let own: f64 = model
            .unknowns
            .iter()
            .map(|u| u.variance * u.fault * u.fault)
            .sum();
        let mean = model.fault + dot(&k, &ay);
        let variance = (own - dot(&k, &ak)).max(1e-6);
        let trusted = model
            .told
            .iter()
            .filter(|told| told.1 < FLAT_VARIANCE)
            .count();
        let dof = trusted.saturating_sub(1) as f64;
        let widen = ((PRIOR_DOF + dot(&y, &ay)) / (PRIOR_DOF + dof)).sqrt();
        let mut suspects = Vec::new();
        for (n, (a, (ay, ak))) in a.diagonal().zip(ay.iter().zip(&ak)).enumerate() {
            if !model.told.get(n).is_some_and(|told| told.2) {
                continue;
            }
            let grown = WRONG_VARIANCE.mul_add(a, 1.0);
            let log_odds = (WRONG_PRIOR / (1.0 - WRONG_PRIOR)).ln() - 0.5 * grown.ln()
                + 0.5 * WRONG_VARIANCE * ay * ay / grown;
            suspects.push(Suspect {
                knot: n,
                odds: log_odds.min(700.0).exp(),
                mean: mean - WRONG_VARIANCE * ak * ay / grown,
                variance: variance + WRONG_VARIANCE * ak * ak / grown,
            });
        }
        Some(Self {
            mean,
            variance,
            suspects,
            widen: widen.max(1.0),
        })
    }

    fn spread(&self, chain: &Chain) -> Spread {
        let part = |weight: f64, mean: f64, variance: f64| Part {
            weight,
            mean: chain.chainage(mean).get(),
            sd: variance.sqrt() * self.widen,
        };
        let mut parts = vec![part(1.0, self.mean, self.variance)];
        let worth = self
            .suspects
            .iter()
            .filter(|suspect| suspect.odds > NEGLIGIBLE);
        parts.extend(worth.map(|s| part(s.odds, s.mean, s.variance)));
        Spread::of(parts)
    }
}
