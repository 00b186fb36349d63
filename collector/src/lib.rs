//! The central program: takes what the agents send, stores it, finds and locates faults, tells.

pub mod clock;
pub mod store;
