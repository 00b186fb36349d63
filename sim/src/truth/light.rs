//! What a real cable does to light: the properties of its strands, and what damage adds.

use silkline_protocol::id::{FibreId, NodeId};
use silkline_protocol::plant::{Toward, View};
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength, RouteLength};

use super::cable::{Cable, Place};
use crate::forward::{Fibre, Joint, Part};

/// One fibre of a [`Cable`].
#[derive(Clone, Copy, Debug)]
pub struct Strand<'a> {
    cable: &'a Cable,
    fibre: &'a FibreId,
}

/// What was done to a strand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    /// It ends here, from either side.
    Break {
        /// True chainage.
        at: RouteLength,
    },
    /// It loses light here.
    Bend {
        /// True chainage.
        at: RouteLength,
        /// How much, one way.
        loss: Db,
    },
}

/// Loss and reflectance of a connector at a panel, and at the far end of a view.
const PANEL: Joint = Joint::reflecting(Db::of(0.2), Db::of(-45.0));
const PATCH: Joint = Joint::reflecting(Db::of(0.3), Db::of(-52.0));
const FAR_END: Joint = Joint::reflecting(Db::of(0.3), Db::of(-42.0));

impl Cable {
    /// The strand called `fibre`: every name has its own glass and splices.
    #[must_use]
    pub fn strand<'a>(&'a self, fibre: &'a FibreId) -> Strand<'a> {
        Strand { cable: self, fibre }
    }
}

impl Strand<'_> {
    /// One-way loss between two neighbouring nodes with their connectors; none where it is broken.
    #[must_use]
    pub fn loss(&self, between: [&NodeId; 2], damage: &[Damage]) -> Option<Db> {
        let [one, other] = between.map(|node| self.cable.node_glass(node));
        let (from, to) = (one?.get().min(other?.get()), one?.get().max(other?.get()));
        let mut loss = PATCH.loss * 2.0;
        for (number, place, next) in self.stretches() {
            let inside = from <= place.glass_m && next.glass_m <= to;
            if inside {
                let part = self.part(number, place, next);
                loss = loss + part.attenuation * part.length;
            }
            if inside && next.glass_m < to {
                loss = loss + self.splice(number + 1);
            }
        }
        for one in damage {
            let (Damage::Break { at } | Damage::Bend { at, .. }) = one;
            let at_m = self.cable.glass_at(*at).get();
            if !(from..=to).contains(&at_m) {
                continue;
            }
            match one {
                Damage::Break { .. } => return None,
                Damage::Bend { loss: more, .. } => loss = loss + *more,
            }
        }
        Some(loss)
    }

    /// What `view`'s instrument sees from its panel on, with `damage` done; none where the view's
    /// node is not on this cable.
    #[must_use]
    pub fn seen(&self, view: &View, damage: &[Damage]) -> Option<Fibre> {
        let start = self.cable.node_glass(&view.node)?;
        let end = match (&view.until, view.toward) {
            (Some(until), _) => self.cable.node_glass(until)?,
            (None, Toward::B) => OpticalLength::of(self.cable.places.last()?.glass_m),
            (None, Toward::A) => OpticalLength::default(),
        };
        let mut fibre = Fibre {
            panel: PANEL,
            parts: self.parts(start, end),
        };
        fibre.parts.insert(0, Part::standard(view.launch, PATCH));
        if let Some(last) = fibre.parts.last_mut() {
            last.then = FAR_END;
        }
        for one in damage {
            let (Damage::Break { at } | Damage::Bend { at, .. }) = one;
            let ahead = self.cable.glass_at(*at) - start;
            let ahead = if view.toward == Toward::B {
                ahead
            } else {
                -ahead
            };
            if ahead.get() < 0.0 {
                continue;
            }
            match one {
                Damage::Break { .. } => {
                    fibre.break_at(view.launch + ahead, self.broken_end(*at, view.toward));
                }
                Damage::Bend { loss, .. } => fibre.bend_at(view.launch + ahead, *loss),
            }
        }
        Some(fibre)
    }

    /// The glass from `start` to `end`, in the order of the light.
    fn parts(&self, start: OpticalLength, end: OpticalLength) -> Vec<Part> {
        let (low, high) = (start.get().min(end.get()), start.get().max(end.get()));
        let inside =
            |(_, from, to): &(u64, &Place, &Place)| low <= from.glass_m && to.glass_m <= high;
        let stretches: Vec<_> = self.stretches().filter(inside).collect();
        let forward = start < end;
        let part = |(number, from, to): &(u64, &Place, &Place)| {
            let (behind, node) = if forward {
                (*number + 1, to.is_node)
            } else {
                (*number, from.is_node)
            };
            let then = if node {
                PATCH
            } else {
                Joint::splice(self.splice(behind))
            };
            Part {
                then,
                ..self.part(*number, from, to)
            }
        };
        if forward {
            stretches.iter().map(part).collect()
        } else {
            stretches.iter().rev().map(part).collect()
        }
    }

    fn stretches(&self) -> impl Iterator<Item = (u64, &Place, &Place)> {
        let places = &self.cable.places;
        let pairs = places.iter().zip(places.iter().skip(1));
        (0_u64..)
            .zip(pairs)
            .map(|(number, (from, to))| (number, from, to))
    }

    /// The glass between places `number` and the next.
    fn part(&self, number: u64, from: &Place, to: &Place) -> Part {
        let base = self.draws("attenuation", 0).between(0.19, 0.21);
        let mut drum = self.draws("drum", number);
        Part {
            length: OpticalLength::of(to.glass_m - from.glass_m),
            attenuation: DbPerKm::of(base + drum.normal(0.002)),
            backscatter: Db::of(-81.5 + drum.normal(0.12)),
            then: Joint::default(),
        }
    }

    /// The loss of the splice at place `number`: about 0.04 dB, never a gain in itself.
    fn splice(&self, number: u64) -> Db {
        Db::of(self.draws("splice", number).normal(0.02) + 0.04).abs()
    }

    /// What a broken end shows: a clean cleave reflects, a torn end scatters.
    fn broken_end(&self, at: RouteLength, toward: Toward) -> Joint {
        let mut chance = self.draws("end", at.get().to_bits() ^ u64::from(toward == Toward::A));
        if chance.happens(0.5) {
            Joint::reflecting(Db::default(), Db::of(-chance.between(20.0, 45.0)))
        } else {
            Joint::default()
        }
    }

    fn draws(&self, what: &str, number: u64) -> crate::chance::Chance {
        let name = format!("{what} {} {}", self.cable.line, self.fibre);
        self.cable.seed.draws_at(&name, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;
    use crate::truth::Truth;

    fn fixture() -> (silkline_protocol::plant::Plant, Truth) {
        let text = crate::corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        let truth = Truth::of(&plant, Seed(1));
        (plant, truth)
    }

    fn id<T: core::str::FromStr>(text: &str) -> T
    where
        T::Err: core::fmt::Debug,
    {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_loses_about_a_fifth_of_a_decibel_a_kilometre() {
        let (plant, truth) = fixture();
        let cable = truth.cable(&id("baku-poti")).unwrap();
        let line = plant.line(&id("baku-poti")).unwrap();
        for (from, to) in line.spans() {
            for fibre in &line.fibres {
                let loss = cable.strand(fibre).loss([&from.id, &to.id], &[]).unwrap();
                let km = (to.chainage - from.chainage).km();
                // Glass at 0.19 to 0.21, splices of 0.04 every 4 km, excess and coils of 2 %.
                let each = (loss.get() - 0.6) / km;
                assert!(
                    (0.19..0.24).contains(&each),
                    "{}..{}: {each}",
                    from.id,
                    to.id
                );
            }
        }
    }

    #[test]
    fn a_break_darkens_its_span_alone_and_a_bend_dims_it() {
        let (_, truth) = fixture();
        let cable = truth.cable(&id("baku-poti")).unwrap();
        let (fibre, alat, hajigabul, kurdamir) =
            (id("f1"), id("alat"), id("hajigabul"), id("kurdamir"));
        let strand = cable.strand(&fibre);
        let at = RouteLength::of(90_000.0);
        let broken = [Damage::Break { at }];
        assert_eq!(strand.loss([&alat, &hajigabul], &broken), None);
        let whole = strand.loss([&alat, &hajigabul], &[]).unwrap();
        let next = strand.loss([&kurdamir, &hajigabul], &broken);
        assert_eq!(next, strand.loss([&hajigabul, &kurdamir], &[]));
        let bent = [Damage::Bend {
            at,
            loss: Db::of(2.0),
        }];
        let dim = strand.loss([&hajigabul, &alat], &bent).unwrap();
        assert!((dim - whole).get() - 2.0 < 1e-9);
    }

    #[test]
    fn both_views_of_a_span_see_the_same_glass_from_their_own_end() {
        let (plant, truth) = fixture();
        let cable = truth.cable(&id("baku-poti")).unwrap();
        let line = plant.line(&id("baku-poti")).unwrap();
        let seen = |view: &str, damage: &[Damage]| {
            let view = line.view(&id(view)).unwrap();
            cable.strand(&view.fibre).seen(view, damage).unwrap()
        };
        let (there, back) = (seen("alat-hajigabul", &[]), seen("hajigabul-alat", &[]));
        assert!((there.length() - back.length()).get().abs() < 1e-6);
        assert!((there.loss() - back.loss()).get().abs() < 1e-9);
        assert_eq!(there.parts.len(), back.parts.len());
        let broken = [Damage::Break {
            at: RouteLength::of(90_000.0),
        }];
        let (a, b) = (
            seen("alat-hajigabul", &broken),
            seen("hajigabul-alat", &broken),
        );
        // The two sides meet at the break; each instrument has a launch fibre of its own.
        let sum = a.length() + b.length() - OpticalLength::of(1_000.0);
        assert!((sum - there.length()).get().abs() < 1e-6);
        let glass =
            cable.glass_at(RouteLength::of(90_000.0)) - cable.node_glass(&id("alat")).unwrap();
        assert!((a.length() - glass).get() - 1_000.0 < 1e-6);
    }

    #[test]
    fn damage_elsewhere_does_not_show() {
        let (plant, truth) = fixture();
        let cable = truth.cable(&id("baku-poti")).unwrap();
        let view = plant
            .line(&id("baku-poti"))
            .unwrap()
            .view(&id("alat-hajigabul"))
            .unwrap();
        let strand = cable.strand(&view.fibre);
        let whole = strand.seen(view, &[]);
        for at in [20_000.0, 300_000.0] {
            assert_eq!(
                strand.seen(
                    view,
                    &[Damage::Break {
                        at: RouteLength::of(at)
                    }]
                ),
                whole
            );
        }
    }
}
