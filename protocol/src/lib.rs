//! What crosses the wires and disks of silkline. No I/O, no async, no clock.
//!
//! - [`id`], [`mod@unit`], [`time`]: names, quantities and moments that cannot be wrong once parsed
//! - [`sample`], [`device`], [`message`], [`permit`], [`edge`]: what agents and collectors tell each other
//! - [`topic`], [`codec`]: topics ⇄ ids, bytes ⇄ messages, with the rule of versions
//! - [`delivery`]: the sender and the receiver that lose nothing, as pure state machines
//! - [`plant`]: what lies in the ground and the sea; [`settings`]: files with all mistakes at once

pub mod codec;
pub mod delivery;
pub mod device;
pub mod edge;
pub mod id;
pub mod message;
pub mod permit;
pub mod plant;
pub mod sample;
pub mod settings;
mod text;
pub mod time;
pub mod topic;
pub mod unit;
