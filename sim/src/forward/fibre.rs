//! A fibre as an OTDR sees it from its front panel: parts of even glass, each followed by a joint.

use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

/// A fibre from the instrument's panel to where its light ends.
///
/// # Shape
///
/// Parts in the order in which light passes them. The joint behind the last part is the end: its
/// reflectance shows, beyond it there is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fibre {
    /// What reflects at the panel itself.
    pub panel: Joint,
    /// The parts.
    pub parts: Vec<Part>,
}

/// A stretch of even glass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// How long it is.
    pub length: OpticalLength,
    /// What it takes away.
    pub attenuation: DbPerKm,
    /// What it sends back of a pulse of one nanosecond; about -81.5 dB at 1550 nm.
    pub backscatter: Db,
    /// What follows it.
    pub then: Joint,
}

/// A place between two parts: splice, connector, bend, end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Joint {
    /// What it takes away, one way.
    pub loss: Db,
    /// What it reflects, where it does: negative.
    pub reflectance: Option<Db>,
}

impl Joint {
    /// A splice or bend: loss without reflection.
    #[must_use]
    pub const fn splice(loss: Db) -> Self {
        Self {
            loss,
            reflectance: None,
        }
    }

    /// A connector or end that reflects.
    #[must_use]
    pub const fn reflecting(loss: Db, reflectance: Db) -> Self {
        Self {
            loss,
            reflectance: Some(reflectance),
        }
    }
}

impl Part {
    /// Glass as sold: 0.2 dB/km at 1550 nm and the usual backscatter, then `joint`.
    #[must_use]
    pub const fn standard(length: OpticalLength, then: Joint) -> Self {
        Self {
            length,
            attenuation: DbPerKm::of(0.2),
            backscatter: Db::of(-81.5),
            then,
        }
    }
}

impl Fibre {
    /// The whole length of glass.
    #[must_use]
    pub fn length(&self) -> OpticalLength {
        let add = |sum: OpticalLength, part: &Part| sum + part.length;
        self.parts.iter().fold(OpticalLength::default(), add)
    }

    /// The one-way loss from the panel to the end, without the end's own.
    #[must_use]
    pub fn loss(&self) -> Db {
        let last = self
            .parts
            .last()
            .map_or_else(Db::default, |part| part.then.loss);
        let add = |sum: Db, part: &Part| sum + part.attenuation * part.length + part.then.loss;
        self.parts.iter().fold(-last, add)
    }

    /// Breaks the fibre at `at` from the panel; what lies beyond is gone. A break beyond the end
    /// changes nothing.
    pub fn break_at(&mut self, at: OpticalLength, end: Joint) {
        if let Some(place) = self.split(at) {
            self.parts.truncate(place + 1);
            if let Some(part) = self.parts.last_mut() {
                part.then = end;
            }
        }
    }

    /// Bends the fibre at `at` from the panel, so that `loss` is lost there. A bend beyond the end
    /// changes nothing.
    pub fn bend_at(&mut self, at: OpticalLength, loss: Db) {
        if let Some(place) = self.split(at)
            && let Some(part) = self.parts.get_mut(place)
        {
            part.then.loss = part.then.loss + loss;
        }
    }

    /// Makes a place between two parts at `at` and gives the number of the part before it.
    fn split(&mut self, at: OpticalLength) -> Option<usize> {
        let mut start = OpticalLength::default();
        let place = self.parts.iter().position(|part| {
            let inside = start <= at && at <= start + part.length;
            if !inside {
                start = start + part.length;
            }
            inside
        })?;
        let part = self.parts.get_mut(place)?;
        let before = at - start;
        if before == part.length {
            return Some(place);
        }
        let rest = Part {
            length: part.length - before,
            ..*part
        };
        part.length = before;
        part.then = Joint::default();
        self.parts.insert(place + 1, rest);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_drums() -> Fibre {
        let part =
            |metres, loss| Part::standard(OpticalLength::of(metres), Joint::splice(Db::of(loss)));
        Fibre {
            panel: Joint::default(),
            parts: vec![part(4_000.0, 0.1), part(6_000.0, 9.9)],
        }
    }

    #[test]
    fn loss_is_glass_and_splices_without_the_end() {
        let fibre = two_drums();
        assert!((fibre.loss().get() - (10.0 * 0.2 + 0.1)).abs() < 1e-12);
        assert!((fibre.length().get() - 10_000.0).abs() < 1e-12);
    }

    #[test]
    fn a_bend_adds_its_loss_and_no_length() {
        for at in [0.0, 1_000.0, 4_000.0, 7_000.0] {
            let mut fibre = two_drums();
            fibre.bend_at(OpticalLength::of(at), Db::of(1.0));
            assert!((fibre.loss().get() - 3.1).abs() < 1e-12, "{at}");
            assert!((fibre.length().get() - 10_000.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_break_ends_the_fibre_there() {
        let mut fibre = two_drums();
        fibre.break_at(OpticalLength::of(7_000.0), Joint::splice(Db::of(0.0)));
        assert!((fibre.length().get() - 7_000.0).abs() < 1e-12);
        assert!((fibre.loss().get() - 1.5).abs() < 1e-12);
        fibre.break_at(OpticalLength::of(9_000.0), Joint::default());
        assert!((fibre.length().get() - 7_000.0).abs() < 1e-12);
    }
}
