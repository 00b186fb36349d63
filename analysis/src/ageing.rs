//! How splices and glass age: their losses in one view's shots over time, and where that leads.
//!
//! Shots must be alike (wavelength, pulse): their losses are compared. A straight line through the
//! losses tells the change a year, with the 95 % interval of Student's t; what scatters more than its
//! own error bars widens the interval. Where there is too little to say, it is said so: a splice that
//! only some shots show would seem to age with the noise.

use core::time::Duration;

use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::trace::{Event, EventKind};

/// Fewer shots tell no trend: two go into the line, the rest into its error.
pub const SHOTS_NEEDED: usize = 6;
/// A shorter time tells no trend: days differ by their temperature.
pub const DAYS_NEEDED: f64 = 14.0;
/// The share of shots that must show a splice before its trend counts.
pub const SHARE_NEEDED: f64 = 0.8;
/// Events nearer than this to one another are of one splice, where their intervals say no more.
const SAME_M: f64 = 10.0;
/// No interval is surer than this: a file resolves thousandths of a decibel.
const LEAST_ERROR: f64 = 0.000_5;
/// From half of a 95 % interval to one standard deviation.
const SIGMAS: f64 = 1.96;
const DAY_S: f64 = 86_400.0;
const YEAR_DAYS: f64 = 365.25;

/// What one shot showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// When it was taken.
    pub at: Timestamp,
    /// Its events in order.
    pub events: Vec<Event>,
}

/// A quantity at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured<T> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: T,
    /// Half of its 95 % interval, where it is known.
    pub plus_minus: Option<T>,
}

/// One splice or connector, shot after shot.
#[derive(Clone, Debug, PartialEq)]
pub struct Splice {
    /// Where, from the user offset: the mean over the shots.
    pub at: OpticalLength,
    /// Whether light comes back from it.
    pub reflects: bool,
    /// Its losses, oldest first.
    pub losses: Vec<Measured<Db>>,
    /// Where they lead, in dB.
    pub trend: Trend,
}

/// The glass between two splices, shot after shot.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Where it begins, from the user offset.
    pub from: OpticalLength,
    /// Where it ends.
    pub to: OpticalLength,
    /// Its attenuation, oldest first.
    pub slopes: Vec<Measured<DbPerKm>>,
    /// Where it leads, in dB/km.
    pub trend: Trend,
}

/// Where a quantity leads; numbers are in its own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trend {
    /// Too few shots, or seen in too few of them.
    Few {
        /// In how many it was seen.
        seen: usize,
        /// Of how many.
        of: usize,
    },
    /// Too short a time.
    Short {
        /// How long, in days.
        days: f64,
    },
    /// A straight line.
    Line(Line),
}

/// A straight line through the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Where it stands at the last shot.
    pub now: f64,
    /// Half of the 95 % interval of that.
    pub now_plus_minus: f64,
    /// The change in a year.
    pub per_year: f64,
    /// Half of its 95 % interval.
    pub per_year_plus_minus: f64,
    /// Where a shot in a year will find it.
    pub in_a_year: f64,
    /// Half of the 95 % interval of that.
    pub in_a_year_plus_minus: f64,
}

impl Line {
    /// Whether it is more than chance that it rises.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.per_year > self.per_year_plus_minus
    }

    /// In how many years it is `more` above where it stands, where it rises at all: the earliest by the
    /// interval of its slope, the likely, and the latest.
    #[must_use]
    pub fn years_to(&self, more: f64) -> Option<[f64; 3]> {
        let years = |slope: f64| more / slope;
        self.rises().then(|| {
            let (slope, wide) = (self.per_year, self.per_year_plus_minus);
            [years(slope + wide), years(slope), years(slope - wide)]
        })
    }
}

/// The splices and sections of alike `shots`, oldest first, along the fibre.
#[must_use]
pub fn ageing(shots: &[Shot]) -> (Vec<Splice>, Vec<Section>) {
    let mut seen: Vec<(Timestamp, &Event)> = shots
        .iter()
        .flat_map(|shot| shot.events.iter().map(|event| (shot.at, event)))
        .filter(|(_, event)| event.loss.is_some() && counts(event.kind))
        .collect();
    seen.sort_by(|(_, a), (_, b)| a.at.get().total_cmp(&b.at.get()));
    let mut groups: Vec<Vec<(Timestamp, &Event)>> = Vec::new();
    for one in seen {
        match groups.last_mut() {
            Some(group) if together(group, one.1) => group.push(one),
            _ => groups.push(vec![one]),
        }
    }
    // What one shot alone shows is noise more often than not.
    groups.retain(|group| group.len() > 1 || shots.len() == 1);
    for group in &mut groups {
        group.sort_by_key(|(at, _)| *at);
        group.dedup_by_key(|(at, _)| *at);
    }
    let of = shots.len();
    let splices: Vec<Splice> = groups.iter().map(|group| splice(group, of)).collect();
    let mut begin = OpticalLength::of(0.0);
    let mut sections = Vec::new();
    for (splice, group) in splices.iter().zip(&groups) {
        sections.extend(section(begin, splice.at, group, of));
        begin = splice.at;
    }
    (splices, sections)
}

fn counts(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Loss | EventKind::Gain | EventKind::Reflective
    )
}

/// Whether `event` is as near to the one before it in `group` as their intervals allow.
fn together(group: &[(Timestamp, &Event)], event: &Event) -> bool {
    let near = |(_, last): &(Timestamp, &Event)| {
        let reach = last.plus_minus.get().max(event.plus_minus.get());
        event.at.get() - last.at.get() <= reach.max(SAME_M)
    };
    group.last().is_some_and(near)
}

fn splice(group: &[(Timestamp, &Event)], of: usize) -> Splice {
    let losses: Vec<Measured<Db>> = group
        .iter()
        .filter_map(|(at, event)| {
            Some(Measured {
                at: *at,
                value: event.loss?,
                plus_minus: event.loss_plus_minus,
            })
        })
        .collect();
    let sum: f64 = group.iter().map(|(_, event)| event.at.get()).sum();
    let reflects = |(_, event): &&(Timestamp, &Event)| event.kind == EventKind::Reflective;
    let points = losses
        .iter()
        .map(|it| (it.at, it.value.get(), it.plus_minus.map(Db::get)));
    Splice {
        at: OpticalLength::of(sum / group.len().max(1) as f64),
        reflects: group.iter().filter(reflects).count() * 2 > group.len(),
        trend: trend(&points.collect::<Vec<_>>(), of),
        losses,
    }
}

fn section(
    from: OpticalLength,
    to: OpticalLength,
    group: &[(Timestamp, &Event)],
    of: usize,
) -> Option<Section> {
    let slopes: Vec<Measured<DbPerKm>> = group
        .iter()
        .filter_map(|(at, event)| {
            Some(Measured {
                at: *at,
                value: event.slope_before?,
                plus_minus: None,
            })
        })
        .collect();
    let points = slopes.iter().map(|it| (it.at, it.value.get(), None));
    let trend = trend(&points.collect::<Vec<_>>(), of);
    let long = to.get() > from.get() + SAME_M && !slopes.is_empty();
    long.then_some(Section {
        from,
        to,
        slopes,
        trend,
    })
}

/// Where values with half widths of their 95 % intervals lead, seen in `of` shots.
fn trend(points: &[(Timestamp, f64, Option<f64>)], of: usize) -> Trend {
    let few = Trend::Few {
        seen: points.len(),
        of,
    };
    let rare = (points.len() as f64) < SHARE_NEEDED * of as f64;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return few;
    };
    if points.len() < SHOTS_NEEDED || rare {
        return few;
    }
    let days = |span: Duration| span.as_secs_f64() / DAY_S;
    let whole = days(last.0 - first.0);
    if whole < DAYS_NEEDED {
        return Trend::Short { days: whole };
    }
    let points: Vec<[f64; 3]> = points
        .iter()
        .map(|(at, value, wide)| {
            let error = wide.map_or(LEAST_ERROR, |wide| (wide / SIGMAS).max(LEAST_ERROR));
            [days(*at - first.0) / YEAR_DAYS, *value, 1.0 / error.powi(2)]
        })
        .collect();
    line(&points, whole / YEAR_DAYS).map_or(few, Trend::Line)
}

/// The weighted straight line through (years, value, weight), told at `now`.
fn line(points: &[[f64; 3]], now: f64) -> Option<Line> {
    let weight: f64 = points.iter().map(|[_, _, w]| w).sum();
    let mean = |of: fn(&[f64; 3]) -> f64| points.iter().map(|p| p[2] * of(p)).sum::<f64>() / weight;
    let (x0, y0) = (mean(|[x, _, _]| *x), mean(|[_, y, _]| *y));
    let xx: f64 = points.iter().map(|[x, _, w]| w * (x - x0).powi(2)).sum();
    let xy: f64 = points.iter().map(|[x, y, w]| w * (x - x0) * (y - y0)).sum();
    if xx <= 0.0 {
        return None;
    }
    let slope = xy / xx;
    let at = |x: f64| y0 + slope * (x - x0);
    let squares: f64 = points
        .iter()
        .map(|[x, y, w]| w * (y - at(*x)).powi(2))
        .sum();
    let freedom = points.len() as f64 - 2.0;
    // What scatters less than its error bars is not therefore surer.
    let scatter = (squares / freedom).max(1.0);
    let wide = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975);
    let on_line = |x: f64| scatter * (1.0 / weight + (x - x0).powi(2) / xx);
    let one_shot = scatter * points.len() as f64 / weight;
    Some(Line {
        now: at(now),
        now_plus_minus: wide * on_line(now).sqrt(),
        per_year: slope,
        per_year_plus_minus: wide * (scatter / xx).sqrt(),
        in_a_year: at(now + 1.0),
        in_a_year_plus_minus: wide * (on_line(now + 1.0) + one_shot).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even numbers from a seed, summed to something like a normal deviate.
    struct Chance(u64);

    impl Chance {
        fn normal(&mut self) -> f64 {
            let mut even = || {
                self.0 = self
                    .0
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 11) as f64 / (1_u64 << 53) as f64
            };
            (0..12).map(|_| even()).sum::<f64>() - 6.0
        }
    }

    fn event(at: f64, loss: f64) -> Event {
        Event {
            at: OpticalLength::of(at),
            plus_minus: OpticalLength::of(15.0),
            kind: EventKind::Loss,
            loss: Some(Db::of(loss)),
            loss_plus_minus: Some(Db::of(0.02)),
            reflectance: None,
            slope_before: Some(DbPerKm::of(0.19)),
            saturated: false,
        }
    }

    /// A shot a day: a splice at 4 km that rises by `rise` a year, a quiet one at 8 km.
    fn shots(days: u32, rise: f64, chance: &mut Chance) -> Vec<Shot> {
        let day = |day: u32| {
            let years = f64::from(day) / YEAR_DAYS;
            let mut noise = |size: f64| size * chance.normal();
            let at = Timestamp::from_seconds(i64::from(day) * 86_400);
            let first = event(4_000.0 + noise(4.0), 0.05 + rise * years + noise(0.01));
            let second = event(8_000.0 + noise(4.0), 0.10 + noise(0.01));
            Shot {
                at,
                events: vec![first, second],
            }
        };
        (0..days).map(day).collect()
    }

    #[test]
    fn an_ageing_splice_is_told_from_a_quiet_one() {
        let (splices, sections) = ageing(&shots(90, 0.4, &mut Chance(1)));
        assert_eq!((splices.len(), sections.len()), (2, 2));
        let lines: Vec<Line> = splices
            .iter()
            .map(|splice| match splice.trend {
                Trend::Line(line) => line,
                ref other => panic!("{other:?}"),
            })
            .collect();
        assert!(lines[0].rises() && !lines[1].rises(), "{lines:?}");
        assert!((lines[0].per_year - 0.4).abs() <= lines[0].per_year_plus_minus);
        let [soon, likely, late] = lines[0].years_to(0.3).unwrap();
        assert!(soon < likely && likely < late && (0.5..1.0).contains(&likely));
        assert!(lines[1].years_to(0.3).is_none());
        assert!((splices[0].at.get() - 4_000.0).abs() < 3.0);
        assert!((sections[1].from.get() - 4_000.0).abs() < 3.0);
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut chance = Chance(7);
        let (mut slope, mut next) = (0, 0);
        let runs = 400;
        for _ in 0..runs {
            let (splices, _) = ageing(&shots(30, 0.4, &mut chance));
            let Trend::Line(line) = splices[0].trend else {
                panic!("a month of daily shots has a line");
            };
            slope += u32::from((line.per_year - 0.4).abs() <= line.per_year_plus_minus);
            let truth = 0.05 + 0.4 * (29.0 / YEAR_DAYS + 1.0) + 0.01 * chance.normal();
            next += u32::from((line.in_a_year - truth).abs() <= line.in_a_year_plus_minus);
        }
        // Scatter below the error bars is not believed, so the intervals are a little wide.
        for held in [slope, next] {
            assert!(held * 100 >= 94 * runs, "{slope} and {next} of {runs}");
        }
    }

    #[test]
    fn too_little_is_said_to_be_too_little() {
        let mut chance = Chance(3);
        let five = shots(5, 0.4, &mut chance);
        assert!(matches!(
            ageing(&five).0[0].trend,
            Trend::Few { seen: 5, of: 5 }
        ));
        let week = shots(8, 0.4, &mut chance);
        assert!(
            matches!(ageing(&week).0[0].trend, Trend::Short { days } if (days - 7.0).abs() < 1e-9)
        );
        let mut rare = shots(60, 0.4, &mut chance);
        for shot in rare.iter_mut().step_by(2) {
            shot.events.remove(0);
        }
        assert!(matches!(
            ageing(&rare).0[0].trend,
            Trend::Few { seen: 30, of: 60 }
        ));
        assert_eq!(ageing(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn ends_and_ghosts_are_no_splices() {
        let mut chance = Chance(5);
        let mut shots = shots(20, 0.0, &mut chance);
        for shot in &mut shots {
            for kind in [EventKind::End, EventKind::Ghost] {
                shot.events.push(Event {
                    kind,
                    ..event(12_000.0, 3.0)
                });
            }
        }
        assert_eq!(ageing(&shots).0.len(), 2);
    }

    #[test]
    fn what_one_shot_alone_shows_is_left_out() {
        let mut shots = shots(20, 0.0, &mut Chance(9));
        shots[4].events.insert(1, event(6_000.0, 0.04));
        assert_eq!(ageing(&shots).0.len(), 2);
    }
}
