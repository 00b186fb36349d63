//! The three parameter blocks: what was measured, with what, and how.

mod fixed;
mod general;
mod supplier;

pub use fixed::{Acquisition, Pulse, Thresholds};
pub use general::General;
pub use supplier::Supplier;

pub(crate) use fixed::{Settings, wavelength_nm};
