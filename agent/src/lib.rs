//! The agent: polls the hardware of a site and hands every reading to the collector.
//!
//! ```text
//!   device ─▶ poller (driver: plan, decode) ─▶ Sample ─▶ spool ─▶ uplink ─▶ broker
//!                 ▲                    └─▶ edge: light lost ─┐      ▲
//!                 └──────────── shot ◀───────────────────────┘      │
//!   OTDR's files ─▶ folder ──────────────────────────────▶ Trace ───┘
//! ```
//!
//! Each stage is a pure core with a thin loop around it: `schedule` and `poller`, `trigger` and
//! `edge`, `folder::settle` and `folder`, `driver::modbus` and `driver::modbus_io`. Nothing waits for
//! a broker or a collector: with everything down the agent polls, decides and spools.

pub mod board;
mod choice;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod driver;
pub mod edge;
pub mod exception;
pub mod folder;
pub mod local;
pub mod permit;
pub mod place;
pub mod poller;
pub mod profile;
pub mod pulse;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rubbish;
pub mod run;
pub mod scan;
pub mod schedule;
pub mod spool;
pub mod systemd;
pub mod top;
pub mod trap;
pub mod trigger;
pub mod uplink;
#[cfg(test)]
mod wrong;
