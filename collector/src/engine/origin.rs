//! Where less light comes from: the way back along a run to the first place that gives less.
//!
//! An amplifier that holds its gain hands a fall on to everything behind it. Each meter behind
//! sees it, and none of them is the cause: the span is the one whose own loss grew, or the
//! amplifier the one that gives less than it gets.
//!
//! ```text
//!   a ──span, -4 dB──► h1 ──gain──► h2 ──gain──► b      fallen: h1 in, out, h2 in, out, b in
//!   └──────▲─────────┘◄──────────────────────────┘      cause: the span a..h1, for all of them
//! ```

use silkline_analysis::series::AnomalyKind;
use silkline_protocol::device::Role;
use silkline_protocol::id::PointName;

use super::light::{Ports, Run, Runs, meter};
use super::watch::{Finding, Point, Watch};

/// A sender's fall is that of its receiver when it is at least this share of it.
const SHARE: f64 = 0.5;

/// Below this many decibels a level has not fallen, or a day's change is none.
const FALLEN: f64 = 0.6;
const CHANGING: f64 = 0.01;

/// Where light became less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Between two nodes, by their place on the line, rising.
    Span(usize, usize),
    /// At an output: its device and point.
    Output(String, PointName),
}

/// What is compared: how far a level is below its usual, or how fast it sinks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Level,
    Slope,
}

impl By {
    fn of(self, point: &Point) -> Option<f64> {
        match self {
            Self::Level => point.fall(),
            Self::Slope => point.sinks(),
        }
    }

    fn is_much(self, fall: f64) -> bool {
        fall > if self == Self::Level {
            FALLEN
        } else {
            CHANGING
        }
    }
}

impl Runs {
    /// Where the light became less that a finding misses, as far as the meters before it tell.
    pub(super) fn origin(&self, watch: &Watch, finding: &Finding) -> Option<Origin> {
        let index = finding.anomaly.point.as_ref()?.index().unwrap_or("");
        let by = match finding.anomaly.kind {
            AnomalyKind::Step | AnomalyKind::Limit => By::Level,
            AnomalyKind::Drift => By::Slope,
            _ => return None,
        };
        let here = |ports: &[(String, String)]| {
            let device = &finding.anomaly.device;
            ports.iter().any(|(d, i)| d == device && i == index)
        };
        let role = finding.role?;
        self.runs().iter().find_map(|run| {
            let way = Way { run, watch, by };
            let stops = run.stops().iter();
            match role {
                Role::LightIn => {
                    let k = stops.clone().position(|stop| here(&stop.input))?;
                    way.before_input(k)
                }
                Role::LightOut => {
                    let k = stops.clone().position(|stop| here(&stop.output))?;
                    way.before_output(k)
                }
                Role::Ber | Role::Osnr => {
                    let k = stops.clone().position(|stop| here(&stop.input))?;
                    let fell = |k: &usize| way.input(*k).is_some_and(|fall| by.is_much(fall));
                    way.before_input((1..=k).rev().find(fell)?)
                }
                _ => None,
            }
        })
    }
}

/// The way back along one run.
struct Way<'a> {
    run: &'a Run,
    watch: &'a Watch,
    by: By,
}

impl Way<'_> {
    fn stop(&self, k: usize) -> Option<&Ports> {
        self.run.stops().get(k)
    }

    fn input(&self, k: usize) -> Option<f64> {
        let (_, point, _) = meter(self.watch, &self.stop(k)?.input, Role::LightIn);
        self.by.of(point?)
    }

    fn output(&self, k: usize) -> Option<f64> {
        let (_, point, _) = meter(self.watch, &self.stop(k)?.output, Role::LightOut);
        self.by.of(point?)
    }

    /// Where the input of stop `k` lost what it misses.
    fn before_input(&self, k: usize) -> Option<Origin> {
        let fall = self.input(k).filter(|fall| self.by.is_much(*fall))?;
        let before = k.checked_sub(1)?;
        let sent = self.output(before).or_else(|| self.input(before));
        if sent.is_some_and(|sent| sent >= SHARE * fall) {
            return self.before_output(before);
        }
        let (a, b) = (self.stop(before)?.node, self.stop(k)?.node);
        Some(Origin::Span(a.min(b), a.max(b)))
    }

    /// Where what stop `k` sends less was lost: before it, or in it.
    fn before_output(&self, k: usize) -> Option<Origin> {
        let fall = self.output(k).or_else(|| self.input(k))?;
        let handed_on = self.input(k).is_some_and(|into| into >= SHARE * fall);
        if handed_on && let Some(origin) = self.before_input(k) {
            return Some(origin);
        }
        let (device, index) = self.stop(k)?.output.first()?;
        let watched = self.watch.get(device)?;
        let sends = |(name, point): &(&PointName, &Point)| {
            point.role == Role::LightOut && name.index().unwrap_or("") == index
        };
        let points = watched.points();
        let (name, _) = points.iter().find(sends)?;
        Some(Origin::Output(device.clone(), name.clone()))
    }
}
