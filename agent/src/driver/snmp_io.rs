//! SNMP over UDP: a poll's requests one after the other, each made smaller where the agent can't do
//! with its size.
//!
//! Agents of small devices refuse a whole request for one object they stumble over (`genErr`), or
//! because the answer would not fit (`tooBig`). A GET is then halved down to the object at fault, a
//! walk asks for fewer rows, then for fewer columns; [`Answer`] carries what worked back to the
//! driver, which asks for no more the next time.

mod link;

pub use link::SnmpLink;
pub(crate) use link::{auth_protocol, ours, privacy_protocol, usm, value};

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use crate::clock::Clock;
use crate::profile::Oid;

use super::snmp::{Answer, Ask, Bulk, Size, SnmpValue, Walk};
use super::{Fault, Patience};

/// Requests one walk may take: more than the longest table of any profile needs.
const MOST_STEPS: usize = 1024;

/// One SNMP agent as the driver needs it: the seam behind which the library can be changed, and
/// where tests stand in.
pub trait SnmpAgent: Send {
    /// The values of these instances.
    fn get(
        &mut self,
        oids: &[Oid],
    ) -> impl Future<Output = Result<Vec<(Oid, SnmpValue)>, Fault>> + Send;

    /// The values after those of `bulk`, row by row.
    fn bulk(
        &mut self,
        bulk: &Bulk,
    ) -> impl Future<Output = Result<Vec<(Oid, SnmpValue)>, Fault>> + Send;
}

/// Carries out `plan`, giving up on the rest when `patience` ends: those answers are skipped.
pub async fn poll(
    agent: &mut impl SnmpAgent,
    plan: Vec<Ask>,
    mut patience: Patience,
    clock: &Clock,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(plan.len());
    for ask in plan {
        let begun = clock.moment();
        if !patience.is_left() {
            answers.push(Answer::skipped(begun));
            continue;
        }
        let mut size = None;
        let values = match ask {
            Ask::Get(oids) => got(agent, oids).await,
            Ask::Walk(walk) => walked(agent, walk).await.map(|(values, worked)| {
                size = Some(worked);
                values
            }),
        };
        patience.observe(values.as_ref().err());
        let at = clock.moment();
        answers.push(Answer {
            values,
            took: at - begun,
            at,
            size,
        });
    }
    answers
}

/// The values of `oids`. What the agent refuses together it is asked for by halves; an object that
/// it refuses alone fails alone.
async fn got(
    agent: &mut impl SnmpAgent,
    oids: Vec<Oid>,
) -> Result<BTreeMap<Oid, SnmpValue>, Fault> {
    let alone = oids.len() == 1;
    let mut values = BTreeMap::new();
    let mut waiting = vec![oids];
    while let Some(mut oids) = waiting.pop() {
        match agent.get(&oids).await {
            Ok(found) => values.extend(found),
            Err(fault @ Fault::Refused(_)) if alone => return Err(fault),
            Err(Fault::Refused(_)) if oids.len() > 1 => {
                let rest = oids.split_off(oids.len() / 2);
                waiting.extend([rest, oids]);
            }
            Err(Fault::Refused(_)) => {
                values.extend(oids.into_iter().map(|oid| (oid, SnmpValue::Failed)));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(values)
}

/// Takes every step of `walk`, and says with which size the last ones worked.
async fn walked(
    agent: &mut impl SnmpAgent,
    mut walk: Walk,
) -> Result<(BTreeMap<Oid, SnmpValue>, Size), Fault> {
    for _ in 0..MOST_STEPS {
        let Some(bulk) = walk.next() else {
            let size = walk.size();
            return Ok((walk.finish(), size));
        };
        match agent.bulk(&bulk).await {
            Ok(values) => walk.step(values)?,
            Err(Fault::Refused(_)) if walk.ask_for_less() => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Garbled(format!(
        "a walk did not end within {MOST_STEPS} requests"
    )))
}

/// From a request's timeout to that of each sending: UDP loses packets, so each is sent twice.
const fn each_of(timeout: Duration, sendings: u32) -> Duration {
    match timeout.checked_div(sendings) {
        Some(each) => each,
        None => timeout,
    }
}

#[cfg(test)]
mod tests;
