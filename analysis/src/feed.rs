//! Where a submarine cable's conductor touches the sea, from the power feeding at its ends.
//!
//! The conductor carries a constant current I and drops `I·r` a kilometre and a fixed voltage a
//! repeater. From one end the distance rests on the conductor's resistance as the plant tells it;
//! from both ends the resistance follows from the voltages themselves. The potential of the sea
//! at the fault stays unknown and is most of the uncertainty: this tells a section, not a place.
//! Lengths are the cable's, which on the sea bed we take to be the route's.

use silkline_protocol::plant::{Feed, Line, NodeKind};
use silkline_protocol::unit::RouteLength;

use crate::place::{FeedEnd, FeedFinding, FeedMode};
use crate::spread::Spread;

/// Potential of the sea or of the electrode at the fault, one standard deviation, in volts.
const SHUNT_VOLTS: f64 = 8.0;
const CUT_VOLTS: f64 = 15.0;

/// The conductor's resistance by the plant file: a few kelvin off the temperature it holds for.
const RESISTANCE_SHARE: f64 = 0.01;

/// No sea bed is so warm or cold that both ends' volts together tell a resistance so far off: then
/// they are not of the same time, or one is not of this cable.
const RESISTANCE_MOST: f64 = 0.1;

/// Meters of a power feed: 0.1 % of the current is 0.1 % of the whole voltage drop.
const METER_SHARE: f64 = 0.001;

/// Why feeding tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFeed {
    /// A reading that the stated end needs is absent.
    #[error("the volts of the stated end are missing")]
    Volts,
    /// There is no current, so no voltage drop to measure by.
    #[error("no feeding current")]
    Current,
    /// The voltages fit no place on the line.
    #[error("the voltages fit no place on the line")]
    Beyond,
}

/// Where the conductor touches the sea, along the line.
///
/// # Errors
///
/// [`NoFeed`] where the readings tell nothing.
pub fn locate(line: &Line, feed: &Feed, finding: &FeedFinding) -> Result<Spread, NoFeed> {
    let wire = Wire::of(line, feed);
    let amps_a = finding.amps_a.or(finding.amps_b).unwrap_or(feed.amps);
    let amps_b = finding.amps_b.or(finding.amps_a).unwrap_or(feed.amps);
    let a = finding.volts_a.zip(Some(amps_a));
    let b = finding.volts_b.zip(Some(amps_b));
    let (km, sd_km) = match (finding.end, finding.mode) {
        (FeedEnd::A, mode) => wire.by_a(a.ok_or(NoFeed::Volts)?, mode)?,
        (FeedEnd::B, mode) => wire.by_b(b.ok_or(NoFeed::Volts)?, mode)?,
        (FeedEnd::Both, FeedMode::Shunt) => {
            wire.by_both(a.ok_or(NoFeed::Volts)?, b.ok_or(NoFeed::Volts)?)?
        }
        (FeedEnd::Both, FeedMode::Cut) => {
            let from_a = wire.by_a(a.ok_or(NoFeed::Volts)?, FeedMode::Cut)?;
            let from_b = wire.by_b(b.ok_or(NoFeed::Volts)?, FeedMode::Cut)?;
            let (own, its) = (from_a.1.powi(-2), from_b.1.powi(-2));
            let mean = own.mul_add(from_a.0, its * from_b.0) / (own + its);
            (mean, (own + its).sqrt().recip())
        }
    };
    Ok(Spread::normal(
        RouteLength::of(km * 1000.0),
        RouteLength::of(sd_km * 1000.0),
    ))
}

/// The conductor: lengths in kilometres from A.
struct Wire<'a> {
    feed: &'a Feed,
    length: f64,
    repeaters: Vec<f64>,
}

impl<'a> Wire<'a> {
    fn of(line: &Line, feed: &'a Feed) -> Self {
        let repeaters = line
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Repeater);
        let repeaters = repeaters.map(|node| node.chainage.km()).collect();
        Self {
            feed,
            length: line.length().km(),
            repeaters,
        }
    }

    fn by_a(&self, reading: (f64, f64), mode: FeedMode) -> Result<(f64, f64), NoFeed> {
        let km = self.walk(
            reading,
            self.feed.ohm_per_km,
            self.repeaters.iter().copied(),
        )?;
        Ok((km, self.sd(km, reading.1, mode)))
    }

    fn by_b(&self, reading: (f64, f64), mode: FeedMode) -> Result<(f64, f64), NoFeed> {
        let from_end = self.repeaters.iter().rev().map(|at| self.length - at);
        let km = self.walk(reading, self.feed.ohm_per_km, from_end)?;
        Ok((self.length - km, self.sd(km, reading.1, mode)))
    }

    fn by_both(&self, a: (f64, f64), b: (f64, f64)) -> Result<(f64, f64), NoFeed> {
        let amps = f64::midpoint(a.1, b.1);
        if amps <= 0.0 {
            return Err(NoFeed::Current);
        }
        let repeaters = self.repeaters.len() as f64 * self.repeater_volts(amps);
        let ohm = (a.0 + b.0 - repeaters) / (amps * self.length);
        if (ohm / self.feed.ohm_per_km - 1.0).abs() > RESISTANCE_MOST {
            return Err(NoFeed::Beyond);
        }
        let km = self.walk((a.0, amps), ohm, self.repeaters.iter().copied())?;
        let per_volt = 1.0 / (amps * ohm);
        let meters = METER_SHARE * a.0.max(b.0) * per_volt;
        Ok((km, (SHUNT_VOLTS * per_volt).hypot(meters)))
    }

    /// Goes along the conductor until the voltage is used up.
    fn walk(
        &self,
        (volts, amps): (f64, f64),
        ohm_per_km: f64,
        repeaters: impl Iterator<Item = f64>,
    ) -> Result<f64, NoFeed> {
        let per_km = amps * ohm_per_km;
        if per_km <= 0.0 {
            return Err(NoFeed::Current);
        }
        let (mut left, mut at) = (volts, 0.0);
        for repeater in repeaters {
            let drop = (repeater - at) * per_km;
            if left <= drop {
                return Ok(at + left / per_km);
            }
            left -= drop;
            at = repeater;
            let own = self.repeater_volts(amps);
            if left <= own {
                return Ok(at);
            }
            left -= own;
        }
        let end = at + left / per_km;
        if end > self.length * 1.02 {
            Err(NoFeed::Beyond)
        } else {
            Ok(end.min(self.length))
        }
    }

    fn sd(&self, km: f64, amps: f64, mode: FeedMode) -> f64 {
        let volts = match mode {
            FeedMode::Shunt => SHUNT_VOLTS,
            FeedMode::Cut => CUT_VOLTS,
        };
        let by_volts = volts / (amps * self.feed.ohm_per_km);
        by_volts.hypot((RESISTANCE_SHARE + METER_SHARE) * km)
    }

    /// What a repeater drops at a current, straight between the table's entries.
    fn repeater_volts(&self, amps: f64) -> f64 {
        let table = &self.feed.repeater_volts;
        let next = table.iter().skip(1);
        let held = table.iter().zip(next).find(|(_, to)| amps <= to[0]);
        let last = || table.last().map_or(0.0, |entry| entry[1]);
        held.map_or_else(last, |([low, v], [high, w])| {
            let share = ((amps - low) / (high - low)).clamp(0.0, 1.0);
            (w - v).mul_add(share, *v)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use silkline_protocol::plant::{Node, Passes};

    /// L 3 529 km, 69 repeaters of 31.75 V, 20 of them before the fault; 1.38 Ω/km, 0.9 A.
    fn vector() -> (Line, Feed) {
        let mut line = example::plant().lines.remove(0);
        let node = |k: u32| Node {
            id: format!("r{k}").parse().unwrap(),
            kind: NodeKind::Repeater,
            chainage: RouteLength::of(f64::from(k) * 51_400.0 - 15_000.0),
            site: None,
            otdr: Passes::Neither,
        };
        let (first, mut last) = (line.nodes.remove(0), line.nodes.remove(1));
        last.chainage = RouteLength::of(3_529_000.0);
        line.nodes = [first]
            .into_iter()
            .chain((1..=69).map(node))
            .chain([last])
            .collect();
        let feed = Feed {
            amps: 0.9,
            volts_a: 3300.0,
            volts_b: 3300.0,
            ohm_per_km: 1.38,
            repeater_volts: vec![[0.9, 31.75]],
        };
        (line, feed)
    }

    fn finding(end: FeedEnd) -> FeedFinding {
        FeedFinding {
            mode: FeedMode::Shunt,
            end,
            volts_a: Some(1952.0),
            volts_b: Some(4659.0),
            amps_a: Some(0.9),
            amps_b: None,
        }
    }

    #[test]
    fn the_published_vector_comes_out() {
        let (line, feed) = vector();
        for (end, km) in [
            (FeedEnd::A, 1060.4),
            (FeedEnd::B, 1030.4),
            (FeedEnd::Both, 1051.5),
        ] {
            let found = locate(&line, &feed, &finding(end)).unwrap().mean().km();
            assert!((found - km).abs() < 0.1, "{end:?}: {found}");
        }
    }

    #[test]
    fn it_tells_a_section_and_not_a_place() {
        let (line, feed) = vector();
        let [low, high] = locate(&line, &feed, &finding(FeedEnd::Both))
            .unwrap()
            .interval(0.95);
        assert!((20.0..80.0).contains(&(high - low).km()));
    }

    #[test]
    fn volts_of_two_times_tell_nothing_together() {
        let (line, feed) = vector();
        let mut stale = finding(FeedEnd::Both);
        stale.volts_b = Some(3300.0);
        assert_eq!(locate(&line, &feed, &stale), Err(NoFeed::Beyond));
    }

    #[test]
    fn one_end_alone_tells_less_than_both_and_says_so() {
        let (line, feed) = vector();
        let of = |end| {
            let found = locate(&line, &feed, &finding(end)).unwrap();
            found.interval(0.95)
        };
        let both = of(FeedEnd::Both);
        for end in [FeedEnd::A, FeedEnd::B] {
            let [low, high] = of(end);
            assert!(high - low > both[1] - both[0], "{end:?}");
            // What both ends say lies inside.
            assert!(low.km() < 1051.5 && 1051.5 < high.km(), "{end:?}");
        }
    }

    #[test]
    fn readings_that_fit_nowhere_are_refused() {
        let (line, feed) = vector();
        let mut wild = finding(FeedEnd::A);
        wild.volts_a = Some(20_000.0);
        assert_eq!(locate(&line, &feed, &wild), Err(NoFeed::Beyond));
        wild.volts_a = None;
        assert_eq!(locate(&line, &feed, &wild), Err(NoFeed::Volts));
        wild = FeedFinding {
            amps_a: Some(0.0),
            ..finding(FeedEnd::A)
        };
        assert_eq!(locate(&line, &feed, &wild), Err(NoFeed::Current));
    }
}
