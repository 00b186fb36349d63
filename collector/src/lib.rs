//! The central program: takes what the agents send, stores it, finds and locates faults, tells.

pub mod api;
pub mod beat;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod commit;
pub mod config;
pub mod csv;
pub mod engine;
pub mod forward;
pub mod ingest;
pub mod metrics;
pub mod notify;
pub mod permits;
pub mod plot;
pub mod report;
pub mod run;
pub mod services;
pub mod state;
pub mod store;
pub mod watcher;
