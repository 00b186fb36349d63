//! Closures that nobody wrote down: a gap much longer than the line's drums holds a joint whose
//! coils the plant file does not know, and tens of metres of glass in a wrong place move every
//! answer beside it.
//!
//! Where such a gap is, equally long drums are presumed, joined with coils as the line's others are.
//! The glass of the gap says whether they are there: it is longer by just those coils.

use silkline_protocol::plant::Line;

use super::{Chain, Coil, INDEX_SD, SLACK_SHARE};
use crate::spread::normal_density;

/// A gap this many times the usual one holds a joint that is not known.
const LONG: f64 = 1.5;

/// Gaps that it takes to say what is usual.
const ENOUGH: usize = 5;

/// Odds that a gap so long is of several drums before its glass is asked: some drums are long.
const ODDS: f64 = 19.0;

/// Gaps that are shared out among more joints than this are no forgotten closures.
const MOST: f64 = 4.0;

/// How far a joint may be from where drums of equal length would put it, as a share of a drum.
const PLACE_SHARE: f64 = 0.1;

/// Coils of a joint differ by this at least, one standard deviation, in metres.
const LEAST_SD: f64 = 5.0;

/// What the joints of a line are like.
struct Usual {
    /// From joint to joint.
    gap: f64,
    /// Glass in both coils of a joint, and its standard deviation.
    coils: f64,
    sd: f64,
}

impl Chain {
    /// Adds the coils of closures that are not in the plant file.
    pub(super) fn add_forgotten(&mut self, line: &Line) {
        let Some(usual) = self.usual(line) else {
            return;
        };
        for k in 0..self.knots.len() {
            let Some(from) = self.knots.get(k).map(|knot| knot.z) else {
                return;
            };
            let to = self.knots.get(k + 1).map_or(self.end, |knot| knot.z);
            let joints = self.presumed(k, (from, to), &usual);
            if joints.is_empty() {
                continue;
            }
            let p = self.probability(k, joints.len() as f64, &usual);
            let Some(link) = self.links.get_mut(k) else {
                return;
            };
            // Whether they are there at all is part of how sure their size is.
            let sd = (usual.sd * p.sqrt()).hypot(usual.coils * (p * (1.0 - p)).sqrt());
            link.coils.extend(joints.into_iter().map(|z| Coil {
                z,
                glass: usual.coils * p,
                sd,
                z_sd: PLACE_SHARE * usual.gap,
            }));
            link.coils.sort_by(|a, b| a.z.total_cmp(&b.z));
        }
    }

    /// What joints are like here; nothing where there are too few, or none has coils.
    fn usual(&self, line: &Line) -> Option<Usual> {
        let mut gaps: Vec<f64> = Vec::new();
        for k in 0..self.knots.len().saturating_sub(1) {
            let ends = self.knots.get(k)?.z..self.knots.get(k + 1)?.z;
            let sites = self.sites(k, (ends.start, ends.end));
            gaps.extend(sites.iter().zip(sites.iter().skip(1)).map(|(a, b)| b - a));
        }
        if gaps.len() < ENOUGH {
            return None;
        }
        gaps.sort_by(f64::total_cmp);
        let gap = *gaps.get(gaps.len() / 2)?;
        let all = line.landmarks.iter();
        let coils: Vec<f64> = all
            .map(|landmark| landmark.slack_before.get() + landmark.slack_after.get())
            .filter(|glass| *glass > 0.0)
            .collect();
        let count = coils.len() as f64;
        let mean = coils.iter().sum::<f64>() / count.max(1.0);
        let square = coils
            .iter()
            .map(|glass| (glass - mean).powi(2))
            .sum::<f64>();
        let sd = (square / count.max(1.0)).sqrt().hypot(SLACK_SHARE * mean);
        (coils.len() >= ENOUGH).then_some(Usual {
            gap,
            coils: mean,
            sd: sd.max(LEAST_SD),
        })
    }

    /// Every joint from a knot to the next, both included, along the ground.
    fn sites(&self, k: usize, (from, to): (f64, f64)) -> Vec<f64> {
        let coils = self.links.get(k).map(|link| link.coils.as_slice());
        let inner = coils.unwrap_or_default().iter().map(|coil| coil.z);
        let mut sites: Vec<f64> = core::iter::once(from).chain(inner).chain([to]).collect();
        sites.sort_by(f64::total_cmp);
        sites.dedup_by(|a, b| (*a - *b).abs() < 1.0);
        sites
    }

    /// Where joints must be that are not known.
    fn presumed(&self, k: usize, ends: (f64, f64), usual: &Usual) -> Vec<f64> {
        let sites = self.sites(k, ends);
        let mut joints = Vec::new();
        for (from, to) in sites.iter().zip(sites.iter().skip(1)) {
            let drums = ((to - from) / usual.gap).round();
            if to - from < LONG * usual.gap || drums > MOST {
                continue;
            }
            let mut n = 1.0;
            while n < drums {
                joints.push(from + (to - from) * n / drums);
                n += 1.0;
            }
        }
        joints
    }

    /// How likely `count` forgotten joints are in link `k`, by how long its glass is.
    fn probability(&self, k: usize, count: f64, usual: &Usual) -> f64 {
        let prior = ODDS / (1.0 + ODDS);
        let ends = self.knots.get(k).zip(self.knots.get(k + 1));
        let (Some((from, to)), Some(link)) = (ends, self.links.get(k)) else {
            return prior;
        };
        let ground = to.z - from.z;
        let known: f64 = link.coils.iter().map(|coil| coil.glass).sum();
        let more = to.d - from.d - known - ground * (1.0 + link.excess);
        let slack: f64 = link.coils.iter().map(|coil| coil.variance()).sum();
        let variance = from.z_sd.powi(2)
            + to.z_sd.powi(2)
            + from.d_sd.powi(2)
            + to.d_sd.powi(2)
            + (ground * link.excess_sd).powi(2)
            + (ground * INDEX_SD).powi(2)
            + slack;
        let with = count.mul_add(usual.sd * usual.sd, variance).sqrt();
        let there = ODDS * normal_density(more - count * usual.coils, with);
        let absent = normal_density(more, variance.sqrt());
        if there + absent > 0.0 {
            there / (there + absent)
        } else {
            prior
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use silkline_protocol::plant::View;
    use silkline_protocol::unit::{OpticalLength, RouteLength};

    /// The example without its closures at `gone` kilometres, and the view from Ganja.
    fn without(gone: &[f64]) -> (Line, View) {
        let mut line = example::plant().lines.remove(0);
        let is_gone = |at: RouteLength| gone.iter().any(|km| (at.km() - km).abs() < 0.1);
        let names: Vec<String> = line
            .landmarks
            .iter()
            .filter(|landmark| is_gone(landmark.at))
            .map(|landmark| landmark.name.clone())
            .collect();
        line.landmarks
            .retain(|landmark| !names.contains(&landmark.name));
        line.marks.retain(|mark| !names.contains(&mark.landmark));
        let view = line.views.first().unwrap().clone();
        (line, view)
    }

    fn found(gone: &[f64], chainage: f64) -> (f64, f64) {
        let (line, view) = without(gone);
        let chain = Chain::of(&line, &view, None, &[]).unwrap();
        let glass = OpticalLength::of(example::glass_from_ganja(chainage));
        let spread = chain.locate(glass, OpticalLength::of(2.0), None);
        let [low, high] = spread.interval(0.95);
        assert!(
            low.get() < chainage && chainage < high.get(),
            "{gone:?} {chainage}: {low} {high}"
        );
        ((spread.mean().get() - chainage).abs(), (high - low).get())
    }

    #[test]
    fn a_closure_that_nobody_wrote_down_does_little_harm() {
        for chainage in [36_500.0, 37_500.0, 39_000.0, 41_000.0, 42_500.0, 43_500.0] {
            let (error, width) = found(&[40.0], chainage);
            assert!(error < 5.0 && width < 60.0, "{chainage}: {error} {width}");
        }
        let (error, width) = found(&[40.0, 44.0], 38_500.0);
        assert!(error < 6.0 && width < 70.0, "two in a row: {error} {width}");
    }

    #[test]
    fn beside_the_presumed_place_itself_nobody_knows_on_which_side_the_coils_are() {
        let (_, sure) = found(&[40.0], 37_500.0);
        let (_, unsure) = found(&[40.0], 40_100.0);
        assert!(unsure > sure + 5.0, "{sure} {unsure}");
    }

    #[test]
    fn what_is_written_down_is_not_presumed() {
        let (line, view) = without(&[]);
        let chain = Chain::of(&line, &view, None, &[]).unwrap();
        let coils = chain.links.iter().flat_map(|link| &link.coils);
        assert!(coils.into_iter().all(|coil| coil.z_sd == 0.0));
    }

    #[test]
    fn a_gap_whose_glass_is_no_longer_than_its_ground_is_one_long_drum() {
        let (mut line, view) = without(&[40.0]);
        // The glass behind the gap comes as much sooner as the coils would have been long.
        for mark in line.marks.iter_mut().filter(|mark| mark.view == view.id) {
            if mark.optical.get() > example::glass_from_ganja(40_000.0) {
                mark.optical = mark.optical - OpticalLength::of(2.0 * example::SLACK_M);
            }
        }
        for landmark in &mut line.landmarks {
            landmark.plus_minus = RouteLength::of(2.0);
        }
        let chain = Chain::of(&line, &view, None, &[]).unwrap();
        let coils = chain.links.iter().flat_map(|link| &link.coils);
        let presumed: f64 = coils.filter(|c| c.z_sd > 0.0).map(|c| c.glass).sum();
        assert!(presumed < 20.0, "{presumed}");
    }
}
