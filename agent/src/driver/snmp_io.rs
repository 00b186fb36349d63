//! SNMP version 2c over UDP, by async-snmp behind a trait of our own.
//!
//! A late answer is told from the right one by its request id, which async-snmp checks. A request is
//! sent twice within its timeout, since UDP loses packets.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use async_snmp::{Auth, Client, Error, ErrorStatus, Retry, Value};

use crate::clock::Clock;
use crate::config::Secret;
use crate::profile::Oid;

use super::snmp::{Answer, Ask, Bulk, SnmpValue, Walk};
use super::{Fault, Patience};

/// How often a request is sent again before its timeout ends.
const RESENDS: u32 = 1;
/// OIDs in one GET: what the driver asks for fits one request.
const GET_AT_ONCE: usize = 16;
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

/// An SNMP agent on the network; the socket is made when it is needed.
pub struct SnmpLink {
    address: String,
    community: Secret,
    timeout: Duration,
    client: Option<Client>,
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
        if !patience.is_left() {
            answers.push(Answer {
                values: Err(Fault::Skipped),
                took: Duration::ZERO,
            });
            continue;
        }
        let begun = clock.moment();
        let values = match ask {
            Ask::Get(oids) => agent
                .get(&oids)
                .await
                .map(|values| values.into_iter().collect()),
            Ask::Walk(walk) => walked(agent, walk).await,
        };
        patience.observe(values.as_ref().err());
        answers.push(Answer {
            values,
            took: clock.moment() - begun,
        });
    }
    answers
}

/// Takes every step of `walk`; asks for fewer rows where the agent can't give so many at once.
async fn walked(
    agent: &mut impl SnmpAgent,
    mut walk: Walk,
) -> Result<BTreeMap<Oid, SnmpValue>, Fault> {
    for _ in 0..MOST_STEPS {
        let Some(bulk) = walk.next() else {
            return Ok(walk.finish());
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

impl SnmpLink {
    /// A link to `address` (`host:port`) whose requests take at most `timeout`.
    #[must_use]
    pub const fn new(address: String, community: Secret, timeout: Duration) -> Self {
        Self {
            address,
            community,
            timeout,
            client: None,
        }
    }

    async fn client(&mut self) -> Result<Client, Fault> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        // Read anew for each socket, so that it can be changed and its absence harms one device only.
        let community = self
            .community
            .reveal()
            .map_err(|error| Fault::Unreachable(format!("community_file: {error}")))?;
        let retry = Retry::fixed(RESENDS, Duration::ZERO).unwrap_or_else(|_| Retry::none());
        let client = Client::builder(self.address.as_str(), Auth::v2c(community.as_str()))
            .request_timeout(self.timeout / (RESENDS + 1))
            .construction_timeout(self.timeout)
            .retry(retry)
            .max_oids_per_request(GET_AT_ONCE)
            .connect()
            .await
            .map_err(|error| self.fault(&error))?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn fault(&self, error: &Error) -> Fault {
        match error.exchange_source() {
            Error::Timeout { .. } | Error::ConstructionTimeout { .. } => {
                Fault::Timeout(self.timeout)
            }
            Error::Snmp {
                status: ErrorStatus::NoSuchName,
                ..
            } => Fault::NotSupported(error.to_string()),
            Error::Snmp { .. } => Fault::Refused(error.to_string()),
            Error::Decode { .. } | Error::MalformedResponse { .. } => {
                Fault::Garbled(error.to_string())
            }
            _ => Fault::Unreachable(error.to_string()),
        }
    }

    /// Makes a new socket next time unless the agent answered, though with an error.
    fn note<T>(&mut self, outcome: Result<T, Box<Error>>) -> Result<T, Fault> {
        outcome.map_err(|error| {
            let fault = self.fault(&error);
            if matches!(fault, Fault::Unreachable(_)) {
                self.client = None;
            }
            fault
        })
    }
}

impl SnmpAgent for SnmpLink {
    async fn get(&mut self, oids: &[Oid]) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        let client = self.client().await?;
        let oids: Vec<async_snmp::Oid> = oids.iter().map(theirs).collect();
        let response = client.get_many(&oids).await;
        let response = self.note(response)?;
        Ok(response
            .varbinds
            .into_iter()
            .map(|bound| (ours(&bound.oid), value(&bound.value)))
            .collect())
    }

    async fn bulk(&mut self, bulk: &Bulk) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        let client = self.client().await?;
        let after: Vec<async_snmp::Oid> = bulk.after.iter().map(theirs).collect();
        let values = client.get_bulk(&after, 0, bulk.repetitions.into()).await;
        let values = self.note(values)?;
        Ok(values
            .into_iter()
            .map(|bound| (ours(&bound.oid), value(&bound.value)))
            .collect())
    }
}

fn theirs(oid: &Oid) -> async_snmp::Oid {
    async_snmp::Oid::from_slice(oid.arcs())
}

fn ours(oid: &async_snmp::Oid) -> Oid {
    Oid::new(oid.arcs())
}

fn value(value: &Value) -> SnmpValue {
    match value {
        Value::Integer(number) => SnmpValue::Whole((*number).into()),
        Value::Counter32(number)
        | Value::Gauge32(number)
        | Value::UInteger32(number)
        | Value::TimeTicks(number) => SnmpValue::Whole((*number).into()),
        Value::Counter64(number) => SnmpValue::Whole((*number).into()),
        Value::OctetString(bytes) => SnmpValue::Bytes(bytes.to_vec()),
        Value::Opaque(_) => opaque(value),
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => SnmpValue::Absent,
        _ => SnmpValue::Other(value.kind().as_str()),
    }
}

fn opaque(value: &Value) -> SnmpValue {
    let real = value
        .as_opaque_double()
        .or_else(|| value.as_opaque_float().map(f64::from));
    real.map_or(SnmpValue::Other("opaque"), SnmpValue::Real)
}

#[cfg(test)]
mod tests;
