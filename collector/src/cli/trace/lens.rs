//! What every file is looked at with: a reference, and the plant file with the view.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use silkline_analysis::fuse::Unfit;
use silkline_analysis::shot;
use silkline_analysis::trace::both::{self, Side};
use silkline_analysis::trace::report::Report;
use silkline_analysis::trace::{ChangeKind, Trace, Watch, WatchError};
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::time::Timestamp;

use super::Question;
use super::files::Named;
use super::look::{Looked, bytes_of, look};
use crate::cli::Exit;

/// What every file is looked at with.
#[derive(Debug, Default)]
pub(in crate::cli) struct Lens {
    good: Option<Watch>,
    other_end: Option<Looked>,
    place: Option<(Plant, ViewId)>,
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
        self.good.as_ref().map(Watch::mean)
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
            let look = good.look(std::slice::from_ref(trace));
            let found = look.comparison;
            let broken = found
                .changes
                .iter()
                .find(|change| change.kind == ChangeKind::Break);
            break_at = broken.map(|change| (change.at, change.plus_minus));
            report = report.with_changes(&found);
            for note in look.notes {
                if !report.warnings.contains(&note) {
                    report.warnings.push(note);
                }
            }
        }
        if let Some(other) = &self.other_end {
            match both::combine(&side_of(looked), &side_of(other), None) {
                Ok(both) => report.both = Some(both),
                Err(why) => report.warnings.push(format!("both ends: {why}")),
            }
        }
        if let Some((plant, view)) = &self.place {
            let end = analysis.end.as_ref().map(|end| (end.at, end.plus_minus));
            match break_at
                .or(end)
                .map(|seen| shot::place(plant, view, trace, seen))
            {
                Some(Ok(place)) => report.place = serde_json::to_value(place).ok(),
                Some(Err(why)) => report.warnings.push(all_of(&why)),
                None => report.place = Some(Value::Null),
            }
        }
        report
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

/// What the good shots teach, or what was learned from others before.
fn good(references: &[PathBuf]) -> Result<Option<Watch>, Refusal> {
    if let [one] = references
        && let Some(learned) = learned(one)?
    {
        return Ok(Some(learned));
    }
    if references.is_empty() {
        return Ok(None);
    }
    let files = references.iter().map(PathBuf::as_path);
    let shots = files.map(|file| Ok((file, must_look(file)?)));
    let shots = shots.collect::<Result<Vec<_>, Refusal>>()?;
    learn(&shots).map(Some)
}

/// A learned reference, if the file is one.
fn learned(file: &Path) -> Result<Option<Watch>, Refusal> {
    let bad = |what: String| (Exit::BadData, format!("{}: {what}", file.display()));
    let bytes = bytes_of(file).map_err(|problem| bad(problem.to_string()))?;
    if bytes.first() != Some(&b'{') {
        return Ok(None);
    }
    let watch = serde_json::from_slice(&bytes);
    watch
        .map(Some)
        .map_err(|error| bad(format!("no learned reference: {error}")))
}

/// Writes what these files teach to `to`; a file that gives no trace teaches nothing.
pub(in crate::cli) fn keep<'a>(
    files: impl Iterator<Item = &'a Named>,
    to: &Path,
) -> Result<(), Refusal> {
    let shots = files.filter_map(|file| Some((file.path.as_path(), file.look().ok()?)));
    let shots: Vec<(&Path, Looked)> = shots.collect();
    let watch = learn(&shots)?;
    let failed = |error: io::Error| (Exit::Unavailable, format!("{}: {error}", to.display()));
    let text = serde_json::to_vec(&watch).map_err(|error| failed(error.into()))?;
    std::fs::write(to, text).map_err(failed)
}

/// What good shots of one view have in common; none where one of them shows another fibre.
fn learn(shots: &[(&Path, Looked)]) -> Result<Watch, Refusal> {
    let traces: Vec<Trace> = shots.iter().map(|(_, shot)| shot.trace.clone()).collect();
    let bad = |why: WatchError| (Exit::BadData, format!("no reference: {why}"));
    let watch = Watch::learn(&traces).map_err(bad)?;
    let strange: Vec<String> = shots
        .iter()
        .filter_map(|(file, shot)| stranger(&watch, file, &shot.trace))
        .collect();
    if !strange.is_empty() {
        let what = format!(
            "no reference: not all show the same: {}",
            strange.join("; ")
        );
        return Err((Exit::BadData, what));
    }
    let taken = shots
        .iter()
        .filter_map(|(_, shot)| shot.sor.acquisition.taken);
    let times = taken.clone().min().zip(taken.max());
    Ok(match times {
        Some((first, last)) => {
            let [first, last] =
                [first, last].map(|seconds| Timestamp::from_seconds(seconds.into()));
            watch.learned_at(first, last)
        }
        None => watch,
    })
}

/// How a shot differs from what it helped to teach, if it does.
fn stranger(watch: &Watch, file: &Path, shot: &Trace) -> Option<String> {
    let found = watch.look(std::slice::from_ref(shot)).comparison;
    let change = found.changes.first()?;
    Some(format!(
        "{}, {} at {:.1} m",
        file.display(),
        change.kind.words(),
        change.at.get()
    ))
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

/// Why a sighting does not fit the plant, in one line.
fn all_of(unfit: &[Unfit]) -> String {
    let all: Vec<_> = unfit.iter().map(ToString::to_string).collect();
    all.join("; ")
}
