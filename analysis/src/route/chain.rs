//! From glass to ground: the chain of landmarks that one view sees.
//!
//! A view's marks tell how far along the glass each landmark lies; the plant file tells how far
//! along the ground. Between two landmarks the glass is longer than the ground by the cable's
//! excess and by coils of slack. [`Chain`] holds both; [`Chain::locate`] asks where on the ground
//! a point of the glass is, taking every landmark into account at once (see `solve`).
//! Where a view has no mark the chain has one link, from its node on, and the answer is as wide
//! as the excess is unsure.
//!
//! Lengths inside are bare metres: `z` along the ground away from the view's node, `d` along the
//! glass away from it.

mod forgotten;
mod solve;

use silkline_protocol::plant::{Landmark, Line, Mark, Toward, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{GroupIndex, OpticalLength, RouteLength};

use crate::spread::{Spread, normal_below};

/// Half the width of a 95 % interval of a normal distribution, in standard deviations.
pub(crate) const Z95: f64 = 1.959_964;

/// One standard deviation of a node's chainage: surveyed, and indoors.
const NODE_SD_M: f64 = 1.0;

/// Where the plant file tells no uncertainty of a landmark: a good handheld receiver.
const LANDMARK_SD_M: f64 = 5.0;

/// Where the plant file tells no uncertainty of a mark.
const MARK_SD_M: f64 = 2.0;

/// Index error common to marks and shot, one standard deviation.
const INDEX_SD: f64 = 2e-4;

/// Coils are known to a fifth (the project's stated assumption), and never better than this.
const SLACK_SHARE: f64 = 0.2;
const SLACK_FLOOR_M: f64 = 1.0;

/// Excess of glass over sheath where no section tells: the middle of 0 to 2 %, known to as much.
const EXCESS: f64 = 0.007;
const EXCESS_SD: f64 = 0.004;

/// Excess of a section that tells no uncertainty: known to 0.1 %.
const SECTION_EXCESS_SD: f64 = 0.001;

/// Landmarks that count on each side of the place asked for: further ones change nothing.
const REACH: usize = 30;

/// Where one more point of the glass is known, such as the far end in a good trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Where it is on the line.
    pub chainage: RouteLength,
    /// Where it is in the view.
    pub optical: OpticalLength,
    /// Half width of the 95 % interval of `optical`.
    pub plus_minus: OpticalLength,
    /// The group index by which `optical` was worked out.
    pub group_index: GroupIndex,
}

/// The landmarks of a view, from its node outwards.
#[derive(Clone, Debug)]
pub struct Chain {
    origin: f64,
    sign: f64,
    /// The group index of all `d` in here.
    index: f64,
    knots: Vec<Knot>,
    /// Behind each knot up to the next; the last one has no end.
    links: Vec<Link>,
    end: f64,
}

/// A point that is known on the ground and in the glass.
#[derive(Clone, Debug)]
struct Knot {
    name: String,
    z: f64,
    z_sd: f64,
    d: f64,
    d_sd: f64,
    /// Whether its place on the ground may be plainly wrong.
    fallible: bool,
}

/// What lies between a knot and the next.
#[derive(Clone, Debug, Default)]
struct Link {
    excess: f64,
    excess_sd: f64,
    /// Coils in the order of the glass: where on the ground, and how much.
    coils: Vec<Coil>,
    /// Cables of different excess, from the knot on.
    pieces: Vec<Piece>,
}

/// A stretch of one cable within a link.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where on the ground it begins and ends.
    from: f64,
    to: f64,
    excess: f64,
    excess_sd: f64,
}

impl Link {
    /// Glass from the link's knot to `z` on the ground, coils left out, by the excess alone.
    fn glass_to(&self, z: f64) -> f64 {
        let each = |piece: &Piece| {
            let ground = (z.min(piece.to) - piece.from).max(0.0);
            ground * (1.0 + piece.excess)
        };
        self.pieces.iter().map(each).sum()
    }

    /// Ground from the link's knot to a place of the glass, coils left out, by the excess alone.
    fn ground_to(&self, glass: f64) -> f64 {
        let (mut left, mut ground) = (glass, 0.0);
        for (k, piece) in self.pieces.iter().enumerate() {
            let whole = (piece.to - piece.from) * (1.0 + piece.excess);
            let last = k + 1 == self.pieces.len();
            if last || left <= whole {
                return ground + left / (1.0 + piece.excess);
            }
            left -= whole;
            ground += piece.to - piece.from;
        }
        glass / (1.0 + self.excess)
    }

    /// What several cables, each off by itself, leave open of a place `ground` behind the knot while
    /// both ends of the link hold: a variance.
    fn between_cables(&self, ground: f64) -> f64 {
        let start = self.pieces.first().map_or(0.0, |piece| piece.from);
        let ends = self.pieces.last().is_some_and(|piece| piece.to.is_finite());
        if self.pieces.len() < 2 || !ends {
            return 0.0;
        }
        let part = |low: f64, high: f64| {
            let each = |p: &Piece| {
                let own = (high.min(p.to) - low.max(p.from)).max(0.0);
                (own * p.excess_sd).powi(2)
            };
            self.pieces.iter().map(each).sum::<f64>()
        };
        let at = start + ground;
        let (before, behind) = (part(start, at), part(at, f64::MAX));
        before * behind / (before + behind).max(1e-9)
    }
}

#[derive(Clone, Copy, Debug)]
struct Coil {
    z: f64,
    glass: f64,
    /// How sure its length is, and its place: one standard deviation each.
    sd: f64,
    z_sd: f64,
}

impl Coil {
    /// One that the plant file tells, at its landmark.
    fn told(z: f64, glass: f64) -> Self {
        Self {
            z,
            glass,
            sd: (SLACK_SHARE * glass).max(SLACK_FLOOR_M),
            z_sd: 0.0,
        }
    }

    fn variance(self) -> f64 {
        self.sd * self.sd
    }
}

impl Chain {
    /// The chain of `view` on `line` by the marks that are valid at `when`, and what else is
    /// `seen` in it. Nothing where the view's node is not on the line.
    #[must_use]
    pub fn of(line: &Line, view: &View, when: Option<Timestamp>, seen: &[Seen]) -> Option<Self> {
        let mut chain = Self::bare(line, view)?;
        let marks = valid_marks(line, view, when);
        let index = marks.iter().find_map(|(mark, _)| mark.group_index);
        let index = index.or_else(|| seen.first().map(|s| s.group_index));
        chain.index = index.unwrap_or_else(|| index_of(line, view)).get();
        for (mark, landmark) in marks {
            chain.add_mark(mark, landmark);
        }
        for point in seen {
            chain.add_seen(point);
        }
        chain.knots.sort_by(|a, b| a.z.total_cmp(&b.z));
        chain.keep_rising();
        chain.link(line);
        chain.add_forgotten(line);
        Some(chain)
    }

    /// Where on the ground a point of the glass is: `random` and `systematic` are standard
    /// deviations of the point itself, `index` the group index by which it was measured.
    #[must_use]
    pub fn locate(
        &self,
        optical: OpticalLength,
        sd: OpticalLength,
        index: Option<GroupIndex>,
    ) -> Spread {
        let d = self.in_own_index(optical, index);
        solve::locate(self, d, sd.get().abs())
    }

    /// The same by the two landmarks on both sides alone: for the eye, and to compare with.
    #[must_use]
    pub fn interpolate(&self, optical: OpticalLength, index: Option<GroupIndex>) -> RouteLength {
        let d = self.in_own_index(optical, index);
        let (k, walk) = self.walk(d);
        let from = self.knots.get(k).map_or(0.0, |knot| knot.z);
        self.chainage(from + walk.ground)
    }

    /// How far along the glass a place on the ground is, by the landmarks on both sides.
    #[must_use]
    pub fn glass_at(&self, chainage: RouteLength) -> OpticalLength {
        let z = (chainage.get() - self.origin) * self.sign;
        let k = self.knots.iter().rposition(|knot| knot.z <= z).unwrap_or(0);
        let Some((knot, link)) = self.knots.get(k).zip(self.links.get(k)) else {
            return OpticalLength::of(0.0);
        };
        let passed: f64 = link.coils.iter().filter(|c| c.z < z).map(|c| c.glass).sum();
        OpticalLength::of(link.glass_to(z).mul_add(self.stretch(k), knot.d + passed))
    }

    /// A length of this chain's glass as an instrument set to `index` shows it.
    #[must_use]
    pub fn to_index(&self, optical: OpticalLength, index: GroupIndex) -> OpticalLength {
        optical * (self.index / index.get())
    }

    /// Where the view's node is.
    #[must_use]
    pub const fn origin(&self) -> RouteLength {
        RouteLength::of(self.origin)
    }

    /// Whether the view looks towards B.
    #[must_use]
    pub fn looks_to_b(&self) -> bool {
        self.sign > 0.0
    }

    /// The stretch of the line that the view looks along, by rising chainage.
    #[must_use]
    pub fn range(&self) -> [RouteLength; 2] {
        let far = self.chainage(self.end);
        if self.looks_to_b() {
            [self.origin(), far]
        } else {
            [far, self.origin()]
        }
    }

    /// How sure the length of the glass between two places is for its excess alone: one standard
    /// deviation, in metres.
    pub(crate) fn excess_sd_m(&self, line: &Line, from: RouteLength, to: RouteLength) -> f64 {
        let z = |chainage: RouteLength| (chainage.get() - self.origin) * self.sign;
        let (_, sd) = self.excess(line, z(from), z(to));
        sd * (z(to) - z(from)).abs()
    }

    /// Landmarks that are in the view by name, with their place in the glass and its standard
    /// deviation, from the node outwards.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        self.knots
            .iter()
            .map(|knot| (knot.name.as_str(), knot.d, knot.d_sd))
    }

    /// `optical` as it would be by the chain's own group index.
    pub(crate) fn in_own_index(&self, optical: OpticalLength, index: Option<GroupIndex>) -> f64 {
        optical.get() * index.map_or(1.0, |index| index.get() / self.index)
    }

    fn bare(line: &Line, view: &View) -> Option<Self> {
        let origin = line.node(&view.node)?.chainage.get();
        let sign = match view.toward {
            Toward::B => 1.0,
            Toward::A => -1.0,
        };
        let line_end = if sign > 0.0 { line.length().get() } else { 0.0 };
        let until = view.until.as_ref().and_then(|id| line.node(id));
        let end = (until.map_or(line_end, |node| node.chainage.get()) - origin) * sign;
        let name = view.node.to_string();
        let start = Knot {
            name,
            z: 0.0,
            z_sd: NODE_SD_M,
            d: 0.0,
            d_sd: 0.0,
            fallible: false,
        };
        Some(Self {
            origin,
            sign,
            index: 1.0,
            knots: vec![start],
            links: Vec::new(),
            end,
        })
    }

    fn add_mark(&mut self, mark: &Mark, landmark: &Landmark) {
        let z = (landmark.at.get() - self.origin) * self.sign;
        if z <= 0.0 || z > self.end + 1.0 {
            return;
        }
        self.knots.push(Knot {
            name: landmark.name.clone(),
            z,
            z_sd: sd_of(landmark.plus_minus.get(), LANDMARK_SD_M),
            d: self.in_own_index(mark.optical, mark.group_index),
            d_sd: sd_of(mark.plus_minus.get(), MARK_SD_M),
            fallible: true,
        });
    }

    fn add_seen(&mut self, seen: &Seen) {
        let z = (seen.chainage.get() - self.origin) * self.sign;
        let known = self.knots.iter().any(|knot| (knot.z - z).abs() < 1.0);
        if z <= 0.0 || known {
            return;
        }
        self.knots.push(Knot {
            name: String::new(),
            z,
            z_sd: NODE_SD_M,
            d: self.in_own_index(seen.optical, Some(seen.group_index)),
            d_sd: sd_of(seen.plus_minus.get(), MARK_SD_M),
            fallible: false,
        });
    }

    /// Drops knots that lie before their predecessor in the glass: such marks are mistaken.
    fn keep_rising(&mut self) {
        let mut last = f64::NEG_INFINITY;
        self.knots.retain(|knot| {
            let rises = knot.d > last;
            if rises {
                last = knot.d;
            }
            rises
        });
    }

    fn link(&mut self, line: &Line) {
        let mut coils: Vec<Coil> = Vec::new();
        for landmark in &line.landmarks {
            let z = (landmark.at.get() - self.origin) * self.sign;
            let (first, second) = if self.sign > 0.0 {
                (landmark.slack_before, landmark.slack_after)
            } else {
                (landmark.slack_after, landmark.slack_before)
            };
            // A hair's breadth apart on the ground, so that a knot's own coils fall on both sides.
            coils.push(Coil::told(z - 1e-6, first.get()));
            coils.push(Coil::told(z + 1e-6, second.get()));
        }
        coils.retain(|coil| coil.glass > 0.0 && coil.z > 0.0);
        coils.sort_by(|a, b| a.z.total_cmp(&b.z));
        let ends = self
            .knots
            .iter()
            .skip(1)
            .map(|knot| knot.z)
            .chain([f64::INFINITY]);
        let stretches: Vec<(f64, f64)> = self.knots.iter().map(|k| k.z).zip(ends).collect();
        for (from, to) in stretches {
            let (excess, excess_sd) = self.excess(line, from, to.min(self.end.max(from + 1.0)));
            let own = coils
                .iter()
                .filter(|coil| from < coil.z && coil.z < to)
                .copied()
                .collect();
            self.links.push(Link {
                excess,
                excess_sd,
                coils: own,
                pieces: self.pieces(line, from, to),
            });
        }
    }

    /// The mean excess between two places, and its standard deviation.
    fn excess(&self, line: &Line, from: f64, to: f64) -> (f64, f64) {
        let ends = [self.chainage(from).get(), self.chainage(to).get()];
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let (mut told, mut sum, mut deviation) = (0.0, 0.0, 0.0);
        for section in &line.sections {
            let overlap = section.to.get().min(high) - section.from.get().max(low);
            if overlap > 0.0 {
                told += overlap;
                sum += overlap * section.excess;
                let sd = section.excess_plus_minus / Z95;
                deviation += overlap * if sd > 0.0 { sd } else { SECTION_EXCESS_SD };
            }
        }
        let untold = (high - low - told).max(0.0);
        let whole = (told + untold).max(1e-9);
        let mean = untold.mul_add(EXCESS, sum) / whole;
        (mean, untold.mul_add(EXCESS_SD, deviation) / whole)
    }

    /// The cables from a knot to the next, or on and on behind the last.
    fn pieces(&self, line: &Line, from: f64, to: f64) -> Vec<Piece> {
        let z = |chainage: RouteLength| (chainage.get() - self.origin) * self.sign;
        let last = to.min(self.end.max(from + 1.0));
        let ends = line.sections.iter().flat_map(|s| [z(s.from), z(s.to)]);
        let inner = |at: &f64| from + 1.0 < *at && *at < last - 1.0;
        let mut borders: Vec<f64> = ends.filter(inner).collect();
        borders.sort_by(f64::total_cmp);
        borders.dedup_by(|a, b| (*a - *b).abs() < 1.0);
        borders.insert(0, from);
        borders.push(to);
        let pairs = borders.iter().zip(borders.iter().skip(1));
        let piece = |(from, to): (&f64, &f64)| {
            let (excess, excess_sd) = self.excess(line, *from, to.min(last));
            Piece {
                from: *from,
                to: *to,
                excess,
                excess_sd,
            }
        };
        pairs.map(piece).collect()
    }

    /// By how much the glass of link `k` is longer than its excess makes it.
    fn stretch(&self, k: usize) -> f64 {
        let Some(link) = self.links.get(k) else {
            return 1.0;
        };
        self.glass_per_ground(k) / (1.0 + link.excess)
    }

    fn chainage(&self, z: f64) -> RouteLength {
        RouteLength::of(z.mul_add(self.sign, self.origin))
    }

    /// Metres of glass to a metre of ground behind knot `k`, coils left out: by the next knot
    /// where there is one, else by the excess.
    fn glass_per_ground(&self, k: usize) -> f64 {
        let Some(link) = self.links.get(k) else {
            return 1.0;
        };
        let by_excess = 1.0 + link.excess;
        let (Some(from), Some(to)) = (self.knots.get(k), self.knots.get(k + 1)) else {
            return by_excess;
        };
        let coils: f64 = link.coils.iter().map(|coil| coil.glass).sum();
        let stretched = (to.d - from.d - coils) / (to.z - from.z).max(1e-9);
        if stretched > 0.0 {
            stretched
        } else {
            by_excess
        }
    }

    /// From the knot before `d` to `d`: the knot, and what lies between.
    fn walk(&self, d: f64) -> (usize, Walk) {
        let k = self.knots.iter().rposition(|knot| knot.d <= d).unwrap_or(0);
        let (Some(knot), Some(link)) = (self.knots.get(k), self.links.get(k)) else {
            return (k, Walk::default());
        };
        let stretch = self.stretch(k);
        let mut walk = Walk::default();
        let glass = (d - knot.d).max(0.0);
        for coil in &link.coils {
            let begins = link.glass_to(coil.z).mul_add(stretch, walk.slack);
            if coil.z_sd > 0.0 {
                // Nobody knows on which side of the place it is: some of it, and that unsure.
                let before = normal_below((glass - begins - 0.5 * coil.glass) / coil.z_sd);
                walk.slack += before * coil.glass;
                walk.slack_variance += coil.variance() * before * before;
                walk.loose += coil.glass * coil.glass * before * (1.0 - before);
                continue;
            }
            if begins >= glass {
                break;
            }
            let used = coil.glass.min(glass - begins);
            walk.slack += used;
            walk.slack_variance += coil.variance() * (used / coil.glass).powi(2);
        }
        walk.ground = link.ground_to((glass - walk.slack) / stretch);
        walk.loose += link.between_cables(walk.ground) * (1.0 + link.excess).powi(2);
        (k, walk)
    }
}

/// What lies between a knot and a point of the glass behind it.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    /// Glass in coils.
    slack: f64,
    slack_variance: f64,
    /// Variance of what is in coils here or behind the place, nobody knows which.
    loose: f64,
    /// Ground, by the landmarks on both sides.
    ground: f64,
}

fn sd_of(plus_minus: f64, default: f64) -> f64 {
    if plus_minus > 0.0 {
        plus_minus / Z95
    } else {
        default
    }
}

/// The marks of a view with their landmarks: of several for one landmark the newest that holds.
fn valid_marks<'a>(
    line: &'a Line,
    view: &View,
    when: Option<Timestamp>,
) -> Vec<(&'a Mark, &'a Landmark)> {
    let holds = |mark: &&Mark| {
        let begun = mark
            .valid_from
            .is_none_or(|from| when.is_none_or(|when| from <= when));
        mark.view == view.id && begun
    };
    let mut newest: Vec<(&Mark, &Landmark)> = Vec::new();
    for mark in line.marks.iter().filter(holds) {
        let Some(landmark) = line.landmark(&mark.landmark) else {
            continue;
        };
        match newest
            .iter_mut()
            .find(|(_, known)| known.name == landmark.name)
        {
            Some(known) if known.0.valid_from <= mark.valid_from => known.0 = mark,
            Some(_) => {}
            None => newest.push((mark, landmark)),
        }
    }
    newest
}

/// The group index of a view's glass where nothing was measured in it.
fn index_of(line: &Line, view: &View) -> GroupIndex {
    let near = |section: &&silkline_protocol::plant::Section| !section.group_index.is_empty();
    let told = line.sections.iter().find(near).and_then(|section| {
        let apart = |nm: f64| (nm - view.wavelength.get()).abs();
        section
            .group_index
            .iter()
            .min_by(|a, b| apart(a.0.get()).total_cmp(&apart(b.0.get())))
    });
    let default = if view.wavelength.get() < 1400.0 {
        GroupIndex::AT_1310
    } else {
        GroupIndex::AT_1550
    };
    told.map_or(default, |(_, index)| *index)
}

#[cfg(test)]
mod tests;
