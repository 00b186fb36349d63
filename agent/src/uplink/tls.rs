//! Who we are to a broker, and whom we take for one: the TLS configuration from its files.
//!
//! The cryptography is named here, so that nothing depends on which of its makers another crate of the
//! same build has switched on.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::UplinkSettings;

/// The configuration that the settings' files make.
///
/// # Errors
///
/// Which file is not what it should be, and why.
pub(super) fn client(broker: &UplinkSettings) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities(broker.ca.as_deref())?);
    let config = match &broker.identity {
        Some(identity) => {
            let (chain, key) = (certificates(&identity.cert)?, private_key(&identity.key)?);
            let config = builder.with_client_auth_cert(chain, key);
            config.map_err(|error| format!("{}: {error}", identity.cert.display()))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let found = match file {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found);
    match (added, file) {
        (0, Some(file)) => Err(format!(
            "{}: no authority's certificate in it",
            file.display()
        )),
        (0, None) => Err("this system knows no authorities: name a ca file".to_owned()),
        _ => Ok(store),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let said = |why: &dyn core::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::File::open(file).map_err(|error| said(&error))?;
    let found: Result<Vec<_>, _> = rustls_pemfile::certs(&mut BufReader::new(text)).collect();
    let found = found.map_err(|error| said(&error))?;
    if found.is_empty() {
        Err(said(&"no certificate in it"))
    } else {
        Ok(found)
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let said = |why: &dyn core::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::File::open(file).map_err(|error| said(&error))?;
    let found = rustls_pemfile::private_key(&mut BufReader::new(text));
    found
        .map_err(|error| said(&error))?
        .ok_or_else(|| said(&"no private key in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let broker = UplinkSettings {
            broker: "mqtts://127.0.0.1:8883".parse().unwrap(),
            ca: Some(file.clone()),
            identity: None,
            username: None,
            password: None,
            metered: None,
            interface: None,
        };
        let absent = client(&broker).unwrap_err();
        assert!(absent.contains("ca.crt"), "{absent}");
        std::fs::write(&file, "hello").unwrap();
        let empty = client(&broker).unwrap_err();
        assert!(empty.contains("no certificate in it"), "{empty}");
    }
}
