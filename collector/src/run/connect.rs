//! How the collector reaches its broker, and who may reach its API: what stands in files is read.

use std::net::SocketAddr;
use std::path::Path;

use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::LastWill;
use rumqttc::{TlsConfiguration, Transport};
use silkline_protocol::id::{LineId, StoreId};

use super::RunError;
use crate::api::Access;
use crate::api::people::{self, People};
use crate::api::sign_in::Provider;
use crate::beat;
use crate::config::{BrokerSettings, Secret, Security, Settings};
use crate::ingest::{self, Outgoing};

/// Who may ask the API.
pub(super) fn access(settings: &Settings) -> Result<Access, RunError> {
    let api = &settings.api;
    let token = api.token_file.as_deref().map(read_secret).transpose()?;
    let people = People::open(&settings.data.join(people::FILE));
    let people = people.map_err(|error| RunError::Misfit(error.to_string()))?;
    let public_url = api.public_url.as_deref();
    let mut access = Access::new(api.listen, token, public_url).with(people);
    if let (Some(sign_in), Some(url)) = (&settings.sign_in, public_url) {
        access = access.by(Provider::new(sign_in.clone(), url).map_err(RunError::Misfit)?);
    }
    let shut = access.keeps_strangers_out();
    shut.map_err(|error| RunError::Misfit(error.to_string()))?;
    Ok(access)
}

/// How this collector connects to its broker.
pub(super) fn options(
    settings: &Settings,
    store: &StoreId,
    embedded: Option<SocketAddr>,
) -> Result<MqttOptions, RunError> {
    let client = format!("silkline-collector-{store}");
    let BrokerSettings::External {
        host,
        port,
        security,
        login,
    } = &settings.broker
    else {
        let at = embedded.map_or_else(
            || ("127.0.0.1".to_owned(), 0),
            |it| (it.ip().to_string(), it.port()),
        );
        return Ok(ingest::options(&client, &at.0, at.1));
    };
    let mut options = ingest::options(&client, host, *port);
    if let Security::Tls { ca, client } = security {
        let client_auth = match client {
            None => None,
            Some(client) => Some((read_bytes(&client.cert)?, read_bytes(&client.key)?)),
        };
        let tls = TlsConfiguration::Simple {
            ca: read_bytes(ca)?,
            alpn: None,
            client_auth,
        };
        options.set_transport(Transport::tls_with_config(tls));
    }
    if let Some(login) = login {
        let password = read_secret(&login.password_file)?;
        options.set_credentials(login.username.clone(), password.reveal());
    }
    Ok(options)
}

/// What the broker says of the collector called `store` when its connection breaks.
pub(super) fn will(store: &StoreId, lines: &[LineId]) -> LastWill {
    let Outgoing { topic, payload, .. } = beat::message(store, lines, false);
    LastWill::new(topic, payload, QoS::AtLeastOnce, true, None)
}

fn read_secret(path: &Path) -> Result<Secret, RunError> {
    Secret::read(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}
