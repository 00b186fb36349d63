//! Whether a signed token is what a provider's key has signed.
//!
//! Only signatures by a private key are taken: a token that says `none`, or a shared key, is none.
//! The algorithm must fit the key's own kind, so that no key is used for what it is not. What the
//! token says is judged in `claims`.
//!
//! # Source
//!
//! RFC 7515 (JWS), RFC 7517 and 7518 (keys, algorithms), RFC 8037 (`EdDSA`), RFC 8725 (practices).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// The longest token that is looked at.
const MOST_BYTES: usize = 64 << 10;

/// A key that a provider shows.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Key {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The keys that a provider shows; those of a kind that we do not know are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Keys {
    #[serde(default)]
    keys: Vec<serde_json::Value>,
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// It is no token at all.
    #[error("the token cannot be read: {0}")]
    Unreadable(String),
    /// Signed in a way that is not taken.
    #[error("the token is signed by {0:?}, want RS, PS or ES with SHA-2, or EdDSA")]
    Algorithm(String),
    /// Signed by a key that the provider does not show.
    #[error("the token is signed by a key that the provider does not show")]
    UnknownKey,
    /// The signature is another's.
    #[error("the token's signature is not the provider's")]
    Signature,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// The claims of `token`, where one of `keys` has signed it.
///
/// # Errors
///
/// Why it is not taken.
pub(super) fn verified(token: &str, keys: &Keys) -> Result<Vec<u8>, TokenError> {
    let unreadable = |what: &str| TokenError::Unreadable(what.to_owned());
    if token.len() > MOST_BYTES {
        return Err(unreadable("it is too long"));
    }
    let (signed, signature) = token
        .rsplit_once('.')
        .ok_or_else(|| unreadable("no parts"))?;
    let (header, claims) = signed
        .split_once('.')
        .ok_or_else(|| unreadable("two parts"))?;
    let header: Header = serde_json::from_slice(&decoded(header)?)
        .map_err(|error| TokenError::Unreadable(error.to_string()))?;
    if header.crit.is_some() {
        return Err(unreadable("it wants something understood that is not"));
    }
    let scheme =
        Scheme::of(&header.alg).ok_or_else(|| TokenError::Algorithm(header.alg.clone()))?;
    let signature = decoded(signature)?;
    let mut fit = keys.fit(&header, &scheme).peekable();
    if fit.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    if fit.any(|key| key.has_signed(&scheme, signed.as_bytes(), &signature)) {
        return decoded(claims);
    }
    Err(TokenError::Signature)
}

impl Keys {
    /// The keys that may have signed a token with this header.
    fn fit<'a>(&'a self, header: &'a Header, scheme: &'a Scheme) -> impl Iterator<Item = Key> + 'a {
        let known = self
            .keys
            .iter()
            .filter_map(|key| Key::deserialize(key).ok());
        known.filter(move |key| {
            let named = header.kid.is_none() || key.kid == header.kid;
            let meant = key.alg.as_ref().is_none_or(|alg| *alg == header.alg);
            let signs = key.purpose.as_ref().is_none_or(|purpose| purpose == "sig");
            named && meant && signs && key.is_for(scheme)
        })
    }
}

/// A way to sign.
enum Scheme {
    Rsa(&'static RsaParameters),
    Curve(&'static str, &'static signature::EcdsaVerificationAlgorithm),
    Edwards,
}

impl Scheme {
    fn of(alg: &str) -> Option<Self> {
        Some(match alg {
            "RS256" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Curve("P-256", &signature::ECDSA_P256_SHA256_FIXED),
            "ES384" => Self::Curve("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            "EdDSA" => Self::Edwards,
            _ => return None,
        })
    }
}

impl Key {
    fn is_for(&self, scheme: &Scheme) -> bool {
        let curve = self.crv.as_deref();
        match scheme {
            Scheme::Rsa(_) => self.kty == "RSA",
            Scheme::Curve(name, _) => self.kty == "EC" && curve == Some(name),
            Scheme::Edwards => self.kty == "OKP" && curve == Some("Ed25519"),
        }
    }

    fn has_signed(&self, scheme: &Scheme, message: &[u8], signature: &[u8]) -> bool {
        let part = |part: &Option<String>| part.as_deref().and_then(|text| decoded(text).ok());
        let well = match scheme {
            Scheme::Rsa(way) => part(&self.n)
                .zip(part(&self.e))
                .map(|(n, e)| RsaPublicKeyComponents { n, e }.verify(way, message, signature)),
            Scheme::Curve(_, way) => part(&self.x).zip(part(&self.y)).map(|(x, y)| {
                // An uncompressed point (SEC 1, section 2.3.3).
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(*way, point).verify(message, signature)
            }),
            Scheme::Edwards => part(&self.x)
                .map(|x| UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature)),
        };
        well.is_some_and(|well| well.is_ok())
    }
}

/// The bytes of base64url without padding (RFC 7515, section 2).
fn decoded(text: &str) -> Result<Vec<u8>, TokenError> {
    let read = URL_SAFE_NO_PAD.decode(text);
    read.map_err(|error| TokenError::Unreadable(error.to_string()))
}

#[cfg(test)]
pub(super) mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    /// A provider's own key, for tests.
    pub(in super::super) struct Signer {
        pair: EcdsaKeyPair,
        kid: &'static str,
    }

    pub(in super::super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    impl Signer {
        pub(in super::super) fn new(kid: &'static str) -> Self {
            let random = SystemRandom::new();
            let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let made = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(way, made.as_ref(), &random).unwrap();
            Self { pair, kid }
        }

        pub(in super::super) fn key(&self) -> serde_json::Value {
            let point = self.pair.public_key().as_ref();
            json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig",
                "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
        }

        pub(in super::super) fn keys(&self) -> Keys {
            serde_json::from_value(json!({ "keys": [{ "kty": "strange" }, self.key()] })).unwrap()
        }

        pub(in super::super) fn token(&self, claims: &serde_json::Value) -> String {
            self.with_header(&json!({ "alg": "ES256", "kid": self.kid }), claims)
        }

        fn with_header(&self, header: &serde_json::Value, claims: &serde_json::Value) -> String {
            let signed = format!(
                "{}.{}",
                encoded(header.to_string()),
                encoded(claims.to_string())
            );
            let signature = self
                .pair
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap();
            format!("{signed}.{}", encoded(signature))
        }
    }

    #[test]
    fn a_token_of_the_provider_is_taken_and_a_changed_one_is_not() {
        let signer = Signer::new("a");
        let token = signer.token(&json!({ "sub": "aysel" }));
        assert_eq!(
            verified(&token, &signer.keys()).unwrap(),
            br#"{"sub":"aysel"}"#
        );
        let other = encoded(r#"{"sub":"root"}"#);
        let parts: Vec<&str> = token.split('.').collect();
        let forged = format!("{}.{other}.{}", parts[0], parts[2]);
        assert_eq!(
            verified(&forged, &signer.keys()),
            Err(TokenError::Signature)
        );
        let stranger = Signer::new("a");
        let foreign = stranger.token(&json!({ "sub": "aysel" }));
        assert_eq!(
            verified(&foreign, &signer.keys()),
            Err(TokenError::Signature)
        );
        let renamed = Signer::new("b").token(&json!({ "sub": "aysel" }));
        assert_eq!(
            verified(&renamed, &signer.keys()),
            Err(TokenError::UnknownKey)
        );
    }

    #[test]
    fn no_signature_and_a_shared_key_are_refused() {
        let signer = Signer::new("a");
        for alg in ["none", "None", "HS256", "ES256K", ""] {
            let token = signer.with_header(&json!({ "alg": alg }), &json!({}));
            let refused = verified(&token, &signer.keys());
            assert_eq!(refused, Err(TokenError::Algorithm(alg.to_owned())), "{alg}");
        }
        // A key of a curve is no key for RSA, whatever the token says.
        let token = signer.with_header(&json!({ "alg": "RS256", "kid": "a" }), &json!({}));
        assert_eq!(
            verified(&token, &signer.keys()),
            Err(TokenError::UnknownKey)
        );
        let crit = json!({ "alg": "ES256", "kid": "a", "crit": ["b64"], "b64": false });
        let token = signer.with_header(&crit, &json!({}));
        assert!(matches!(
            verified(&token, &signer.keys()),
            Err(TokenError::Unreadable(_))
        ));
    }

    #[test]
    fn a_key_for_something_else_signs_nothing() {
        let signer = Signer::new("a");
        for (member, value) in [("use", "enc"), ("alg", "ES384"), ("crv", "P-384")] {
            let mut key = signer.key();
            key[member] = json!(value);
            let keys = serde_json::from_value(json!({ "keys": [key] })).unwrap();
            let token = signer.token(&json!({}));
            assert_eq!(
                verified(&token, &keys),
                Err(TokenError::UnknownKey),
                "{member}"
            );
        }
    }

    /// The modulus of an RSA key that OpenSSL has made, and what it has signed: `{"sub":"aysel"}`.
    const MODULUS: &str = "u11rvhjv9JxT_3T-\
        feA91vEBpNnFWUUPiOLDmqLcuUflJc3Cu8BGQ5xspUFgqbcxj7sJhatzND7Dy2-\
        AmHfO8JOquytJGg1IkW0m-uNqw2pXx5gbwSM-OfVTbArbxylEDJqoQrTFa7lzlqLtpce35PowxGg\
        RoBfJklRw0punbpD62uun3afsUAo4YWEjdaoNXdrGH5uKJIygmZbmsr2xt2jnKvFy9ISZK3auX7F\
        fl8axgsYmLzAw6OLlre7LZSdzNp7OL-VgGsf26w7cg6-\
        Fbdwt5pNNwnr0T2VsuoB58hzZFy6xxvWI5J52ErvdpMOO2GC7Kx_HTE1M4om9x83L3w";
    const SIGNED: [(&str, &str); 2] = [
        (
            "RS256",
            "huv3fpDb2DEwbe1-\
            oa_1rU1uwWNJcVq3qEuFXa4l6b1GzqU2DEBeflTSzhLJWIBk7lDjB7K2SRxi4pIq-_5x0qJ-\
            pYnAMfDZB-IbPKCsZgjBdRlwQpbzpmncoAkSRDWMAYa58YnWLH305rFOhAc-Q1i9N3-\
            MsnX5REbFXTe2-jn8fH0kQT2I3KovGTKQr7kbGUTchyv1dizDMQvj-\
            XT_BdNYiK7MstlLJjISGN5Nyvh-tB_AWexslz_KVBWmfGovWfwsuf-\
            5KBNtj6dm5Q1Oemaj5ZNfhiEXsLdMVea7txKzyr0_Au1iumZ5wAUXL927EIaydBKuC7eleQ0yne1\
            QTA",
        ),
        (
            "PS384",
            "G2R07_jKZaF0y95gQpK1AkLnzEmEt3ijcDykICyABHWGtVUVNLMl9XuvZQBfkgBpoPNQtmUEPYIi\
            b7KM8-8gXSQh-ZDBGE0Vh-MgPWottAlQyozVN9Hq13oxtRE3WYYeRGFO398Q8v_msm1RI6qMQ8Jo\
            R8_eKKxtwJXJjW92JmQff91hva18Pg-KxBh2Q5KTYgvTdiDx7uGttxf4nhuwb6l46MEFo10kxnYc\
            Pm83M2l8V5_qvJActxfB2bvxx65-HWtWEhQEoWCEBncvSTJYKcYdYQ5P5m-\
            tuqX0DsfSn6yqkD9v5CsLTXhSyjo9qDSInAOyo0iILk7ilogw4xg2iw",
        ),
    ];

    #[test]
    fn what_another_program_has_signed_is_taken() {
        let key = json!({ "kty": "RSA", "e": "AQAB", "n": MODULUS });
        let keys = serde_json::from_value(json!({ "keys": [key] })).unwrap();
        let claims = encoded(r#"{"sub":"aysel"}"#);
        for (alg, signature) in SIGNED {
            let header = encoded(json!({ "alg": alg }).to_string());
            let token = format!("{header}.{claims}.{signature}");
            assert_eq!(
                verified(&token, &keys).unwrap(),
                br#"{"sub":"aysel"}"#,
                "{alg}"
            );
            let other = encoded(json!({ "alg": "RS512" }).to_string());
            let renamed = format!("{other}.{claims}.{signature}");
            assert_eq!(
                verified(&renamed, &keys),
                Err(TokenError::Signature),
                "{alg}"
            );
        }
    }

    #[test]
    fn any_text_is_refused_and_never_fatal() {
        let keys = Signer::new("a").keys();
        for text in ["", ".", "..", "a.b", "a.b.c", "!.!.!", &"a.".repeat(40_000)] {
            assert!(verified(text, &keys).is_err(), "{}", text.len());
        }
    }
}
