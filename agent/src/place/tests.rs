//! A cable that is cut in the simulated corridor, found by the agent's own shots.

use core::time::Duration;

use silkline_protocol::message::{Event, EventKind, Trigger};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;
use silkline_sim::Seed;
use silkline_sim::fault::{Fault, Scene};
use silkline_sim::world::{ShotOrder, World};
use tokio::sync::watch;

use super::*;
use crate::uplink::UplinkStatus;

fn plant() -> Plant {
    let text = silkline_sim::corridor::plant_toml();
    silkline_protocol::plant::read("plant.toml", &text)
        .unwrap()
        .plant
}

/// A view of a terrestrial line with the line's id, and a place that it sees.
fn view_of(plant: &Plant) -> (ViewId, silkline_protocol::id::LineId, RouteLength) {
    let found = plant.lines.iter().find_map(|line| {
        let view = line.views.iter().find(|view| view.until.is_some())?;
        let from = line.node(&view.node)?.chainage;
        let until = line.node(view.until.as_ref()?)?.chainage;
        let at = RouteLength::of(from.get() + (until.get() - from.get()) * 0.6);
        let short = (until.get() - from.get()).abs() < 90_000.0;
        short.then(|| (view.id.clone(), line.id.clone(), at))
    });
    found.unwrap_or_else(|| panic!("no short view"))
}

fn shot(world: &World, view: &ViewId, scene: &Scene, trigger: Trigger) -> TraceFile {
    // Another time is another noise.
    let later = i64::from(trigger == Trigger::LightLost) * 3600;
    let at = Timestamp::from_seconds(1_800_000_000 + later);
    let order = ShotOrder {
        pulse_ns: 1000,
        average_s: 10,
        taken: at,
    };
    TraceFile {
        at,
        view: Some(view.clone()),
        port: Some(1),
        trigger,
        sor: world.shoot(view, order, scene).unwrap(),
    }
}

fn cut(line: &silkline_protocol::id::LineId, at: RouteLength) -> Scene {
    let mut scene = Scene::default();
    let fault = Fault::Cut {
        line: line.clone(),
        at,
        fibre: None,
    };
    scene.inflict(fault, Duration::ZERO);
    scene
}

#[test]
fn a_cut_is_placed_within_what_is_said_of_it_with_and_without_a_good_shot() {
    let plant = plant();
    let world = World::new(plant.clone(), Seed(7));
    let (view, line, at) = view_of(&plant);
    let good = shot(&world, &view, &Scene::default(), Trigger::Schedule);
    assert!(is_good(&good.sor, None));
    let broken = shot(&world, &view, &cut(&line, at), Trigger::LightLost);
    assert!(!is_good(&broken.sor, Some(&good.sor)), "it is no good one");
    for before in [Some(good.sor.as_slice()), None] {
        let found = find(&plant, (&view, &broken), before).unwrap();
        let Found::Break(place) = found else {
            panic!("no break: {found:?}")
        };
        let [lo, hi] = place.interval95_m.unwrap();
        // Twice the half width: a 95 % interval of one seed may miss.
        let room = (hi - lo).get() / 2.0 + 20.0;
        let off = (place.chainage_m.unwrap() - at).abs().get();
        assert!(off <= 2.0 * room, "{off} m off, {lo:?} to {hi:?}");
        assert_eq!((&place.view, &place.line), (&view, &line));
        let km = format!("km {:.3}", place.chainage_m.unwrap().get() / 1000.0);
        assert!(place.words.contains(&km), "{}", place.words);
        assert!(place.words.len() <= 160, "{}", place.words);
    }
}

#[test]
fn a_fibre_that_is_whole_is_no_break_where_a_good_shot_is_known() {
    let plant = plant();
    let world = World::new(plant.clone(), Seed(7));
    let (view, ..) = view_of(&plant);
    let good = shot(&world, &view, &Scene::default(), Trigger::Schedule);
    let dark = shot(&world, &view, &Scene::default(), Trigger::LightLost);
    let found = find(&plant, (&view, &dark), Some(&good.sor)).unwrap();
    assert_eq!(found, Found::Whole);
}

#[test]
fn what_is_no_trace_or_no_view_is_said() {
    let plant = plant();
    let world = World::new(plant.clone(), Seed(7));
    let (view, line, at) = view_of(&plant);
    let mut broken = shot(&world, &view, &cut(&line, at), Trigger::LightLost);
    let nowhere: ViewId = "nowhere".parse().unwrap();
    let said = find(&plant, (&nowhere, &broken), None).unwrap_err();
    assert!(said.contains("no view nowhere"), "{said}");
    broken.sor.truncate(100);
    find(&plant, (&view, &broken), None).unwrap_err();
    assert!(!is_good(&broken.sor, None));
}

/// Light is lost with every broker gone: the place is in the spool, on the screen, and went by modem.
#[tokio::test(flavor = "multi_thread")]
async fn a_hut_that_is_cut_off_finds_the_fault_shows_it_and_sends_a_text() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (plant_file, out) = (folder.path().join("plant.toml"), folder.path().join("out"));
    std::fs::write(&plant_file, silkline_sim::corridor::plant_toml()).unwrap();
    let script = folder.path().join("send-sms");
    let body = format!(
        "#!/bin/sh\nprintf '%s' \"$2\" > {0}.part && mv {0}.part {0}\n",
        out.display()
    );
    std::fs::write(&script, body).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let plant = plant();
    let (view, line, at) = view_of(&plant);
    let site = crate::rig::Site::start(&format!(
        "site = \"ganja\"\nlines = [\"{line}\"]\nplant = \"{}\"\n[modem]\n\
         command = [\"{}\", \"+994\"]\nafter = \"0ms\"\n[[device]]\nid = \"otdr-1\"\n\
         profile = \"silkline-otdr\"\nfolder = \"/srv/otdr\"\n",
        plant_file.display(),
        script.display()
    ));
    let (sender, taken) = tokio::sync::mpsc::channel(QUEUE);
    let edge = site.edge.clone().with_desk(sender);
    let (_config, config) = watch::channel(site.config.clone());
    let (_link, link) = watch::channel(None::<watch::Receiver<UplinkStatus>>);
    let board = crate::board::Board::default();
    let desk = Desk::new(
        taken,
        config,
        (site.edge.clone(), link),
        (board.clone(), site.clock),
    );
    tokio::spawn(desk.run(site.stop()));

    let world = World::new(plant, Seed(7));
    for (scene, trigger) in [
        (Scene::default(), Trigger::Schedule),
        (cut(&line, at), Trigger::LightLost),
    ] {
        let taken = Taken {
            device: "otdr-1".parse().unwrap(),
            lines: vec![line.clone()],
            trace: shot(&world, &view, &scene, trigger),
        };
        edge.take(taken).await.unwrap();
    }
    let located = |store: &crate::rig::Store| -> Option<Event> {
        let mut events = store.events("otdr-1").into_iter();
        events.find(|event| event.kind == EventKind::Located)
    };
    let event = site.store.wait("the place", located).await;
    let place = event.place.unwrap();
    assert!(
        (place.chainage_m.unwrap() - at).abs().get() < 500.0,
        "{place:?}"
    );
    let kept = site.config.data.join("good").join(format!("{view}.sor"));
    assert!(kept.exists(), "the good shot is kept");
    let (title, lines) = board.sections().remove(0);
    assert!(
        title == TITLE && lines[0].contains(&place.words),
        "{lines:?}"
    );
    crate::rig::wait_until("the text", || out.exists()).await;
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("silkline ganja: view"), "{text}");
    assert!(text.contains(&format!(
        "km {:.3}",
        place.chainage_m.unwrap().get() / 1000.0
    )));
}
