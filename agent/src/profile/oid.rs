//! Object identifiers, as profiles write them.

use core::fmt;
use core::str::FromStr;

use silkline_protocol::setting_from_text;

/// The most numbers an OID may have (RFC 2578, 3.5).
const MAX_ARCS: usize = 128;

/// An object identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u32>);

/// A text that is not an OID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an OID such as 1.3.6.1.2.1.1.3.0, or .3.0 after a base")]
pub struct BadOid(String);

impl Oid {
    /// The OID of these numbers.
    #[must_use]
    pub fn new(arcs: impl Into<Vec<u32>>) -> Self {
        Self(arcs.into())
    }

    /// Its numbers.
    #[must_use]
    pub fn arcs(&self) -> &[u32] {
        &self.0
    }

    /// This OID with the numbers of `tail` after it.
    #[must_use]
    pub fn join(&self, tail: &Self) -> Self {
        Self(self.0.iter().chain(&tail.0).copied().collect())
    }

    /// This OID with one more number.
    #[must_use]
    pub fn child(&self, arc: u32) -> Self {
        Self(self.0.iter().copied().chain([arc]).collect())
    }

    /// This OID without its last number; `None` where it has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, front) = self.0.split_last()?;
        Some(Self(front.to_vec()))
    }

    /// What follows `self` in `longer`; `None` where `longer` is not below it.
    #[must_use]
    pub fn suffix_of<'a>(&self, longer: &'a Self) -> Option<&'a [u32]> {
        longer
            .0
            .strip_prefix(self.0.as_slice())
            .filter(|rest| !rest.is_empty())
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arc) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl FromStr for Oid {
    type Err = BadOid;

    /// Reads `1.3.6` and `.1.3.6` alike; whether it stands after a base is the reader's to tell.
    fn from_str(text: &str) -> Result<Self, BadOid> {
        let bad = || BadOid(text.chars().take(80).collect());
        let arcs: Result<Vec<u32>, _> = text
            .strip_prefix('.')
            .unwrap_or(text)
            .split('.')
            .map(str::parse)
            .collect();
        let arcs = arcs.map_err(|_| bad())?;
        if arcs.len() > MAX_ARCS {
            Err(bad())
        } else {
            Ok(Self(arcs))
        }
    }
}

setting_from_text!(Oid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_is_the_same() {
        let oid: Oid = "1.3.6.1.4.1.3854".parse().unwrap();
        assert_eq!(oid.to_string(), "1.3.6.1.4.1.3854");
        assert_eq!(".1.3".parse::<Oid>().unwrap().arcs(), [1, 3]);
        for bad in ["", ".", "1..3", "1.3.x", "1.3.6.99999999999", "sysDescr"] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_suffix_is_what_lies_below() {
        let column = Oid::new([1, 3, 6]);
        assert_eq!(
            column.suffix_of(&Oid::new([1, 3, 6, 4, 2])),
            Some([4, 2].as_slice())
        );
        assert_eq!(column.suffix_of(&Oid::new([1, 3, 6])), None);
        assert_eq!(column.suffix_of(&Oid::new([1, 3, 7, 1])), None);
    }

    #[test]
    fn the_order_is_that_of_a_walk() {
        assert!(Oid::new([1, 3, 6, 2]) < Oid::new([1, 3, 6, 10]));
        assert!(Oid::new([1, 3]) < Oid::new([1, 3, 0]));
    }
}
