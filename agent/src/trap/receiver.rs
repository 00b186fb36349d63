//! The socket on which notifications arrive, versions 1, 2c and 3, by async-snmp.
//!
//! Nothing is queued here: while events wait for the spool the socket's own buffer fills, and an
//! inform that is not read is not answered, so its sender sends it again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_snmp::notification::{
    Notification, NotificationAcceptance, NotificationEnvelope, NotificationReceiver,
};
use async_snmp::{SecurityLevel, UsmUser};
use silkline_protocol::id::DeviceId;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Address, Config, Device, SnmpAccess, SnmpUser, TrapSettings};
use crate::driver::snmp_io::{ours, usm, value};
use crate::edge::EdgeHandle;
use crate::poller::{Ask, Pollers};

use super::{Act, Notice, Traps, engine};

/// How often names are looked up again, and what was refused is told.
const TICK: Duration = Duration::from_secs(30);
/// How long one name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(2);

/// Why notifications can't be received.
#[derive(Debug, thiserror::Error)]
pub enum TrapError {
    /// The socket or the engine's state.
    #[error("{0}")]
    Library(#[from] Box<async_snmp::Error>),
    /// A user's or the community's secret.
    #[error("{0}")]
    Secret(String),
}

/// Who may send, shared with the check that runs before an inform is answered.
#[derive(Debug, Default)]
struct Door {
    sources: RwLock<BTreeMap<IpAddr, Vec<DeviceId>>>,
    refused: RwLock<Refused>,
    communities: Vec<String>,
    users: BTreeMap<Vec<u8>, SecurityLevel>,
}

/// What was not let in, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// From an address of no device.
    pub strangers: u64,
    /// With a community that no device here has.
    pub communities: u64,
    /// Signed or encrypted less than the user's settings ask for.
    pub levels: u64,
    /// Of a user that no device here has.
    pub users: u64,
    /// With a wrong digest, or not to be decrypted.
    pub digests: u64,
    /// Outside the time window.
    pub times: u64,
}

/// The loop that receives notifications.
pub struct Receiver {
    receiver: NotificationReceiver,
    door: Arc<Door>,
    devices: Vec<Arc<Device>>,
    traps: Traps,
    edge: EdgeHandle,
    pollers: Pollers,
    clock: Clock,
    told: Refused,
}

/// Receives until `stop` what the devices of `config` send. Where the port is taken or not allowed,
/// or a secret can't be read, it is tried again and again: that must not keep the agent from polling.
pub async fn listen(
    config: Arc<Config>,
    ways: (EdgeHandle, Pollers),
    clock: Clock,
    stop: CancellationToken,
) {
    let Some(settings) = &config.traps else {
        return stop.cancelled().await;
    };
    let mut said = false;
    loop {
        match Receiver::bind(&config, settings, ways.clone(), clock).await {
            Ok(receiver) => {
                let address = receiver.address().to_string();
                tracing::info!(address, "listens for notifications");
                return receiver.run(stop).await;
            }
            Err(error) if !said => {
                let listen = settings.listen.to_string();
                tracing::error!(listen, %error, "no notifications can be received");
                said = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.moment() + TICK) => {}
        }
    }
}

impl Receiver {
    /// Listens as `settings` say for what the devices of `config` send.
    ///
    /// # Errors
    ///
    /// Why it can't.
    pub async fn bind(
        config: &Config,
        settings: &TrapSettings,
        (edge, pollers): (EdgeHandle, Pollers),
        clock: Clock,
    ) -> Result<Self, TrapError> {
        let devices: Vec<Arc<Device>> = config
            .devices
            .iter()
            .filter(|device| matches!(device.address, Some(Address::Network(_))))
            .map(|device| Arc::new(device.clone()))
            .collect();
        let mut builder = NotificationReceiver::builder().bind(settings.listen.to_string());
        let mut door = Door {
            communities: communities(settings, &devices)?,
            ..Door::default()
        };
        let users = users(&devices);
        if !users.is_empty() {
            let seed = format!("{}/{} {}", config.site, config.agent, clock.now());
            let engine = engine::open(&config.data, seed.as_bytes())?;
            let id = engine::shown(engine.engine_id());
            tracing::info!(engine_id = id, "takes notifications of version 3");
            builder = builder.authoritative_engine(engine);
        }
        for user in users {
            let known = usm(&user).map_err(|fault| TrapError::Secret(fault.to_string()))?;
            door.users
                .insert(user.name.clone().into_bytes(), known.security_level());
            builder = builder
                .usm_user(user.name.clone(), |theirs| with_secrets(theirs, &user))
                .map_err(|error| TrapError::Secret(format!("user {}: {error}", user.name)))?;
        }
        let door = Arc::new(door);
        let keeper = door.clone();
        let receiver = builder
            .acceptance_policy(move |envelope: &NotificationEnvelope<'_>| keeper.judge(envelope))
            .build()
            .await?;
        let traps = Traps::new(&devices, clock.moment());
        let mut receiver = Self {
            receiver,
            door,
            devices,
            traps,
            edge,
            pollers,
            clock,
            told: Refused::default(),
        };
        receiver.look_up().await;
        Ok(receiver)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.receiver.local_addr()
    }

    /// Receives until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut due = self.clock.moment() + TICK;
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep_until(due) => {
                    self.look_up().await;
                    self.tell_refused();
                    due = self.clock.moment() + TICK;
                    continue;
                }
                received = self.receiver.recv() => received,
            };
            match received {
                Ok(received) => {
                    self.take(received.source.ip(), &received.notification)
                        .await
                }
                Err(error) => {
                    tracing::warn!(%error, "notifications can't be received for a while");
                    // A socket that fails at once would otherwise be asked without a pause.
                    self.clock.sleep_until(self.clock.moment() + LOOK_UP).await;
                }
            }
        }
    }

    async fn take(&mut self, source: IpAddr, notification: &Notification) {
        let Ok(oid) = notification.trap_oid() else {
            return;
        };
        let values = notification.varbinds().iter();
        let notice = Notice {
            oid: ours(&oid),
            values: values
                .map(|bound| (ours(&bound.oid), value(&bound.value)))
                .collect(),
        };
        let devices = self.door.at(source);
        for act in self.traps.take(&devices, &notice, self.clock.moment()) {
            match act {
                Act::Tell(told) => self.edge.tell(told).await,
                Act::Reread(device) => {
                    // Full only where the device has several orders waiting, which poll it too.
                    let poller = self.pollers.of(&device);
                    let _ = poller.map(|poller| poller.try_send(Ask::Reread(device.clone())));
                }
            }
        }
    }

    /// Finds the addresses of the devices; a name that can't be found keeps the one it had.
    async fn look_up(&mut self) {
        let mut found: BTreeMap<IpAddr, Vec<DeviceId>> = BTreeMap::new();
        for device in &self.devices {
            let Some(Address::Network(at)) = &device.address else {
                continue;
            };
            let looked_up = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host(at)).await;
            let addresses: Vec<IpAddr> = match looked_up {
                Ok(Ok(addresses)) => addresses.map(|at| at.ip().to_canonical()).collect(),
                _ => self.door.of(&device.id),
            };
            for address in addresses {
                let here = found.entry(address).or_default();
                if !here.contains(&device.id) {
                    here.push(device.id.clone());
                }
            }
        }
        self.door.open_to(found);
    }

    /// Says what was not let in since it was said last.
    fn tell_refused(&mut self) {
        let own = &self.receiver;
        let mut now = self.door.refused();
        now.users += u64::from(own.usm_unknown_usernames());
        now.digests = u64::from(own.usm_wrong_digests()) + u64::from(own.usm_decryption_errors());
        now.times = u64::from(own.usm_not_in_time_windows());
        if now != self.told {
            let Refused {
                strangers,
                communities,
                levels,
                users,
                digests,
                times,
            } = now;
            tracing::warn!(
                strangers,
                communities,
                levels,
                users,
                digests,
                times,
                "notifications were refused since the start, by reason"
            );
            self.told = now;
        }
    }
}

impl Door {
    /// Runs before an inform is answered: what is refused here is not confirmed.
    fn judge(&self, envelope: &NotificationEnvelope<'_>) -> NotificationAcceptance {
        let source = envelope.source.ip().to_canonical();
        let stranger = self.at(source).is_empty();
        let community = envelope.community.is_some_and(|theirs| {
            let mut known = self.communities.iter();
            !known.any(|ours| ours.as_bytes() == theirs.as_bytes())
        });
        let least = envelope.username.map(|name| self.users.get(name).copied());
        let Ok(mut refused) = self.refused.write() else {
            return NotificationAcceptance::Reject;
        };
        let count = match least {
            _ if stranger => &mut refused.strangers,
            _ if community => &mut refused.communities,
            Some(None) => &mut refused.users,
            Some(Some(least)) if envelope.security_level < Some(least) => &mut refused.levels,
            Some(Some(_)) | None => return NotificationAcceptance::Accept,
        };
        *count += 1;
        NotificationAcceptance::Reject
    }

    fn at(&self, source: IpAddr) -> Vec<DeviceId> {
        let sources = self.sources.read();
        let here = sources
            .ok()
            .and_then(|sources| sources.get(&source.to_canonical()).cloned());
        here.unwrap_or_default()
    }

    /// The addresses that `device` had.
    fn of(&self, device: &DeviceId) -> Vec<IpAddr> {
        let Ok(sources) = self.sources.read() else {
            return Vec::new();
        };
        let had = sources.iter().filter(|(_, here)| here.contains(device));
        had.map(|(address, _)| *address).collect()
    }

    fn open_to(&self, found: BTreeMap<IpAddr, Vec<DeviceId>>) {
        if let Ok(mut sources) = self.sources.write() {
            *sources = found;
        }
    }

    fn refused(&self) -> Refused {
        self.refused
            .read()
            .map(|refused| *refused)
            .unwrap_or_default()
    }
}

/// The communities that devices may send with: those they are asked with, and the settings' own.
fn communities(settings: &TrapSettings, devices: &[Arc<Device>]) -> Result<Vec<String>, TrapError> {
    let asked = devices.iter().filter_map(|device| match &device.access {
        SnmpAccess::V1(community) | SnmpAccess::V2c(community) => Some(community),
        SnmpAccess::V3(_) => None,
    });
    let mut all = Vec::new();
    for secret in asked.chain(&settings.community) {
        match secret.reveal() {
            Ok(community) => all.push(community),
            Err(error) => {
                tracing::warn!(%error, "a community can't be read: its traps are refused")
            }
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Every user once. Devices that have the same name with other secrets can't be told apart before
/// they are: the first counts.
fn users(devices: &[Arc<Device>]) -> Vec<SnmpUser> {
    let mut users: Vec<SnmpUser> = Vec::new();
    for device in devices {
        let SnmpAccess::V3(user) = &device.access else {
            continue;
        };
        match users.iter().find(|other| other.name == user.name) {
            None => users.push(user.clone()),
            Some(other) if other.auth == user.auth && other.privacy == user.privacy => {}
            Some(_) => {
                let (device, user) = (device.id.as_str(), user.name.as_str());
                tracing::warn!(
                    device,
                    user,
                    "has another device's user with other secrets: its notifications are refused"
                );
            }
        }
    }
    users
}

fn with_secrets(theirs: UsmUser, user: &SnmpUser) -> async_snmp::v3::CryptoResult<UsmUser> {
    use crate::driver::snmp_io::{auth_protocol, privacy_protocol};
    let revealed = |secret: &crate::config::Secret| secret.reveal().unwrap_or_default();
    match (&user.auth, &user.privacy) {
        (Some((auth, key)), Some((privacy, code))) => theirs.auth_priv(
            auth_protocol(*auth),
            revealed(key),
            privacy_protocol(*privacy),
            revealed(code),
        ),
        (Some((auth, key)), None) => theirs.auth(auth_protocol(*auth), revealed(key)),
        (None, _) => Ok(theirs),
    }
}

#[cfg(test)]
mod tests;
