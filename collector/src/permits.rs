//! Permits to work as the collector keeps them: who granted what, what became of it, which agents
//! have it.
//!
//! ```text
//!   API ──ask──▶ commit task ──Entry──▶ store ──▶ Register (again after every start)
//!   agents ──permit set, ended──▲          └───▶ engines, agents of the line
//! ```
//!
//! Pure: entries go in, in the order in which they were stored. What is over stays in the list, for
//! whoever asks who was there.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{LineId, PermitId, SiteId};
use silkline_protocol::permit::Permit;
use silkline_protocol::plant::{End, Line};
use silkline_protocol::time::Timestamp;

use crate::engine::PermitChange;

/// What is written down about a permit, one row each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// It was granted, or granted anew.
    Granted {
        /// The permit.
        permit: Permit,
        /// What for.
        reason: String,
        /// By whom.
        who: String,
        /// The site where it was set, where it was not set here.
        site: Option<SiteId>,
    },
    /// It was taken back.
    Revoked {
        /// Which.
        id: PermitId,
        /// Of which line.
        line: LineId,
        /// By whom.
        who: String,
    },
    /// The engines were told of it again, after a start.
    Repeated {
        /// The permit.
        permit: Permit,
    },
    /// The agent of a site keeps it.
    Kept {
        /// Which.
        id: PermitId,
        /// Where.
        site: SiteId,
    },
}

impl Entry {
    /// What the engines are told of it.
    #[must_use]
    pub fn change(&self) -> Option<PermitChange> {
        match self {
            Self::Granted { permit, .. } | Self::Repeated { permit } => {
                Some(PermitChange::Set(permit.clone()))
            }
            Self::Revoked { id, line, .. } => Some(PermitChange::Revoked {
                id: id.clone(),
                line: line.clone(),
            }),
            Self::Kept { .. } => None,
        }
    }
}

/// A permit and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The permit.
    pub permit: Permit,
    /// What for.
    pub reason: String,
    /// Who granted it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// The site where it was set, where it was not set here.
    pub site: Option<SiteId>,
    /// When and by whom it was taken back.
    pub revoked: Option<(Timestamp, String)>,
    /// The sites whose agents have said that they keep it.
    pub kept_by: BTreeSet<SiteId>,
}

/// Where in its life a permit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PermitState {
    /// It has not begun.
    Coming,
    /// It holds: nothing is shot into its fibres.
    Standing,
    /// Its time is over.
    Over,
    /// It was taken back before.
    Revoked,
}

impl Grant {
    /// Where in its life it is at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> PermitState {
        let fields = self.permit.fields();
        if self.revoked.is_some() {
            PermitState::Revoked
        } else if fields.until <= now {
            PermitState::Over
        } else if now < fields.from {
            PermitState::Coming
        } else {
            PermitState::Standing
        }
    }

    /// Whether its end is still to come, taken back or not.
    #[must_use]
    pub fn matters(&self, now: Timestamp) -> bool {
        now < self.permit.fields().until
    }
}

/// Every permit that there ever was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register(BTreeMap<PermitId, Grant>);

impl Register {
    /// Takes what was written down at `at`.
    pub fn take(&mut self, entry: Entry, at: Timestamp) {
        match entry {
            Entry::Granted {
                permit,
                reason,
                who,
                site,
            } => {
                let grant = Grant {
                    permit,
                    reason,
                    who,
                    at,
                    kept_by: site.iter().cloned().collect(),
                    site,
                    revoked: None,
                };
                self.0.insert(grant.permit.id().clone(), grant);
            }
            Entry::Revoked { id, who, .. } => {
                if let Some(grant) = self.0.get_mut(&id) {
                    grant.revoked.get_or_insert((at, who));
                }
            }
            Entry::Repeated { .. } => {}
            Entry::Kept { id, site } => {
                if let Some(grant) = self.0.get_mut(&id) {
                    grant.kept_by.insert(site);
                }
            }
        }
    }

    /// The permit called `id`.
    #[must_use]
    pub fn get(&self, id: &PermitId) -> Option<&Grant> {
        self.0.get(id)
    }

    /// Every permit, the one granted last first.
    #[must_use]
    pub fn all(&self) -> Vec<&Grant> {
        let mut all: Vec<&Grant> = self.0.values().collect();
        all.sort_by(|a, b| (b.at, b.permit.id()).cmp(&(a.at, a.permit.id())));
        all
    }

    /// Those whose end is still to come, taken back or not.
    pub fn mattering(&self, now: Timestamp) -> impl Iterator<Item = &Grant> {
        self.0.values().filter(move |grant| grant.matters(now))
    }

    /// What an agent's word that `permit` holds at `site` adds, if anything: a permit that was set
    /// there by hand, or that ours arrived.
    #[must_use]
    pub fn heard_set(&self, site: &SiteId, permit: &Permit, now: Timestamp) -> Option<Entry> {
        match self.0.get(permit.id()) {
            Some(known) if known.permit == *permit => {
                let (id, site) = (permit.id().clone(), site.clone());
                let news = known.revoked.is_none() && !known.kept_by.contains(&site);
                news.then_some(Entry::Kept { id, site })
            }
            // Ours is the one that counts; the agent is told again.
            Some(known) if known.site.is_none() => None,
            _ if permit.fields().until <= now => None,
            _ => Some(Entry::Granted {
                permit: permit.clone(),
                reason: String::new(),
                who: format!("agent at {site}"),
                site: Some(site.clone()),
            }),
        }
    }

    /// What an agent's word that `permit` has ended at `site` adds, if anything. A permit of ours
    /// ends by its time or by us: a clock that is wrong at one site must not end it at the other.
    #[must_use]
    pub fn heard_ended(&self, site: &SiteId, permit: &Permit, now: Timestamp) -> Option<Entry> {
        let known = self.0.get(permit.id())?;
        let theirs = known.site.as_ref() == Some(site) && known.revoked.is_none();
        (theirs && known.matters(now)).then(|| Entry::Revoked {
            id: permit.id().clone(),
            line: permit.fields().line.clone(),
            who: format!("agent at {site}"),
        })
    }
}

/// The sites from which something could be shot into fibres of `line`: its ends, and where its
/// instruments stand.
#[must_use]
pub fn sites_of(line: &Line) -> BTreeSet<SiteId> {
    let ends = [&line.a, &line.b].into_iter().filter_map(|end| match end {
        End::Site(site) => Some(site.clone()),
        End::Branch(..) => None,
    });
    let views = line.views.iter();
    let views = views.filter_map(|view| line.node(&view.node)?.site.clone());
    ends.chain(views).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use silkline_protocol::permit::Fields;

    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// A permit for all of a line.
    pub(crate) fn permit(id: &str, line: &str, from: Timestamp, until: Timestamp) -> Permit {
        Permit::new(Fields {
            id: id.parse().unwrap(),
            person: "Aysel".into(),
            contact: "+994 12 555 01 00".into(),
            line: line.parse().unwrap(),
            fibres: Vec::new(),
            from,
            until,
        })
        .unwrap()
    }

    fn granted(id: &str, site: Option<&str>) -> Entry {
        Entry::Granted {
            permit: permit(id, "dsw", second(10), second(20)),
            reason: "splice".into(),
            who: "noc".into(),
            site: site.map(|site| site.parse().unwrap()),
        }
    }

    #[test]
    fn a_permit_comes_stands_and_is_over_or_taken_back() {
        let mut register = Register::default();
        register.take(granted("p-1", None), second(1));
        let id = "p-1".parse().unwrap();
        let state = |register: &Register, at| register.get(&id).unwrap().state(second(at));
        use PermitState::{Coming, Over, Revoked, Standing};
        let states = [5, 10, 19, 20].map(|at| state(&register, at));
        assert_eq!(states, [Coming, Standing, Standing, Over]);
        let line = "dsw".parse().unwrap();
        let back = Entry::Revoked {
            id: id.clone(),
            line,
            who: "noc".into(),
        };
        assert!(matches!(back.change(), Some(PermitChange::Revoked { .. })));
        register.take(back, second(12));
        assert_eq!(state(&register, 13), Revoked);
        assert_eq!(
            register.mattering(second(13)).count(),
            1,
            "agents may not know yet"
        );
        assert_eq!(register.mattering(second(20)).count(), 0);
    }

    #[test]
    fn an_agents_word_says_that_ours_arrived_once() {
        let mut register = Register::default();
        register.take(granted("p-1", None), second(1));
        let (site, ours) = (
            "s1".parse().unwrap(),
            permit("p-1", "dsw", second(10), second(20)),
        );
        let kept = register.heard_set(&site, &ours, second(11)).unwrap();
        register.take(kept, second(11));
        assert!(register.heard_set(&site, &ours, second(12)).is_none());
        let other = permit("p-1", "dsw", second(10), second(15));
        assert!(
            register.heard_set(&site, &other, second(12)).is_none(),
            "ours counts"
        );
        assert!(
            register.heard_ended(&site, &ours, second(12)).is_none(),
            "and stays"
        );
    }

    #[test]
    fn a_permit_set_at_a_site_is_ours_to_know_and_the_sites_to_end() {
        let mut register = Register::default();
        let theirs = permit("p-9", "dsw", second(10), second(20));
        let (s1, s2) = ("s1".parse().unwrap(), "s2".parse().unwrap());
        assert!(
            register.heard_set(&s1, &theirs, second(20)).is_none(),
            "over by now"
        );
        let entry = register.heard_set(&s1, &theirs, second(11)).unwrap();
        register.take(entry, second(11));
        assert!(register.heard_ended(&s2, &theirs, second(12)).is_none());
        let ended = register.heard_ended(&s1, &theirs, second(12)).unwrap();
        register.take(ended, second(12));
        let grant = register.get(theirs.id()).unwrap();
        assert_eq!(grant.state(second(13)), PermitState::Revoked);
        assert!(register.heard_ended(&s1, &theirs, second(14)).is_none());
    }
}
