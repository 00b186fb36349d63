//! Physical quantities: one type each, so that the compiler checks the arithmetic.
//!
//! Every value is finite; the constructors see to it. A receiver that sees no light has no [`Dbm`]
//! at all: darkness is a variant where it occurs, never `-inf`. Lengths along the glass, along the
//! sheath and along the ground are three types; what converts between them lives in one place
//! (`silkline-analysis::route`), never here.

use core::fmt;
use core::ops::{Add, Mul, Neg, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Speed of light in vacuum, in metres a second (exact by definition of the metre).
pub const LIGHT_M_PER_S: f64 = 299_792_458.0;

/// A number that is not finite where a quantity was wanted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a finite number")]
pub struct NotFinite(pub f64);

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "f64", into = "f64")]
        #[schemars(with = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The quantity of `value`, in the unit of the type.
            ///
            /// # Errors
            ///
            /// [`NotFinite`] for NaN and for either infinity.
            pub fn new(value: f64) -> Result<Self, NotFinite> {
                if value.is_finite() { Ok(Self(value)) } else { Err(NotFinite(value)) }
            }

            /// The quantity of `value`, where arithmetic on finite numbers made it; a result that
            /// overflowed is held at the largest finite number, NaN becomes zero.
            #[must_use]
            pub const fn of(value: f64) -> Self {
                if value.is_nan() { Self(0.0) } else { Self(value.clamp(f64::MIN, f64::MAX)) }
            }

            /// The bare number, in the unit of the type.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The magnitude.
            #[must_use]
            pub const fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NotFinite;
            fn try_from(value: f64) -> Result<Self, NotFinite> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> Self {
                quantity.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = f.precision().unwrap_or(2);
                write!(f, "{:.digits$} {}", self.0, $unit)
            }
        }
    };
}

macro_rules! additive {
    ($name:ident) => {
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self::of(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self::of(self.0 - other.0)
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self::of(self.0 * factor)
            }
        }
    };
}

quantity! {
    /// Optical power relative to one milliwatt, in dBm.
    Dbm, "dBm"
}
quantity! {
    /// A ratio of optical powers in decibels; loss is positive.
    Db, "dB"
}
quantity! {
    /// Attenuation along a fibre, in dB per kilometre of glass.
    DbPerKm, "dB/km"
}
quantity! {
    /// A length along the glass, in metres, as an OTDR sees it.
    OpticalLength, "m (optical)"
}
quantity! {
    /// A length along the sheath, in metres, as a crew lays it: shorter, for fibre lies in a helix.
    CableLength, "m (cable)"
}
quantity! {
    /// A length along the ground, in metres; measured from the line's A end it is the chainage.
    RouteLength, "m"
}
quantity! {
    /// A wavelength of light in vacuum, in nanometres.
    Nanometres, "nm"
}
quantity! {
    /// The group index of a fibre: how much slower than in vacuum a pulse travels.
    GroupIndex, ""
}
additive!(Db);
additive!(OpticalLength);
additive!(CableLength);
additive!(RouteLength);

impl GroupIndex {
    /// The default at 1550 nm where neither the plant file nor the trace says otherwise.
    ///
    /// # Source
    ///
    /// Corning SMF-28e data sheet, effective group index at 1550 nm.
    pub const AT_1550: Self = Self(1.4682);
    /// The default at 1310 nm. Source as for [`Self::AT_1550`].
    pub const AT_1310: Self = Self(1.4677);
}

impl Sub for Dbm {
    type Output = Db;

    fn sub(self, far: Self) -> Db {
        Db::of(self.0 - far.0)
    }
}

impl Sub<Db> for Dbm {
    type Output = Self;

    fn sub(self, loss: Db) -> Self {
        Self::of(self.0 - loss.0)
    }
}

impl Add<Db> for Dbm {
    type Output = Self;

    fn add(self, gain: Db) -> Self {
        Self::of(self.0 + gain.0)
    }
}

impl Mul<OpticalLength> for DbPerKm {
    type Output = Db;

    fn mul(self, length: OpticalLength) -> Db {
        Db::of(self.0 * length.km())
    }
}

impl OpticalLength {
    /// This length in kilometres, for display and for slopes.
    #[must_use]
    pub fn km(self) -> f64 {
        self.0 / 1000.0
    }
}

impl RouteLength {
    /// This length in kilometres, for display.
    #[must_use]
    pub fn km(self) -> f64 {
        self.0 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_sent_minus_received() {
        let sent = Dbm::new(3.0).unwrap();
        let received = Dbm::new(-19.0).unwrap();
        assert_eq!((sent - received).get().to_bits(), 22.0f64.to_bits());
    }

    #[test]
    fn what_is_not_finite_is_no_quantity() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Dbm::new(value).is_err());
            assert!(OpticalLength::of(value).get().is_finite());
        }
        assert!(serde_json::from_str::<Dbm>("1e999").is_err());
    }

    #[test]
    fn attenuation_times_length_is_loss() {
        let loss = DbPerKm::of(0.2) * OpticalLength::of(50_000.0);
        assert!((loss.get() - 10.0).abs() < 1e-12);
    }
}
