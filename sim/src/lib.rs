//! A forward model of a plant with known faults, and the hardware that would stand there.
//!
//! ```text
//!   plant file ──▶ truth ──▶ world(scene, now) ──▶ hardware: Modbus TCP, SNMP, OTDR files
//!                    │          ▲
//!                    ▼          └── fault ◀── control
//!                 forward: Fibre ──▶ Trace ──▶ SOR
//! ```
//!
//! [`corridor`] makes the example plant, [`truth`] draws a real plant that its file could be of,
//! [`world`] says what any instrument would measure of it, [`forward`] takes OTDR shots, [`hardware`]
//! answers for the devices, and [`demo`] runs everything together. No conversion between glass,
//! cable and ground is shared with the analysis, so that errors cannot cancel.

mod chance;
pub mod clock;
pub mod configure;
pub mod control;
pub mod corridor;
pub mod demo;
pub mod fault;
pub mod forward;
pub mod hardware;
pub mod mail;
pub mod run;
pub mod truth;
pub mod world;

pub use chance::Seed;
