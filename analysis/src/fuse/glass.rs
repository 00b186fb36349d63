//! What all views see, along one view's glass.
//!
//! Shots of one view are averaged: their random parts shrink, what they share does not. Views
//! that look the same way through other glass are brought over by the landmarks both show, where
//! group index and excess cancel. What remains is at most two sightings: one by those who look
//! towards B, one by those who look towards A.

use silkline_protocol::plant::Line;
use silkline_protocol::unit::{OpticalLength, RouteLength};

use super::{Anchors, OUTLIERS};
use crate::place::{Evidence, Sighting};
use crate::route::chain::Chain;
use crate::spread::{Spread, normal_density};

/// Prior share of faults with two breaks.
const TWO_BREAKS: f64 = 0.02;

/// Shots of one view further apart than this, in standard deviations, do not see the same.
pub(super) const SAME: f64 = 6.0;

/// How badly a distance beyond the last common landmark is carried to other glass.
const STRANGE_GLASS: f64 = 2e-3;

/// All sightings, along the glass of one view.
pub(super) struct Glass {
    chain: Chain,
    /// By those who look towards B, and towards A.
    near: Option<Point>,
    far: Option<Point>,
    sources: Vec<Source>,
}

/// One sighting along the glass.
#[derive(Clone, Debug)]
struct Point {
    d: f64,
    sd: f64,
    ids: Vec<String>,
}

/// A piece of evidence and what it says alone.
pub(super) struct Source {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) alone: Spread,
}

/// One way in which the sightings may have come about.
pub(super) struct Hypothesis {
    pub(super) weight: f64,
    /// One place, or two; none where no sighting is meant.
    pub(super) places: Vec<(Spread, Vec<String>)>,
}

/// What one view saw, all shots together.
struct Seen<'a> {
    chain: Chain,
    shots: Vec<(&'a Evidence, &'a Sighting)>,
}

/// Gathers all sightings; nothing where there is none.
pub(super) fn gather(line: &Line, evidence: &[Evidence], anchors: Anchors<'_>) -> Option<Glass> {
    let views = by_view(line, evidence, anchors);
    let main = views
        .iter()
        .position(|seen| seen.chain.looks_to_b())
        .unwrap_or(0);
    let chain = views.get(main)?.chain.clone();
    let mut glass = Glass {
        chain,
        near: None,
        far: None,
        sources: Vec::new(),
    };
    for seen in &views {
        let Some(point) = pooled(seen) else { continue };
        for (evidence, sighting) in &seen.shots {
            let sd = sighting.random_m.get().hypot(sighting.systematic_m.get());
            let sd = OpticalLength::of(sd);
            glass.sources.push(Source {
                id: evidence.id.clone(),
                kind: evidence.finding.kind(),
                alone: seen
                    .chain
                    .locate(sighting.optical_m, sd, sighting.group_index),
            });
        }
        let point = carried(&glass.chain, &seen.chain, point);
        let same_way = seen.chain.looks_to_b() == glass.chain.looks_to_b();
        let side = if same_way {
            &mut glass.near
        } else {
            &mut glass.far
        };
        *side = Some(match side.take() {
            Some(known) => known.and(point),
            None => point,
        });
    }
    Some(glass)
}

fn by_view<'a>(line: &Line, evidence: &'a [Evidence], anchors: Anchors<'_>) -> Vec<Seen<'a>> {
    let mut views: Vec<(&Sighting, Seen<'a>)> = Vec::new();
    for e in evidence {
        let Some(sighting) = e.finding.sighting() else {
            continue;
        };
        let same = |known: &&mut (&Sighting, Seen<'_>)| {
            known.0.view == sighting.view && known.0.after == sighting.after
        };
        if let Some((_, seen)) = views.iter_mut().find(same) {
            seen.shots.push((e, sighting));
            continue;
        }
        let Some(view) = line.view(&sighting.view) else {
            continue;
        };
        let chain = match &sighting.after {
            Some(node) if *node != view.node => {
                let moved = silkline_protocol::plant::View {
                    node: node.clone(),
                    ..view.clone()
                };
                let bare = Line {
                    marks: Vec::new(),
                    ..line.clone()
                };
                Chain::of(&bare, &moved, e.at, &[])
            }
            _ => Chain::of(line, view, e.at, &anchors(&view.id)),
        };
        views.extend(chain.map(|chain| {
            (
                sighting,
                Seen {
                    chain,
                    shots: vec![(e, sighting)],
                },
            )
        }));
    }
    views.into_iter().map(|(_, seen)| seen).collect()
}

/// The mean of a view's shots; where they do not see the same, the newest alone.
fn pooled(seen: &Seen<'_>) -> Option<Point> {
    let each: Vec<Point> = seen
        .shots
        .iter()
        .map(|(e, s)| Point {
            d: seen.chain.in_own_index(s.optical_m, s.group_index),
            sd: s.random_m.get().max(0.05),
            ids: vec![e.id.clone()],
        })
        .collect();
    let shared = seen
        .shots
        .iter()
        .map(|(_, s)| s.systematic_m.get())
        .fold(0.0, f64::max);
    let mean = each.iter().cloned().reduce(Point::and)?;
    let apart = |point: &Point| (point.d - mean.d).abs() > SAME * point.sd.hypot(mean.sd);
    let newest = seen
        .shots
        .iter()
        .map(|(e, _)| e.at)
        .zip(&each)
        .max_by_key(|(at, _)| *at);
    let point = if each.iter().any(apart) {
        newest?.1.clone()
    } else {
        mean
    };
    Some(Point {
        sd: point.sd.hypot(shared),
        ..point
    })
}

/// A point of one view's glass in another's, by the landmarks both show.
fn carried(to: &Chain, from: &Chain, point: Point) -> Point {
    if core::ptr::eq(to, from)
        || (to.origin() == from.origin()
            && to.looks_to_b() == from.looks_to_b()
            && same_marks(to, from))
    {
        return point;
    }
    let common: Vec<[(f64, f64); 2]> = from
        .marks()
        .filter(|(name, ..)| !name.is_empty())
        .filter_map(|(name, b, b_sd)| {
            let (_, a, a_sd) = to.marks().find(|(other, ..)| *other == name)?;
            Some([(a, a_sd), (b, b_sd)])
        })
        .collect();
    let pairs = common.iter().zip(common.iter().skip(1));
    let held = pairs
        .clone()
        .find(|(k, l)| k[1].0 <= point.d && point.d <= l[1].0);
    if let Some(([a, b], [c, d])) = held {
        let share = (point.d - b.0) / (d.0 - b.0);
        let noise = |p: (f64, f64), q: (f64, f64)| p.1.hypot(q.1);
        let marks = ((1.0 - share) * noise(*a, *b)).hypot(share * noise(*c, *d));
        return Point {
            d: (c.0 - a.0).mul_add(share, a.0),
            sd: point.sd.hypot(marks),
            ..point
        };
    }
    let apart = |k: &&[(f64, f64); 2]| (k[1].0 - point.d).abs();
    let Some([a, b]) = common.iter().min_by(|k, l| apart(k).total_cmp(&apart(l))) else {
        return over_ground(to, from, point);
    };
    let sign = if to.looks_to_b() == from.looks_to_b() {
        1.0
    } else {
        -1.0
    };
    let beyond = point.d - b.0;
    let sd = point.sd.hypot(a.1.hypot(b.1)).hypot(STRANGE_GLASS * beyond);
    Point {
        d: beyond.mul_add(sign, a.0),
        sd,
        ..point
    }
}

/// The same where no landmark is common: by way of the ground, and as unsure as that is.
fn over_ground(to: &Chain, from: &Chain, point: Point) -> Point {
    let spread = from.locate(
        OpticalLength::of(point.d),
        OpticalLength::of(point.sd),
        None,
    );
    Point {
        d: to.glass_at(spread.mean()).get(),
        sd: spread.sd().get(),
        ..point
    }
}

fn same_marks(a: &Chain, b: &Chain) -> bool {
    let ends = |chain: &Chain| {
        chain
            .marks()
            .map(|mark| mark.1.to_bits())
            .collect::<Vec<_>>()
    };
    ends(a) == ends(b)
}

impl Point {
    /// Both together, by inverse variance.
    fn and(self, other: Self) -> Self {
        let (own, its) = (self.sd.powi(-2), other.sd.powi(-2));
        let d = own.mul_add(self.d, its * other.d) / (own + its);
        let ids = [self.ids, other.ids].concat();
        Self {
            d,
            sd: (own + its).sqrt().recip(),
            ids,
        }
    }
}

impl Glass {
    /// How the sightings may have come about, each with its weight; see science of two ends.
    pub(super) fn hypotheses(&self, length: RouteLength) -> Vec<Hypothesis> {
        let strewn = OUTLIERS / length.get().max(1.0);
        let nothing = |weight| Hypothesis {
            weight,
            places: Vec::new(),
        };
        let (near, far) = match (&self.near, &self.far) {
            (Some(near), Some(far)) => (near, far),
            (Some(one), None) | (None, Some(one)) => {
                return vec![self.one(1.0 - OUTLIERS, one.clone()), nothing(OUTLIERS)];
            }
            (None, None) => return vec![nothing(1.0)],
        };
        let gap = far.d - near.d;
        let sd = near.sd.hypot(far.sd);
        let good = 1.0 - OUTLIERS;
        let one = (1.0 - TWO_BREAKS) * good * good * normal_density(gap, sd);
        let lone = (1.0 - TWO_BREAKS) * good * strewn;
        let two = TWO_BREAKS * good * good * strewn_gap(gap, sd, length.get());
        let both = near.clone().and(far.clone());
        let places = [near, far].map(|p| (self.ground(p), p.ids.clone())).into();
        vec![
            self.one(one, both),
            self.one(lone, near.clone()),
            self.one(lone, far.clone()),
            Hypothesis {
                weight: two,
                places,
            },
            nothing((1.0 - TWO_BREAKS) * strewn * strewn),
        ]
    }

    /// Glass from both ends' sightings more than there is; negative where some is missing.
    pub(super) fn closure(&self) -> Option<OpticalLength> {
        let (near, far) = self.near.as_ref().zip(self.far.as_ref())?;
        Some(OpticalLength::of(near.d - far.d))
    }

    /// How badly the two ends' sightings disagree.
    pub(super) fn gap_chi2(&self) -> Option<f64> {
        let (near, far) = self.near.as_ref().zip(self.far.as_ref())?;
        Some(((near.d - far.d) / near.sd.hypot(far.sd)).powi(2))
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    fn one(&self, weight: f64, point: Point) -> Hypothesis {
        Hypothesis {
            weight,
            places: vec![(self.ground(&point), point.ids)],
        }
    }

    fn ground(&self, point: &Point) -> Spread {
        self.chain.locate(
            OpticalLength::of(point.d),
            OpticalLength::of(point.sd),
            None,
        )
    }
}

/// Density of an observed gap between two breaks whose distance is log-uniform up to `length`.
fn strewn_gap(gap: f64, sd: f64, length: f64) -> f64 {
    const STEPS: i32 = 120;
    let low = 6.0_f64.mul_add(-sd, gap).max(1.0);
    let high = 6.0_f64.mul_add(sd, gap).min(length);
    if high <= low {
        return 0.0;
    }
    let width = (high - low) / f64::from(STEPS);
    let at = |k: i32| width.mul_add(f64::from(k) + 0.5, low);
    let each = |t: f64| normal_density(gap - t, sd) / (t * length.max(2.0).ln());
    (0..STEPS).map(|k| each(at(k)) * width).sum()
}
