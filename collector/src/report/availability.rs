//! Availability and repairs of a month, of lines and of services.

use std::collections::BTreeSet;

use core::time::Duration;

use silkline_protocol::id::{LineId, PathId};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;

use super::span::Spans;
use crate::services::{self, ServiceState};

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// One cause, as reports count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The lines it is on.
    pub lines: Vec<LineId>,
    /// The paths that it left without light.
    pub dark: BTreeSet<PathId>,
    /// The first bad reading.
    pub from: Timestamp,
    /// When it was over, unless it lasts.
    pub to: Option<Timestamp>,
    /// When somebody took it on.
    pub taken: Option<Timestamp>,
}

/// Work that was permitted on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The line.
    pub line: LineId,
    /// When.
    pub span: [Timestamp; 2],
}

/// How much of a time something was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Availability {
    /// How long it was looked at: of a month that lasts, so far.
    pub period: Duration,
    /// How often it was gone.
    pub outages: usize,
    /// How long it was gone.
    pub gone: Duration,
    /// How long of that was planned work.
    pub planned_gone: Duration,
    /// The share of the period in which it was there; none of an empty period.
    pub all: Option<f64>,
    /// The same with planned work neither for nor against it.
    pub without_planned: Option<f64>,
}

/// How long repairs took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Repairs {
    /// Faults that began in the month.
    pub faults: usize,
    /// Of those, faults that fell into planned work.
    pub planned: usize,
    /// Faults that took light.
    pub outages: usize,
    /// Faults over that were no planned work: what the means are of.
    pub repaired: usize,
    /// From the first bad reading to the end, in the mean.
    pub mean_to_repair: Option<Duration>,
    /// From the first bad reading until somebody took it, in the mean.
    pub mean_to_take: Option<Duration>,
    /// Time in the month for each fault that took light.
    pub mean_between_outages: Option<Duration>,
}

impl Month {
    /// The month written `2026-11`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |text: &str, count| {
            text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let next = match month {
            12 => (year + 1, 1),
            _ => (year, month + 1),
        };
        let first =
            |(year, month): (u32, u32)| format!("{year:04}-{month:02}-01T00:00:00Z").parse();
        Some(Self {
            from: first((year, month)).ok()?,
            to: first(next).ok()?,
        })
    }

    /// As much of it as is over at `now`.
    #[must_use]
    pub fn until(self, now: Timestamp) -> Self {
        Self {
            from: self.from,
            to: self.to.min(now).max(self.from),
        }
    }

    fn spans(self) -> Spans {
        Spans::of([[self.from, self.to]])
    }
}

impl Fault {
    fn span(&self, month: Month) -> [Timestamp; 2] {
        [self.from, self.to.unwrap_or(month.to)]
    }
}

/// How much of a month a line was there.
#[must_use]
pub fn of_line(line: &LineId, month: Month, faults: &[Fault], planned: &[Planned]) -> Availability {
    let here = faults
        .iter()
        .filter(|fault| !fault.dark.is_empty() && fault.lines.contains(line));
    let gone = Spans::of(here.map(|fault| fault.span(month)));
    figures(month, &gone, &windows(planned, |of| of == line))
}

/// How much of a month a service was there: gone is only what leaves it no way.
#[must_use]
pub fn of_service(
    plant: &Plant,
    service: &silkline_protocol::plant::Service,
    (month, faults, planned): (Month, &[Fault], &[Planned]),
) -> Availability {
    let paths = services::paths(plant, service);
    let touching = |fault: &&Fault| fault.dark.iter().any(|path| paths.contains(path));
    let touching: Vec<&Fault> = faults.iter().filter(touching).collect();
    let spans: Vec<Spans> = touching
        .iter()
        .map(|fault| Spans::of([fault.span(month)]))
        .collect();
    let mut edges: Vec<Timestamp> = spans.iter().flat_map(Spans::edges).collect();
    edges.sort();
    edges.dedup();
    let lost = |[from, _]: &[Timestamp; 2]| {
        let now = touching
            .iter()
            .zip(&spans)
            .filter(|(_, span)| span.hold(*from));
        let dark = now.flat_map(|(fault, _)| &fault.dark).cloned().collect();
        services::state(plant, service, &dark) == ServiceState::Down
    };
    let between = edges.iter().zip(edges.iter().skip(1));
    let gone = Spans::of(between.map(|(from, to)| [*from, *to]).filter(lost));
    let lines: BTreeSet<LineId> = paths
        .iter()
        .flat_map(|path| services::lines(plant, path))
        .collect();
    figures(month, &gone, &windows(planned, |line| lines.contains(line)))
}

/// How long the repairs of a month took, of faults on `line`, or on any where none is named.
#[must_use]
pub fn repairs(
    line: Option<&LineId>,
    month: Month,
    faults: &[Fault],
    planned: &[Planned],
) -> Repairs {
    let here = |fault: &&Fault| {
        (month.from..month.to).contains(&fault.from)
            && line.is_none_or(|line| fault.lines.contains(line))
    };
    let ours: Vec<&Fault> = faults.iter().filter(here).collect();
    let (work, own): (Vec<&Fault>, Vec<&Fault>) = ours
        .iter()
        .copied()
        .partition(|fault| is_planned(fault, planned));
    let outages = own.iter().filter(|fault| !fault.dark.is_empty()).count();
    let repaired: Vec<Duration> = own
        .iter()
        .filter_map(|fault| Some(fault.to? - fault.from))
        .collect();
    let taken = own
        .iter()
        .filter_map(|fault| Some(fault.taken? - fault.from));
    let each = u32::try_from(outages).ok().filter(|outages| *outages > 0);
    Repairs {
        faults: ours.len(),
        planned: work.len(),
        outages,
        mean_to_take: mean(&taken.collect::<Vec<_>>()),
        mean_to_repair: mean(&repaired),
        repaired: repaired.len(),
        mean_between_outages: each.map(|each| (month.to - month.from) / each),
    }
}

/// Whether a fault began in work that was permitted on one of its lines.
#[must_use]
pub fn is_planned(fault: &Fault, planned: &[Planned]) -> bool {
    windows(planned, |line| fault.lines.contains(line)).hold(fault.from)
}

fn windows(planned: &[Planned], on: impl Fn(&LineId) -> bool) -> Spans {
    let here = planned.iter().filter(|planned| on(&planned.line));
    Spans::of(here.map(|planned| planned.span))
}

fn figures(month: Month, gone: &Spans, planned: &Spans) -> Availability {
    let (whole, planned) = (month.spans(), month.spans().and(planned));
    let gone = whole.and(gone);
    let planned_gone = gone.and(&planned);
    let share = |gone: Duration, period: Duration| {
        let period = period.as_secs_f64();
        (period > 0.0).then(|| 1.0 - gone.as_secs_f64() / period)
    };
    let (period, lost, excused) = (whole.length(), gone.length(), planned_gone.length());
    Availability {
        period,
        outages: gone.count(),
        gone: lost,
        planned_gone: excused,
        all: share(lost, period),
        without_planned: share(
            lost.saturating_sub(excused),
            period.saturating_sub(planned.length()),
        ),
    }
}

fn mean(of: &[Duration]) -> Option<Duration> {
    let count = u32::try_from(of.len()).ok().filter(|count| *count > 0)?;
    Some(of.iter().sum::<Duration>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Timestamp {
        november().from + Duration::from_secs(u64::try_from(hours * HOUR).unwrap())
    }

    fn november() -> Month {
        Month::of("2026-11").unwrap()
    }

    fn dsw() -> LineId {
        "dsw".parse().unwrap()
    }

    fn fault(from: i64, to: Option<i64>, dark: &[&str]) -> Fault {
        Fault {
            lines: vec![dsw()],
            dark: dark.iter().map(|path| path.parse().unwrap()).collect(),
            from: at(from),
            to: to.map(at),
            taken: Some(at(from) + Duration::from_secs(60)),
        }
    }

    fn work(from: i64, to: i64) -> Planned {
        Planned {
            line: dsw(),
            span: [at(from), at(to)],
        }
    }

    #[test]
    fn a_month_is_written_with_two_digits() {
        assert_eq!(
            november().to - november().from,
            Duration::from_secs(30 * 86_400)
        );
        let december = Month::of("2026-12").unwrap();
        assert_eq!(december.to, Month::of("2027-01").unwrap().from);
        for bad in [
            "2026-13", "2026-00", "2026-1", "26-01", "2026-+1", "", "2026-1x",
        ] {
            assert_eq!(Month::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_gone_twice_is_gone_once() {
        let faults = [
            fault(10, Some(20), &["east"]),
            fault(15, Some(30), &["west"]),
            fault(100, Some(110), &[]),
        ];
        let line = of_line(&dsw(), november(), &faults, &[]);
        assert_eq!((line.outages, line.gone.as_secs()), (1, 20 * 3600));
        assert!((line.all.unwrap() - (1.0 - 20.0 / 720.0)).abs() < 1e-12);
        assert_eq!(line.all, line.without_planned);
    }

    #[test]
    fn planned_work_counts_neither_for_nor_against() {
        let faults = [
            fault(10, Some(20), &["east"]),
            fault(50, Some(51), &["east"]),
        ];
        let line = of_line(&dsw(), november(), &faults, &[work(8, 18)]);
        assert_eq!(line.planned_gone.as_secs(), 8 * 3600);
        let own = 1.0 - 3.0 / (720.0 - 10.0);
        assert!((line.without_planned.unwrap() - own).abs() < 1e-12);
        let elsewhere = Planned {
            line: "other".parse().unwrap(),
            ..work(8, 18)
        };
        let line = of_line(&dsw(), november(), &faults, &[elsewhere]);
        assert!(line.planned_gone.is_zero());
    }

    #[test]
    fn a_protected_service_is_gone_only_while_both_ways_are() {
        let plant = example::plant();
        let faults = [
            fault(10, Some(20), &["east"]),
            fault(15, Some(30), &["west"]),
        ];
        let asked = |id: &str| {
            let service = plant.services.iter().find(|it| it.id == id).unwrap();
            of_service(&plant, service, (november(), &faults, &[]))
        };
        assert_eq!(asked("ring").gone.as_secs(), 5 * 3600);
        assert_eq!(asked("bare").gone.as_secs(), 10 * 3600);
    }

    #[test]
    fn what_lasts_counts_until_now_and_what_began_before_counts_from_the_first() {
        let month = november().until(at(100));
        let faults = [
            Fault {
                from: november().from - Duration::from_secs(86_400),
                ..fault(0, Some(10), &["east"])
            },
            fault(90, None, &["east"]),
        ];
        let line = of_line(&dsw(), month, &faults, &[]);
        assert_eq!(
            (line.period.as_secs(), line.gone.as_secs()),
            (100 * 3600, 20 * 3600)
        );
        let told = repairs(None, month, &faults, &[]);
        assert_eq!(
            (told.faults, told.repaired),
            (1, 0),
            "the first is of the month before"
        );
        let none = of_line(&dsw(), november().until(at(0)), &faults, &[]);
        assert_eq!((none.all, none.without_planned), (None, None));
    }

    #[test]
    fn repairs_are_of_faults_that_nobody_planned() {
        let faults = [
            fault(10, Some(14), &["east"]),
            fault(40, Some(42), &[]),
            fault(60, Some(90), &["east"]),
        ];
        let told = repairs(Some(&dsw()), november(), &faults, &[work(55, 95)]);
        assert_eq!(
            (told.faults, told.planned, told.outages, told.repaired),
            (3, 1, 1, 2)
        );
        assert_eq!(told.mean_to_repair.unwrap().as_secs(), 3 * 3600);
        assert_eq!(told.mean_to_take.unwrap().as_secs(), 60);
        assert_eq!(told.mean_between_outages.unwrap().as_secs(), 720 * 3600);
        let other = "other".parse().unwrap();
        assert_eq!(
            repairs(Some(&other), november(), &faults, &[]),
            Repairs::default()
        );
    }
}
