//! What the commit task promises: once in the store, nothing before it is stored, the same after a
//! restart.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use silkline_analysis::incident::{Incident, State};
use silkline_protocol::codec::Wire;
use silkline_protocol::delivery::Committed;
use silkline_protocol::message::Body;
use tokio::sync::oneshot;

use super::core::{Also, Effects, Work};
use super::example::{Bench, Sender, at, delivery};
use super::next_batch;
use crate::engine::Action;
use crate::ingest::Delivery;
use crate::state::{ActionResult, LiveEvent, OperatorAction, Report};
use crate::store::rows::RowId;

mod permits;
mod together;

/// The committed state in `effects`, where it is due.
fn committed(effects: &Effects) -> Option<Committed> {
    let message = effects
        .outgoing
        .iter()
        .find(|it| it.topic.ends_with("/committed"))?;
    Some(serde_json::from_slice(&message.payload).unwrap())
}

/// Every message is counted once: stored, set aside or dropped.
fn adds_up(effects: &Effects) {
    let tally = &effects.tally;
    let sum = |counts: &BTreeMap<_, u64>| counts.values().sum::<u64>();
    let out = sum(&tally.stored) + sum(&tally.quarantined) + sum(&tally.dropped);
    assert_eq!(tally.taken, out, "{tally:?}");
}

/// Light until `dark`, then none: a second apart, both devices.
fn story(dark: i64, until: i64) -> Vec<(i64, Vec<Wire>)> {
    let (mut west, mut middle) = (Sender::new("west"), Sender::new("middle"));
    let mut told = vec![(0, vec![west.about(), middle.about()])];
    for second in 1..until {
        let ms = second * 1000;
        let light = (second < dark).then_some(-12.0);
        told.push((
            ms,
            vec![west.sample(ms, Some(-3.0)), middle.sample(ms + 1, light)],
        ));
    }
    told
}

/// A bench on which the line has been cut, and its incident.
fn cut() -> (Bench, Incident) {
    let mut bench = Bench::new();
    let mut last = None;
    for (ms, wires) in story(20, 30) {
        for event in bench.take(ms + 5, &wires).live {
            if let LiveEvent::Incident(json) = event {
                last = Some(serde_json::from_value((*json).clone()).unwrap());
            }
        }
    }
    (bench, last.expect("an incident"))
}

fn act(bench: &mut Bench, ms: i64, incident: &str, action: Action) -> ActionResult {
    let (done, mut answer) = oneshot::channel();
    let incident = incident.parse().unwrap();
    let action = OperatorAction {
        incident,
        who: "leyla".to_owned(),
        action,
        done,
    };
    let effects = bench.step(
        ms,
        Work {
            actions: vec![action],
            ..Work::default()
        },
    );
    for (done, result) in effects.answers {
        done.send(result).unwrap();
    }
    answer.try_recv().unwrap()
}

#[test]
fn a_record_is_stored_once_however_often_it_comes() {
    let mut bench = Bench::new();
    let mut west = Sender::new("west");
    let wires: Vec<Wire> = (0..20).map(|n| west.sample(n, Some(-3.0))).collect();
    let twice = wires.iter().chain(&wires);
    let effects = bench.take(100, twice);
    adds_up(&effects);
    assert_eq!(
        (
            effects.tally.stored["sample"],
            effects.tally.dropped["repeat"]
        ),
        (20, 20)
    );
    adds_up(&bench.take(200, wires.iter().rev()));
    let mut bench = bench.restart();
    adds_up(&bench.take(300, &wires));
    assert_eq!(bench.samples(), 20);
}

#[test]
fn what_is_stored_is_said_within_a_second_and_at_once_when_an_agent_comes() {
    let mut bench = Bench::new();
    let mut west = Sender::new("west");
    assert!(
        committed(&bench.take(0, [&west.sample(0, None)])).is_some(),
        "a new site"
    );
    assert!(committed(&bench.take(100, [&west.sample(1, None)])).is_none());
    assert!(committed(&bench.take(1100, [])).is_some());
    let state = committed(&bench.take(1200, [&west.sample(2, None), &west.status(true)])).unwrap();
    assert_eq!(Vec::from(state.streams[&west.epoch].clone()), [[1, 3]]);
    assert_eq!(state.store.as_str(), "store-1");
}

#[test]
fn what_cannot_be_read_is_set_aside_with_the_reason_and_its_number_closed() {
    let mut bench = Bench::new();
    let mut west = Sender::new("west");
    let mut bad = west.sample(1, None);
    bad.payload = b"{\"at\":".to_vec();
    let good = west.sample(2, Some(-1.0));
    let mut nameless = west.sample(3, None);
    nameless.properties.clear();
    let mut gap = west.gap(&[]);
    gap.payload =
        br#"{"epoch":"00000000-0000-0000-0000-000000000000","lost":[[5,1]],"kind":"x","why":"y"}"#
            .to_vec();
    let poem = Wire {
        topic: "silkline/1/west-east/a/b/poem".to_owned(),
        ..good.clone()
    };
    let effects = bench.take(10, [&bad, &bad, &good, &nameless, &gap, &poem]);
    adds_up(&effects);
    let rows = bench.reader().ask(|ask| ask.quarantine(10)).unwrap();
    let kinds: Vec<&str> = rows.iter().rev().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["payload", "properties", "payload", "topic"]);
    assert!(rows.iter().all(|row| !row.reason.is_empty()));
    assert_eq!(
        effects.tally.dropped["repeat"], 1,
        "the bad one is known when it comes again"
    );
    let state = committed(&effects).unwrap();
    assert_eq!(
        Vec::from(state.streams[&west.epoch].clone()),
        [[1, 2], [4, 4]]
    );
    assert_eq!(bench.samples(), 1);
}

#[test]
fn a_gap_closes_what_it_names_and_says_so() {
    let mut bench = Bench::new();
    let mut west = Sender::new("west");
    let lost = west.sample(1, None);
    west.skip();
    let gap = west.gap(&[[1, 2]]);
    let effects = bench.take(10, [&gap]);
    assert_eq!(effects.tally.lost, 2);
    assert_eq!(
        bench
            .reader()
            .ask(|ask| ask.records("gap", None, 9))
            .unwrap()
            .len(),
        1
    );
    let effects = bench.take(20, [&lost]);
    assert_eq!(
        (effects.tally.found, bench.samples()),
        (1, 1),
        "stored wins"
    );
}

#[test]
fn a_cut_is_stored_told_and_shown_in_one_step() {
    let (bench, incident) = cut();
    assert_eq!(incident.state, State::Open);
    let stored = bench.reader().ask(|ask| ask.open_incidents()).unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].id, incident.id);
    let retained = bench.core.all_again(at(0));
    let topic = format!("silkline/1/west-east/incident/{}", incident.id);
    let shown = retained.iter().find(|it| it.topic == topic).unwrap();
    assert_eq!(
        serde_json::from_slice::<Incident>(&shown.payload).unwrap(),
        incident
    );
    let due = bench
        .reader()
        .ask(|ask| ask.due_notices(at(60_000), 99))
        .unwrap();
    let channels: Vec<(&str, &str)> = due
        .iter()
        .map(|row| (row.channel.as_str(), row.reason.as_str()))
        .collect();
    assert_eq!(
        channels[..2],
        [("noc", "opened"), ("everything", "opened")],
        "{channels:?}"
    );
}

#[test]
fn an_operator_is_answered_with_what_was_stored() {
    let (mut bench, incident) = cut();
    let id = incident.id.as_str();
    let ActionResult::Done(json) = act(&mut bench, 31_000, id, Action::Acknowledge) else {
        panic!("not done");
    };
    assert_eq!(json["state"], "acknowledged");
    let stored = bench
        .reader()
        .ask(|ask| ask.incident(&incident.id))
        .unwrap()
        .unwrap();
    assert_eq!(stored.json, json);
    assert_eq!(
        act(&mut bench, 31_100, id, Action::Acknowledge),
        ActionResult::Refused
    );
    assert_eq!(
        act(&mut bench, 31_200, "i-none", Action::Acknowledge),
        ActionResult::NoIncident
    );
    let states = bench.states();
    let bench = bench.restart();
    assert_eq!(bench.states(), states, "the action is part of the past");
}

#[test]
fn an_agent_is_told_of_only_when_it_comes_or_goes() {
    let mut bench = Bench::new();
    let west = Sender::new("west");
    let told = |effects: Effects| {
        let agents = |event: &&LiveEvent| matches!(event, LiveEvent::Agent { .. });
        effects.live.iter().filter(agents).count()
    };
    let seen: Vec<usize> = [true, true, false, true]
        .into_iter()
        .enumerate()
        .map(|(n, online)| told(bench.take(n as i64 * 1000, [&west.status(online)])))
        .collect();
    assert_eq!(seen, [1, 0, 1, 1]);
    let mut bench = bench.restart();
    assert_eq!(told(bench.take(9000, [&west.status(true)])), 0);
    let agents = bench.reader().ask(|ask| ask.agents()).unwrap();
    assert!(agents.len() == 1 && agents[0].status.online);
}

#[test]
fn an_agent_whose_disk_fails_is_an_incident_also_after_a_restart() {
    let mut bench = Bench::new();
    let west = Sender::new("west");
    let mut incidents = BTreeMap::new();
    let mut take = |bench: &mut Bench, ms: i64, wire: &Wire| {
        for event in bench.take(ms, [wire]).live {
            if let LiveEvent::Incident(json) = event {
                let incident: Incident = serde_json::from_value((*json).clone()).unwrap();
                incidents.insert(incident.id.clone(), incident);
            }
        }
        let stands = |i: &&Incident| !matches!(i.state, State::Cleared | State::Closed);
        let standing = incidents.values().filter(stands);
        standing.map(|i| i.headline.clone()).collect::<Vec<_>>()
    };
    assert!(take(&mut bench, 0, &west.status(true)).is_empty());
    let full = west.status_of_disk(true, Some("database or disk is full"));
    take(&mut bench, 1000, &full);
    let states = bench.states();
    let mut bench = bench.restart();
    assert_eq!(bench.states(), states, "what it said is part of the past");
    let found = take(&mut bench, 20_000, &full);
    assert!(found.len() == 1 && found[0].contains("full"), "{found:?}");
    take(&mut bench, 21_000, &west.status(true));
    let found = take(&mut bench, 300_000, &west.status(true));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_step_that_cannot_be_stored_leaves_nothing_and_is_taken_again_later() {
    let mut bench = Bench::new();
    let mut west = Sender::new("west");
    bench.take(10, [&west.sample(1, None)]);
    let db = bench.core.writer().db();
    let pages: i64 = db
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    db.pragma_update(None, "max_page_count", pages + 4).unwrap();
    let file = silkline_protocol::message::TraceFile {
        at: at(20),
        view: None,
        port: None,
        trigger: silkline_protocol::message::Trigger::Schedule,
        sor: vec![1; 1 << 20],
    };
    let trace = west.wire(Body::Trace("otdr-1".parse().unwrap(), file));
    let sample = west.sample(2, None);
    let messages = vec![delivery(&sample), delivery(&trace)];
    let failed = bench
        .try_step(
            20,
            Work {
                messages,
                ..Work::default()
            },
        )
        .unwrap_err();
    assert!(failed.to_string().contains("full"), "{failed}");
    let mut bench = bench.restart();
    assert_eq!(bench.samples(), 1, "nothing of the step is there");
    let effects = bench.take(30, [&sample, &trace]);
    assert_eq!(
        (
            effects.tally.stored["sample"],
            effects.tally.stored["trace"]
        ),
        (1, 1)
    );
    assert_eq!(bench.samples(), 2);
}

#[test]
fn what_the_readers_report_is_written() {
    let (mut bench, _) = cut();
    let due = |bench: &Bench| {
        bench
            .reader()
            .ask(|ask| ask.due_notices(at(90_000), 99))
            .unwrap()
    };
    let before = due(&bench);
    let (first, second) = (before[0].id, before[1].id);
    let again = Some(at(80_000));
    let reports = vec![
        Report::NoticeSent { id: first },
        Report::NoticeFailed {
            id: second,
            error: "refused".to_owned(),
            again,
        },
        Report::Passed {
            cursor: "influx-samples",
            id: RowId(7),
        },
        Report::Passed {
            cursor: "influx-samples",
            id: RowId(3),
        },
    ];
    bench.step(
        40_000,
        Work {
            reports,
            ..Work::default()
        },
    );
    let after = due(&bench);
    assert_eq!(after.len(), before.len() - 1);
    assert_eq!(
        (after[0].id, after[0].tries, after[0].next_try),
        (second, 1, at(80_000))
    );
    let cursor = bench
        .reader()
        .ask(|ask| ask.cursor("influx-samples"))
        .unwrap();
    assert_eq!(cursor, RowId(7), "a cursor never goes back");
}

#[test]
fn nothing_is_stored_when_nothing_happened() {
    let mut bench = Bench::new();
    assert!(!bench.take(10, []).stored);
    let mut west = Sender::new("west");
    let wire = west.sample(1, None);
    assert!(bench.take(20, [&wire]).stored);
    assert!(!bench.take(30, [&wire]).stored, "a repeat");
}

#[test]
fn a_batch_has_room_for_many_samples_but_few_traces() {
    let message =
        |what: &str| Delivery::loose(format!("silkline/1/l/s/d/{what}"), Bytes::new(), Vec::new());
    let mut waiting: VecDeque<_> = (0..700).map(|_| message("sample")).collect();
    waiting.extend((0..20).map(|_| message("trace")));
    let mut sizes = Vec::new();
    while !waiting.is_empty() {
        sizes.push(next_batch(&mut waiting).len());
    }
    assert_eq!(sizes, [500, 208, 8, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The engines after a crash are what they were before it, wherever the last snapshot was, and
    /// go on alike.
    #[test]
    fn a_restart_gives_the_same_engines(
        dark in 5_i64..40,
        snapshot in 0_usize..50,
        crash in 1_usize..50,
    ) {
        let mut bench = Bench::new();
        let story = story(dark, 50);
        for (step, (ms, wires)) in story.iter().take(crash).enumerate() {
            let also = if step == snapshot { Also::Snapshot } else { Also::Nothing };
            let messages = wires.iter().map(delivery).collect();
            bench.step(ms + 5, Work { messages, also, ..Work::default() });
        }
        let before = bench.states();
        let mut bench = bench.restart();
        prop_assert_eq!(bench.states(), before);
        for (ms, wires) in &story {
            bench.take(ms + 5, wires);
        }
        prop_assert_eq!(bench.samples(), 2 * 49);
    }
}
