//! What a month was like: outages, availability, repairs. Pure: facts go in, figures come out.
//!
//! A line, or a service, is unavailable while a fault has taken the light of one of its paths. Faults
//! count from the first bad reading to the first good one, so neither a slow detector nor a slow
//! person makes the figures better or worse. Planned work is taken out where it was permitted, in
//! time and on that line, and both figures are told.

pub mod availability;
pub mod performance;
pub mod span;

pub use availability::{Fault, Month, Planned};
pub use span::Spans;
