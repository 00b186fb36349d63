//! Names of things: valid in a topic, a path and a URL once parsed.
//!
//! An id is `[a-z0-9-]{1,64}`; a point is `[a-z0-9_]{1,64}` with an optional `.index`. A few words
//! are reserved because they stand where an id could stand in a topic. A copy of a name shares its
//! text: names are copied with every record.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;

/// Words that topics use themselves, so no line, site or device may be called so.
pub const RESERVED: [&str; 4] = ["site", "incident", "status", "committed"];

/// The longest id or point name, in bytes.
pub const MAX_LEN: usize = 64;

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Letters that do not belong, or a wrong length.
    #[error("{found:?} is not {wanted}")]
    Form {
        /// What was found, cut to a sensible length.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// A word that topics use themselves.
    #[error("{0:?} is a reserved word, choose another id")]
    Reserved(String),
}

const ID_FORM: &str = "an id: 1 to 64 of a-z, 0-9 and -";
const POINT_FORM: &str = "a point: 1 to 64 of a-z, 0-9 and _, with .index for a port or table row";

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LEN + 8).collect()
}

fn check_id(text: &str) -> Result<(), BadId> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > MAX_LEN || !text.bytes().all(good) {
        return Err(BadId::Form {
            found: shortened(text),
            wanted: ID_FORM,
        });
    }
    if RESERVED.contains(&text) {
        return Err(BadId::Reserved(text.to_owned()));
    }
    Ok(())
}

fn check_point(text: &str) -> Result<(), BadId> {
    let (name, index) = text
        .split_once('.')
        .map_or((text, None), |(n, i)| (n, Some(i)));
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let name_ok = !name.is_empty() && name.len() <= MAX_LEN && name.bytes().all(good);
    let in_index = |byte: u8| good(byte) || byte == b'.' || byte == b'-';
    let index_ok = index.is_none_or(|index| {
        !index.is_empty() && index.len() <= MAX_LEN && index.bytes().all(in_index)
    });
    if name_ok && index_ok {
        Ok(())
    } else {
        Err(BadId::Form {
            found: shortened(text),
            wanted: POINT_FORM,
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
        #[schemars(with = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadId;
            fn try_from(text: &str) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                text::parsed(from)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id! {
    /// One cable between two terminal sites: the fault domain, and the unit of sharding.
    LineId, check_id
}
id! {
    /// A place with an agent.
    SiteId, check_id
}
id! {
    /// One piece of polled hardware at a site.
    DeviceId, check_id
}
id! {
    /// A place on a line that holds equipment.
    NodeId, check_id
}
id! {
    /// One strand of a line.
    FibreId, check_id
}
id! {
    /// The way a signal takes over fibres, through nodes.
    PathId, check_id
}
id! {
    /// What one instrument sees of a fibre from a node.
    ViewId, check_id
}
id! {
    /// One running program of the edge: several may serve a site.
    AgentId, check_id
}
id! {
    /// A description of a device model.
    ProfileId, check_id
}
id! {
    /// One collector's store, for as long as its file lives.
    StoreId, check_id
}
id! {
    /// One cause, from its first sign to its end.
    IncidentId, check_id
}
id! {
    /// One permit to work.
    PermitId, check_id
}
id! {
    /// One quantity of a device, such as `in_power` or `in_power.3`.
    PointName, check_point
}

impl PointName {
    /// The quantity's name without a port or row: `in_power` of `in_power.3`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(stem, _)| stem)
    }

    /// The port or row, where there is one: `3` of `in_power.3`.
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, index)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_valid_in_a_topic() {
        assert!("sumgait-aktau".parse::<LineId>().is_ok());
        for bad in ["", "A", "a/b", "a+b", "#", "a b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<LineId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reserved_words_are_refused_by_name() {
        let said = "incident".parse::<SiteId>().unwrap_err().to_string();
        assert!(said.contains("reserved"), "{said}");
    }

    #[test]
    fn a_point_may_carry_an_index() {
        let point: PointName = "in_power.3".parse().unwrap();
        assert_eq!((point.stem(), point.index()), ("in_power", Some("3")));
        for bad in ["In", "in-power", ".3", "a.", "a.b/c"] {
            assert!(bad.parse::<PointName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_id_inside_json_is_an_error_not_a_value() {
        assert!(serde_json::from_str::<SiteId>("\"Baku\"").is_err());
    }
}
