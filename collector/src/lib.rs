//! The central program: takes what the agents send, stores it, finds and locates faults, tells.

pub mod clock;
pub mod config;
pub mod metrics;
pub mod state;
pub mod store;

/// What a line engine takes and gives.
pub mod engine {
    pub mod exchange;

    pub use exchange::{Action, Input, Notice, Output};
}
