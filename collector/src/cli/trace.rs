//! `trace`: what OTDR files say, one object or one table a file; no file stops the others.

pub(super) mod files;
pub(super) mod lens;
mod look;
pub(super) mod order;
mod pictures;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use silkline_protocol::id::ViewId;

use super::{Exit, say};
use crate::plot::{Form, Picture};
use files::Named;
use lens::Lens;
use pictures::Pictures;

pub use files::NoFile;
pub use look::{Looked, TraceProblem};

/// From this many files on a person wants to see that something happens.
const MANY: usize = 12;

/// So many files that gave nothing are named at the end.
const NAMED: usize = 8;

/// What to look at, and by what.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Question {
    /// The files, in the SOR format; a folder stands for the .sor files in it.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Print one line of JSON a file.
    #[arg(long)]
    pub json: bool,
    /// A good trace of the same view to compare with, or what --learn wrote; several good traces
    /// show smaller changes.
    #[arg(long = "reference", value_name = "FILE")]
    pub references: Vec<PathBuf>,
    /// Draw each trace into OUT.svg or OUT.png; of several files into a folder, or by a name with
    /// {} for the file's own, such as plots/{}.png.
    #[arg(long, value_name = "OUT")]
    pub plot: Option<PathBuf>,
    /// A trace of the same fibre from its other end: true losses of its joints.
    #[arg(long, value_name = "FILE")]
    pub both: Option<PathBuf>,
    /// Keep what the files, all good, have in common: a reference for later.
    #[arg(long, value_name = "OUT.watch.json")]
    pub learn: Option<PathBuf>,
    /// The plant file, to say where on the route the fibre ends.
    #[arg(long, requires = "view")]
    pub plant: Option<PathBuf>,
    /// The view of the plant that the files show.
    #[arg(long, requires = "plant")]
    pub view: Option<ViewId>,
}

/// What to say of one file.
struct Answer {
    text: String,
    /// What went wrong beside it, for the standard error.
    complaint: Option<String>,
    /// Its name, where it gave no trace.
    failed: Option<String>,
    exit: Exit,
}

/// Says of every file what it shows.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn trace(question: &Question, out: &mut impl Write) -> io::Result<Exit> {
    let named = files::named(&question.files);
    let paths: Vec<&Path> = named.iter().map(|it| it.path.as_path()).collect();
    let pictures = question.plot.as_ref().map(|to| Pictures::of(to, &paths));
    let pictures = match pictures.transpose() {
        Ok(pictures) => pictures,
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            return Ok(error.exit());
        }
    };
    if question.both.is_some() && named.len() != 1 {
        let many = named.len();
        writeln!(
            io::stderr(),
            "--both: a trace from the other end goes with one file, not with {many}"
        )?;
        return Ok(Exit::Usage);
    }
    let lens = match Lens::of(question) {
        Ok(lens) => lens,
        Err((exit, what)) => {
            writeln!(io::stderr(), "{what}")?;
            return Ok(exit);
        }
    };
    let bar = progress(named.len(), question.json);
    let mut exit = Exit::Done;
    let mut failed = Vec::new();
    let numbered: Vec<(usize, Named)> = named.into_iter().enumerate().collect();
    let work = |(number, file): &(usize, Named)| {
        let answer = answer(
            file,
            question,
            &lens,
            &pictures.as_ref().map(|to| (*number, to)),
        );
        bar.inc(1);
        answer
    };
    order::in_order(&numbered, work, |answer| {
        exit = exit.max(answer.exit);
        failed.extend(answer.failed);
        bar.suspend(|| {
            if let Some(complaint) = &answer.complaint {
                writeln!(io::stderr(), "{complaint}")?;
            }
            say(out, answer.text)
        })
    })?;
    bar.finish_and_clear();
    if let Some(told) = summary(numbered.len(), &failed) {
        writeln!(io::stderr(), "{told}")?;
    }
    if let Some(to) = &question.learn {
        let files = numbered.iter().map(|(_, file)| file);
        if let Err((refused, what)) = lens::keep(files, to) {
            writeln!(io::stderr(), "{what}")?;
            exit = exit.max(refused);
        }
    }
    Ok(exit)
}

/// What is lost among hundreds of answers: how many files gave none, and the first of their names.
fn summary(files: usize, failed: &[String]) -> Option<String> {
    if files < 2 || failed.is_empty() {
        return None;
    }
    let names: Vec<&str> = failed.iter().take(NAMED).map(String::as_str).collect();
    let more = if failed.len() > NAMED { ", …" } else { "" };
    let count = failed.len();
    let names = names.join(", ");
    Some(format!(
        "{count} of {files} files gave no trace: {names}{more}"
    ))
}

/// A bar on the standard error, where a person waits for many files and does not read JSON there.
fn progress(files: usize, json: bool) -> ProgressBar {
    let reads_json = json && io::stdout().is_terminal();
    let seen = files >= MANY && !reads_json && io::stderr().is_terminal();
    let target = if seen {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} files, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(files as u64), target).with_style(style)
}

fn answer(
    file: &Named,
    question: &Question,
    lens: &Lens,
    picture: &Option<(usize, &Pictures)>,
) -> Answer {
    let name = file.path.display().to_string();
    let looked = match file.look() {
        Ok(looked) => looked,
        Err(problem) => return Answer::failed(&name, &problem, question.json),
    };
    let report = lens.report(&name, &looked);
    let text = if question.json {
        serde_json::to_string(&report).unwrap_or_default()
    } else {
        report.table()
    };
    let drawn = picture.map(|(number, to)| {
        let picture = Picture {
            report: &report,
            trace: &looked.trace,
            reference: lens.reference(),
            names: &[],
            form: Form::Sheet,
        };
        to.write(number, &picture.svg())
    });
    let failed = drawn.and_then(Result::err);
    Answer {
        text,
        exit: failed
            .as_ref()
            .map_or(Exit::Done, pictures::PictureError::exit),
        complaint: failed.map(|error| error.to_string()),
        failed: None,
    }
}

impl Answer {
    fn failed(name: &str, problem: &TraceProblem, json: bool) -> Self {
        let (kind, message) = (problem.kind(), problem.to_string());
        let text = if json {
            json!({"file": name, "error": {"kind": kind, "message": message}}).to_string()
        } else {
            format!("{name}\n  ! {message}\n")
        };
        Self {
            text,
            complaint: None,
            failed: Some(name.to_owned()),
            exit: Exit::BadData,
        }
    }
}

#[cfg(test)]
mod tests;
