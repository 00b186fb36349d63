//! The folder with real files and a real spool.

use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor, write};

/// The bytes of a small trace; each `seed` gives another.
pub(super) fn trace(seed: u16) -> Vec<u8> {
    let pulse = Pulse {
        width_ns: 100,
        spacing: OneWayTime::from_hundredths_of_ps(250_000),
    };
    let acquisition = Acquisition::new(pulse, GroupIndex::new(1.4682), 1550.0);
    let curve = Curve {
        scale: 1000,
        raw: (10_000 + seed..12_000).collect(),
    };
    write(&Sor::new(acquisition, curve))
}
