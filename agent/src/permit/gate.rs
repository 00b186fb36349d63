//! Asked before every shot: the last thing before the instrument is told.

use core::fmt;

use silkline_protocol::id::{FibreId, LineId};
use silkline_protocol::permit::Permit;

use super::{Now, Shelf, blocking};
use crate::clock::Clock;
use crate::config::Config;

/// Whether a shot may be taken.
#[derive(Clone, Debug)]
pub struct Gate {
    shelf: Shelf,
    clock: Clock,
}

/// Why a shot may not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Somebody works on the fibre.
    Permit {
        /// The permit.
        permit: Permit,
        /// Whether the clock will end it; else somebody has to take it back.
        ends: bool,
    },
    /// The permits can't be read, so somebody may.
    Unreadable(String),
    /// Traffic is on the fibre, or may be, and the instrument needs a dark one.
    Traffic(String),
}

impl Gate {
    /// The gate of the agent of `config`.
    #[must_use]
    pub fn of(config: &Config, clock: Clock) -> Self {
        let shelf = Shelf::of(&config.data);
        Self { shelf, clock }
    }

    /// Whether `fibre` of `line` may be shot now; a fibre that is not known may be any of the line's.
    ///
    /// The files are read each time: what a person has set at the site holds from that moment.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, line: &LineId, fibre: Option<&FibreId>) -> Result<(), Blocked> {
        let kept = self
            .shelf
            .read()
            .map_err(|error| Blocked::Unreadable(error.to_string()))?;
        let now = Now::by(&self.clock);
        blocking(&kept, (line, fibre), &now).map_or(Ok(()), |kept| {
            Err(Blocked::Permit {
                permit: kept.permit.clone(),
                ends: kept.believes(&now),
            })
        })
    }
}

impl Blocked {
    /// The permit that blocks, where one is known.
    #[must_use]
    pub const fn permit(&self) -> Option<&Permit> {
        match self {
            Self::Permit { permit, .. } => Some(permit),
            Self::Unreadable(_) | Self::Traffic(_) => None,
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permit { permit, ends: true } => write!(f, "blocked by {permit}"),
            Self::Permit {
                permit,
                ends: false,
            } => write!(
                f,
                "blocked by {permit}, which this clock can't be trusted to end: it holds until it is revoked"
            ),
            Self::Unreadable(why) => write!(f, "blocked: the permits can't be read: {why}"),
            Self::Traffic(why) => write!(f, "blocked: a shot needs a dark fibre: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use silkline_protocol::permit::Fields;

    use super::super::tests::permit;
    use super::super::{By, Kept};

    #[test]
    fn what_is_set_blocks_at_once_and_what_is_unreadable_blocks_everything() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = \"{}\"\n[[device]]\nid = \"e\"\n\
             profile = \"silkline-edfa\"\naddress = \"h\"\n",
            folder.path().display()
        );
        let clock = Clock::start();
        let gate = Gate::of(&crate::config::read("agent.toml", &text).unwrap(), clock);
        let line = "baku-poti".parse().unwrap();
        assert!(matches!(
            gate.check(&line, None),
            Err(Blocked::Unreadable(_))
        ));
        gate.shelf.prepare().unwrap();
        assert_eq!(gate.check(&line, None), Ok(()));

        let from = clock.now();
        let until = from + Duration::from_secs(3600);
        let fields = permit("p-1", &["f1"], (1, 2)).fields().clone();
        let permit = Permit::new(Fields {
            from,
            until,
            ..fields
        })
        .unwrap();
        let kept = Kept::taken(permit.clone(), By::Site, &Now::by(&clock));
        gate.shelf.put(&kept).unwrap();
        let blocked = gate.check(&line, None).unwrap_err();
        assert_eq!(blocked.permit(), Some(&permit));
        let said = blocked.to_string();
        assert!(
            said.contains("L. Mammadova") && said.contains(&until.to_string()),
            "{said}"
        );
        assert_eq!(gate.check(&line, Some(&"f2".parse().unwrap())), Ok(()));
        assert_eq!(gate.check(&"other".parse().unwrap(), None), Ok(()));

        std::fs::write(folder.path().join("permits/p-2.json"), "x").unwrap();
        let blocked = gate.check(&"other".parse().unwrap(), None).unwrap_err();
        assert!(blocked.permit().is_none() && blocked.to_string().contains("p-2.json"));
    }
}
