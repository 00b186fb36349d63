//! The life of shots, told as what happens and what is done about it.

use super::*;

const CONFIG: &str = r#"
site = "ganja"
lines = ["baku-poti"]
[[device]]
id = "edfa-1"
profile = "silkline-edfa"
address = "10.0.0.7"
[[device]]
id = "otdr-1"
profile = "silkline-otdr"
address = "10.0.0.8"
folder = "/srv/otdr"
[[device.view]]
port = 1
view = "ganja-east"
line = "baku-poti"
shoot_when_dark = ["edfa-1.in_power.1", "edfa-1.osc_in_power.1"]
[[device.view]]
port = 2
view = "ganja-west"
line = "baku-poti"
shoot_when_dark = ["edfa-1.in_power.2"]
"#;

fn triggers(text: &str) -> Triggers {
    Triggers::new(
        &crate::config::read("agent.toml", text).unwrap(),
        Moment::START,
    )
}

fn at(seconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(seconds))
}

fn otdr() -> DeviceId {
    "otdr-1".parse().unwrap()
}

fn point(name: &str) -> PointRef {
    format!("edfa-1.{name}").parse().unwrap()
}

fn refused(why: &str) -> Outcome {
    Outcome::Refused(why.into())
}

/// The ports of the shots that are started.
fn ports(acts: &[Act]) -> Vec<u16> {
    acts.iter()
        .filter_map(|act| match act {
            Act::Start { settings, .. } => Some(settings.port),
            Act::Tell(_) | Act::Abort { .. } => None,
        })
        .collect()
}

fn kinds(acts: &[Act]) -> Vec<EventKind> {
    acts.iter()
        .filter_map(|act| match act {
            Act::Start { .. } | Act::Abort { .. } => None,
            Act::Tell(told) => Some(told.kind),
        })
        .collect()
}

/// Light on `name` goes, at `now`, from lit to dark.
fn lose(triggers: &mut Triggers, name: &str, now: Moment) -> Vec<Act> {
    triggers.observe(&point(name), false, now);
    triggers.observe(&point(name), true, now)
}

/// The shot that runs is started and its file comes.
fn finish(triggers: &mut Triggers, port: u16, now: Moment) -> Origin {
    triggers.started(&otdr(), &Outcome::Taken, now);
    triggers.file(&otdr(), Some(port), now).0
}

#[test]
fn lost_light_is_shot_at_once_and_told_after() {
    let mut triggers = triggers(CONFIG);
    assert!(
        triggers
            .observe(&point("in_power.1"), false, at(0))
            .is_empty()
    );
    let acts = triggers.observe(&point("in_power.1"), true, at(1));
    assert!(
        matches!(&acts[0], Act::Start { settings, .. } if settings.port == 1),
        "{acts:?}"
    );
    assert_eq!(kinds(&acts), [EventKind::LightLost]);
    let started = triggers.started(&otdr(), &Outcome::Taken, at(1));
    assert_eq!(kinds(&started), [EventKind::ShotStarted]);
    let (origin, _) = triggers.file(&otdr(), Some(1), at(12));
    assert_eq!(origin.trigger, Trigger::LightLost);
    assert_eq!(origin.view.unwrap().as_str(), "ganja-east");
    assert_eq!(origin.line.unwrap().as_str(), "baku-poti");
}

#[test]
fn what_is_dark_when_first_seen_was_not_lost_now() {
    let mut triggers = triggers(CONFIG);
    assert!(
        triggers
            .observe(&point("in_power.1"), true, at(0))
            .is_empty()
    );
    let acts = triggers.observe(&point("in_power.1"), false, at(1));
    assert_eq!(kinds(&acts), [EventKind::LightBack]);
}

#[test]
fn two_views_are_shot_one_after_the_other() {
    let mut triggers = triggers(CONFIG);
    assert_eq!(ports(&lose(&mut triggers, "in_power.1", at(1))), [1]);
    assert!(
        ports(&lose(&mut triggers, "in_power.2", at(1))).is_empty(),
        "one at a time"
    );
    triggers.started(&otdr(), &Outcome::Taken, at(1));
    let (_, acts) = triggers.file(&otdr(), Some(1), at(12));
    assert_eq!(ports(&acts), [2]);
    assert_eq!(finish(&mut triggers, 2, at(24)).trigger, Trigger::LightLost);
}

#[test]
fn two_points_that_go_together_make_one_shot() {
    let mut triggers = triggers(CONFIG);
    // Another shot runs, so both losses come before theirs is started.
    triggers
        .command(&"ganja-west".parse().unwrap(), at(0))
        .unwrap();
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    lose(&mut triggers, "in_power.1", at(1));
    lose(&mut triggers, "osc_in_power.1", at(1));
    let (_, acts) = triggers.file(&otdr(), Some(2), at(9));
    assert_eq!(ports(&acts), [1]);
    finish(&mut triggers, 1, at(20));
    assert!(ports(&triggers.tick(at(500))).is_empty());
}

#[test]
fn a_light_that_flaps_does_not_shoot_for_ever() {
    let mut triggers = triggers(CONFIG);
    let mut shots = 0;
    for second in 0..3600 {
        let now = at(second);
        let mut acts = triggers.observe(&point("in_power.1"), second % 2 == 1, now);
        acts.extend(triggers.tick(now));
        for _ in ports(&acts) {
            shots += 1;
            finish(&mut triggers, 1, now);
        }
    }
    assert!((3..=9).contains(&shots), "{shots} shots in an hour");
}

#[test]
fn a_loss_while_holding_off_is_shot_at_its_end_if_it_is_still_dark() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    finish(&mut triggers, 1, at(11));
    assert!(ports(&lose(&mut triggers, "in_power.1", at(20))).is_empty());
    assert_eq!(triggers.deadline(at(20)), Some(at(60)));
    assert_eq!(ports(&triggers.tick(at(60))), [1]);
}

#[test]
fn a_loss_while_holding_off_is_not_shot_once_the_light_is_back() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    finish(&mut triggers, 1, at(11));
    lose(&mut triggers, "in_power.1", at(20));
    triggers.observe(&point("in_power.1"), false, at(30));
    assert!(ports(&triggers.tick(at(60))).is_empty());
}

#[test]
fn lost_light_goes_before_commands_and_commands_before_the_schedule() {
    let text = CONFIG.replace("port = 1\n", "port = 1\nevery = \"10min\"\n");
    let mut triggers = triggers(&text);
    let west: ViewId = "ganja-west".parse().unwrap();
    assert_eq!(ports(&triggers.command(&west, at(0)).unwrap()), [2]);
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    triggers.tick(at(1));
    lose(&mut triggers, "in_power.2", at(2));
    let (origin, acts) = triggers.file(&otdr(), Some(2), at(9));
    assert_eq!((origin.trigger, ports(&acts)), (Trigger::Command, vec![2]));
    triggers.started(&otdr(), &Outcome::Taken, at(9));
    let (origin, acts) = triggers.file(&otdr(), Some(2), at(20));
    assert_eq!(
        (origin.trigger, ports(&acts)),
        (Trigger::LightLost, vec![1])
    );
    assert_eq!(finish(&mut triggers, 1, at(31)).trigger, Trigger::Schedule);
    // 600 s less what a shot takes, and a quarter of that for alarms.
    let due = at(31) + Duration::from_millis(600_000 - 18_750);
    assert_eq!(triggers.deadline(at(31)), Some(due));
}

#[test]
fn a_start_that_is_refused_is_tried_again_and_at_last_told() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    let mut now = at(0);
    for round in 0..20 {
        let told = triggers.started(&otdr(), &refused("exception 6"), now);
        if kinds(&told) == [EventKind::ShotFailed] {
            assert_eq!(round, 5);
            let Act::Tell(told) = &told[0] else {
                panic!("no event")
            };
            assert!(told.detail.contains("light_lost") && told.detail.contains("exception 6"));
            return;
        }
        now = triggers.deadline(now).unwrap();
        assert_eq!(ports(&triggers.tick(now)), [1]);
    }
    panic!("never given up");
}

#[test]
fn a_start_without_an_answer_may_have_worked() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    triggers.started(&otdr(), &refused("no answer"), at(1));
    let (origin, _) = triggers.file(&otdr(), Some(1), at(4));
    assert_eq!(origin.trigger, Trigger::LightLost);
    assert!(ports(&triggers.tick(at(30))).is_empty(), "not shot twice");
}

#[test]
fn a_file_that_never_comes_and_a_failure_are_told_and_free_the_instrument() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    assert_eq!(kinds(&triggers.tick(at(70))), [EventKind::ShotFailed]);
    assert_eq!(
        ports(
            &triggers
                .command(&"ganja-west".parse().unwrap(), at(71))
                .unwrap()
        ),
        [2]
    );
    triggers.started(&otdr(), &Outcome::Taken, at(71));
    assert!(
        triggers.shot_failed(&otdr(), true, at(71)).is_empty(),
        "the shot before failed"
    );
    triggers.shot_failed(&otdr(), false, at(72));
    assert_eq!(
        kinds(&triggers.shot_failed(&otdr(), true, at(73))),
        [EventKind::ShotFailed]
    );
}

#[test]
fn a_file_nobody_asked_for_is_unknown_but_its_view_is_not() {
    let mut triggers = triggers(CONFIG);
    let (origin, _) = triggers.file(&otdr(), Some(2), at(0));
    assert_eq!(origin.trigger, Trigger::Unknown);
    assert_eq!(origin.view.unwrap().as_str(), "ganja-west");
    for port in [None, Some(9)] {
        assert_eq!(triggers.file(&otdr(), port, at(0)).0.view, None);
    }
}

#[test]
fn an_instrument_without_an_address_is_watched_but_not_started() {
    let mut triggers = triggers(&CONFIG.replace("address = \"10.0.0.8\"\n", ""));
    assert!(ports(&lose(&mut triggers, "in_power.1", at(0))).is_empty());
    let east: ViewId = "ganja-east".parse().unwrap();
    assert_eq!(
        triggers.command(&east, at(0)),
        Err(Refusal::NotStartable(east))
    );
    let nowhere: ViewId = "nowhere".parse().unwrap();
    assert_eq!(
        triggers.command(&nowhere, at(0)),
        Err(Refusal::NoSuchView(nowhere))
    );
}

#[test]
fn a_permit_blocks_every_reason_is_told_once_and_lost_light_waits_for_its_end() {
    let text = CONFIG.replace("port = 1\n", "port = 1\nevery = \"10min\"\n");
    let mut triggers = triggers(&text);
    let permit = crate::permit::tests::permit("p", &[], (100, 200));
    let by = Outcome::Blocked(Blocked::Permit {
        permit: permit.clone(),
        ends: true,
    });
    assert_eq!(ports(&triggers.tick(at(0))), [1], "the schedule");
    let told = triggers.started(&otdr(), &by, at(0));
    let Act::Tell(told) = &told[0] else {
        panic!("not told")
    };
    assert_eq!(told.kind, EventKind::ShotBlocked);
    assert_eq!(told.permit.as_ref(), Some(&permit));
    assert!(
        told.detail
            .contains("schedule: blocked by permit p of L. Mammadova until")
    );
    assert!(ports(&triggers.tick(at(1))).is_empty(), "it rests");

    let mut triggers = by_registers();
    let mut now = at(10);
    assert_eq!(ports(&lose(&mut triggers, "in_power.1", now)), [1]);
    assert_eq!(
        kinds(&triggers.started(&otdr(), &by, now)),
        [EventKind::ShotBlocked]
    );
    for _ in 0..3 {
        now = triggers.deadline(now).unwrap();
        assert_eq!(ports(&triggers.tick(now)), [1], "still dark");
        let acts = triggers.started(&otdr(), &by, now);
        assert!(acts.is_empty(), "told once: {acts:?}");
    }
    now = triggers.deadline(now).unwrap();
    triggers.tick(now);
    let started = triggers.started(&otdr(), &Outcome::Taken, now);
    assert_eq!(kinds(&started), [EventKind::ShotStarted]);
    let (origin, _) = triggers.file(&otdr(), Some(1), now);
    assert_eq!(origin.trigger, Trigger::LightLost, "the reason is kept");
}

#[test]
fn light_that_is_back_before_a_permit_ends_is_not_shot() {
    let mut triggers = triggers(CONFIG);
    lose(&mut triggers, "in_power.1", at(0));
    let by = Outcome::Blocked(Blocked::Unreadable("permits: gone".into()));
    let acts = triggers.started(&otdr(), &by, at(0));
    assert_eq!(kinds(&acts), [EventKind::ShotBlocked]);
    triggers.observe(&point("in_power.1"), false, at(5));
    assert!(ports(&triggers.tick(at(600))).is_empty());
}

/// The same, by an instrument that can be stopped, with a round of both views.
fn by_lines() -> Triggers {
    let text = CONFIG
        .replace("silkline-otdr", "silkline-otdr-scpi")
        .replace("port = 1\n", "port = 1\nevery = \"10min\"\n")
        .replace("port = 2\n", "port = 2\nevery = \"10min\"\n");
    triggers(&text)
}

fn by_registers() -> Triggers {
    triggers(CONFIG)
}

fn aborts(acts: &[Act]) -> usize {
    let aborts = acts.iter().filter(|act| matches!(act, Act::Abort { .. }));
    aborts.count()
}

#[test]
fn an_alarm_stops_the_round_which_goes_on_where_it_was() {
    let mut triggers = by_lines();
    assert_eq!(ports(&triggers.tick(at(0))), [1]);
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    let acts = lose(&mut triggers, "in_power.2", at(3));
    assert_eq!((aborts(&acts), ports(&acts)), (1, vec![]));
    assert_eq!(aborts(&triggers.tick(at(3))), 0, "asked once");
    let acts = triggers.aborted(&otdr(), true, at(4));
    assert_eq!(ports(&acts), [2]);
    assert_eq!(finish(&mut triggers, 2, at(14)).trigger, Trigger::LightLost);
    // The alarm's trace is that of view 2 for this round; view 1 is still due.
    let acts = triggers.tick(at(15));
    let acts = if acts.is_empty() {
        triggers.started(&otdr(), &Outcome::Taken, at(15))
    } else {
        acts
    };
    assert!(ports(&acts).is_empty() || ports(&acts) == [1]);
    let (origin, acts) = triggers.file(&otdr(), Some(1), at(26));
    assert_eq!(origin.trigger, Trigger::Schedule);
    assert!(ports(&acts).is_empty(), "the round is through: {acts:?}");
}

#[test]
fn a_shot_that_can_not_be_stopped_is_waited_for() {
    let mut triggers = by_lines();
    triggers.tick(at(0));
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    assert_eq!(aborts(&lose(&mut triggers, "in_power.2", at(3))), 1);
    assert!(triggers.aborted(&otdr(), false, at(4)).is_empty());
    let (origin, acts) = triggers.file(&otdr(), Some(1), at(11));
    assert_eq!((origin.trigger, ports(&acts)), (Trigger::Schedule, vec![2]));

    let mut triggers = by_registers();
    triggers
        .command(&"ganja-west".parse().unwrap(), at(0))
        .unwrap();
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    let acts = lose(&mut triggers, "in_power.1", at(1));
    assert_eq!(aborts(&acts), 0, "registers know no end: {acts:?}");
}

#[test]
fn a_command_that_was_stopped_for_an_alarm_is_done_after_it() {
    let text = CONFIG.replace("silkline-otdr", "silkline-otdr-scpi");
    let mut triggers = triggers(&text);
    triggers
        .command(&"ganja-west".parse().unwrap(), at(0))
        .unwrap();
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    assert_eq!(aborts(&lose(&mut triggers, "in_power.1", at(1))), 1);
    assert_eq!(ports(&triggers.aborted(&otdr(), true, at(2))), [1]);
    triggers.started(&otdr(), &Outcome::Taken, at(2));
    let (_, acts) = triggers.file(&otdr(), Some(1), at(13));
    assert_eq!(ports(&acts), [2]);
    assert_eq!(finish(&mut triggers, 2, at(24)).trigger, Trigger::Command);
}

#[test]
fn a_permit_stops_the_shot_that_runs_and_no_other() {
    let mut triggers = by_lines();
    triggers.tick(at(0));
    triggers.started(&otdr(), &Outcome::Taken, at(0));
    let permit = crate::permit::tests::permit("p", &["f1"], (100, 200));
    let (acts, views) = triggers.permitted(&permit);
    assert_eq!(aborts(&acts), 1);
    assert_eq!(views[0].as_str(), "ganja-east", "its fibre may be f1");
    assert_eq!(triggers.permitted(&permit).0, [], "asked once");
    let elsewhere = permit.fields().clone();
    let elsewhere = Permit::new(silkline_protocol::permit::Fields {
        line: "other".parse().unwrap(),
        ..elsewhere
    });
    assert_eq!(triggers.permitted(&elsewhere.unwrap()).1, []);
}

#[test]
fn an_instrument_that_needs_a_dark_fibre_shoots_no_traffic() {
    let mut config = crate::config::read("agent.toml", CONFIG).unwrap();
    let otdr_at = config.devices.iter().position(|d| d.id == otdr()).unwrap();
    let mut profile = (*config.devices[otdr_at].profile).clone();
    profile.shot.as_mut().unwrap().needs_dark = true;
    config.devices[otdr_at].profile = std::sync::Arc::new(profile);
    let mut triggers = Triggers::new(&config, Moment::START);
    let west: ViewId = "ganja-west".parse().unwrap();
    let refused = |triggers: &mut Triggers, now| match triggers.command(&west, now) {
        Err(Refusal::Traffic(_, why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(&mut triggers, at(0)).contains("not told"));
    triggers.observe(&point("in_power.2"), false, at(1));
    assert!(refused(&mut triggers, at(1)).contains("edfa-1.in_power.2 sees light"));
    let acts = triggers.observe(&point("in_power.2"), true, at(2));
    assert_eq!(ports(&acts), [2], "dark, so it may");
    finish(&mut triggers, 2, at(13));
    assert!(
        refused(&mut triggers, at(60)).contains("not told"),
        "the word is old"
    );
    // Of two points that are lost one sees light still: looked at again, and told once.
    triggers.observe(&point("osc_in_power.1"), false, at(60));
    let acts = lose(&mut triggers, "in_power.1", at(60));
    assert_eq!(kinds(&acts), [EventKind::ShotBlocked, EventKind::LightLost]);
    triggers.observe(&point("in_power.1"), true, at(90));
    assert!(ports(&triggers.tick(at(90))).is_empty());
    triggers.observe(&point("in_power.1"), true, at(121));
    let acts = triggers.observe(&point("osc_in_power.1"), true, at(121));
    assert_eq!(ports(&acts), [1], "both dark");
}

/// The same with an OTDR whose traces are read in blocks, behind a switch of its own.
fn switched() -> Triggers {
    let text = CONFIG
        .replace("silkline-otdr", "silkline-otdr-snmp")
        .replace(
            "folder = \"/srv/otdr\"\n",
            "folder = \"/srv/otdr\"\n[device.switch]\ndevice = \"switch-1\"\nown_port = 4\n",
        );
    let switch =
        "[[device]]\nid = \"switch-1\"\nprofile = \"silkline-switch\"\naddress = \"10.0.0.9\"\n";
    triggers(&format!("{text}{switch}"))
}

#[test]
fn a_shot_through_a_switch_says_which_and_to_whose_fibre() {
    let acts = lose(&mut switched(), "in_power.2", at(1));
    let Some(Act::Start {
        settings,
        through: Some(through),
        ..
    }) = acts.first()
    else {
        panic!("{acts:?}")
    };
    assert_eq!((settings.port, settings.own_port), (2, 4));
    assert_eq!(through.switch.as_str(), "switch-1");
    assert_eq!(through.line.as_str(), "baku-poti");
    let acts = lose(&mut triggers(CONFIG), "in_power.2", at(1));
    assert!(
        matches!(&acts[0], Act::Start { through: None, settings, .. } if settings.own_port == 2),
        "{acts:?}"
    );
}

#[test]
fn a_trace_that_could_not_be_had_is_told_and_wanted_again_while_it_is_dark() {
    let mut triggers = switched();
    lose(&mut triggers, "in_power.1", at(1));
    triggers.started(&otdr(), &Outcome::Taken, at(1));
    let other = triggers.unfetched(&otdr(), 2, "not ours", at(5));
    assert!(other.is_empty(), "the shot of another port: {other:?}");
    let acts = triggers.unfetched(&otdr(), 1, "block 7: no answer", at(20));
    assert_eq!(kinds(&acts), [EventKind::ShotFailed]);
    assert!(
        matches!(&acts[0], Act::Tell(told) if told.detail.contains("light_lost: block 7: no answer")),
        "{acts:?}"
    );
    assert!(ports(&triggers.tick(at(30))).is_empty(), "it holds off");
    assert_eq!(ports(&triggers.tick(at(62))), [1], "still dark");
    // Reading may take a while longer than a file would.
    triggers.started(&otdr(), &Outcome::Taken, at(62));
    assert!(kinds(&triggers.tick(at(62 + 10 + 100))).is_empty());
    let late = triggers.tick(at(62 + 10 + 121));
    assert_eq!(kinds(&late), [EventKind::ShotFailed]);
}

#[test]
fn the_round_begins_by_itself_and_waits_for_what_runs() {
    let text = CONFIG.replacen(
        "view = \"ganja-east\"\n",
        "view = \"ganja-east\"\nevery = \"10min\"\n",
        1,
    );
    let mut triggers = triggers(&text);
    assert_eq!(
        triggers.deadline(at(5)),
        Some(at(5)),
        "due since the start, with nothing else to wake it"
    );
    assert_eq!(ports(&triggers.tick(at(5))), [1]);
    assert_ne!(triggers.deadline(at(5)), Some(at(5)), "asked already");
    triggers.started(&otdr(), &Outcome::Taken, at(5));
    triggers.file(&otdr(), Some(1), at(20));
    let next = triggers.deadline(at(20)).unwrap();
    assert!(next > at(500) && next < at(620), "{next:?}");
    assert_eq!(ports(&triggers.tick(next)), [1]);
}
