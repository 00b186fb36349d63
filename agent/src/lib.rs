//! The agent: polls the hardware of a site and hands every reading to the collector.

pub mod clock;
pub mod config;
pub mod driver;
pub mod profile;
