//! The OTDR by SNMP whose traces are rows of a table: written by hand from the objects of
//! `silkline-otdr-snmp`, not shared with what reads it.

use std::sync::{Arc, Mutex, PoisonError};

use async_snmp::handler::{
    BoxFuture, GetNextResult, GetResult, HandlerResult, MibHandler, OidTable, PreparedSet,
    RequestContext, SetCommitError, SetCommitResult, SetTestError, SetTestResult, SetUndoResult,
};
use async_snmp::{Oid, Value, VarBind};

use super::{Core, Status};

const BASE: &[u32] = &[1, 3, 6, 1, 4, 1, 32473, 14];
/// Bytes a row: with its header it fits any network.
const ROW: usize = 1_000;
const START: i32 = 1;
const STOP: i32 = 2;

/// Where its objects stand.
pub(in crate::hardware) fn base() -> Oid {
    Oid::from_slice(BASE)
}

/// The objects of the unit.
pub(in crate::hardware) struct Rows {
    core: Core,
    wanted: Arc<Mutex<Wanted>>,
}

/// What was set for the next shot.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    port: u32,
    pulse_ns: u32,
    average_s: u32,
}

/// The objects of a unit that has never shot.
pub(in crate::hardware) fn at_rest() -> OidTable<Value> {
    objects(&Status::default())
}

fn objects(status: &Status) -> OidTable<Value> {
    let mut table = OidTable::new();
    let mut put = |tail: &[u32], value| {
        table.insert(Oid::new(BASE.iter().chain(tail).copied()), value);
    };
    put(&[1, 0], Value::Integer(status.state_number().into()));
    put(&[2, 0], Value::Counter32(status.shots));
    let length = u32::try_from(status.trace.len()).unwrap_or(u32::MAX);
    put(&[3, 0], Value::Gauge32(length));
    put(&[4, 0], Value::Gauge32(status.sum));
    put(&[5, 0], Value::Integer(312));
    for (row, bytes) in (1..).zip(status.trace.chunks(ROW)) {
        put(&[20, 1, 2, row], Value::OctetString(bytes.to_vec().into()));
    }
    table
}

impl Rows {
    pub(in crate::hardware) fn of(core: Core) -> Self {
        let wanted = Arc::default();
        Self { core, wanted }
    }

    /// The objects as they are once the unit answers: a dead one leaves the request hanging.
    async fn objects(&self) -> OidTable<Value> {
        let (site, id) = (&self.core.site, &self.core.device);
        let mut scene = self.core.bench.scene.clone();
        // An end of the watch means that the simulation ends: nobody waits any more.
        let _ = scene.wait_for(|scene| scene.answers(site, id)).await;
        objects(&self.core.status.borrow())
    }
}

impl MibHandler for Rows {
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

    fn test_set<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a Oid,
        value: &'a Value,
    ) -> BoxFuture<'a, SetTestResult> {
        Box::pin(async move {
            let tail = oid.arcs().strip_prefix(BASE);
            match (tail, value) {
                (Some([10, 1..=3, 0]), Value::Gauge32(_) | Value::Integer(_))
                | (Some([10, 4, 0]), Value::Integer(START | STOP)) => {}
                (Some([10, 1..=4, 0]), _) => return Err(SetTestError::WrongValue),
                _ => return Err(SetTestError::NotWritable),
            }
            let (core, wanted) = (self.core.clone(), Arc::clone(&self.wanted));
            Ok(Box::new(Change { core, wanted }) as Box<dyn PreparedSet>)
        })
    }
}

/// One object of a SET: they are carried out in the order of the request.
struct Change {
    core: Core,
    wanted: Arc<Mutex<Wanted>>,
}

impl Change {
    fn carry_out(&self, oid: &Oid, value: &Value) -> Option<()> {
        let number = match value {
            Value::Gauge32(number) => *number,
            Value::Integer(number) => u32::try_from(*number).ok()?,
            _ => return None,
        };
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        match (oid.arcs().strip_prefix(BASE)?, value) {
            ([10, 1, 0], _) => wanted.port = number,
            ([10, 2, 0], _) => wanted.pulse_ns = number,
            ([10, 3, 0], _) => wanted.average_s = number,
            (_, Value::Integer(STOP)) => self.core.stop(),
            _ => {
                let port = u16::try_from(wanted.port).ok()?;
                let average = u16::try_from(wanted.average_s).ok()?;
                self.core.order(port, wanted.pulse_ns, average).ok()?;
            }
        }
        Some(())
    }
}

impl PreparedSet for Change {
    fn commit<'a>(
        &'a mut self,
        _: &'a RequestContext,
        oid: &'a Oid,
        value: &'a Value,
    ) -> BoxFuture<'a, SetCommitResult> {
        Box::pin(async move { self.carry_out(oid, value).ok_or(SetCommitError::Failed) })
    }

    /// What was wanted for a shot that was refused stays so until the next is ordered.
    fn undo<'a>(
        &'a mut self,
        _: &'a RequestContext,
        _: &'a Oid,
        _: &'a Value,
    ) -> BoxFuture<'a, SetUndoResult> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_rows_that_end_with_it() {
        let status = Status {
            trace: Arc::new(vec![7; 2_500]),
            ..Status::default()
        };
        let table = objects(&status);
        let row = |number: u32| {
            let oid = Oid::new(BASE.iter().copied().chain([20, 1, 2, number]));
            match table.get(&oid) {
                Some(Value::OctetString(bytes)) => Some(bytes.len()),
                _ => None,
            }
        };
        let rows: Vec<_> = (0..5).map(row).collect();
        assert_eq!(rows, [None, Some(1_000), Some(1_000), Some(500), None]);
        assert_eq!(at_rest().iter().count(), 5);
    }
}
