//! What the system said about the cut, held against the truth.

use std::fmt::Write;
use std::time::Duration;

use silkline_protocol::unit::RouteLength;

/// Within this after the cut the span must be told, with a poll a second.
const SPAN_WITHIN: Duration = Duration::from_secs(2);
/// Within this after a shot's end the place must be told.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// The widest 95 % interval that is of use to a crew.
const WIDEST_M: f64 = 100.0;

/// What was said, and what is so.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) truth: RouteLength,
    pub(super) headline: String,
    /// The most incidents that were open at a time.
    pub(super) open: usize,
    /// When the span was told, after the cut.
    pub(super) span_after: Option<Duration>,
    /// When the place was told, after the shot's end.
    pub(super) place_after: Option<Duration>,
    pub(super) place: Option<Place>,
}

/// A place as the system told it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) span: String,
    pub(super) at: RouteLength,
    /// The 95 % interval.
    pub(super) from: RouteLength,
    pub(super) to: RouteLength,
}

impl Verdict {
    /// Whether every promise was kept: one incident, in time, narrow enough, and right.
    pub(super) fn is_as_promised(&self) -> bool {
        let in_time = |after: Option<Duration>, limit| after.is_some_and(|after| after <= limit);
        let right = self
            .place
            .as_ref()
            .is_some_and(|place| place.holds(self.truth) && place.width().get() <= WIDEST_M);
        self.open == 1
            && right
            && in_time(self.span_after, SPAN_WITHIN)
            && in_time(self.place_after, PLACE_WITHIN)
    }

    /// The verdict for a person.
    pub(super) fn in_words(&self) -> String {
        let mut text = format!("\n  {}\n\n", self.headline);
        let after = |after: Option<Duration>| {
            after.map_or_else(
                || "never".into(),
                |after| format!("{:.1} s", after.as_secs_f64()),
            )
        };
        let (span, place) = (after(self.span_after), after(self.place_after));
        // Writing to a String can't fail.
        if let Some(found) = &self.place {
            let _ = writeln!(
                text,
                "  span        {}, told {span} after the cut",
                found.span
            );
            let _ = writeln!(
                text,
                "  place       km {:.3}, 95 % between {:.3} and {:.3} ({:.0} m), told {place} after the \
                 shot's end",
                found.at.km(),
                found.from.km(),
                found.to.km(),
                found.width().get()
            );
            let holds = if found.holds(self.truth) {
                "inside"
            } else {
                "OUTSIDE"
            };
            let off = (found.at - self.truth).get().abs();
            let truth = self.truth.km();
            let _ = writeln!(text, "  truth       km {truth:.3}: {holds}, {off:.0} m off");
        } else {
            let _ = writeln!(text, "  span        told {span} after the cut");
            let _ = writeln!(
                text,
                "  place       none; the truth is km {:.3}",
                self.truth.km()
            );
        }
        let _ = write!(text, "  incidents   {} open", self.open);
        text
    }
}

impl Place {
    fn holds(&self, truth: RouteLength) -> bool {
        (self.from..=self.to).contains(&truth)
    }

    fn width(&self) -> RouteLength {
        self.to - self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Verdict {
        let place = Place {
            span: "ganja..tovuz".into(),
            at: RouteLength::of(400_010.0),
            from: RouteLength::of(399_990.0),
            to: RouteLength::of(400_030.0),
        };
        Verdict {
            truth: RouteLength::of(400_000.0),
            headline: "cut".into(),
            open: 1,
            span_after: Some(Duration::from_millis(1_400)),
            place_after: Some(Duration::from_secs(1)),
            place: Some(place),
        }
    }

    #[test]
    fn every_broken_promise_counts() {
        assert!(good().is_as_promised());
        let wide = |verdict: &mut Verdict| {
            verdict.place.as_mut().unwrap().from = RouteLength::of(399_900.0);
        };
        let changes: [&dyn Fn(&mut Verdict); 6] = [
            &|verdict| verdict.open = 2,
            &|verdict| verdict.truth = RouteLength::of(400_031.0),
            &|verdict| verdict.span_after = Some(Duration::from_millis(2_100)),
            &|verdict| verdict.place_after = None,
            &|verdict| verdict.place = None,
            &wide,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut verdict = good();
            change(&mut verdict);
            assert!(!verdict.is_as_promised(), "{number}");
        }
    }

    #[test]
    fn a_person_reads_what_was_said_and_what_is_so() {
        let words = good().in_words();
        for wanted in [
            "km 400.010",
            "(40 m)",
            "told 1.4 s after the cut",
            "inside, 10 m off",
            "1 open",
        ] {
            assert!(words.contains(wanted), "{wanted} in {words}");
        }
        let missed = Verdict {
            truth: RouteLength::of(401_000.0),
            ..good()
        };
        assert!(missed.in_words().contains("OUTSIDE"));
    }
}
