//! Permits to work: kept whatever happens, and told to every agent that could shoot.

use silkline_protocol::message::{Body, Command, Event, EventKind};
use silkline_protocol::permit::Permit;
use tokio::sync::oneshot;

use super::super::core::{Also, Effects, Work};
use super::super::example::{Bench, Sender, at};
use crate::permits::tests::permit;
use crate::permits::{Grant, PermitState};
use crate::state::{PermitAction, PermitAsk, PermitResult};

fn ask(bench: &mut Bench, ms: i64, ask: PermitAsk) -> (PermitResult, Effects) {
    let (done, mut answer) = oneshot::channel();
    let who = "noc".to_owned();
    let permits = vec![PermitAction { who, ask, done }];
    let work = Work {
        permits,
        ..Work::default()
    };
    let mut effects = bench.step(ms, work);
    for (done, result) in effects.permits.drain(..) {
        done.send(result).unwrap();
    }
    (answer.try_recv().unwrap(), effects)
}

fn grant(bench: &mut Bench, ms: i64, permit: Permit) -> (PermitResult, Effects) {
    let reason = "splice".to_owned();
    ask(bench, ms, PermitAsk::Grant { permit, reason })
}

fn whole(id: &str) -> Permit {
    permit(id, "west-east", at(0), at(60_000))
}

/// Which sites are told what of permits.
fn told(effects: &Effects) -> Vec<(String, Command)> {
    let commands = effects.outgoing.iter();
    let commands = commands.filter(|it| it.topic.ends_with("/command"));
    let site = |topic: &str| topic.split('/').nth(3).unwrap().to_owned();
    let read = |payload: &[u8]| serde_json::from_slice(payload).unwrap();
    commands
        .map(|it| (site(&it.topic), read(&it.payload)))
        .collect()
}

fn in_store(bench: &Bench, id: &str) -> Grant {
    let register = bench.reader().ask(|ask| ask.permits()).unwrap();
    register.get(&id.parse().unwrap()).unwrap().clone()
}

#[test]
fn a_permit_is_stored_and_told_to_both_ends() {
    let mut bench = Bench::new();
    let (result, effects) = grant(&mut bench, 1000, whole("p-1"));
    let PermitResult::Done(made) = result else {
        panic!("{result:?}");
    };
    assert_eq!((made.who.as_str(), made.reason.as_str()), ("noc", "splice"));
    let set = Command::SetPermit {
        permit: whole("p-1"),
    };
    let want = ["east", "west"].map(|site| (site.to_owned(), set.clone()));
    assert_eq!(told(&effects), want);
    assert_eq!(in_store(&bench, "p-1"), *made);
    let (again, effects) = grant(&mut bench, 1100, whole("p-1"));
    assert_eq!((again, told(&effects)), (PermitResult::Taken, Vec::new()));
    let elsewhere = permit("p-2", "nowhere", at(0), at(60_000));
    let (elsewhere, _) = grant(&mut bench, 1200, elsewhere);
    assert_eq!(elsewhere, PermitResult::NoLine);
}

#[test]
fn an_agent_that_comes_is_told_again_and_of_what_was_taken_back_too() {
    let mut bench = Bench::new();
    grant(&mut bench, 1000, whole("p-1"));
    let west = Sender::new("west");
    let set = Command::SetPermit {
        permit: whole("p-1"),
    };
    let here = |command: Command| vec![("west".to_owned(), command)];
    assert_eq!(told(&bench.take(2000, [&west.status(true)])), here(set));
    assert_eq!(told(&bench.take(2100, [&west.status(false)])), []);
    let id = "p-1".parse().unwrap();
    let (result, effects) = ask(&mut bench, 3000, PermitAsk::Revoke { id });
    assert!(matches!(result, PermitResult::Done(it) if it.state(at(3000)) == PermitState::Revoked));
    assert_eq!(told(&effects).len(), 2);
    let mut bench = bench.restart();
    let revoke = Command::RevokePermit {
        permit: "p-1".parse().unwrap(),
    };
    assert_eq!(told(&bench.take(4000, [&west.status(true)])), here(revoke));
    let again = bench.core.all_again(at(4000));
    let commands = again.iter().filter(|it| it.topic.ends_with("/command"));
    assert_eq!(commands.count(), 2);
    let late = bench.take(60_000, [&west.status(true)]);
    assert_eq!(told(&late), [], "it is over");
}

#[test]
fn an_agents_word_is_kept_and_a_restart_changes_nothing() {
    let mut bench = Bench::new();
    grant(&mut bench, 1000, whole("p-1"));
    let mut west = Sender::new("west");
    let mut said = |kind, permit: Permit, ms| {
        let event = Event {
            at: at(ms),
            kind,
            point: None,
            detail: String::new(),
            permit: Some(permit),
            place: None,
        };
        west.wire(Body::Event("otdr-1".parse().unwrap(), event))
    };
    let kept = said(EventKind::PermitSet, whole("p-1"), 1500);
    let theirs = said(EventKind::PermitSet, whole("p-9"), 1600);
    bench.take(2000, [&kept, &theirs]);
    let site: silkline_protocol::id::SiteId = "west".parse().unwrap();
    assert!(in_store(&bench, "p-1").kept_by.contains(&site));
    assert_eq!(in_store(&bench, "p-9").site, Some(site));
    let theirs = said(EventKind::PermitEnded, whole("p-9"), 3000);
    let ours = said(EventKind::PermitEnded, whole("p-1"), 3000);
    bench.take(3000, [&theirs, &ours]);
    let state = |id| in_store(&bench, id).state(at(3000));
    assert_eq!(state("p-9"), PermitState::Revoked);
    assert_eq!(state("p-1"), PermitState::Standing);
    let before = bench.states();
    let mut bench = bench.restart();
    assert_eq!(bench.states(), before);
    let also = Also::Start;
    bench.step(
        4000,
        Work {
            also,
            ..Work::default()
        },
    );
    let after = bench.states();
    let held = &after[&"west-east".parse().unwrap()];
    assert!(held.contains("p-1") && !held.contains("p-9"));
    assert_eq!(
        in_store(&bench, "p-1").who,
        "noc",
        "told, not granted again"
    );
}
