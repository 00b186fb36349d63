//! Images: light that went to and fro between reflectors before it came back.
//!
//! ```text
//! panel ────── near ────────── j ───── k          j sends back, near sends that forward again,
//!      ───────────────────────▶                   k sends it back: it shows at j + k - near
//!              ◀───────────────
//!              ───────────────────────▶
//!      ◀───────────────────────────────
//! ```
//!
//! Light that took five turns or more is weaker by two more reflectances, and is left out.

use silkline_protocol::unit::{Db, OpticalLength};

use super::fibre::Fibre;

/// Images fainter than this, relative to the launched power, no instrument sees.
const FAINTEST: Db = Db::of(-140.0);

/// An image of reflectors: nothing is where it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image {
    /// Where it shows, from the panel.
    pub at: OpticalLength,
    /// What comes back, relative to the launched power: of the round trip.
    pub level: Db,
    /// The reflector that sent the light forward again.
    pub near: OpticalLength,
    /// The two that sent it back; twice the same one for an image at double distance.
    pub far: [OpticalLength; 2],
}

/// A reflector, with the one-way loss up to it and behind it.
#[derive(Clone, Copy, Debug)]
struct Mirror {
    at: OpticalLength,
    reflectance: Db,
    to: Db,
    behind: Db,
}

impl Fibre {
    /// Every image that its reflectors make of one another, the panel and the end among them.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        let mirrors = self.mirrors();
        let mut images = Vec::new();
        for (i, near) in mirrors.iter().enumerate() {
            for (j, first) in mirrors.iter().enumerate().skip(i + 1) {
                for second in mirrors.iter().skip(j) {
                    images.push(Image::of(near, [first, second]));
                }
            }
        }
        images.retain(|image| image.level > FAINTEST);
        images
    }

    fn mirrors(&self) -> Vec<Mirror> {
        let (mut at, mut lost) = (OpticalLength::default(), Db::default());
        let mut mirrors = Vec::new();
        let mut pass = |at: OpticalLength, joint: super::Joint, lost: &mut Db| {
            let to = *lost;
            *lost = *lost + joint.loss;
            mirrors.extend(joint.reflectance.map(|reflectance| Mirror {
                at,
                reflectance,
                to,
                behind: *lost,
            }));
        };
        pass(at, self.panel, &mut lost);
        for part in &self.parts {
            at = at + part.length;
            lost = lost + part.attenuation * part.length;
            pass(at, part.then, &mut lost);
        }
        mirrors
    }
}

impl Image {
    fn of(near: &Mirror, [first, second]: [&Mirror; 2]) -> Self {
        let turns = first.reflectance + near.reflectance + second.reflectance;
        // Out to the first, back to the near one, out to the second and home; both orders of two
        // different ones arrive together.
        let lost = (first.to + second.to - near.behind).get() * 2.0;
        let orders: f64 = if first.at == second.at { 1.0 } else { 2.0 };
        Self {
            at: first.at + second.at - near.at,
            level: Db::of(turns.get() - lost + 10.0 * orders.log10()),
            near: near.at,
            far: [first.at, second.at],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Joint, Part};
    use super::*;

    fn fibre() -> Fibre {
        let part = |metres, joint| Part::standard(OpticalLength::of(metres), joint);
        Fibre {
            panel: Joint::reflecting(Db::of(0.0), Db::of(-40.0)),
            parts: vec![
                part(5_000.0, Joint::reflecting(Db::of(0.5), Db::of(-30.0))),
                part(3_000.0, Joint::reflecting(Db::of(0.0), Db::of(-20.0))),
            ],
        }
    }

    fn at(images: &[Image], metres: f64) -> &Image {
        let here = |image: &&Image| (image.at.get() - metres).abs() < 0.5;
        images.iter().find(here).unwrap()
    }

    #[test]
    fn a_connector_shows_again_at_twice_its_distance() {
        let images = fibre().images();
        let image = at(&images, 10_000.0);
        // Four times five kilometres of 0.2 dB, and three reflectances.
        assert!((image.level.get() - (-30.0 - 40.0 - 30.0 - 4.0)).abs() < 1e-9);
        assert_eq!(image.near, OpticalLength::of(0.0));
    }

    #[test]
    fn two_connectors_show_beyond_the_end_by_what_lies_between_them() {
        let images = fibre().images();
        let image = at(&images, 11_000.0);
        // Near 5 km, far twice 8 km: out and home 1.6 + 0.5 dB twice, between them 0.6 dB twice.
        let lost = 2.0 * (2.1 + 0.6);
        assert!(
            (image.level.get() - (-20.0 - 30.0 - 20.0 - lost)).abs() < 1e-9,
            "{image:?}"
        );
    }

    #[test]
    fn both_orders_of_two_reflectors_add_up() {
        let images = fibre().images();
        let image = at(&images, 13_000.0);
        let once = -30.0 - 40.0 - 20.0 - 2.0 * (1.0 + 2.1);
        assert!(
            (image.level.get() - (once + 3.010_3)).abs() < 1e-3,
            "{image:?}"
        );
        assert_eq!(images.len(), 4);
    }
}
