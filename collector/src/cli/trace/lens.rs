//! What every file is looked at with: a reference, and the plant file with the view.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use silkline_analysis::fuse;
use silkline_analysis::place::{Dossier, Evidence, Finding, Sighting, glass_to_mm};
use silkline_analysis::trace::both::{self, Side};
use silkline_analysis::trace::report::Report;
use silkline_analysis::trace::{
    ChangeKind, Comparison, Reference, Trace, Watch, WatchError, compare,
};
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::unit::OpticalLength;

use super::Question;
use super::look::{Looked, look};
use crate::cli::Exit;

/// From half a 95 % interval to a standard deviation.
const TO_SD: f64 = 1.0 / 1.96;

/// What every file is looked at with.
#[derive(Debug, Default)]
pub(in crate::cli) struct Lens {
    good: Option<Good>,
    other_end: Option<Looked>,
    place: Option<(Plant, ViewId)>,
}

/// The fibre when all was well.
#[derive(Debug)]
struct Good {
    /// The first good shot.
    first: Looked,
    /// What several have in common.
    watch: Option<Watch>,
}

/// Why there is nothing to look with: the exit code, and what to say.
pub(in crate::cli) type Refusal = (Exit, String);

impl Lens {
    /// All there is to look with.
    pub(in crate::cli) fn of(question: &Question) -> Result<Self, Refusal> {
        let view = question.plant.as_deref().zip(question.view.as_ref());
        let place = view.map(|(file, view)| read_view(file, view)).transpose()?;
        let other_end = question.both.as_deref().map(must_look).transpose()?;
        Ok(Self {
            good: good(&question.references)?,
            other_end,
            place,
        })
    }

    /// The good trace to draw behind another.
    pub(in crate::cli) fn reference(&self) -> Option<&Trace> {
        self.good.as_ref().map(|good| &good.first.trace)
    }

    /// The report on a file, by all there is to look with.
    pub(in crate::cli) fn report(&self, name: &str, looked: &Looked) -> Report {
        let Looked {
            sor,
            trace,
            analysis,
        } = looked;
        let mut report = Report::new(name, sor, trace, analysis);
        let mut break_at = None;
        if let Some(good) = &self.good {
            let (found, note) = good.compare(looked);
            let broken = found
                .changes
                .iter()
                .find(|change| change.kind == ChangeKind::Break);
            break_at = broken.map(|change| (change.at, change.plus_minus));
            report = report.with_changes(&found);
            report.warnings.extend(note);
        }
        if let Some(other) = &self.other_end {
            match both::combine(&side_of(looked), &side_of(other), None) {
                Ok(both) => report.both = Some(both),
                Err(why) => report.warnings.push(format!("both ends: {why}")),
            }
        }
        if let Some((plant, view)) = &self.place {
            let end = analysis.end.as_ref().map(|end| (end.at, end.plus_minus));
            match break_at.or(end).map(|seen| place(plant, view, trace, seen)) {
                Some(Ok(place)) => report.place = Some(place),
                Some(Err(why)) => report.warnings.push(why),
                None => report.place = Some(Value::Null),
            }
        }
        report
    }
}

impl Good {
    /// What differs from the good shots, and what to know about the comparison.
    fn compare(&self, looked: &Looked) -> (Comparison, Option<String>) {
        let reference = Reference {
            analysis: self.first.analysis.clone(),
        };
        let by_events = compare(&looked.analysis, &reference);
        let Some(watch) = &self.watch else {
            return (by_events, None);
        };
        match watch.examine(std::slice::from_ref(&looked.trace)) {
            Ok(found) if by_events.changes.is_empty() => (found, None),
            Ok(_) => (by_events, None),
            Err(why) => (by_events, Some(format!("compared by events alone: {why}"))),
        }
    }
}

/// A file that must be a trace, since others are held against it.
fn must_look(file: &Path) -> Result<Looked, Refusal> {
    look(file).map_err(|problem| (Exit::BadData, format!("{}: {problem}", file.display())))
}

const fn side_of(looked: &Looked) -> Side<'_> {
    Side {
        trace: &looked.trace,
        analysis: &looked.analysis,
    }
}

/// What the good shots teach; every one of them must be a trace.
fn good(references: &[PathBuf]) -> Result<Option<Good>, Refusal> {
    let shots = references.iter().map(|file| must_look(file));
    let shots = shots.collect::<Result<Vec<Looked>, Refusal>>()?;
    let traces: Vec<Trace> = shots.iter().map(|shot| shot.trace.clone()).collect();
    let watch = match Watch::learn(&traces) {
        Ok(watch) => Some(watch),
        Err(WatchError::TooFew { .. }) => None,
        Err(why) => return Err((Exit::BadData, format!("the references do not fit: {why}"))),
    };
    Ok(shots.into_iter().next().map(|first| Good { first, watch }))
}

/// A plant file that has the view.
pub(in crate::cli) fn read_view(file: &Path, view: &ViewId) -> Result<(Plant, ViewId), Refusal> {
    let bad = |what: String| (Exit::BadSettings, what);
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error: io::Error| bad(format!("{name}: {error}")))?;
    let plant = plant::read(&name, &text)
        .map_err(|mistakes| bad(mistakes.to_string()))?
        .plant;
    if plant.view(view).is_none() {
        let views = plant.lines.iter().flat_map(|line| &line.views);
        let mut known: Vec<&str> = views.map(|view| view.id.as_str()).collect();
        known.truncate(20);
        let known = known.join(", ");
        let what = format!("{name} has no view {view}; it has: {known}");
        return Err((Exit::Usage, what));
    }
    Ok((plant, view.clone()))
}

/// Where on the route the glass is that lies at `at` in a trace of `view`.
fn place(
    plant: &Plant,
    view: &ViewId,
    trace: &Trace,
    (at, plus_minus): (OpticalLength, OpticalLength),
) -> Result<Value, String> {
    let Some((line, of)) = plant.view(view) else {
        return Ok(Value::Null);
    };
    let settings = trace.settings();
    // Without a user offset the file counts from the panel, the view from its node.
    let counts_from_panel = settings.launch.abs() <= OpticalLength::of(0.01);
    let launch = if counts_from_panel {
        of.launch
    } else {
        OpticalLength::of(0.0)
    };
    let sighting = Sighting {
        view: view.clone(),
        optical_m: glass_to_mm(at - launch),
        random_m: glass_to_mm(plus_minus * TO_SD),
        systematic_m: OpticalLength::of(0.0),
        group_index: Some(settings.group_index),
        after: None,
    };
    let evidence = Evidence {
        id: "trace".to_owned(),
        at: None,
        source: String::new(),
        finding: Finding::Otdr(sighting),
    };
    let dossier = Dossier {
        line: line.id.clone(),
        evidence: vec![evidence],
    };
    let place = fuse::locate(plant, &dossier).map_err(|unfit| {
        unfit
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    })?;
    Ok(serde_json::to_value(place).unwrap_or_default())
}
