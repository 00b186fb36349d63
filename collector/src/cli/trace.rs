//! `trace`: what OTDR files say, one object or one table a file; no file stops the others.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use silkline_analysis::fuse;
use silkline_analysis::place::{Dossier, Evidence, Finding, Sighting, glass_to_mm};
use silkline_analysis::trace::report::Report;
use silkline_analysis::trace::{Analysis, ChangeKind, Reference, Trace, analyse, compare};
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::unit::OpticalLength;
use silkline_sor::{ReadError, Sor};

use super::{Exit, say};

/// Larger files are no traces.
const LARGEST: u64 = 64 << 20;
/// From half a 95 % interval to a standard deviation.
const TO_SD: f64 = 1.0 / 1.96;

/// What to look at, and by what.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The files.
    pub files: Vec<PathBuf>,
    /// A good trace of the same view.
    pub reference: Option<PathBuf>,
    /// The plant file and the view that the files show.
    pub view: Option<(PathBuf, ViewId)>,
    /// Whether the answer is one line of JSON a file.
    pub json: bool,
}

/// What every file is looked at with.
#[derive(Default)]
struct Lens {
    reference: Option<Reference>,
    place: Option<(Plant, ViewId)>,
}

/// A trace with what it came from.
struct Looked {
    sor: Sor,
    trace: Trace,
    analysis: Analysis,
}

/// Why a file gives no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceProblem {
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It is larger than any trace.
    #[error("more than {LARGEST} bytes")]
    TooLarge,
    /// It is no SOR file, or a damaged one.
    #[error("{0}")]
    Sor(#[from] ReadError),
    /// Its numbers make no trace.
    #[error("{0}")]
    Trace(#[from] silkline_analysis::trace::TraceError),
}

impl TraceProblem {
    /// A short word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "unreadable",
            Self::TooLarge => "too_large",
            Self::Sor(error) => error.kind(),
            Self::Trace(_) => "implausible",
        }
    }
}

/// Says of every file what it shows.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn trace(question: &Question, out: &mut impl Write) -> io::Result<Exit> {
    let lens = match lens(question) {
        Ok(lens) => lens,
        Err((exit, what)) => {
            writeln!(io::stderr(), "{what}")?;
            return Ok(exit);
        }
    };
    let mut exit = Exit::Done;
    for file in &question.files {
        let name = file.display().to_string();
        match look(file) {
            Ok(looked) => {
                let report = report(&name, &looked, &lens);
                let text = if question.json {
                    serde_json::to_string(&report).unwrap_or_default()
                } else {
                    report.table()
                };
                say(out, text)?;
            }
            Err(problem) => {
                exit = Exit::BadData;
                let (kind, message) = (problem.kind(), problem.to_string());
                if question.json {
                    say(
                        out,
                        json!({"file": name, "error": {"kind": kind, "message": message}}),
                    )?;
                } else {
                    say(out, format!("{name}\n  ! {message}\n"))?;
                }
            }
        }
    }
    Ok(exit)
}

fn lens(question: &Question) -> Result<Lens, (Exit, String)> {
    let mut lens = Lens::default();
    if let Some(file) = &question.reference {
        let failed = |problem| (Exit::BadData, format!("{}: {problem}", file.display()));
        lens.reference = Some(Reference {
            analysis: look(file).map_err(failed)?.analysis,
        });
    }
    if let Some((file, view)) = &question.view {
        let bad = |what: String| (Exit::BadSettings, what);
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| bad(format!("{name}: {error}")))?;
        let plant = plant::read(&name, &text)
            .map_err(|mistakes| bad(mistakes.to_string()))?
            .plant;
        if plant.view(view).is_none() {
            return Err((Exit::Usage, format!("{name} has no view {view}")));
        }
        lens.place = Some((plant, view.clone()));
    }
    Ok(lens)
}

fn look(file: &Path) -> Result<Looked, TraceProblem> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(TraceProblem::TooLarge);
    }
    let sor = silkline_sor::read(&bytes)?;
    let trace = Trace::from_sor(&sor)?;
    let analysis = analyse(&trace);
    Ok(Looked {
        sor,
        trace,
        analysis,
    })
}

fn report(name: &str, looked: &Looked, lens: &Lens) -> Report {
    let Looked {
        sor,
        trace,
        analysis,
    } = looked;
    let mut report = Report::new(name, sor, trace, analysis);
    let mut break_at = None;
    if let Some(reference) = &lens.reference {
        let found = compare(analysis, reference);
        let broken = found
            .changes
            .iter()
            .find(|change| change.kind == ChangeKind::Break);
        break_at = broken.map(|change| (change.at, change.plus_minus));
        report = report.with_changes(&found);
    }
    if let Some((plant, view)) = &lens.place {
        let end = analysis.end.as_ref().map(|end| (end.at, end.plus_minus));
        match break_at.or(end).map(|seen| place(plant, view, trace, seen)) {
            Some(Ok(place)) => report.place = Some(place),
            Some(Err(why)) => report.warnings.push(why),
            None => report.place = Some(Value::Null),
        }
    }
    report
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

#[cfg(test)]
mod tests {
    use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse};

    use super::*;

    const PLANT: &str = r#"
        [[site]]
        id = "west"
        [[site]]
        id = "east"
        [[line]]
        id = "west-east"
        kind = "terrestrial"
        a = "west"
        b = "east"
        node = [
          { id = "west", kind = "terminal", chainage_m = 0, site = "west" },
          { id = "east", kind = "terminal", chainage_m = 20000, site = "east" },
        ]
        fibre = [{ id = "f1" }]
        view = [{ id = "west-b", fibre = "f1", node = "west", toward = "B", launch_m = 1000 }]
    "#;

    /// A fibre of `length` metres at 0.2 dB/km in the noise of a receiver.
    fn sor(length: f64) -> Vec<u8> {
        let index = GroupIndex::STANDARD_1550;
        let pulse = Pulse {
            width_ns: 100,
            spacing: OneWayTime::from_metres(2.0, index),
        };
        let mut chance = 1_u32;
        let mut noise = move || {
            let mut sum = -6.0;
            for _ in 0..12 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                sum += f64::from(chance >> 8) / f64::from(1 << 24);
            }
            sum
        };
        let level = |sample: u32| {
            let metres = f64::from(sample) * 2.0;
            let light = if metres < length {
                10_f64.powf(-(5.0 + 2e-4 * metres) / 5.0)
            } else {
                0.0
            };
            let power = light + 2e-5 * noise();
            let db = if power > 0.0 {
                -5.0 * power.log10()
            } else {
                65.535
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below 2¹⁶"
            )]
            let raw = (db * 1000.0).clamp(0.0, 65_535.0) as u16;
            raw
        };
        let raw = (0..12_000).map(level).collect();
        let sor = Sor::new(
            Acquisition::new(pulse, index, 1550.0),
            Curve { scale: 1000, raw },
        );
        silkline_sor::write(&sor)
    }

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let file = self.folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            file
        }
    }

    fn ask(question: &Question) -> (Exit, Vec<Value>) {
        let mut out = Vec::new();
        let exit = trace(question, &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        (
            exit,
            lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        )
    }

    #[test]
    fn every_file_gives_one_object_and_no_bad_one_stops_the_others() {
        let files = Files::new();
        let good = sor(15_000.0);
        let question = Question {
            files: vec![
                files.put("poem.sor", b"Shall I compare thee"),
                files.put("good.sor", &good),
                files.put("cut.sor", &good[..good.len() / 2]),
                files.folder.path().join("absent.sor"),
            ],
            json: true,
            ..Question::default()
        };
        let (exit, answers) = ask(&question);
        assert_eq!(exit, Exit::BadData);
        let kinds: Vec<_> = answers
            .iter()
            .map(|it| it["error"]["kind"].as_str())
            .collect();
        assert_eq!(
            kinds,
            [Some("not_sor"), None, Some("truncated"), Some("unreadable")]
        );
        let end = answers[1]["end_of_fibre"]["at_m"].as_f64().unwrap();
        assert!((end - 15_000.0).abs() < 20.0, "{end}");
        assert!(answers.iter().all(|it| it["file"].is_string()));
    }

    #[test]
    fn a_break_against_a_reference_gets_a_place_on_the_route() {
        let files = Files::new();
        let question = Question {
            files: vec![files.put("shot.sor", &sor(9_000.0))],
            reference: Some(files.put("good.sor", &sor(21_000.0))),
            view: Some((
                files.put("plant.toml", PLANT.as_bytes()),
                "west-b".parse().unwrap(),
            )),
            json: true,
        };
        let (exit, answers) = ask(&question);
        assert_eq!(exit, Exit::Done);
        assert_eq!(answers[0]["changes"][0]["kind"], "break", "{}", answers[0]);
        let place = &answers[0]["place"];
        assert_eq!(place["span"], "west..east");
        // 9 km of glass behind a launch fibre of 1 km; the glass is a little longer than the ground.
        let chainage = place["chainage_m"].as_f64().unwrap();
        assert!((7_700.0..8_100.0).contains(&chainage), "{chainage}");
    }

    #[test]
    fn a_view_that_is_not_in_the_plant_is_wrong_usage() {
        let files = Files::new();
        let plant = files.put("plant.toml", PLANT.as_bytes());
        let view = Some((plant, "nowhere".parse().unwrap()));
        let question = Question {
            view,
            ..Question::default()
        };
        assert_eq!(ask(&question), (Exit::Usage, Vec::new()));
    }

    #[test]
    fn real_traces_all_give_an_object() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/sor");
        let Ok(entries) = std::fs::read_dir(folder) else {
            println!("skipped: no real traces here");
            return;
        };
        let files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|it| it.eq_ignore_ascii_case("sor"))
            })
            .step_by(8)
            .collect();
        let count = files.len();
        let (_, answers) = ask(&Question {
            files,
            json: true,
            ..Question::default()
        });
        assert_eq!(answers.len(), count);
    }
}
