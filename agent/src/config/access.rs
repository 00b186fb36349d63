//! How an SNMP device is asked: its version, and the community or user that it knows.

use std::path::PathBuf;

use silkline_protocol::settings::{FromSetting, Section, Wrong};
use toml::de::DeValue;

use super::Secret;
use crate::choice::one_of;

/// The community that devices are shipped with.
pub(super) const DEFAULT_COMMUNITY: &str = "public";
/// The shortest passphrase of which keys are made (RFC 3414, 11.2).
const SHORTEST_PASSWORD: usize = 8;
/// The keys of a device that speaks SNMP, in the order of the example.
pub(super) const KEYS: [&str; 11] = [
    "version",
    "community",
    "community_file",
    "user",
    "context",
    "auth",
    "auth_password",
    "auth_password_file",
    "privacy",
    "privacy_password",
    "privacy_password_file",
];

/// How an SNMP device is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnmpAccess {
    /// Version 1, by community.
    V1(Secret),
    /// Version 2c, by community.
    V2c(Secret),
    /// Version 3, by user.
    V3(SnmpUser),
}

/// A user of version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpUser {
    /// The name the device knows.
    pub name: String,
    /// The context in which is asked; most devices have the empty one only.
    pub context: String,
    /// How messages are signed, and the passphrase; not at all where absent.
    pub auth: Option<(AuthKind, Secret)>,
    /// How messages are encrypted, and the passphrase; not at all where absent.
    pub privacy: Option<(PrivacyKind, Secret)>,
}

/// The hash by which messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthKind {
    /// HMAC-MD5-96 (RFC 3414): for old devices only.
    Md5,
    /// HMAC-SHA-96 (RFC 3414).
    Sha1,
    /// HMAC-128-SHA-224 (RFC 7860).
    Sha224,
    /// HMAC-192-SHA-256 (RFC 7860).
    Sha256,
    /// HMAC-256-SHA-384 (RFC 7860).
    Sha384,
    /// HMAC-384-SHA-512 (RFC 7860).
    Sha512,
}

/// The cipher by which messages are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivacyKind {
    /// DES (RFC 3414): for old devices only.
    Des,
    /// AES-128 (RFC 3826).
    Aes128,
    /// AES-192 with keys lengthened as in draft-blumenthal-aes-usm.
    Aes192,
    /// AES-256 with keys lengthened as in draft-blumenthal-aes-usm.
    Aes256,
    /// AES-192 with keys lengthened as Cisco and others do (draft-reeder-snmpv3-usm-3desede).
    Aes192Cisco,
    /// AES-256 with keys lengthened as Cisco and others do (draft-reeder-snmpv3-usm-3desede).
    Aes256Cisco,
}

/// The version of the protocol, before what it needs has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    TwoC,
    Three,
}

impl Default for SnmpAccess {
    fn default() -> Self {
        Self::V2c(Secret::Inline(DEFAULT_COMMUNITY.to_owned()))
    }
}

impl SnmpAccess {
    /// The files that hold its secrets.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let secrets = match self {
            Self::V1(community) | Self::V2c(community) => [Some(community), None],
            Self::V3(user) => [
                user.auth.as_ref().map(|(_, secret)| secret),
                user.privacy.as_ref().map(|(_, secret)| secret),
            ],
        };
        secrets.into_iter().flatten().filter_map(Secret::file)
    }
}

/// Reads how the device is asked.
pub(super) fn read(section: &mut Section<'_>) -> SnmpAccess {
    let version = section.or("version", Version::TwoC);
    let community = secret(section, "community");
    let name: Option<String> = section.optional("user");
    let context = section.or("context", String::new());
    let auth: Option<AuthKind> = section.optional("auth");
    let auth_password = secret(section, "auth_password");
    let privacy: Option<PrivacyKind> = section.optional("privacy");
    let privacy_password = secret(section, "privacy_password");
    if version != Version::Three {
        for key in KEYS.into_iter().skip(3) {
            if section.has(key) {
                section.wrong(key, "belongs to version \"3\" only");
            }
        }
        let community = community.unwrap_or_else(|| Secret::Inline(DEFAULT_COMMUNITY.to_owned()));
        return match version {
            Version::One => SnmpAccess::V1(community),
            Version::TwoC | Version::Three => SnmpAccess::V2c(community),
        };
    }
    if community.is_some() {
        section.wrong("community", "belongs to the versions \"1\" and \"2c\" only");
    }
    if name
        .as_ref()
        .is_none_or(|name| name.is_empty() || name.len() > 32)
    {
        section.wrong("user", "is missing or not 1 to 32 bytes long");
    }
    let auth = pair(section, ("auth", auth), auth_password);
    let privacy = pair(section, ("privacy", privacy), privacy_password);
    if privacy.is_some() && auth.is_none() {
        section.wrong(
            "privacy",
            "needs auth: messages are never encrypted unsigned",
        );
    }
    SnmpAccess::V3(SnmpUser {
        name: name.unwrap_or_default(),
        context,
        auth,
        privacy,
    })
}

/// A kind and its passphrase, which stand together or not at all.
fn pair<T>(
    section: &Section<'_>,
    (key, kind): (&str, Option<T>),
    password: Option<Secret>,
) -> Option<(T, Secret)> {
    if kind.is_some() != password.is_some() {
        let problem = format!("and {key}_password or {key}_password_file stand together");
        section.wrong(key, problem);
    }
    if let Some(Secret::Inline(text)) = &password
        && text.len() < SHORTEST_PASSWORD
    {
        let problem = format!("is shorter than {SHORTEST_PASSWORD} bytes");
        section.wrong(&format!("{key}_password"), problem);
    }
    kind.zip(password)
}

/// The secret under `key`, or in the file under `key_file`.
pub(super) fn secret(section: &mut Section<'_>, key: &str) -> Option<Secret> {
    let file_key = format!("{key}_file");
    let inline: Option<String> = section.optional(key);
    let file: Option<PathBuf> = section.optional(&file_key);
    if inline.is_some() && file.is_some() {
        section.wrong(key, format!("stands beside {file_key}: one of them only"));
    }
    file.map(Secret::File)
        .or_else(|| inline.map(Secret::Inline))
}

impl FromSetting for Version {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [("1", Self::One), ("2c", Self::TwoC), ("3", Self::Three)];
        one_of(setting, &table)
    }
}

impl FromSetting for AuthKind {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("sha1", Self::Sha1),
            ("sha224", Self::Sha224),
            ("sha256", Self::Sha256),
            ("sha384", Self::Sha384),
            ("sha512", Self::Sha512),
            ("md5", Self::Md5),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for PrivacyKind {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("aes128", Self::Aes128),
            ("aes192", Self::Aes192),
            ("aes256", Self::Aes256),
            ("aes192-cisco", Self::Aes192Cisco),
            ("aes256-cisco", Self::Aes256Cisco),
            ("des", Self::Des),
        ];
        one_of(setting, &table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(keys: &str) -> Result<SnmpAccess, String> {
        silkline_protocol::settings::read("a.toml", keys, |top| Some(read(top)))
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_device_without_keys_is_asked_as_it_was_shipped() {
        let Ok(SnmpAccess::V2c(community)) = access("") else {
            panic!("no version 2c")
        };
        assert_eq!(community.reveal().unwrap(), "public");
        assert!(matches!(access("version = \"1\""), Ok(SnmpAccess::V1(_))));
    }

    #[test]
    fn a_user_has_each_level_of_security() {
        for (keys, auth, privacy) in [
            ("", None, None),
            (
                "auth = \"sha256\"\nauth_password = \"long enough\"\n",
                Some(AuthKind::Sha256),
                None,
            ),
            (
                "auth = \"sha512\"\nauth_password = \"long enough\"\nprivacy = \"aes256\"\n\
                 privacy_password_file = \"/run/key\"\n",
                Some(AuthKind::Sha512),
                Some(PrivacyKind::Aes256),
            ),
        ] {
            let text = format!("version = \"3\"\nuser = \"silkline\"\n{keys}");
            let Ok(SnmpAccess::V3(user)) = access(&text) else {
                panic!("{text}")
            };
            assert_eq!(user.auth.map(|(kind, _)| kind), auth);
            assert_eq!(user.privacy.map(|(kind, _)| kind), privacy);
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (keys, wanted) in [
            ("version = \"4\"", "one of \"1\", \"2c\", \"3\""),
            ("user = \"a\"", "belongs to version \"3\" only"),
            ("version = \"3\"", "user: is missing"),
            (
                "version = \"3\"\nuser = \"a\"\ncommunity = \"b\"",
                "versions \"1\"",
            ),
            (
                "version = \"3\"\nuser = \"a\"\nauth = \"sha1\"",
                "stand together",
            ),
            (
                "version = \"3\"\nuser = \"a\"\nauth = \"sha1\"\nauth_password = \"short\"",
                "shorter than 8",
            ),
            (
                "version = \"3\"\nuser = \"a\"\nprivacy = \"aes128\"\nprivacy_password = \"12345678\"",
                "needs auth",
            ),
            (
                "community = \"a\"\ncommunity_file = \"/b\"",
                "one of them only",
            ),
        ] {
            let said = access(keys).unwrap_err();
            assert!(said.contains(wanted), "{keys}:\n{said}");
        }
    }

    #[test]
    fn files_of_secrets_are_known_and_secrets_do_not_print() {
        let text = "version = \"3\"\nuser = \"a\"\nauth = \"sha1\"\nauth_password = \"open sesame\"\n\
                    privacy = \"aes128\"\nprivacy_password_file = \"/run/key\"\n";
        let access = access(text).unwrap();
        assert_eq!(access.files().count(), 1);
        assert!(!format!("{access:?}").contains("sesame"));
    }
}
