//! The science of silkline: pure, synchronous, deterministic; it knows only the times it is told.
//!
//! ```text
//!   samples ──► series ──► anomalies ──┐
//!                                      ├──► incident
//!   light ────► span ──┐               │
//!   traces ───► trace ─┼─► evidence ───┴──► fuse ──► place
//!   feeding ──► feed ──┘                     │
//!                                  route: glass → ground
//! ```

#[cfg(test)]
mod example;
mod matrix;

pub mod ageing;
pub mod feed;
pub mod fuse;
pub mod incident;
pub mod learn;
pub mod place;
pub mod route;
pub mod series;
pub mod shot;
pub mod span;
pub mod spread;
pub mod survey;
pub mod trace;
