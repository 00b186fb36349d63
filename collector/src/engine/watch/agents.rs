//! The agents of a line's sites: who is there, and who sends over a link that costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::SiteId;

/// How an agent stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Stands {
    pub(in crate::engine) online: bool,
    /// Connected by a link that costs: what does not come over it tells nothing.
    pub(in crate::engine) metered: bool,
}

impl Stands {
    /// Whether its samples come thinly.
    pub(super) const fn is_thin(self) -> bool {
        self.online && self.metered
    }
}

/// Every agent that told of itself, by site and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Agents(BTreeMap<String, Agent>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agent {
    site: SiteId,
    online: bool,
    #[serde(default)]
    metered: bool,
}

impl Agents {
    /// Takes how an agent stands now; how it stood.
    pub(super) fn take(&mut self, name: &str, site: &SiteId, stands: Stands) -> Option<Stands> {
        let Stands { online, metered } = stands;
        let site = site.clone();
        let now = Agent {
            site,
            online,
            metered,
        };
        let before = self.0.insert(name.to_owned(), now);
        before.map(|agent| agent.stands())
    }

    /// Whether no agent at a site is there, though there were some.
    pub(super) fn is_offline(&self, site: &SiteId) -> bool {
        let here = self.0.values().filter(|agent| agent.site == *site);
        let mut here = here.peekable();
        here.peek().is_some() && here.all(|agent| !agent.online)
    }

    /// Whether an agent at a site is connected.
    pub(super) fn is_online(&self, site: &SiteId) -> bool {
        let mut here = self.0.values().filter(|agent| agent.site == *site);
        here.any(|agent| agent.online)
    }

    /// The sites from which samples come thinly; as a rule there are none.
    pub(super) fn thin(&self) -> Vec<&SiteId> {
        let thin = self.0.values().filter(|agent| agent.stands().is_thin());
        thin.map(|agent| &agent.site).collect()
    }
}

impl Agent {
    const fn stands(&self) -> Stands {
        Stands {
            online: self.online,
            metered: self.metered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_thin_while_an_agent_that_is_there_pays_for_its_link() {
        let (mut agents, site) = (Agents::default(), "s1".parse().unwrap());
        assert!(agents.thin().is_empty() && !agents.is_offline(&site));
        for (online, metered, thin) in [
            (true, false, false),
            (true, true, true),
            (false, true, false),
        ] {
            agents.take("s1.main", &site, Stands { online, metered });
            assert_eq!(agents.thin().contains(&&site), thin);
            assert_eq!(agents.is_offline(&site), !online);
            assert_eq!(agents.is_online(&site), online);
        }
    }
}
