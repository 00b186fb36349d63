//! Stories: what breaks, what people must see, and by when, with the real programs and real servers.
//!
//! One module a story. Each starts its own servers on free loopback ports, waits for events with a
//! deadline, stops what it started by its process id and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a story stops at the first thing that is not as told, and reads the real clock"
)]

mod ground;

mod alerts;
mod contract;
mod fibre_cut;
mod influx_down;
mod kills;
mod nonsense;
mod page;
mod real_snmp;
mod real_traces;
mod sign_in;
mod switched_otdr;
mod tls;
