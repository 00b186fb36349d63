//! One SNMP agent on the network, versions 1, 2c and 3, by async-snmp.
//!
//! A late answer is told from the right one by its request id, which async-snmp checks.
//!
//! Version 3 says in a report why it does not take a request: the user is unknown, the digest wrong,
//! the time off. Such reports are mostly unsigned. They are listened to only until the device has
//! given a signed answer; from then on an unsigned one is nobody's word. A device that lost its
//! clock says so in a signed report, upon which async-snmp asks again with the right time; one that
//! was replaced is silent, upon which everything begins anew.

use std::time::Duration;

use async_snmp::v3::ReportStatus;
use async_snmp::{
    Auth, AuthProtocol, Client, Error, ErrorStatus, PrivProtocol, Retry, UsmConfig, Value, VarBind,
};

use crate::config::{AuthKind, PrivacyKind, Secret, SnmpAccess, SnmpUser};
use crate::driver::Fault;
use crate::driver::snmp::{Bulk, Put, SnmpValue};
use crate::profile::Oid;

use super::{SnmpAgent, each_of};

/// How often a request is sent before its timeout ends.
const SENDINGS: u32 = 2;
/// OIDs in one GET: what the driver asks for fits one request.
const GET_AT_ONCE: usize = 16;

/// `sysUpTime.0`, which every device has.
const SYS_UP_TIME: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 3, 0];
/// What silence to an encrypted request means where the device answers an open one.
const DEAF: &str = "the device answers, but not what is encrypted for it: the privacy_password or the \
                    privacy algorithm is probably not the device's";

/// An SNMP agent on the network; the socket is made when it is needed.
pub struct SnmpLink {
    address: String,
    access: SnmpAccess,
    timeout: Duration,
    client: Option<Client>,
    /// Whether it has answered to the credentials it is asked with.
    proven: bool,
}

impl SnmpLink {
    /// A link to `address` (`host:port`) whose requests take at most `timeout`.
    #[must_use]
    pub const fn new(address: String, access: SnmpAccess, timeout: Duration) -> Self {
        Self {
            address,
            access,
            timeout,
            client: None,
            proven: false,
        }
    }

    /// Sets objects, all or none.
    ///
    /// # Errors
    ///
    /// Why the device did not take them, or may not have.
    pub async fn set(&mut self, puts: &[Put]) -> Result<(), Fault> {
        let client = self.client().await?;
        let bound: Vec<(async_snmp::Oid, Value)> = puts
            .iter()
            .map(|put| (theirs(&put.oid), put_value(put)))
            .collect();
        let outcome = client.set_many(&bound).await;
        self.note(outcome).await.map(drop)
    }

    async fn client(&mut self) -> Result<Client, Fault> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        // Read anew for each socket, so that it can be changed and its absence harms one device only.
        let auth = auth(&self.access)?;
        let retry = Retry::fixed(SENDINGS - 1, Duration::ZERO).unwrap_or_else(|_| Retry::none());
        let client = Client::builder(self.address.as_str(), auth)
            .request_timeout(each_of(self.timeout, SENDINGS))
            .construction_timeout(self.timeout)
            .retry(retry)
            .max_oids_per_request(GET_AT_ONCE)
            .allow_unauthenticated_v3_time_correction(!self.proven)
            .connect()
            .await
            .map_err(|error| self.fault(&error))?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn fault(&self, error: &Error) -> Fault {
        match error.exchange_source() {
            Error::Timeout { .. } | Error::ConstructionTimeout { .. } => self.silence(),
            Error::Snmp {
                status: ErrorStatus::NoSuchName,
                ..
            } => Fault::NotSupported("noSuchName".to_owned()),
            Error::Snmp {
                status: ErrorStatus::AuthorizationError | ErrorStatus::NoAccess,
                ..
            } => Fault::Refused(format!("{error}: the user or community may not read this")),
            Error::Snmp { .. } => Fault::Refused(error.to_string()),
            Error::Report { status, .. } => Fault::Denied(denial(status)),
            Error::Decode { .. } | Error::MalformedResponse { .. } | Error::Auth { .. } => {
                Fault::Garbled(error.to_string())
            }
            _ => Fault::Unreachable(error.to_string()),
        }
    }

    /// A wrong community is answered with silence, as RFC 3584 wants it.
    fn silence(&self) -> Fault {
        match &self.access {
            SnmpAccess::V1(_) | SnmpAccess::V2c(_) if !self.proven => Fault::Silent(self.timeout),
            _ => Fault::Timeout(self.timeout),
        }
    }

    /// Makes a new socket next time unless the agent answered, though with an error.
    async fn note<T>(&mut self, outcome: Result<T, Box<Error>>) -> Result<T, Fault> {
        match outcome {
            Ok(value) => {
                if !self.proven && matches!(self.access, SnmpAccess::V3(_)) {
                    // The next client believes signed words only.
                    self.client = None;
                }
                self.proven = true;
                Ok(value)
            }
            Err(error) => {
                let mut fault = self.fault(&error);
                if matches!(fault, Fault::Timeout(_)) && self.is_deaf_to_us().await {
                    fault = Fault::Denied(DEAF.to_owned());
                }
                if fault.is_absence() {
                    self.client = None;
                    self.proven &= !matches!(self.access, SnmpAccess::V3(_));
                }
                Err(fault)
            }
        }
    }

    /// Whether the device answers strangers, but never answered this user, whose messages it has to
    /// decrypt: many devices meet what they can't decrypt with silence.
    async fn is_deaf_to_us(&self) -> bool {
        let SnmpAccess::V3(user) = &self.access else {
            return false;
        };
        if self.proven || user.privacy.is_none() {
            return false;
        }
        let builder = Client::builder(self.address.as_str(), Auth::usm(&user.name))
            .request_timeout(each_of(self.timeout, SENDINGS))
            .construction_timeout(self.timeout)
            .retry(Retry::none());
        let Ok(stranger) = builder.connect().await else {
            return false;
        };
        let up_time = async_snmp::Oid::from_slice(&SYS_UP_TIME);
        match stranger.get(&up_time).await {
            Ok(_) => true,
            Err(error) => matches!(
                error.exchange_source(),
                Error::Report { .. } | Error::Snmp { .. }
            ),
        }
    }

    /// GETNEXT for one row of each column, as version 1 has nothing else. It refuses the whole
    /// request for a column at its end and says which.
    async fn next_row(&mut self, after: &[Oid]) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        let mut row: Vec<(Oid, SnmpValue)> = after
            .iter()
            .map(|oid| (oid.clone(), SnmpValue::Absent))
            .collect();
        let mut open: Vec<usize> = (0..after.len()).collect();
        while !open.is_empty() {
            let client = self.client().await?;
            let asked: Vec<async_snmp::Oid> = open
                .iter()
                .filter_map(|at| after.get(*at))
                .map(theirs)
                .collect();
            let outcome = client.get_next_many(&asked).await;
            if let Some(at) = ended(&outcome).filter(|at| *at < open.len()) {
                open.remove(at);
                continue;
            }
            let found = self.note(outcome).await?.varbinds;
            for (at, bound) in open.iter().zip(found) {
                if let Some(place) = row.get_mut(*at) {
                    *place = (ours(&bound.oid), value(&bound.value));
                }
            }
            break;
        }
        Ok(row)
    }
}

impl SnmpAgent for SnmpLink {
    async fn get(&mut self, oids: &[Oid]) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        let mut asked: Vec<async_snmp::Oid> = oids.iter().map(theirs).collect();
        let mut absent = Vec::new();
        while !asked.is_empty() {
            let client = self.client().await?;
            let outcome = client.get_many(&asked).await;
            // Version 1 refuses the whole request for one object it does not know.
            if let Some(at) = ended(&outcome).filter(|at| *at < asked.len()) {
                absent.push((ours(&asked.remove(at)), SnmpValue::Absent));
                continue;
            }
            let found = self.note(outcome).await?.varbinds;
            absent.extend(found.iter().map(taken));
            break;
        }
        Ok(absent)
    }

    async fn bulk(&mut self, bulk: &Bulk) -> Result<Vec<(Oid, SnmpValue)>, Fault> {
        if matches!(self.access, SnmpAccess::V1(_)) {
            return self.next_row(&bulk.after).await;
        }
        let client = self.client().await?;
        let after: Vec<async_snmp::Oid> = bulk.after.iter().map(theirs).collect();
        let values = client.get_bulk(&after, 0, bulk.repetitions.into()).await;
        let values = self.note(values).await?;
        Ok(values.iter().map(taken).collect())
    }
}

/// The place in the request of the object that the agent does not know, where it says so.
fn ended<T>(outcome: &Result<T, Box<Error>>) -> Option<usize> {
    match outcome.as_ref().err()?.exchange_source() {
        Error::Snmp {
            status: ErrorStatus::NoSuchName,
            index,
            ..
        } => usize::try_from(*index).ok()?.checked_sub(1),
        _ => None,
    }
}

/// What a report means to whoever has to set it right.
fn denial(status: &ReportStatus) -> String {
    match status {
        ReportStatus::UnknownUserName { .. } => "the device does not know this user".to_owned(),
        ReportStatus::WrongDigest { .. } => {
            "wrong digest: the auth_password or the auth algorithm is not the device's".to_owned()
        }
        ReportStatus::DecryptionError { .. } => {
            "decryption failed: the privacy_password or the privacy algorithm is not the device's"
                .to_owned()
        }
        ReportStatus::UnsupportedSecurityLevel { .. } => {
            "the device does not allow this user this level of security".to_owned()
        }
        ReportStatus::NotInTimeWindow { .. } => {
            "not in the time window: the device's boots and time do not fit its own reports"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn auth(access: &SnmpAccess) -> Result<Auth, Fault> {
    match access {
        SnmpAccess::V1(community) => Ok(Auth::v1(revealed(community, "community_file")?)),
        SnmpAccess::V2c(community) => Ok(Auth::v2c(revealed(community, "community_file")?)),
        SnmpAccess::V3(user) => usm(user).map(Auth::Usm),
    }
}

/// The credentials of `user` as the library wants them.
///
/// # Errors
///
/// A file can't be read, or a passphrase is too short.
pub(crate) fn usm(user: &SnmpUser) -> Result<UsmConfig, Fault> {
    let config = UsmConfig::new(user.name.clone()).context_name(user.context.clone());
    let unusable = |error: async_snmp::v3::CryptoError| Fault::Denied(error.to_string());
    let Some((kind, secret)) = &user.auth else {
        return Ok(config);
    };
    let auth = revealed(secret, "auth_password_file")?;
    let Some((privacy, secret)) = &user.privacy else {
        return config.auth(auth_protocol(*kind), auth).map_err(unusable);
    };
    let key = revealed(secret, "privacy_password_file")?;
    config
        .auth_priv(auth_protocol(*kind), auth, privacy_protocol(*privacy), key)
        .map_err(unusable)
}

fn revealed(secret: &Secret, key: &str) -> Result<String, Fault> {
    secret
        .reveal()
        .map_err(|error| Fault::Unreachable(format!("{key}: {error}")))
}

/// The library's name of the hash.
pub(crate) const fn auth_protocol(kind: AuthKind) -> AuthProtocol {
    match kind {
        AuthKind::Md5 => AuthProtocol::Md5,
        AuthKind::Sha1 => AuthProtocol::Sha1,
        AuthKind::Sha224 => AuthProtocol::Sha224,
        AuthKind::Sha256 => AuthProtocol::Sha256,
        AuthKind::Sha384 => AuthProtocol::Sha384,
        AuthKind::Sha512 => AuthProtocol::Sha512,
    }
}

/// The library's name of the cipher.
pub(crate) const fn privacy_protocol(kind: PrivacyKind) -> PrivProtocol {
    match kind {
        PrivacyKind::Des => PrivProtocol::Des,
        PrivacyKind::Aes128 => PrivProtocol::Aes128,
        PrivacyKind::Aes192 => PrivProtocol::Aes192Blumenthal,
        PrivacyKind::Aes256 => PrivProtocol::Aes256Blumenthal,
        PrivacyKind::Aes192Cisco => PrivProtocol::Aes192Reeder,
        PrivacyKind::Aes256Cisco => PrivProtocol::Aes256Reeder,
    }
}

fn theirs(oid: &Oid) -> async_snmp::Oid {
    async_snmp::Oid::from_slice(oid.arcs())
}

/// The library's OID as ours.
pub(crate) fn ours(oid: &async_snmp::Oid) -> Oid {
    Oid::new(oid.arcs())
}

fn taken(bound: &VarBind) -> (Oid, SnmpValue) {
    (ours(&bound.oid), value(&bound.value))
}

fn put_value(put: &Put) -> Value {
    use crate::profile::ObjectType;
    match put.kind {
        ObjectType::Integer => i32::try_from(put.value).map_or(Value::Null, Value::Integer),
        ObjectType::Unsigned => u32::try_from(put.value).map_or(Value::Null, Value::Gauge32),
    }
}

/// The library's value as ours.
pub(crate) fn value(value: &Value) -> SnmpValue {
    match value {
        Value::Integer(number) => SnmpValue::Whole((*number).into()),
        Value::Gauge32(number) | Value::UInteger32(number) | Value::TimeTicks(number) => {
            SnmpValue::Whole((*number).into())
        }
        Value::Counter32(number) => SnmpValue::Counter32(*number),
        Value::Counter64(number) => SnmpValue::Counter64(*number),
        Value::OctetString(bytes) => SnmpValue::Bytes(bytes.to_vec()),
        Value::Opaque(_) => opaque(value),
        Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => SnmpValue::Absent,
        _ => SnmpValue::Other(value.kind().as_str()),
    }
}

fn opaque(value: &Value) -> SnmpValue {
    let real = value
        .as_opaque_double()
        .or_else(|| value.as_opaque_float().map(f64::from));
    real.map_or(SnmpValue::Other("opaque"), SnmpValue::Real)
}
