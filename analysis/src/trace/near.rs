//! Glass that is gone soon behind a panel.
//!
//! ```text
//!   launch fibre      connector          glass, or none        noise
//!   ───────────────┐  ┌─┐
//!        usual     └──┘ └─╲___ recovery ╲_________ lower ______________
//!                  ▲               ▲
//!                panel            gone: no glass here
//! ```
//!
//! Behind a panel's connector a trace is blind: its own light, the pulse and the receiver's recovery
//! hide glass as well as its absence, and what is told as an end there is the connector. What can be
//! said is where glass was last seen, and where its light is certainly missing: between the two it
//! ends, and no place in there is likelier than another.

use silkline_protocol::unit::OpticalLength;

use super::line::{median, quantile};
use super::samples::Trace;

/// Behind a panel glass is looked for so far; what ends farther on has an edge of its own.
const FAR_M: f64 = 5_000.0;

/// Light so much below that of the launch fibre is not of glass that follows it; a connector and the
/// first drum together make less.
const MISSING_DB: f64 = 3.0;

/// Light so close to that of the launch fibre is of glass.
const ALIKE_DB: f64 = 1.0;

/// No bend is so tight that glass behind it is lower by this.
const DARK_DB: f64 = 12.0;

/// What usual glass loses in a metre.
const USUAL_DB_PER_M: f64 = 0.000_22;

/// A recovery crosses the light of glass in less.
const LEAST_GLASS_M: f64 = 30.0;

/// Less glass between a panel and an end does not tell where its light would go on: edges are found up
/// to some 20 m off.
const TELLS_M: f64 = 200.0;

/// The stretch that is to be dark behind the end, and how far behind it that begins.
const BEHIND_M: [f64; 2] = [500.0, 4_000.0];

/// The stretch in which the glass ends, from the user offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gone {
    /// Glass is seen up to here; the panel where none is seen behind it.
    pub from: OpticalLength,
    /// There is none from here on.
    pub to: OpticalLength,
}

impl Gone {
    /// Its middle, and half of an interval of 95 % around that, as if normal: the bounds with a
    /// little room.
    #[must_use]
    pub fn middle(&self) -> (OpticalLength, OpticalLength) {
        let length = self.to - self.from;
        let sigma = length * 12.0_f64.sqrt().recip();
        (self.from + length * 0.5, sigma * 1.96)
    }

    /// Whether enough glass was seen behind the panel to tell an edge by, and an end that was told is
    /// where it is lost.
    #[must_use]
    pub fn agrees(&self, panel: OpticalLength, end: OpticalLength) -> bool {
        let glass = self.from - panel;
        glass > OpticalLength::of(TELLS_M) && self.from <= end && end <= self.to
    }
}

/// Where the glass ends that should follow `launch` at `panel`, if it does so soon; nothing where the
/// launch fibre is too short to tell what its light would be.
#[must_use]
pub fn gone_behind(trace: &Trace, panel: OpticalLength, launch: OpticalLength) -> Option<Gone> {
    let usual = Usual::of(trace, panel.get(), launch.get())?;
    let pulse = trace.pulse().get();
    let step = trace.samples_in((pulse / 4.0).max(5.0));
    let first = trace.index_of(panel.get());
    let last = trace.index_of(panel.get() + FAR_M);
    let (mut alike, mut from) = (0.0, panel.get());
    let mut to = None;
    for at in (first..last).step_by(step) {
        let mean = mean_level(trace.stretch(at, at + step))?;
        let [begin, end] = [at, at + step].map(|i| trace.position(i as f64).get());
        let below = usual.at(f64::midpoint(begin, end)) - mean;
        if below > MISSING_DB {
            to = Some(end);
            break;
        }
        // Under the connector's own light nothing is seen.
        let clear = begin > panel.get() + pulse;
        alike = if clear && below.abs() < ALIKE_DB {
            alike + end - begin
        } else {
            0.0
        };
        if alike >= LEAST_GLASS_M.max(pulse) {
            from = end - pulse;
        }
    }
    let to = to.filter(|to| usual.is_dark_behind(trace, *to))?;
    Some(Gone {
        from: OpticalLength::of(from.max(panel.get())),
        to: OpticalLength::of(to),
    })
}

/// The light of the launch fibre, led on.
struct Usual {
    centre: f64,
    level: f64,
}

impl Usual {
    /// From the launch fibre's second half: its first is still the instrument's own connector.
    fn of(trace: &Trace, panel: f64, launch: f64) -> Option<Self> {
        let edge = trace.pulse().get() / 4.0 + 10.0;
        let (from, to) = (panel - launch / 2.0, panel - edge);
        let pulse = trace.pulse().get();
        if to - from < LEAST_GLASS_M.max(pulse) || launch < 4.0 * pulse {
            return None;
        }
        let (from, to) = (trace.index_of(from), trace.index_of(to));
        let mut levels = trace.stretch(from, to).to_vec();
        if levels.len() < 4 {
            return None;
        }
        Some(Self {
            centre: trace.position(f64::midpoint(from as f64, to as f64)).get(),
            level: median(&mut levels),
        })
    }

    fn at(&self, metres: f64) -> f64 {
        self.level - USUAL_DB_PER_M * (metres - self.centre)
    }

    /// Whether there is hardly any light behind `metres`, where glass behind a bend had some.
    fn is_dark_behind(&self, trace: &Trace, metres: f64) -> bool {
        let [from, to] =
            BEHIND_M.map(|far| trace.index_of(metres + 2.0 * trace.pulse().get() + far));
        let mut behind = trace.stretch(from, to).to_vec();
        let count = trace.levels().len();
        let mut noise = trace.stretch(count - count / 10, count).to_vec();
        let noise = quantile(&mut noise, 0.84);
        let led = self.at(metres);
        // A trace that cannot show so much loss tells nothing.
        let tells = led - noise > DARK_DB;
        tells && behind.len() >= 20 && led - median(&mut behind) > DARK_DB
    }
}

/// The mean light of a few samples.
fn mean_level(levels: &[f64]) -> Option<f64> {
    let sum: f64 = levels.iter().map(|level| 10_f64.powf(level / 5.0)).sum();
    (!levels.is_empty()).then(|| 5.0 * (sum / levels.len() as f64).log10())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};

    const PANEL: OpticalLength = OpticalLength::of(1_000.0);

    /// A fibre that ends so far behind a panel with its connector.
    fn plan(behind: f64, pulse_ns: f64, reflectance_db: Option<f64>) -> Plan {
        let connector = Feature {
            at_m: PANEL.get(),
            loss_db: 0.3,
            reflectance_db: Some(-52.0),
        };
        Plan {
            end_m: PANEL.get() + behind,
            end_reflectance_db: reflectance_db,
            features: vec![connector],
            pulse_ns,
            ..Plan::default()
        }
    }

    #[test]
    fn glass_that_ends_soon_behind_a_panel_ends_between_what_is_told() {
        for behind in [2.0, 15.0, 40.0, 90.0, 180.0, 400.0, 2_000.0] {
            for pulse_ns in [100.0, 300.0, 1_000.0] {
                for reflectance in [None, Some(-45.0), Some(-25.0)] {
                    let trace = plan(behind, pulse_ns, reflectance).trace();
                    let gone = gone_behind(&trace, PANEL, PANEL);
                    let gone =
                        gone.unwrap_or_else(|| panic!("{behind} {pulse_ns} {reflectance:?}"));
                    let at = PANEL + OpticalLength::of(behind);
                    let named = format!("{behind} {pulse_ns} {reflectance:?}: {gone:?}");
                    assert!(gone.from <= at && at <= gone.to, "{named}");
                    let pulse = trace.pulse().get();
                    let length = (gone.to - gone.from).get();
                    assert!(length < 5.0 * pulse + 150.0, "{named}");
                    let (middle, half) = gone.middle();
                    assert!((at - middle).abs() <= half, "{named}");
                }
            }
        }
    }

    #[test]
    fn glass_that_goes_on_is_not_gone_whatever_it_loses() {
        for bend in [0.0, 2.0, 5.0, 9.0] {
            for at_m in [1_020.0, 1_300.0, 3_000.0] {
                let mut plan = plan(19_000.0, 300.0, Some(-42.0));
                plan.dynamic_db = 25.0;
                plan.features.push(Feature {
                    at_m,
                    loss_db: bend,
                    reflectance_db: None,
                });
                assert_eq!(
                    gone_behind(&plan.trace(), PANEL, PANEL),
                    None,
                    "{bend} {at_m}"
                );
            }
        }
    }

    #[test]
    fn a_launch_fibre_of_hardly_a_pulse_tells_nothing() {
        let launch = OpticalLength::of(300.0);
        let trace = plan(50.0, 1_000.0, None).trace();
        assert_eq!(gone_behind(&trace, PANEL, launch), None);
    }

    #[test]
    fn an_end_agrees_only_where_glass_was_seen_before_it() {
        let gone = |from: f64| Gone {
            from: OpticalLength::of(from),
            to: OpticalLength::of(1_500.0),
        };
        let at = OpticalLength::of;
        assert!(gone(1_300.0).agrees(PANEL, at(1_400.0)));
        assert!(!gone(1_000.0).agrees(PANEL, at(1_400.0)), "none was seen");
        assert!(!gone(1_120.0).agrees(PANEL, at(1_200.0)), "too little");
        assert!(!gone(1_300.0).agrees(PANEL, at(1_000.5)), "the connector");
        assert!(!gone(1_300.0).agrees(PANEL, at(2_750.0)), "an image");
    }
}
