//! What an OTDR would see of a fibre whose every property is known.
//!
//! ```text
//! Fibre ── shoot(instrument, shot) ──▶ Trace ── sor(labels) ──▶ the file an instrument would write
//! ```
//!
//! Nothing here is shared with the analysis: where both were wrong in the same way, an error would
//! cancel and accuracy would lie.

mod fibre;
mod file;
mod image;
mod otdr;

pub use fibre::{Fibre, Joint, Part};
pub use file::Labels;
pub use image::Image;
pub use otdr::{Instrument, Shot, Trace, shoot};
