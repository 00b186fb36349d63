use std::fs;

use silkline_protocol::plant;
use silkline_protocol::unit::{Db, OpticalLength};
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Shot as Go, shoot};
use silkline_sim::truth::Truth;
use silkline_sim::{Seed, corridor};

use super::*;

/// Both ends of one span of the example corridor, with a splice of 0.3 dB at every closure.
struct Span {
    folder: tempfile::TempDir,
}

const VIEWS: [(&str, &str); 2] = [("a", "alat-hajigabul"), ("b", "hajigabul-alat")];

impl Span {
    fn new(change: impl Fn(&mut Fibre, &View)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = corridor::plant_toml();
        fs::write(folder.path().join("plant.toml"), &text).unwrap();
        let plant = read_plant(&text);
        let truth = Truth::of(&plant, Seed(3));
        for (way, view) in VIEWS {
            let (line, view) = plant.view(&view.parse().unwrap()).unwrap();
            let cable = truth.cable(&line.id).unwrap();
            let mut fibre = cable.strand(&view.fibre).seen(view, &[]).unwrap();
            let last = fibre.parts.len() - 1;
            for part in &mut fibre.parts[1..last] {
                part.then = Joint::splice(Db::of(0.3));
            }
            change(&mut fibre, view);
            let go = Go {
                launch: view.launch,
                taken: Timestamp::from_seconds(1_790_000_000),
                ..Go::of(fibre.length(), 300, 60)
            };
            let file = shoot(&fibre, &Instrument::default(), &go).sor(&Labels::default());
            fs::write(folder.path().join(format!("{way}.sor")), file).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn order(&self) -> Order {
        Order {
            plant: self.path("plant.toml"),
            view: "alat-hajigabul".parse().unwrap(),
            files: vec![self.path("a.sor")],
            from_b: vec![self.path("b.sor")],
            limits: None,
            html: None,
            csv: None,
        }
    }
}

fn read_plant(text: &str) -> Plant {
    match plant::read("plant.toml", text) {
        Ok(checked) => checked.plant,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

fn ask(order: &Order) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(order, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

/// A plant file without its marks, so that new ones can stand below its first line.
fn without_marks(text: &str) -> String {
    let mut kept = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.starts_with("mark = [");
        if !inside {
            kept.push(line);
        }
        inside &= line != "]";
    }
    kept.join("\n")
}

#[test]
fn marks_go_into_the_plant_file_as_they_come() {
    let span = Span::new(|_, _| {});
    let (exit, out, err) = ask(&span.order());
    assert_eq!((exit, err.as_str()), (Exit::NotWell, ""), "{out}");
    let marks = out.matches("[[line.mark]]").count();
    assert!(marks >= 16, "{out}");
    let bare = without_marks(&corridor::plant_toml());
    // The line they belong to stands first in the example.
    let cut = bare.find("\n[[line]]").unwrap() + 1;
    let next = bare[cut..]
        .find("\n[[line]]")
        .map_or(bare.len(), |at| cut + at + 1);
    let plant = read_plant(&format!("{}{out}{}", &bare[..next], &bare[next..]));
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    assert_eq!(line.marks.len(), marks);
    for mark in &line.marks {
        assert!(mark.group_index.is_some() && mark.trace.is_some() && mark.valid_from.is_some());
    }
}

#[test]
fn losses_from_both_ends_are_held_against_the_limits() {
    let span = Span::new(|_, _| {});
    let mut order = span.order();
    let (exit, out, _) = ask(&order);
    assert_eq!(exit, Exit::NotWell);
    assert!(out.contains("beyond: closure"), "{out}");
    let limits = span.path("limits.toml");
    fs::write(&limits, "splice_db = 0.4\nsplice_one_way_db = 0.7").unwrap();
    order.limits = Some(limits);
    let (exit, out, _) = ask(&order);
    assert_eq!(exit, Exit::Done, "{out}");
}

#[test]
fn the_page_stands_by_itself_and_the_table_has_a_row_an_event() {
    let span = Span::new(|_, _| {});
    let order = Order {
        html: Some(span.path("r.html")),
        csv: Some(span.path("r.csv")),
        ..span.order()
    };
    ask(&order);
    let page = fs::read_to_string(span.path("r.html")).unwrap();
    let outside = ["<script", "<link", "src=", "@import", "url(", "<img"];
    assert!(outside.iter().all(|it| !page.contains(it)));
    // Namespaces are names, nothing is fetched for them.
    assert_eq!(page.matches("http").count(), page.matches("xmlns=").count());
    for part in [
        "FAIL",
        "closure 020",
        "from both ends",
        "<svg",
        "Accepted by",
        "connector at alat",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let table = fs::read_to_string(span.path("r.csv")).unwrap();
    let mut rows = table.lines().map(|line| line.split(',').count());
    let columns = rows.next().unwrap();
    assert!(
        rows.clone().count() >= 10 && rows.all(|row| row == columns),
        "{table}"
    );
    assert!(table.contains("closure 020,splice,"), "{table}");
}

#[test]
fn a_failed_joint_is_told_with_its_place_on_the_ground() {
    let span = Span::new(|_, _| {});
    let html = span.path("r.html");
    let order = Order {
        html: Some(html.clone()),
        ..span.order()
    };
    let (_, out, _) = ask(&order);
    let plant = read_plant(&corridor::plant_toml());
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    let closure = line.landmarks.iter().find(|it| it.name == "closure 020");
    let km = format!("(route km {:.3}, 39.9", closure.unwrap().at.get() / 1_000.0);
    let told = out
        .lines()
        .find(|line| line.contains("beyond: closure 020"));
    assert!(told.unwrap().contains(&km), "{out}");
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("<li>1550 nm: closure 020 at "), "{page}");
    // All that counts as beyond is told, not the joints' losses alone.
    let beyond: usize = out
        .lines()
        .filter_map(|line| line.split_once("from both ends: ")?.1.split(' ').next())
        .filter_map(|count| count.parse::<usize>().ok())
        .sum();
    assert_eq!(out.matches("#   beyond: ").count(), beyond, "{out}");
}

#[test]
fn the_same_shot_given_twice_counts_once() {
    let span = Span::new(|_, _| {});
    fs::copy(span.path("a.sor"), span.path("again.sor")).unwrap();
    let (exit, once, _) = ask(&span.order());
    let order = Order {
        files: vec![span.path("a.sor"), span.path("again.sor")],
        ..span.order()
    };
    let (same, twice, _) = ask(&order);
    assert_eq!(exit, same);
    let told = |line: &&str| line.contains("the same shot as");
    let left: Vec<&str> = twice.lines().filter(|line| !told(line)).collect();
    assert_eq!(left, once.lines().collect::<Vec<_>>());
    assert_eq!(twice.lines().filter(told).count(), 1);
}

#[test]
fn files_of_both_ends_that_were_swapped_name_no_closure() {
    let span = Span::new(|_, _| {});
    let order = Order {
        files: vec![span.path("b.sor")],
        from_b: vec![span.path("a.sor")],
        ..span.order()
    };
    let (_, out, _) = ask(&order);
    assert_eq!(
        out.matches("were the files of both ends swapped?").count(),
        2,
        "{out}"
    );
    assert!(!out.contains("[[line.mark]]"), "{out}");
    assert!(!out.contains("beyond: closure"), "{out}");
}

#[test]
fn a_closure_that_is_not_there_is_said_from_both_ends() {
    let span = Span::new(|fibre, view| {
        let middle = fibre.parts.len() - 1;
        let at = if view.id.as_str() == VIEWS[0].1 {
            4
        } else {
            middle - 4
        };
        fibre.parts[at].then = Joint::default();
        fibre.parts[at + 1].backscatter = fibre.parts[at].backscatter;
    });
    let (_, out, _) = ask(&span.order());
    assert_eq!(out.matches("not seen: closure 020").count(), 2, "{out}");
    assert!(!out.contains("landmark = \"closure 020\""), "{out}");
}

#[test]
fn one_end_alone_is_told_as_that() {
    let span = Span::new(|_, _| {});
    let order = Order {
        from_b: Vec::new(),
        ..span.order()
    };
    let (_, out, _) = ask(&order);
    assert!(
        out.contains("from one end") && !out.contains("hajigabul-alat"),
        "{out}"
    );
}

#[test]
fn a_fibre_from_elsewhere_is_no_pair() {
    let span = Span::new(|fibre, view| {
        if view.id.as_str() == VIEWS[1].1 {
            fibre.break_at(OpticalLength::of(9_000.0), Joint::default());
        }
    });
    let (_, out, _) = ask(&span.order());
    assert!(out.contains("are no pair"), "{out}");
}

#[test]
fn what_cannot_be_read_or_written_is_told_with_its_code() {
    let span = Span::new(|_, _| {});
    let mut order = span.order();
    order.files.push(span.path("absent.sor"));
    let (exit, out, _) = ask(&order);
    assert_eq!(exit, Exit::BadData);
    assert!(
        out.contains("absent.sor") && out.contains("[[line.mark]]"),
        "{out}"
    );

    order = span.order();
    order.view = "nowhere".parse().unwrap();
    assert_eq!(ask(&order).0, Exit::Usage);

    order = span.order();
    order.plant = span.path("a.sor");
    assert_eq!(ask(&order).0, Exit::BadSettings);

    order = span.order();
    order.html = Some(span.path("no/such/folder.html"));
    let (exit, _, err) = ask(&order);
    assert_eq!(exit, Exit::Unavailable);
    assert!(err.contains("folder.html"), "{err}");
}

#[test]
fn a_view_to_the_end_of_the_line_has_an_opposite() {
    let mut plant = read_plant(&corridor::plant_toml());
    let line = &mut plant.lines[0];
    let ends = [
        line.nodes[0].id.clone(),
        line.nodes.last().unwrap().id.clone(),
    ];
    let mut whole = [line.views[0].clone(), line.views[1].clone()];
    for (view, node) in whole.iter_mut().zip(&ends) {
        view.node = node.clone();
        view.until = None;
    }
    line.views = whole.to_vec();
    let found = opposite(line, &whole[0]).map(|view| &view.id);
    assert_eq!(found, Some(&whole[1].id));
    line.views.pop();
    assert_eq!(opposite(line, &whole[0]), None);
}
