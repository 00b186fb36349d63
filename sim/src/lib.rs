//! A forward model of a plant with known faults, and the hardware that would stand there.

mod chance;
pub mod clock;
pub mod configure;
pub mod control;
pub mod corridor;
pub mod fault;
pub mod forward;
pub mod hardware;
pub mod mail;
pub mod truth;
pub mod world;

pub use chance::Seed;
