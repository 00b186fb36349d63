//! A permit to work: somebody has fibres in their hands, so nobody shoots light into them.
//!
//! Set by the collector or at the site, kept by the agent that owns the instrument. Where a permit
//! leaves something open it blocks more, never less: without fibres it is for all of its line.

use core::fmt;
use core::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{FibreId, LineId, PermitId};
use crate::time::Timestamp;

/// The longest name or contact, in bytes.
pub const MAX_WORDS: usize = 120;
/// The most fibres that one permit names: a large cable. More is the whole line.
pub const MAX_FIBRES: usize = 288;
/// The longest permit: what is longer is a mistyped year, or should be renewed by somebody awake.
pub const MAX_LENGTH: Duration = Duration::from_secs(31 * 86_400);
/// The most permits that an agent keeps at a time; one more is declined.
pub const MAX_PERMITS: usize = 256;

/// A permit to work on fibres, valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Fields", into = "Fields")]
#[schemars(with = "Fields")]
pub struct Permit(Box<Fields>);

/// What a permit to work says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fields {
    /// Its number: setting another permit of this number replaces it.
    pub id: PermitId,
    /// Who works.
    pub person: String,
    /// How they are reached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// The line on which they work.
    pub line: LineId,
    /// The fibres; none stands for every fibre of the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fibres: Vec<FibreId>,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Why something is no permit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPermit {
    /// Nobody holds it.
    #[error("permit {0} names no person")]
    Nobody(PermitId),
    /// A text that is too long or has control characters.
    #[error("permit {id}: {what} is longer than {MAX_WORDS} bytes or has control characters")]
    Words {
        /// Which permit.
        id: PermitId,
        /// Which text.
        what: &'static str,
    },
    /// Too many fibres.
    #[error(
        "permit {id} names {found} fibres, at most {MAX_FIBRES}: name none for all of the line"
    )]
    Fibres {
        /// Which permit.
        id: PermitId,
        /// How many.
        found: usize,
    },
    /// It ends before it begins.
    #[error("permit {id} ends at {until}, not after it begins at {from}")]
    Backwards {
        /// Which permit.
        id: PermitId,
        /// When it begins.
        from: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// Longer than any work.
    #[error("permit {0} is for more than 31 days: renew it instead")]
    Long(PermitId),
}

impl Permit {
    /// The permit of these `fields`.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn new(fields: Fields) -> Result<Self, BadPermit> {
        let Fields { from, until, .. } = fields;
        let id = || fields.id.clone();
        if fields.person.trim().is_empty() {
            return Err(BadPermit::Nobody(id()));
        }
        for (what, text) in [
            ("the person", &fields.person),
            ("the contact", &fields.contact),
        ] {
            if text.len() > MAX_WORDS || text.chars().any(char::is_control) {
                return Err(BadPermit::Words { id: id(), what });
            }
        }
        let found = fields.fibres.len();
        if found > MAX_FIBRES {
            return Err(BadPermit::Fibres { id: id(), found });
        }
        if until <= from {
            let id = id();
            return Err(BadPermit::Backwards { id, from, until });
        }
        if until - from > MAX_LENGTH {
            return Err(BadPermit::Long(id()));
        }
        Ok(Self(Box::new(fields)))
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> &PermitId {
        &self.0.id
    }

    /// What it says.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.0
    }

    /// Whether it is for `fibre` of `line`; a fibre that is not known may be any of them.
    #[must_use]
    pub fn covers(&self, line: &LineId, fibre: Option<&FibreId>) -> bool {
        let all = self.0.fibres.is_empty();
        self.0.line == *line && (all || fibre.is_none_or(|fibre| self.0.fibres.contains(fibre)))
    }

    /// Whether it holds at `now`, by a clock that is right.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.0.from <= now && now < self.0.until
    }
}

impl TryFrom<Fields> for Permit {
    type Error = BadPermit;

    fn try_from(fields: Fields) -> Result<Self, BadPermit> {
        Self::new(fields)
    }
}

impl From<Permit> for Fields {
    fn from(permit: Permit) -> Self {
        *permit.0
    }
}

impl fmt::Display for Permit {
    /// Who holds it and until when: what whoever is blocked has to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields {
            id,
            person,
            contact,
            until,
            ..
        } = &*self.0;
        write!(f, "permit {id} of {person}")?;
        if !contact.is_empty() {
            write!(f, " ({contact})")?;
        }
        write!(f, " until {until}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields {
            id: "p-17".parse().unwrap(),
            person: "L. Mammadova".into(),
            contact: "+994 12 555 01 00".into(),
            line: "baku-poti".parse().unwrap(),
            fibres: vec!["f1".parse().unwrap()],
            from: Timestamp::from_seconds(100),
            until: Timestamp::from_seconds(200),
        }
    }

    #[test]
    fn a_permit_covers_its_fibres_and_what_may_be_one_of_them() {
        let permit = Permit::new(fields()).unwrap();
        let line = "baku-poti".parse().unwrap();
        let fibre = |name: &str| -> FibreId { name.parse().unwrap() };
        assert!(permit.covers(&line, Some(&fibre("f1"))));
        assert!(!permit.covers(&line, Some(&fibre("f2"))));
        assert!(permit.covers(&line, None), "it may be f1");
        assert!(!permit.covers(&"other".parse().unwrap(), None));
        let whole = Permit::new(Fields {
            fibres: Vec::new(),
            ..fields()
        });
        assert!(whole.unwrap().covers(&line, Some(&fibre("f2"))));
    }

    #[test]
    fn a_permit_holds_from_its_beginning_to_just_before_its_end() {
        let permit = Permit::new(fields()).unwrap();
        let at = |seconds| permit.holds(Timestamp::from_seconds(seconds));
        assert_eq!([99, 100, 199, 200].map(at), [false, true, true, false]);
    }

    #[test]
    fn what_is_no_permit_is_refused_in_words() {
        type Spoil = fn(&mut Fields);
        let wrong: [(Spoil, &str); 7] = [
            (|f| f.person = " ".into(), "no person"),
            (|f| f.person = "x".repeat(MAX_WORDS + 1), "the person"),
            (|f| f.contact = "a\nb".into(), "the contact"),
            (|f| f.until = f.from, "not after"),
            (|f| f.until = Timestamp::EPOCH, "not after"),
            (
                |f| f.until = f.from + MAX_LENGTH + Duration::from_secs(1),
                "31 days",
            ),
            (
                |f| f.fibres = vec!["f".parse().unwrap(); MAX_FIBRES + 1],
                "289 fibres",
            ),
        ];
        for (spoil, wanted) in wrong {
            let mut fields = fields();
            spoil(&mut fields);
            let json = serde_json::to_string(&fields).unwrap();
            let said = serde_json::from_str::<Permit>(&json)
                .unwrap_err()
                .to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn whoever_is_blocked_reads_by_whom_and_until_when() {
        let said = Permit::new(fields()).unwrap().to_string();
        assert_eq!(
            said,
            "permit p-17 of L. Mammadova (+994 12 555 01 00) until 1970-01-01T00:03:20Z"
        );
    }
}
