//! The shell against a scripted agent, and the link against a real one in this process.

use std::sync::Arc;

use async_snmp::agent::Agent;
use async_snmp::handler::{
    BoxFuture, GetNextResult, GetResult, HandlerResult, MibHandler, OidTable, RequestContext,
};
use async_snmp::{Value, VarBind, oid};

use super::link::value;
use super::*;
use crate::config::{Secret, SnmpAccess};

const LONG: Duration = Duration::from_secs(20);

/// An agent whose every answer is the next of a list.
struct Scripted {
    answers: Vec<Result<Vec<(Oid, SnmpValue)>, Fault>>,
    asked: Vec<u16>,
}

impl SnmpAgent for Scripted {
    async fn get(&mut self, _: &[Oid]) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        self.answers.remove(0)
    }

    async fn bulk(&mut self, bulk: &Bulk) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        self.asked.push(bulk.repetitions);
        self.answers.remove(0)
    }
}

fn get() -> Ask {
    Ask::Get(vec![Oid::new([1, 3, 1])])
}

fn walk() -> Ask {
    Ask::Walk(Walk::new(vec![Oid::new([1, 3, 6])], 64, Size::of(8)))
}

#[tokio::test]
async fn a_silent_agent_is_given_up_after_two_requests_and_one_when_known_to_be_gone() {
    let clock = Clock::start();
    let silent = || Err(Fault::Timeout(LONG));
    for (answered, wanted) in [(true, 2), (false, 1)] {
        let mut agent = Scripted {
            answers: vec![silent(), silent(), silent()],
            asked: vec![],
        };
        let patience = Patience::new(answered);
        let answers = poll(&mut agent, vec![get(), walk(), get()], patience, &clock).await;
        let asked = answers
            .iter()
            .filter(|answer| answer.values != Err(Fault::Skipped))
            .count();
        assert_eq!((answers.len(), asked), (3, wanted));
    }
}

#[tokio::test]
async fn an_agent_that_refuses_many_rows_is_asked_for_fewer() {
    let refused = || Err(Fault::Refused("genErr".into()));
    let end = (Oid::new([1, 4]), SnmpValue::Whole(1));
    let mut agent = Scripted {
        answers: vec![refused(), refused(), Ok(vec![end])],
        asked: vec![],
    };
    let answers = poll(
        &mut agent,
        vec![walk()],
        Patience::new(true),
        &Clock::start(),
    )
    .await;
    assert_eq!(answers[0].values, Ok(BTreeMap::new()));
    assert_eq!(agent.asked, [8, 4, 2]);
}

/// A table served by async-snmp's own agent.
struct Table(OidTable<Value>);

impl MibHandler for Table {
    fn get<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a async_snmp::Oid,
    ) -> BoxFuture<'a, HandlerResult<GetResult>> {
        Box::pin(async move {
            Ok(self
                .0
                .get(oid)
                .cloned()
                .map_or(GetResult::NoSuchObject, GetResult::Value))
        })
    }

    fn get_next<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a async_snmp::Oid,
    ) -> BoxFuture<'a, HandlerResult<GetNextResult>> {
        Box::pin(async move {
            Ok(self
                .0
                .get_next(oid)
                .map_or(GetNextResult::EndOfMibView, |(oid, value)| {
                    GetNextResult::Value(VarBind::new(oid.clone(), value.clone()))
                }))
        })
    }
}

async fn served(objects: Vec<(async_snmp::Oid, Value)>) -> String {
    let table: OidTable<Value> = objects.into_iter().collect();
    let agent = Agent::builder()
        .bind("127.0.0.1:0")
        .community(b"public")
        .handler(oid!(1, 3, 6, 1, 4, 1), Arc::new(Table(table)))
        .allow_all_access()
        .build()
        .await
        .unwrap();
    let address = agent.local_addr().to_string();
    tokio::spawn(async move { agent.run().await });
    address
}

#[tokio::test]
async fn a_real_agent_is_read_by_get_and_by_walk() {
    let base = oid!(1, 3, 6, 1, 4, 1, 99, 1);
    let mut objects = vec![(oid!(1, 3, 6, 1, 4, 1, 99, 5, 0), Value::Gauge32(7))];
    for row in 1..=30 {
        objects.push((
            base.child(row),
            Value::Integer(-i32::try_from(row).unwrap()),
        ));
    }
    let address = served(objects).await;
    let mut link = SnmpLink::new(
        address,
        SnmpAccess::V2c(Secret::Inline("public".into())),
        LONG,
    );
    let known = Oid::new([1, 3, 6, 1, 4, 1, 99, 5, 0]);
    let absent = Oid::new([1, 3, 6, 1, 4, 1, 99, 6, 0]);
    let top = Oid::new([1, 3, 6, 1, 4, 1, 99, 1]);
    let plan = vec![
        Ask::Get(vec![known.clone(), absent.clone()]),
        Ask::Walk(Walk::new(vec![top], 64, Size::of(10))),
    ];
    let answers = poll(&mut link, plan, Patience::new(true), &Clock::start()).await;
    let got = answers[0].values.as_ref().unwrap();
    assert_eq!(
        (&got[&known], &got[&absent]),
        (&SnmpValue::Whole(7), &SnmpValue::Absent)
    );
    let rows = answers[1].values.as_ref().unwrap();
    assert_eq!(rows.len(), 30);
    assert!(rows.values().any(|value| *value == SnmpValue::Whole(-30)));
}

#[tokio::test]
async fn a_wrong_community_and_a_deaf_socket_are_timeouts() {
    let address = served(vec![(oid!(1, 3, 6, 1, 4, 1, 9, 0), Value::Integer(1))]).await;
    let deaf = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let short = Duration::from_millis(200);
    for (address, community) in [
        (address, "wrong"),
        (deaf.local_addr().unwrap().to_string(), "public"),
    ] {
        let mut link = SnmpLink::new(
            address,
            SnmpAccess::V2c(Secret::Inline(community.into())),
            short,
        );
        let oid = Oid::new([1, 3, 6, 1, 4, 1, 9, 0]);
        assert_eq!(link.get(&[oid]).await, Err(Fault::Silent(short)));
    }
}

#[tokio::test]
async fn a_community_that_can_not_be_read_harms_this_device_only() {
    let secret = Secret::File("/no/such/community".into());
    let mut link = SnmpLink::new("127.0.0.1:161".into(), SnmpAccess::V2c(secret), LONG);
    let outcome = link.get(&[Oid::new([1, 3])]).await;
    assert!(matches!(&outcome, Err(Fault::Unreachable(why)) if why.contains("community_file")));
}

#[test]
fn every_type_of_the_library_becomes_one_of_ours() {
    for (theirs, ours) in [
        (Value::Counter64(u64::MAX), SnmpValue::Counter64(u64::MAX)),
        (Value::Counter32(7), SnmpValue::Counter32(7)),
        (Value::TimeTicks(5), SnmpValue::Whole(5)),
        (
            Value::OctetString("a".into()),
            SnmpValue::Bytes(b"a".to_vec()),
        ),
        (
            Value::Opaque(vec![0x9f, 0x78, 4, 0x3F, 0x80, 0, 0].into()),
            SnmpValue::Real(1.0),
        ),
        (Value::Opaque(vec![1].into()), SnmpValue::Other("opaque")),
        (Value::EndOfMibView, SnmpValue::Absent),
        (Value::Null, SnmpValue::Other("null")),
    ] {
        assert_eq!(value(&theirs), ours);
    }
}
