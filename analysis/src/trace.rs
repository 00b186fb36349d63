//! What an OTDR trace says: where the fibre ends, what it loses, what changed since last time.
//!
//! ```text
//! Sor ─▶ Trace ─▶ analyse ─┬─ noise   how sure a level is, stretch by stretch
//!                          ├─ windows which stretches look like fibre at all
//!                          ├─ end     where the fibre stops, by edge (the onset of a step or peak)
//!                          ├─ event   what lies before it: splices, connectors, gainers, ghosts
//!                          └─ totals  loss and return loss
//!                 Analysis ─▶ compare against a reference ─▶ changes
//!      several good traces ─▶ watch, sample by sample ─────▶ changes
//! ```
//!
//! Levels are one-way decibels, fits happen in decibels, averages and edges in linear power. Every
//! position is an [`OpticalLength`](silkline_protocol::unit::OpticalLength) from the user offset,
//! the trace's own zero; every uncertainty is the half width of a 95 % interval from noise,
//! sampling and pulse, without the group index's error, which all shots of a view share.

mod analyse;
pub mod anchor;
pub mod both;
mod compare;
mod edge;
mod end;
mod event;
mod joint;
mod line;
pub mod near;
mod noise;
mod power;
mod product;
mod quantile;
mod reflect;
pub mod report;
mod samples;
mod splitter;
mod totals;
mod watch;
mod windows;

#[cfg(test)]
pub(crate) mod synth;

pub use analyse::{Analysis, InstrumentFault, analyse};
pub use compare::{Change, ChangeKind, Comparison, Reference, Tail, Verdict, compare};
pub use end::{EndKind, EndOfFibre};
pub use event::{Event, EventKind};
pub use samples::{Settings, Trace, TraceError};
pub use watch::{Drift, How, Look, Watch, WatchError};
