//! What is publicly known of the corridor, and what is ours.
//!
//! Positions are of towns, to a hundredth of a degree: not of landing points, stations or huts.
//! That Sumgait and Aktau are joined by a submarine cable of about 380 km is published; that a cable
//! follows the railway from Baku by Tbilisi to Poti is public too. Huts, closures, lengths between
//! them and everything else is illustration, not the operator's data.

/// A town with its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Town {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) country: &'static str,
    /// Latitude, longitude.
    pub(super) at: [f64; 2],
    pub(super) kind: &'static str,
    pub(super) gear: Gear,
}

/// What amplifier and battery the example puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gear {
    /// Our own Modbus maps, battery by Modbus.
    Reference,
    /// A Cisco card by SNMP, battery by SNMP.
    Cisco,
    /// An Alpine Optoelectronics card by SNMP, battery by SNMP.
    Alpine,
    /// Our own Modbus maps, battery by SNMP.
    ReferenceEltek,
}

const fn town(
    id: &'static str,
    name: &'static str,
    country: &'static str,
    at: [f64; 2],
    gear: Gear,
) -> Town {
    Town {
        id,
        name,
        country,
        at,
        kind: "hut",
        gear,
    }
}

const fn kind(town: Town, kind: &'static str) -> Town {
    Town { kind, ..town }
}

pub(super) const BAKU: Town = kind(
    town("baku", "Baku IX", "AZ", [40.41, 49.87], Gear::Reference),
    "exchange",
);
pub(super) const SUMGAIT: Town = kind(
    town(
        "sumgait",
        "Sumgait CLS",
        "AZ",
        [40.59, 49.67],
        Gear::Reference,
    ),
    "landing-station",
);
pub(super) const AKTAU: Town = kind(
    town("aktau", "Aktau CLS", "KZ", [43.65, 51.16], Gear::Reference),
    "landing-station",
);

/// Along the railway from Baku to Poti; a hut in each, so that no span exceeds 100 km.
pub(super) const RAILWAY: [Town; 13] = [
    BAKU,
    town("alat", "Alat", "AZ", [39.94, 49.41], Gear::Reference),
    town(
        "hajigabul",
        "Hajigabul",
        "AZ",
        [40.04, 48.94],
        Gear::ReferenceEltek,
    ),
    town("kurdamir", "Kurdamir", "AZ", [40.34, 48.16], Gear::Cisco),
    town("yevlakh", "Yevlakh", "AZ", [40.62, 47.15], Gear::Reference),
    town("ganja", "Ganja", "AZ", [40.68, 46.36], Gear::ReferenceEltek),
    town("tovuz", "Tovuz", "AZ", [40.99, 45.63], Gear::Reference),
    town(
        "boyuk-kesik",
        "Boyuk Kesik",
        "AZ",
        [41.28, 45.37],
        Gear::ReferenceEltek,
    ),
    kind(
        town(
            "tbilisi",
            "Tbilisi PoP",
            "GE",
            [41.72, 44.79],
            Gear::Reference,
        ),
        "pop",
    ),
    town("gori", "Gori", "GE", [41.98, 44.11], Gear::Alpine),
    town("khashuri", "Khashuri", "GE", [41.99, 43.60], Gear::Cisco),
    town("kutaisi", "Kutaisi", "GE", [42.27, 42.70], Gear::Reference),
    kind(
        town("poti", "Poti CLS", "GE", [42.15, 41.67], Gear::Reference),
        "landing-station",
    ),
];

/// How much longer the railway is than the great circles between its towns: with it Baku to Tbilisi
/// comes to the 550 km that timetables give.
pub(super) const RAILWAY_RATIO: f64 = 1.07;
/// The published length of the cable from Sumgait to Aktau.
pub(super) const CASPIAN_KM: f64 = 380.0;
/// Repeaters, evenly spaced: five spans of 76 km.
pub(super) const REPEATERS: u32 = 4;
