//! The agents of a line are told its permits: when one is granted or taken back, when an agent
//! comes or shows itself, and after every connection. A command may get lost and one too many does
//! no harm.

use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::codec;
use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::message::Command;
use silkline_protocol::permit::Permit;
use silkline_protocol::plant::{Line, Plant};
use silkline_protocol::time::Timestamp;
use silkline_protocol::topic::{SiteTopic, Topic};

use crate::ingest::Outgoing;
use crate::permits::{Entry, Grant, Register, sites_of};
use crate::state::{PermitAction, PermitAsk, PermitResult};

/// Every permit, and whom it concerns.
#[derive(Debug)]
pub(super) struct Permits {
    pub(super) register: Register,
    sites: BTreeMap<LineId, BTreeSet<SiteId>>,
}

impl Permits {
    pub(super) fn new(register: Register, plant: &Plant) -> Self {
        let sites = |line: &Line| (line.id.clone(), sites_of(line));
        Self {
            register,
            sites: plant.lines.iter().map(sites).collect(),
        }
    }

    /// What an action leads to, or why it is not done.
    pub(super) fn judge(&self, action: &PermitAction) -> Result<Entry, PermitResult> {
        let who = action.who.clone();
        match &action.ask {
            PermitAsk::Grant { permit, reason } => {
                if !self.sites.contains_key(&permit.fields().line) {
                    return Err(PermitResult::NoLine);
                }
                if self.register.get(permit.id()).is_some() {
                    return Err(PermitResult::Taken);
                }
                Ok(Entry::Granted {
                    permit: permit.clone(),
                    reason: reason.clone(),
                    who,
                    site: None,
                })
            }
            PermitAsk::Revoke { id } => {
                let known = self.register.get(id).ok_or(PermitResult::NoPermit)?;
                if known.revoked.is_some() {
                    return Err(PermitResult::Done(Box::new(known.clone())));
                }
                Ok(Entry::Revoked {
                    id: id.clone(),
                    line: known.permit.fields().line.clone(),
                    who,
                })
            }
        }
    }

    /// What the agents of all sites are to be told of a permit.
    pub(super) fn tell(&self, grant: &Grant) -> Vec<Outgoing> {
        let sites = self.sites.get(&grant.permit.fields().line);
        let sites = sites.into_iter().flatten();
        sites.map(|site| told(site, grant)).collect()
    }

    /// What the agents at `site` are to be told.
    pub(super) fn tell_site(&self, site: &SiteId, now: Timestamp) -> Vec<Outgoing> {
        let here = |grant: &&Grant| {
            let sites = self.sites.get(&grant.permit.fields().line);
            sites.is_some_and(|sites| sites.contains(site))
        };
        let grants = self.register.mattering(now).filter(here);
        grants.map(|grant| told(site, grant)).collect()
    }

    /// Everything that any agent is to be told.
    pub(super) fn tell_all(&self, now: Timestamp) -> Vec<Outgoing> {
        let grants = self.register.mattering(now);
        grants.flat_map(|grant| self.tell(grant)).collect()
    }

    /// The permits that are not over and stand or will.
    pub(super) fn lasting(&self, now: Timestamp) -> Vec<Permit> {
        let grants = self.register.mattering(now);
        let lasting = grants.filter(|grant| grant.revoked.is_none());
        lasting.map(|grant| grant.permit.clone()).collect()
    }
}

/// The command that tells `site` of a permit.
fn told(site: &SiteId, grant: &Grant) -> Outgoing {
    let topic = Topic::Site {
        line: grant.permit.fields().line.clone(),
        site: site.clone(),
        what: SiteTopic::Command,
    };
    let command = match grant.revoked {
        None => Command::SetPermit {
            permit: grant.permit.clone(),
        },
        Some(_) => Command::RevokePermit {
            permit: grant.permit.id().clone(),
        },
    };
    Outgoing::new(topic.to_string(), codec::to_json(&command))
}
