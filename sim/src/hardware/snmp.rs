//! An SNMP agent a device, version 2c.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_snmp::agent::Agent;
use async_snmp::handler::{
    BoxFuture, GetNextResult, GetResult, HandlerResult, MibHandler, OidTable, RequestContext,
};
use async_snmp::{Oid, Value, VarBind};
use silkline_protocol::plant::Device;
use tracing::debug;

use super::{Bench, objects};
use crate::world::Moment;

/// The community of every simulated device.
pub const COMMUNITY: &str = "public";
/// Requests a device that hangs keeps waiting at the most.
const MOST_WAITING: usize = 64;

/// The agent of `device`, bound to `address`.
pub(super) async fn agent(bench: Bench, device: Device, address: SocketAddr) -> io::Result<Agent> {
    let base = objects::base(device.profile.as_str()).unwrap_or_else(objects::system);
    let mib = |prefix: &Oid| {
        let (bench, device, prefix) = (bench.clone(), device.clone(), prefix.clone());
        Arc::new(Mib {
            bench,
            device,
            prefix,
        })
    };
    let agent = Agent::builder()
        .bind(address.to_string())
        .community(COMMUNITY.as_bytes())
        .max_concurrent_requests(Some(MOST_WAITING))
        .handler(objects::system(), mib(&objects::system()))
        .handler(base.clone(), mib(&base))
        .allow_all_access()
        .build()
        .await;
    agent.map_err(io::Error::other)
}

/// An agent with what `objects` holds below `base`, bound to `address`.
pub(super) async fn agent_of(
    base: Oid,
    objects: Arc<dyn MibHandler>,
    address: SocketAddr,
) -> io::Result<Agent> {
    let agent = Agent::builder()
        .bind(address.to_string())
        .community(COMMUNITY.as_bytes())
        .max_concurrent_requests(Some(MOST_WAITING))
        .handler(base, objects)
        .allow_all_access()
        .build()
        .await;
    agent.map_err(io::Error::other)
}

/// Serves until the task is stopped.
pub(super) async fn serve(agent: Agent) {
    if let Err(error) = agent.run().await {
        debug!(%error, "an snmp agent ended");
    }
}

/// The objects of a device below one prefix.
struct Mib {
    bench: Bench,
    device: Device,
    prefix: Oid,
}

impl Mib {
    /// The objects as they are once the device answers: a dead one leaves the request hanging.
    async fn objects(&self) -> OidTable<Value> {
        let mut scene = self.bench.scene.clone();
        let (site, id) = (&self.device.site, &self.device.id);
        // An end of the watch means that the simulation ends: nobody waits any more.
        let _ = scene.wait_for(|scene| scene.answers(site, id)).await;
        let look = |world: &_, moment: Moment<'_>| objects::of(world, &self.device, moment);
        let all = self.bench.at_this_moment(look);
        let mine = all.iter().filter(|(oid, _)| oid.starts_with(&self.prefix));
        mine.map(|(oid, value)| (oid.clone(), value.clone()))
            .collect()
    }
}

impl MibHandler for Mib {
    fn get<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a Oid,
    ) -> BoxFuture<'a, HandlerResult<GetResult>> {
        Box::pin(async move {
            let found = self.objects().await.get(oid).cloned();
            Ok(found.map_or(GetResult::NoSuchInstance, GetResult::Value))
        })
    }

    fn get_next<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a Oid,
    ) -> BoxFuture<'a, HandlerResult<GetNextResult>> {
        Box::pin(async move {
            let table = self.objects().await;
            let next = table.get_next(oid);
            Ok(next.map_or(GetNextResult::EndOfMibView, |(oid, value)| {
                GetNextResult::Value(VarBind::new(oid.clone(), value.clone()))
            }))
        })
    }
}
