//! `survey`: commissioning. Which event is which landmark, marks for the plant file, and what the
//! fibre loses against what its operator allows.
//!
//! The answer on the standard output is a piece of a plant file: the report stands in comments, the
//! marks as tables, so that it can be kept as it is.

mod beyond;
mod csv;
mod html;
mod limits;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use silkline_analysis::survey::accept::{Acceptance, Limits, Section, Verdict, accept};
use silkline_analysis::survey::{Shot, Survey, survey};
use silkline_analysis::trace::report::Report;
use silkline_protocol::id::{NodeId, ViewId};
use silkline_protocol::plant::{Line, Plant, Toward, View};
use silkline_protocol::time::Timestamp;

use super::trace::lens::read_view;
use super::trace::{Looked, files, order};
use super::{Exit, say};

/// What to look at, and where the reports go.
#[derive(Clone, Debug, clap::Args)]
pub struct Order {
    /// Traces of the view, in the SOR format; a folder stands for the .sor files in it.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The plant file.
    #[arg(long)]
    pub plant: PathBuf,
    /// The view that the files show.
    #[arg(long)]
    pub view: ViewId,
    /// Traces of the same fibre from its other end.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub from_b: Vec<PathBuf>,
    /// What the operator allows, as TOML.
    #[arg(long, value_name = "LIMITS.toml")]
    pub limits: Option<PathBuf>,
    /// Write the acceptance report as one printable page.
    #[arg(long, value_name = "OUT.html")]
    pub html: Option<PathBuf>,
    /// Write the acceptance report as a table, a row an event.
    #[arg(long, value_name = "OUT.csv")]
    pub csv: Option<PathBuf>,
}

/// A file that could be read.
struct Taken {
    name: String,
    looked: Looked,
    report: Report,
}

/// All from one end.
struct End<'a> {
    view: &'a View,
    taken: &'a [Taken],
    survey: Survey,
}

/// Everything there is to report.
struct Case<'a> {
    plant: &'a Plant,
    line: &'a Line,
    a: End<'a>,
    /// The other end: its shots, and the view there if the plant has one.
    b: &'a [Taken],
    other: Option<End<'a>>,
    accepted: Vec<Acceptance>,
    limits: &'a Limits,
    /// Files that gave nothing, and why.
    unread: &'a [(String, String)],
}

/// Surveys a view; messages about what could not be done go to `err`.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn run(order: &Order, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match survey_and_report(order, out, err) {
        Ok(told) => told,
        Err((exit, what)) => {
            say(err, what)?;
            Ok(exit)
        }
    }
}

type Refusal = (Exit, String);

fn survey_and_report(
    order: &Order,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<io::Result<Exit>, Refusal> {
    let (plant, id) = read_view(&order.plant, &order.view)?;
    let limits = order.limits.as_deref().map(limits::read).transpose()?;
    let limits = limits.unwrap_or_default();
    let mut unread = Vec::new();
    let mut twice = Vec::new();
    let a = take(&order.files, (&mut unread, &mut twice));
    let b = take(&order.from_b, (&mut unread, &mut twice));
    let Some((line, view)) = plant.view(&id) else {
        return Err((Exit::Usage, format!("no view {id}")));
    };
    let mut case = Case::of((&plant, line, view), (&a, &b), &limits, &unread);
    case.a.survey.notes.extend(twice);
    let mut exit = case.exit();
    for (target, text) in [
        (&order.html, html::page as fn(&Case<'_>) -> String),
        (&order.csv, csv::table),
    ] {
        let Some(file) = target else { continue };
        if let Err(error) = std::fs::write(file, text(&case)) {
            exit = exit.max(Exit::Unavailable);
            if let Err(gone) = say(err, format!("{}: {error}", file.display())) {
                return Ok(Err(gone));
            }
        }
    }
    Ok(out
        .write_all(text::fragment(&case).as_bytes())
        .map(|()| exit))
}

/// Reads files on all cores; those that give no trace are told by name, those that give the same shot
/// again as well.
fn take(
    names: &[PathBuf],
    (unread, twice): (&mut Vec<(String, String)>, &mut Vec<String>),
) -> Vec<Taken> {
    let named = files::named(names);
    let mut taken: Vec<Taken> = Vec::new();
    let name = |path: &Path| path.display().to_string();
    let work = |file: &files::Named| (name(&file.path), file.look());
    let collected = order::in_order(&named, work, |(name, looked)| {
        match looked {
            Ok(looked) => {
                if let Some(same) = taken.iter().find(|it| it.is_shot(&looked)) {
                    twice.push(format!(
                        "{name}: the same shot as {}, counted once",
                        same.name
                    ));
                    return Ok(());
                }
                let report = Report::new(&name, &looked.sor, &looked.trace, &looked.analysis);
                taken.push(Taken {
                    name,
                    looked,
                    report,
                });
            }
            Err(problem) => unread.push((name, problem.to_string())),
        }
        Ok(())
    });
    // Collecting writes nothing, so nothing can have failed.
    drop(collected);
    taken
}

impl Taken {
    /// Whether this is the very same shot: as a second measurement it would make all look surer.
    fn is_shot(&self, other: &Looked) -> bool {
        self.looked.sor.curve == other.sor.curve
            && self.looked.sor.acquisition == other.sor.acquisition
    }

    fn shot(&self) -> Shot<'_> {
        let taken = self.looked.sor.acquisition.taken;
        Shot {
            name: file_name(&self.name),
            taken: taken.map(|seconds| Timestamp::from_seconds(seconds.into())),
            trace: &self.looked.trace,
            analysis: &self.looked.analysis,
        }
    }
}

/// The last part of a path: what a mark remembers its trace by.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn shots(taken: &[Taken]) -> Vec<Shot<'_>> {
    taken.iter().map(Taken::shot).collect()
}

impl<'a> Case<'a> {
    fn of(
        (plant, line, view): (&'a Plant, &'a Line, &'a View),
        (a, b): (&'a [Taken], &'a [Taken]),
        limits: &'a Limits,
        unread: &'a [(String, String)],
    ) -> Self {
        let (from_a, from_b) = (shots(a), shots(b));
        let mut found = survey(line, view, &from_a);
        let other = opposite(line, view).filter(|_| !b.is_empty());
        let mut other = other.map(|view| End {
            view,
            taken: b,
            survey: survey(line, view, &from_b),
        });
        let section = Section {
            view,
            from_a: &from_a,
            from_b: &from_b,
            survey: &found,
            other: other.as_ref().map(|end| (end.view, &end.survey)),
        };
        let accepted = accept(&section, limits);
        if let Some((end, both)) = other.as_mut().zip(at_reference(&accepted, &found, &from_a)) {
            let seen_from_a = found.clone();
            found.take_over((&end.survey, both), (view, &from_a));
            end.survey
                .take_over((&seen_from_a, both), (end.view, &from_b));
        }
        Self {
            plant,
            line,
            a: End {
                view,
                taken: a,
                survey: found,
            },
            b,
            other,
            accepted,
            limits,
            unread,
        }
    }

    /// Bad input before a fibre that is not well; a closure that is not seen is no fault by itself.
    fn exit(&self) -> Exit {
        let fails = self.accepted.iter().any(|it| it.count(Verdict::Fail) > 0);
        match (self.unread.is_empty() && !self.a.taken.is_empty(), fails) {
            (false, _) => Exit::BadData,
            (true, true) => Exit::NotWell,
            (true, false) => Exit::Done,
        }
    }

    /// Both ends that have a view of their own.
    fn ends(&self) -> impl Iterator<Item = &End<'a>> {
        core::iter::once(&self.a).chain(&self.other)
    }
}

/// What both ends said together at the wavelength by which a survey's lengths go.
fn at_reference<'a>(
    accepted: &'a [Acceptance],
    survey: &Survey,
    shots: &[Shot<'_>],
) -> Option<&'a Acceptance> {
    let colour = |number: usize| shots.get(number)?.trace.settings().wavelength;
    let own = colour(survey.reference);
    accepted
        .iter()
        .find(|it| it.length.is_some() && colour(it.from_a) == own)
}

/// The view of the same fibre from where this one's light ends.
fn opposite<'a>(line: &'a Line, view: &View) -> Option<&'a View> {
    let own = far_node(line, view)?;
    line.views.iter().find(|other| {
        other.fibre == view.fibre
            && other.toward != view.toward
            && other.node == *own
            && far_node(line, other) == Some(&view.node)
    })
}

/// The node where a view's light ends.
fn far_node<'a>(line: &'a Line, view: &'a View) -> Option<&'a NodeId> {
    let end = match view.toward {
        Toward::A => line.nodes.first(),
        Toward::B => line.nodes.last(),
    };
    view.until.as_ref().or_else(|| end.map(|node| &node.id))
}

#[cfg(test)]
mod tests;
