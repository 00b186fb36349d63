//! `scan`: which Modbus units and SNMP devices are there, and which profile each of them fits.
//!
//! ```text
//!   range ─ targets ─▶ addresses ─ modbus, snmp (paced) ─▶ Found ─ proposal ─▶ TOML to paste
//! ```
//!
//! Nothing is ever written to a device. A scan is bounded three ways: in addresses, in requests a
//! second over all of them, and in time as a whole; what it did not get to is counted and said.

mod identity;
pub mod modbus;
mod pace;
mod proposal;
pub mod snmp;
mod targets;

pub use pace::{Bounds, Pace};
pub use proposal::{Place, settings_of};
pub use targets::{BadRange, MOST_ADDRESSES, addresses};

use serde::Serialize;
use silkline_protocol::id::ProfileId;

/// Addresses that are looked at together; the pace holds for all of them.
pub(crate) const TOGETHER: usize = 32;

/// A device that answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where it is and how it is asked.
    pub place: Place,
    /// What it says of itself, where it says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// The profiles that fit, the best one first.
    pub fits: Vec<Fit>,
    /// What a person should know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A profile that fits a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Which.
    pub profile: ProfileId,
    /// Why it is thought to fit.
    pub why: String,
}

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// What answered, in the order of the addresses.
    pub found: Vec<Found>,
    /// Addresses that were looked at to the end.
    pub looked_at: usize,
    /// Addresses that the time did not suffice for.
    pub left: usize,
    /// Why an address could not be used at all, such as a serial line that does not open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unusable: Vec<String>,
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Addresses done.
    pub done: usize,
    /// Addresses in all.
    pub of: usize,
    /// Devices found.
    pub found: usize,
    /// Requests sent.
    pub asked: u64,
}

/// What one address came to.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) found: Vec<Found>,
    pub(crate) is_complete: bool,
    pub(crate) unusable: Option<String>,
}

type Look = core::pin::Pin<Box<dyn Future<Output = Looked> + Send>>;

/// Looks at every address with `look`, some of them together, and tells how far it is.
pub(crate) async fn over<A, F>(
    addresses: Vec<A>,
    pace: &std::sync::Arc<Pace>,
    tell: &mut (dyn FnMut(Progress) + Send),
    look: impl Fn(A) -> F,
) -> Scan
where
    F: Future<Output = Looked> + Send + 'static,
{
    let mut progress = Progress {
        of: addresses.len(),
        ..Progress::default()
    };
    let mut waiting = addresses.into_iter().enumerate();
    let mut looked: std::collections::BTreeMap<usize, Looked> = std::collections::BTreeMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.len() < TOGETHER
            && !pace.is_over()
            && let Some((at, address)) = waiting.next()
        {
            // Boxed: the type of so deep a future is more than the compiler follows.
            let look = Box::pin(look(address)) as Look;
            tasks.spawn(async move { (at, look.await) });
        }
        let Some(ended) = tasks.join_next().await else {
            break;
        };
        let Ok((at, one)) = ended else { continue };
        progress.done += 1;
        progress.found += one.found.len();
        progress.asked = pace.asked();
        tell(progress);
        looked.insert(at, one);
    }
    let mut scan = Scan {
        left: progress.of - looked.len(),
        ..Scan::default()
    };
    for one in looked.into_values() {
        if one.is_complete {
            scan.looked_at += 1;
        } else {
            scan.left += 1;
        }
        scan.found.extend(one.found);
        scan.unusable.extend(one.unusable);
    }
    scan
}
