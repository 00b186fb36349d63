use serde_json::Value;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, OpticalLength};
use silkline_sim::Seed;
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};

use super::*;
use crate::commit::example::PLANT;

/// A view of the example's line, with a launch fibre of a kilometre.
const VIEW: &str = r#"
[[line.view]]
id = "west-b"
fibre = "f1"
node = "west"
toward = "B"
launch_m = 1000
"#;

/// The file of a shot into a fibre of `length` metres, with a splice of `splice` decibels at 5 km.
fn sor(length: f64, splice: f64) -> Vec<u8> {
    shot(length, splice, 0)
}

/// The same as another shot.
fn shot(length: f64, splice: f64, number: u64) -> Vec<u8> {
    let part = |metres, then| Part::standard(OpticalLength::of(metres), then);
    file_of(
        &Fibre {
            panel: Joint::default(),
            parts: vec![
                part(5_000.0, Joint::splice(Db::of(splice))),
                part(length - 5_000.0, Joint::default()),
            ],
        },
        number,
    )
}

/// A span with three splices, a connector, and an end that reflects; `cut` at a place.
fn span(cut: Option<f64>) -> Vec<u8> {
    let part = |metres, then| Part::standard(OpticalLength::of(metres), then);
    let connector = Joint::reflecting(Db::of(0.35), Db::of(-48.0));
    let mut fibre = Fibre {
        panel: Joint::reflecting(Db::of(0.2), Db::of(-50.0)),
        parts: vec![
            part(3_900.0, Joint::splice(Db::of(0.12))),
            part(4_150.0, Joint::splice(Db::of(-0.09))),
            part(3_700.0, connector),
            part(4_100.0, Joint::splice(Db::of(0.25))),
            part(5_200.0, Joint::reflecting(Db::of(0.0), Db::of(-28.0))),
        ],
    };
    if let Some(at) = cut {
        fibre.break_at(
            OpticalLength::of(at),
            Joint::reflecting(Db::of(0.0), Db::of(-40.0)),
        );
    }
    file_of(&fibre, 0)
}

fn file_of(fibre: &Fibre, number: u64) -> Vec<u8> {
    let shot = Shot {
        taken: Timestamp::from_seconds(1_790_000_000),
        noise: Seed(number),
        ..Shot::of(OpticalLength::of(22_000.0), 100, 30)
    };
    shoot(fibre, &Instrument::default(), &shot).sor(&Labels::default())
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.path(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }
}

fn ask(question: &Question) -> (Exit, Vec<Value>) {
    let mut out = Vec::new();
    let exit = trace(question, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (exit, lines.collect())
}

#[test]
fn every_file_gives_one_object_and_no_bad_one_stops_the_others() {
    let files = Files::new();
    let good = sor(15_000.0, 0.3);
    let question = Question {
        files: vec![
            files.put("poem.sor", b"Shall I compare thee"),
            files.put("good.sor", &good),
            files.put("cut.sor", &good[..good.len() / 2]),
            files.path("absent.sor"),
            files.put("nothing.sor", b""),
            files.path("*.xyz"),
        ],
        json: true,
        ..Question::default()
    };
    let (exit, answers) = ask(&question);
    assert_eq!(exit, Exit::BadData);
    let kinds: Vec<_> = answers
        .iter()
        .map(|it| it["error"]["kind"].as_str().unwrap_or("-"))
        .collect();
    let wanted = [
        "not_sor",
        "-",
        "truncated",
        "unreadable",
        "empty",
        "no_files",
    ];
    assert_eq!(kinds, wanted);
    let end = answers[1]["end_of_fibre"]["at_m"].as_f64().unwrap();
    assert!((end - 15_000.0).abs() < 20.0, "{end}");
    assert!(answers.iter().all(|it| it["file"].is_string()));
}

#[test]
fn files_that_gave_nothing_are_named_once_more_at_the_end() {
    let failed: Vec<String> = (0..20).map(|k| format!("{k}.sor")).collect();
    let told = summary(300, &failed[..2]).unwrap();
    assert_eq!(told, "2 of 300 files gave no trace: 0.sor, 1.sor");
    let told = summary(300, &failed).unwrap();
    assert!(
        told.starts_with("20 of 300") && told.ends_with("7.sor, …"),
        "{told}"
    );
    assert_eq!(summary(300, &[]), None);
    assert_eq!(summary(1, &failed[..1]), None);
}

#[test]
fn many_files_are_answered_in_their_order() {
    let files = Files::new();
    let shot = sor(15_000.0, 0.3);
    let names: Vec<PathBuf> = (0..40)
        .map(|k| files.put(&format!("{k:02}.sor"), &shot))
        .collect();
    let (exit, answers) = ask(&Question {
        files: vec![files.folder.path().to_path_buf()],
        json: true,
        ..Question::default()
    });
    assert_eq!(exit, Exit::Done);
    let told: Vec<_> = answers
        .iter()
        .map(|it| it["file"].as_str().unwrap())
        .collect();
    let wanted: Vec<_> = names.iter().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(told, wanted);
}

#[test]
fn a_break_against_a_reference_gets_a_place_on_the_route() {
    let files = Files::new();
    let plant = format!("{PLANT}{VIEW}");
    let question = Question {
        files: vec![files.put("shot.sor", &sor(9_000.0, 0.3))],
        references: vec![files.put("good.sor", &sor(21_000.0, 0.3))],
        plant: Some(files.put("plant.toml", plant.as_bytes())),
        view: Some("west-b".parse().unwrap()),
        json: true,
        ..Question::default()
    };
    let (exit, answers) = ask(&question);
    assert_eq!(exit, Exit::Done);
    assert_eq!(answers[0]["changes"][0]["kind"], "break", "{}", answers[0]);
    let place = &answers[0]["place"];
    assert_eq!(place["span"], "west..middle");
    // 9 km of glass behind a launch fibre of 1 km; the glass is a little longer than the ground.
    let chainage = place["chainage_m"].as_f64().unwrap();
    assert!((7_700.0..8_100.0).contains(&chainage), "{chainage}");
}

#[test]
fn nothing_is_learned_of_shots_of_two_fibres() {
    let files = Files::new();
    let good = files.put("a.sor", &shot(15_000.0, 0.3, 1));
    let longer = files.put("b.sor", &shot(18_000.0, 0.3, 2));
    let mut question = Question {
        files: vec![good.clone(), longer.clone()],
        learn: Some(files.path("x.json")),
        json: true,
        ..Question::default()
    };
    assert_eq!(ask(&question).0, Exit::BadData);
    assert!(!files.path("x.json").exists());
    question.learn = None;
    question.references = vec![good, longer];
    assert_eq!(trace(&question, &mut Vec::new()).unwrap(), Exit::BadData);
}

#[test]
fn a_learned_reference_shows_what_one_good_shot_hides() {
    let files = Files::new();
    let put = |k: u64| files.put(&format!("good{k}.sor"), &shot(15_000.0, 0.3, k));
    let good: Vec<PathBuf> = (1..=8).map(put).collect();
    let learned = files.path("span.watch.json");
    let learn = Question {
        files: good.clone(),
        learn: Some(learned.clone()),
        json: true,
        ..Question::default()
    };
    assert_eq!(ask(&learn).0, Exit::Done);
    let now = files.put("now.sor", &shot(15_000.0, 0.4, 99));
    let quiet = files.put("quiet.sor", &shot(15_000.0, 0.3, 98));
    for references in [vec![learned], good] {
        let (exit, answers) = ask(&Question {
            files: vec![now.clone(), quiet.clone()],
            references,
            json: true,
            ..Question::default()
        });
        assert_eq!(exit, Exit::Done);
        let changes = answers[0]["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{changes:?}");
        let delta = changes[0]["delta_db"].as_f64().unwrap();
        let at = changes[0]["at_m"].as_f64().unwrap();
        assert!(
            (delta - 0.1).abs() < 0.02 && (at - 5_000.0).abs() < 60.0,
            "{changes:?}"
        );
        assert_eq!(answers[1]["changes"], serde_json::json!([]));
    }
}

#[test]
fn what_teaches_nothing_is_no_reference() {
    let files = Files::new();
    let odd = files.put("odd.watch.json", b"{\"v\":99}");
    let question = Question {
        files: vec![files.put("a.sor", &sor(15_000.0, 0.3))],
        references: vec![odd],
        ..Question::default()
    };
    assert_eq!(ask(&question), (Exit::BadData, Vec::new()));
    let nowhere = Question {
        references: Vec::new(),
        learn: Some(files.path("no/such.json")),
        json: true,
        ..question
    };
    assert_eq!(ask(&nowhere).0, Exit::Unavailable);
}

#[test]
fn a_trace_from_the_other_end_tells_true_losses() {
    let files = Files::new();
    let question = Question {
        files: vec![files.put("a.sor", &sor(15_000.0, 0.4))],
        both: Some(files.put("b.sor", &sor(15_000.0, 0.4))),
        json: true,
        ..Question::default()
    };
    let (exit, answers) = ask(&question);
    assert_eq!(exit, Exit::Done);
    let length = answers[0]["both"]["length_m"].as_f64().unwrap();
    assert!((length - 15_000.0).abs() < 10.0, "{length}");
    // Both ends see a splice at 5 km: two splices, at 5 and at 10 km of the one fibre.
    let joints = answers[0]["both"]["joints"].as_array().unwrap();
    assert_eq!(joints.len(), 2, "{joints:?}");
    let two = Question {
        files: vec![question.files[0].clone(), question.files[0].clone()],
        ..question
    };
    assert_eq!(ask(&two), (Exit::Usage, Vec::new()));
}

#[test]
fn every_file_gets_its_picture() {
    let files = Files::new();
    let named = |name: &str| files.put(name, &sor(15_000.0, 0.3));
    let mut question = Question {
        files: vec![named("a.sor"), files.put("bad.sor", b"x"), named("b.sor")],
        plot: Some(files.path("plots/{}.svg")),
        ..Question::default()
    };
    assert_eq!(trace(&question, &mut Vec::new()).unwrap(), Exit::BadData);
    for (name, drawn) in [("a", true), ("bad", false), ("b", true)] {
        assert_eq!(
            files.path(&format!("plots/{name}.svg")).exists(),
            drawn,
            "{name}"
        );
    }
    question.plot = Some(files.path("one.svg"));
    assert_eq!(trace(&question, &mut Vec::new()).unwrap(), Exit::Usage);
}

#[test]
fn a_picture_that_cannot_be_written_costs_no_answer() {
    let files = Files::new();
    std::fs::create_dir(files.path("taken.svg")).unwrap();
    let question = Question {
        files: vec![files.put("a.sor", &sor(15_000.0, 0.3))],
        plot: Some(files.path("taken.svg/{}.svg")),
        json: true,
        ..Question::default()
    };
    std::fs::create_dir(files.path("taken.svg/a.svg")).unwrap();
    let (exit, answers) = ask(&question);
    assert_eq!((exit, answers.len()), (Exit::Unavailable, 1));
}

#[test]
fn what_cannot_be_looked_with_is_refused() {
    let files = Files::new();
    let plant = files.put("plant.toml", PLANT.as_bytes());
    let of_view = |plant: &Path, view: &str| Question {
        plant: Some(plant.to_path_buf()),
        view: Some(view.parse().unwrap()),
        ..Question::default()
    };
    assert_eq!(ask(&of_view(&plant, "nowhere")), (Exit::Usage, Vec::new()));
    let absent = ask(&of_view(&files.path("absent.toml"), "west-b"));
    assert_eq!(absent, (Exit::BadSettings, Vec::new()));
    let text = files.put("text.toml", b"hello");
    assert_eq!(ask(&of_view(&text, "west-b")).0, Exit::BadSettings);
    let reference = Question {
        references: vec![files.put("bad.sor", b"hello")],
        ..Question::default()
    };
    assert_eq!(ask(&reference), (Exit::BadData, Vec::new()));
}

#[test]
fn real_traces_all_give_an_object() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/sor");
    if !folder.is_dir() {
        println!("skipped: no real traces here");
        return;
    }
    let named = files::named(&[folder]);
    let files: Vec<PathBuf> = named.into_iter().map(|it| it.path).step_by(8).collect();
    let count = files.len();
    let (exit, answers) = ask(&Question {
        files,
        json: true,
        ..Question::default()
    });
    assert_eq!((exit, answers.len()), (Exit::Done, count));
}

/// Draws the manual's pictures; `SILKLINE_WRITE_DOCS=1` keeps them.
#[test]
fn the_pictures_of_the_manual_can_be_drawn() {
    let files = Files::new();
    let good = files.put("span.sor", &span(None));
    let shot = files.put("cut.sor", &span(Some(13_640.0)));
    let pictures = [
        ("trace.svg", good.clone(), None),
        ("break.svg", shot, Some(good)),
    ];
    for (name, file, reference) in pictures {
        let question = Question {
            files: vec![file],
            references: reference.into_iter().collect(),
            plot: Some(files.path(name)),
            ..Question::default()
        };
        assert_eq!(trace(&question, &mut Vec::new()).unwrap(), Exit::Done);
        if std::env::var_os("SILKLINE_WRITE_DOCS").is_some() {
            let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
            std::fs::copy(files.path(name), docs.join(name)).unwrap();
        }
    }
}
