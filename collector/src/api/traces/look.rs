//! A SOR file looked at: what it shows, what differs from a reference, where on the route that is.

use serde_json::Value;
use silkline_analysis::shot;
use silkline_analysis::trace::report::Report;
use silkline_analysis::trace::{Analysis, ChangeKind, Reference, Trace, analyse, compare};
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::Plant;
use silkline_sor::Sor;

use crate::plot::{Form, Picture};

/// A trace with what it came from.
#[derive(Debug)]
pub(super) struct Looked {
    sor: Sor,
    pub(super) trace: Trace,
    analysis: Analysis,
}

/// What is known beside the file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside<'a> {
    /// A good trace of the same view.
    pub(super) reference: Option<&'a Looked>,
    /// The plant, and the view of it that the file shows.
    pub(super) view: Option<(&'a Plant, &'a ViewId)>,
}

impl Looked {
    /// Looks at the bytes of a file.
    ///
    /// # Errors
    ///
    /// Why they are no trace.
    pub(super) fn at(bytes: &[u8]) -> Result<Self, String> {
        let sor = silkline_sor::read(bytes).map_err(|error| error.to_string())?;
        let trace = Trace::from_sor(&sor).map_err(|error| error.to_string())?;
        let analysis = analyse(&trace);
        Ok(Self {
            sor,
            trace,
            analysis,
        })
    }

    /// The trace with its events, as SVG.
    pub(super) fn picture(&self, name: &str) -> String {
        let report = Report::new(name, &self.sor, &self.trace, &self.analysis);
        let picture = Picture {
            report: &report,
            trace: &self.trace,
            reference: None,
            names: &[],
            form: Form::Sheet,
        };
        picture.svg()
    }

    /// The object of `trace --json`.
    pub(super) fn report(&self, name: &str, beside: Beside<'_>) -> Value {
        let mut report = Report::new(name, &self.sor, &self.trace, &self.analysis);
        let mut seen = self
            .analysis
            .end
            .as_ref()
            .map(|end| (end.at, end.plus_minus));
        if let Some(reference) = beside.reference {
            let analysis = reference.analysis.clone();
            let found = compare(&self.analysis, &Reference { analysis });
            let broken = found.changes.iter().find(|it| it.kind == ChangeKind::Break);
            seen = broken.map(|it| (it.at, it.plus_minus)).or(seen);
            report = report.with_changes(&found);
        }
        if let Some((plant, view)) = beside.view {
            match seen.map(|seen| shot::place(plant, view, &self.trace, seen)) {
                Some(Ok(place)) => report.place = serde_json::to_value(place).ok(),
                Some(Err(why)) => report.warnings.extend(why.iter().map(ToString::to_string)),
                None => report.place = Some(Value::Null),
            }
        }
        serde_json::to_value(report).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn a_break_against_a_reference_has_a_place_on_the_route() {
        let (good, bad) = (example::sor(41_000.0), example::sor(28_500.0));
        let (good, bad) = (Looked::at(&good).unwrap(), Looked::at(&bad).unwrap());
        let plant = example::plant();
        let view: ViewId = "ganja-b".parse().unwrap();
        let beside = Beside {
            reference: Some(&good),
            view: Some((&plant, &view)),
        };
        let report = bad.report("shot.sor", beside);
        assert_eq!(report["changes"][0]["kind"], "break", "{report}");
        assert_eq!(report["end_of_fibre"]["kind"], "break");
        let chainage = report["place"]["chainage_m"].as_f64().unwrap();
        assert!((27_500.0..28_500.0).contains(&chainage), "{chainage}");
        assert!(bad.report("x", Beside::default()).get("place").is_none());
    }

    #[test]
    fn what_is_no_trace_says_why() {
        assert!(Looked::at(b"Shall I compare thee").is_err());
        assert!(Looked::at(&[]).is_err());
    }
}
