//! SNMP: which agents answer, what they call themselves, and which profile knows that name.
//!
//! Each address is asked for its name with each community in version 2c, then in version 1; one that
//! stays silent is asked as a stranger in version 3, to which an agent of that version answers that it
//! does not know the user.

use std::sync::Arc;
use std::time::Duration;

use async_snmp::{Auth, Client, Error, Retry, Value};

use super::{Fit, Found, Looked, Pace, Place, Progress, Scan, over};
use crate::driver::snmp_io::ours;
use crate::profile::{Library, Oid};

/// `sysObjectID.0`, `sysDescr.0` and `sysName.0` (RFC 3418).
const NAMES: [[u32; 9]; 3] = [
    [1, 3, 6, 1, 2, 1, 1, 2, 0],
    [1, 3, 6, 1, 2, 1, 1, 1, 0],
    [1, 3, 6, 1, 2, 1, 1, 5, 0],
];
/// Standard MIBs that say more than nothing of a device nobody knows, the most telling one first.
const STANDARD: [(&str, &[u32], &str); 3] = [
    (
        "ietf-ups",
        &[1, 3, 6, 1, 2, 1, 33, 1],
        "has the standard MIB of a UPS",
    ),
    (
        "ietf-entity-sensor",
        &[1, 3, 6, 1, 2, 1, 99, 1, 1, 1, 4],
        "has the standard MIB of sensors",
    ),
    (
        "ietf-interfaces",
        &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
        "has the standard MIB of interfaces",
    ),
];
/// A user that no device knows.
const STRANGER: &str = "silkline-scan";
/// The community that devices are shipped with.
const SHIPPED: &str = "public";
/// Of a description, as much as a line holds.
const DESCRIPTION: usize = 120;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The addresses (`host:port`).
    pub addresses: Vec<String>,
    /// The communities to try, in order.
    pub communities: Vec<String>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Looks for an SNMP agent at every address of `search`.
pub async fn scan(
    search: Search,
    library: &Arc<Library>,
    pace: &Arc<Pace>,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Scan {
    let Search {
        addresses,
        communities,
        timeout,
    } = search;
    let communities: Arc<[String]> = communities.into();
    let look = |address| {
        let agent = Agent {
            address,
            timeout,
            pace: pace.clone(),
            library: library.clone(),
        };
        agent.look(communities.clone())
    };
    over(addresses, pace, tell, look).await
}

/// One address being looked at.
struct Agent {
    address: String,
    timeout: Duration,
    pace: Arc<Pace>,
    library: Arc<Library>,
}

/// What an agent calls itself.
struct Names {
    object: Option<Oid>,
    description: String,
    name: String,
}

impl Agent {
    async fn look(self, communities: Arc<[String]>) -> Looked {
        let mut looked = Looked::default();
        for version in ["2c", "1"] {
            for community in communities.iter() {
                if !self.pace.turn().await {
                    return looked;
                }
                let auth = match version {
                    "1" => Auth::v1(community.clone()),
                    _ => Auth::v2c(community.clone()),
                };
                let Some(client) = self.client(auth).await else {
                    continue;
                };
                let Some(names) = names(&client).await else {
                    continue;
                };
                looked.found = vec![self.found(&client, version, community, &names).await];
                looked.is_complete = true;
                return looked;
            }
        }
        if !self.pace.turn().await {
            return looked;
        }
        if self.speaks_version_3().await {
            looked.found = vec![self.stranger()];
        }
        looked.is_complete = true;
        looked
    }

    async fn client(&self, auth: Auth) -> Option<Client> {
        Client::builder(self.address.as_str(), auth)
            .request_timeout(self.timeout)
            .construction_timeout(self.timeout)
            .retry(Retry::none())
            .connect()
            .await
            .ok()
    }

    async fn found(
        &self,
        client: &Client,
        version: &'static str,
        community: &str,
        names: &Names,
    ) -> Found {
        let known = names
            .object
            .as_ref()
            .and_then(|object| Some((object, self.library.of_sys_object(object)?)));
        let mut fits = Vec::new();
        if let Some((object, profile)) = known {
            let why = format!("knows its sysObjectID {object}");
            let profile = profile.id.clone();
            fits.push(Fit { profile, why });
        } else {
            fits.extend(self.standard(client).await);
        }
        let object = names.object.as_ref().map(ToString::to_string);
        let words = [names.name.clone(), names.description.clone()];
        let words = words.into_iter().chain(object.filter(|_| known.is_none()));
        let words: Vec<String> = words.filter(|text| !text.is_empty()).collect();
        Found {
            place: Place::Snmp {
                address: self.address.clone(),
                version,
                community: (community != SHIPPED).then(|| community.to_owned()),
            },
            says: (!words.is_empty()).then(|| words.join("; ")),
            fits,
            note: None,
        }
    }

    /// The standard MIBs that the agent has something of.
    async fn standard(&self, client: &Client) -> Vec<Fit> {
        let mut fits = Vec::new();
        for (profile, under, why) in STANDARD {
            if !self.pace.turn().await {
                break;
            }
            let under = async_snmp::Oid::from_slice(under);
            let next = client.get_next(&under).await;
            let has = next.is_ok_and(|answer| {
                answer.varbinds.first().is_some_and(|bound| {
                    bound.oid.starts_with(&under) && !matches!(bound.value, Value::EndOfMibView)
                })
            });
            let known = profile
                .parse()
                .ok()
                .filter(|id| self.library.find(id).is_some());
            if let Some(profile) = known.filter(|_| has) {
                let why = why.to_owned();
                fits.push(Fit { profile, why });
            }
        }
        fits
    }

    async fn speaks_version_3(&self) -> bool {
        let Some(client) = self.client(Auth::usm(STRANGER)).await else {
            return false;
        };
        let [_, description, _] = NAMES;
        match client.get(&async_snmp::Oid::from_slice(&description)).await {
            Ok(_) => true,
            Err(error) => matches!(
                error.exchange_source(),
                Error::Report { .. } | Error::Snmp { .. } | Error::Auth { .. }
            ),
        }
    }

    fn stranger(&self) -> Found {
        let note =
            "speaks version 3 and answers to none of the communities: set user, auth and privacy";
        Found {
            place: Place::Snmp {
                address: self.address.clone(),
                version: "3",
                community: None,
            },
            says: None,
            fits: Vec::new(),
            note: Some(note.to_owned()),
        }
    }
}

async fn names(client: &Client) -> Option<Names> {
    let [object, description, name] = NAMES;
    let asked = [object, description, name].map(|oid| async_snmp::Oid::from_slice(&oid));
    let bound = match client.get_many(&asked).await {
        Ok(found) => found.varbinds,
        // Version 1 refuses all for one that it does not have: whoever refuses is there.
        Err(error) if matches!(error.exchange_source(), Error::Snmp { .. }) => Vec::new(),
        Err(_) => return None,
    };
    let mut names = Names {
        object: None,
        description: String::new(),
        name: String::new(),
    };
    for one in bound {
        match (&one.value, ours(&one.oid).arcs().get(7)) {
            (Value::ObjectIdentifier(oid), _) => names.object = Some(ours(oid)),
            (Value::OctetString(bytes), Some(1)) => names.description = line(bytes),
            (Value::OctetString(bytes), Some(5)) => names.name = line(bytes),
            _ => {}
        }
    }
    Some(names)
}

/// The first line of what a device says.
fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().next().unwrap_or_default();
    first.trim().chars().take(DESCRIPTION).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::scan::Bounds;

    #[tokio::test(flavor = "multi_thread")]
    async fn silent_addresses_are_looked_at_and_nothing_is_found() {
        // Held and never read: every request to it meets silence.
        let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let search = Search {
            addresses: vec![deaf.local_addr().unwrap().to_string()],
            communities: vec!["public".into(), "corridor".into()],
            timeout: Duration::from_millis(50),
        };
        let bounds = Bounds {
            per_second: 1000,
            ..Bounds::default()
        };
        let pace = Arc::new(Pace::new(bounds, Clock::start()));
        let mut told = Vec::new();
        let library = Arc::new(Library::embedded());
        let scan = scan(search, &library, &pace, &mut |progress| told.push(progress)).await;
        assert_eq!((scan.found.len(), scan.looked_at, scan.left), (0, 1, 0));
        assert_eq!((told[0].done, told[0].asked), (1, 5));
    }

    #[test]
    fn a_description_is_its_first_line_in_letters() {
        assert_eq!(line(b"  Smartpack 2\r\nsecond"), "Smartpack 2");
        assert_eq!(line(&[0xFF; 4]).chars().count(), 4);
        assert_eq!(line(&[b'a'; 500]).len(), DESCRIPTION);
    }
}
