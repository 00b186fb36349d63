//! A trace's curve at the resolution of a screen: the lowest and the highest level of each stretch,
//! so that no peak and no notch is ever hidden.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::trace::Trace;
use silkline_protocol::unit::OpticalLength;

use crate::api::Problem;

/// The most stretches in one answer: all samples of the longest traces that instruments write.
pub(super) const MOST: usize = 262_144;

/// The curve of a trace, equally spaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Levels {
    /// Where the first stretch begins, in metres from the user offset.
    pub first_m: f64,
    /// The length of a stretch; the sample spacing where `max` is empty.
    pub step_m: f64,
    /// Samples in a stretch.
    pub samples_each: usize,
    /// The lowest level of each stretch, one-way, in dB.
    pub min_db: Vec<f64>,
    /// The highest level of each stretch; empty where each holds one sample, which is its lowest too.
    pub max_db: Vec<f64>,
}

/// Which part of the curve, and how finely.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Window {
    /// From here, in metres from the user offset; the beginning where nothing is said.
    pub(super) from_m: Option<f64>,
    /// To here; the end where nothing is said.
    pub(super) to_m: Option<f64>,
    /// The most stretches.
    pub(super) points: usize,
}

impl Window {
    /// The window that a query asks for, where it asks for any.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub(super) fn asked(
        points: Option<usize>,
        from_m: Option<f64>,
        to_m: Option<f64>,
    ) -> Result<Option<Self>, Problem> {
        let wrong = |text: String| Err(Problem::bad_request(text));
        let Some(points) = points else {
            return match from_m.or(to_m) {
                Some(_) => wrong("from_m, to_m: want points beside them".to_owned()),
                None => Ok(None),
            };
        };
        if !(2..=MOST).contains(&points) {
            return wrong(format!("points: {points} is not 2 to {MOST}"));
        }
        for (key, value) in [("from_m", from_m), ("to_m", to_m)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return wrong(format!("{key}: want a number of metres"));
            }
        }
        if from_m.zip(to_m).is_some_and(|(from, to)| from >= to) {
            return wrong("from_m: is not before to_m".to_owned());
        }
        Ok(Some(Self {
            from_m,
            to_m,
            points,
        }))
    }
}

impl Levels {
    /// The curve of `trace` in `window`.
    pub(super) fn of(trace: &Trace, window: Window) -> Self {
        let levels = trace.levels();
        let settings = trace.settings();
        let (first, step) = (settings.first.get(), settings.spacing.get());
        let index = |metres: f64| whole((metres - first) / step).min(levels.len());
        let from = window.from_m.map_or(0, index);
        let to = window.to_m.map_or(levels.len(), |to| {
            index(to).saturating_add(1).min(levels.len())
        });
        let part = levels.get(from..to.max(from)).unwrap_or_default();
        let each = part.len().div_ceil(window.points.max(1)).max(1);
        let lowest = |stretch: &[f64]| stretch.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = |stretch: &[f64]| stretch.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let max_db = if each == 1 {
            Vec::new()
        } else {
            part.chunks(each).map(highest).map(milli).collect()
        };
        Self {
            first_m: metres(trace.position(number(from))),
            step_m: step * number(each),
            samples_each: each,
            min_db: part.chunks(each).map(lowest).map(milli).collect(),
            max_db,
        }
    }
}

fn metres(length: OpticalLength) -> f64 {
    milli(length.get())
}

/// To the finest step that files resolve: a third of the text.
fn milli(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a trace has fewer than 2⁵² samples"
)]
const fn number(count: usize) -> f64 {
    count as f64
}

/// A number as a count: what is negative or no number becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN becomes zero"
)]
const fn whole(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use silkline_analysis::trace::Settings;
    use silkline_protocol::unit::GroupIndex;

    use super::*;

    fn trace(levels: Vec<f64>) -> Trace {
        let settings = Settings {
            spacing: OpticalLength::of(2.0),
            first: OpticalLength::of(-10.0),
            launch: OpticalLength::of(0.0),
            pulse_ns: 100.0,
            group_index: GroupIndex::of(1.4682),
            wavelength: None,
            backscatter: None,
            loss_threshold: None,
        };
        Trace::new(settings, levels, None).unwrap()
    }

    fn window(points: usize) -> Window {
        Window {
            points,
            ..Window::default()
        }
    }

    #[test]
    fn a_peak_of_one_sample_is_seen_at_any_resolution() {
        let mut raw = vec![-20.0; 200_000];
        raw[123_456] = -3.0;
        raw[77] = -60.0;
        let trace = trace(raw);
        for points in [2, 3, 500, 4_000, 99_999, 262_144] {
            let levels = Levels::of(&trace, window(points));
            assert!(levels.min_db.len() <= points);
            let top = levels.max_db.iter().chain(&levels.min_db).copied();
            assert!(
                (top.fold(f64::MIN, f64::max) + 3.0).abs() < 1e-9,
                "{points}"
            );
            let bottom = levels.min_db.iter().copied().fold(f64::MAX, f64::min);
            assert!((bottom + 60.0).abs() < 1e-9, "{points}");
        }
    }

    #[test]
    fn a_window_holds_its_edges_and_says_where_it_begins() {
        let trace = trace((0..1000_i32).map(f64::from).collect());
        let part = Window {
            from_m: Some(90.0),
            to_m: Some(110.0),
            points: 100,
        };
        let levels = Levels::of(&trace, part);
        assert_eq!((levels.first_m, levels.step_m), (90.0, 2.0));
        assert_eq!(levels.min_db.len(), 11);
        assert_eq!((levels.min_db[0], levels.min_db[10]), (50.0, 60.0));
        assert!(levels.max_db.is_empty());
        let beyond = Window {
            from_m: Some(1e9),
            ..part
        };
        assert!(Levels::of(&trace, beyond).min_db.is_empty());
    }

    #[test]
    fn a_window_that_is_none_is_refused() {
        for (points, from, to) in [
            (Some(1), None, None),
            (Some(MOST + 1), None, None),
            (None, Some(1.0), None),
            (Some(10), Some(f64::NAN), None),
            (Some(10), Some(2.0), Some(1.0)),
        ] {
            assert_eq!(Window::asked(points, from, to).unwrap_err().status, 400);
        }
        assert_eq!(Window::asked(None, None, None).unwrap(), None);
        assert!(Window::asked(Some(2), Some(-1.0), None).unwrap().is_some());
    }
}
