//! Reads and writes OTDR traces in the Telcordia SR-4731 (Bellcore GR-196) format, known as SOR.
//!
//! [`read`] takes every version that instruments write (1.x and 2.x) and is tolerant of form: it
//! finds blocks by the map's positions and sizes, reads strings as Latin-1, keeps vendors' blocks
//! as bytes, and one broken block costs only its own fields, each loss with a line in
//! [`Sor::warnings`]. It is strict in sense: a group index, sample spacing, sample count or pulse
//! that no instrument can have meant is refused by name. It never panics and takes no memory
//! beyond a small multiple of the file's size. [`write()`] produces version 2.
//!
//! ```text
//! bytes ─ map ─┬─ GenParams ─ params/general.rs ─┐
//!              ├─ SupParams ─ params/supplier.rs ┤
//!              ├─ FxdParams ─ params/fixed.rs ───┤
//!              ├─ KeyEvents ─ events.rs ─────────┼─▶ Sor ─▶ write
//!              ├─ LnkParams ─ link.rs ───────────┤
//!              ├─ DataPts ─── data.rs ───────────┤
//!              ├─ (vendor) ── kept as bytes ─────┤
//!              └─ Cksum ───── checksum.rs ───────┘
//! ```
//!
//! All times in the format are *one-way* times ([`OneWayTime`]); a length along the glass is
//! time · c / group index. Sample `i` of [`Sor::curve`] lies at [`Sor::sample_m`]`(i)` metres
//! from the user offset, the zero of the event table too.
//!
//! ```
//! use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor, read, write};
//!
//! let pulse = Pulse { width_ns: 100, spacing: OneWayTime::from_hundredths_of_ps(250_000) };
//! let acquisition = Acquisition::new(pulse, GroupIndex::new(1.4682), 1550.0);
//! let curve = Curve { scale: 1000, raw: (10_000..12_000).collect() };
//! let bytes = write(&Sor::new(acquisition, curve));
//! let back = read(&bytes)?;
//! assert_eq!(back.curve.raw.len(), 2_000);
//! # Ok::<(), silkline_sor::ReadError>(())
//! ```
//!
//! # Source
//!
//! SR-4731 itself is not open. Layouts follow what the open readers pyOTDR (S. Li), otdrparser
//! (M. Juenemann) and otdrs (J. Harrison) documented, checked against real files of 13 sources.

mod checksum;
mod cursor;
mod data;
mod events;
mod link;
mod map;
mod params;
mod quantity;
mod read;
mod sor;
mod write;

pub use checksum::Checksum;
pub use data::{Curve, Level};
pub use events::{KeyEvent, KeyEvents, Markers, Summary};
pub use link::Landmark;
pub use map::BlockEntry;
pub use params::{Acquisition, General, Pulse, Supplier, Thresholds};
pub use quantity::{GroupIndex, MilliDb, OneWayTime, SPEED_OF_LIGHT};
pub use read::{ReadError, read};
pub use sor::{Sor, VendorBlock};
pub use write::write;
