//! Settings of the identity provider by which people may sign in.

use std::path::PathBuf;

use silkline_protocol::id::LineId;
use silkline_protocol::settings::{self, FromSetting, Section, Wrong};
use toml::de::DeValue;

use super::Paths;
use crate::api::who::Role;

/// An OpenID Connect provider that says who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInSettings {
    /// The provider, exactly as it names itself.
    pub issuer: String,
    /// This collector's name there.
    pub client_id: String,
    /// The file with the secret shared with the provider; none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// What the button on the page says.
    pub name: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that lists somebody's groups; dots lead into objects.
    pub groups_claim: String,
    /// The claim with the name to be shown.
    pub name_claim: String,
    /// An authority of one's own that has signed the provider's certificate (PEM).
    pub ca: Option<PathBuf>,
    /// The role of whoever is in none of the groups; such people are turned away where absent.
    pub everybody: Option<Role>,
    /// What each group may.
    pub groups: Vec<GroupSettings>,
}

/// What the members of a group may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// The group, as the provider writes it.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The lines that they see; all where absent.
    pub lines: Option<Vec<LineId>>,
}

impl SignInSettings {
    /// What most providers know; a scope that one does not know fails the whole question, so `groups`
    /// has to be asked for.
    pub const SCOPES: [&str; 3] = ["openid", "profile", "email"];
    /// What dex, Keycloak's mapper and most others call it.
    pub const GROUPS_CLAIM: &str = "groups";
    /// The name that people know themselves by (OpenID Connect Core, section 5.1).
    pub const NAME_CLAIM: &str = "preferred_username";
}

pub(super) fn sign_in(top: &mut Section<'_>, paths: &Paths<'_>) -> Option<SignInSettings> {
    let mut section = top.section("sign_in")?;
    let issuer: Option<String> = section.required("issuer");
    if issuer.as_deref().is_some_and(|issuer| !is_private(issuer)) {
        section.wrong("issuer", "want https://…, or http:// at a loopback address");
    }
    let client_id: Option<String> = section.required("client_id");
    let groups: Vec<_> = section
        .sections("group")
        .iter_mut()
        .filter_map(group)
        .collect();
    let everybody = section.optional("everybody").map(|RoleWord(role)| role);
    if groups.is_empty() && everybody.is_none() {
        section.wrong(
            "",
            "nobody could sign in: want a [[sign_in.group]] or everybody",
        );
    }
    let usual = SignInSettings::SCOPES.map(ToOwned::to_owned).to_vec();
    Some(SignInSettings {
        client_secret_file: paths.optional(&mut section, "client_secret_file"),
        name: section.or("name", "the identity provider".to_owned()),
        scopes: section.or("scopes", usual),
        groups_claim: section.or("groups_claim", SignInSettings::GROUPS_CLAIM.to_owned()),
        name_claim: section.or("name_claim", SignInSettings::NAME_CLAIM.to_owned()),
        ca: paths.optional(&mut section, "ca"),
        everybody,
        groups,
        issuer: issuer?,
        client_id: client_id?,
    })
}

fn group(section: &mut Section<'_>) -> Option<GroupSettings> {
    let name = section.required("name");
    let role = section.required("role").map(|RoleWord(role)| role);
    let lines = section.optional("lines");
    Some(GroupSettings {
        name: name?,
        role: role?,
        lines,
    })
}

/// Whether nobody on the way can read or change what is said to an address.
pub(crate) fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return url.starts_with("https://");
    };
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

/// A role as settings write it.
struct RoleWord(Role);

impl FromSetting for RoleWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        settings::word(&text, "viewer, field, operator or admin").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(sign_in: &str) -> Result<SignInSettings, String> {
        let text = format!(
            "plant = \"p\"\ndata = \"d\"\n[api]\npublic_url = \"https://noc.example\"\n\
             [sign_in]\n{sign_in}\n"
        );
        let read = super::super::read("collector.toml", &text, Path::new("/etc/silkline"));
        read.map(|settings| settings.sign_in.unwrap())
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_provider_and_its_groups_are_read() {
        let settings = parse(
            "issuer = \"https://id.example/realms/noc\"\nclient_id = \"silkline\"\n\
             client_secret_file = \"secret\"\n[[sign_in.group]]\nname = \"NOC shift\"\n\
             role = \"operator\"\nlines = [\"baku-poti\"]\n",
        )
        .unwrap();
        assert_eq!(
            settings.client_secret_file.as_deref(),
            Some(Path::new("/etc/silkline/secret"))
        );
        assert_eq!(settings.scopes, SignInSettings::SCOPES);
        let group = &settings.groups[0];
        assert_eq!(
            (group.name.as_str(), group.role),
            ("NOC shift", Role::Operator)
        );
        assert_eq!(group.lines.as_ref().unwrap()[0].as_str(), "baku-poti");
        assert_eq!(settings.everybody, None);
    }

    #[test]
    fn what_would_let_nobody_or_strangers_in_is_a_mistake() {
        for (text, want) in [
            (
                "issuer = \"https://a\"\nclient_id = \"x\"",
                "nobody could sign in",
            ),
            (
                "issuer = \"http://id.example\"\nclient_id = \"x\"\neverybody = \"viewer\"",
                "sign_in.issuer: want https://",
            ),
            (
                "issuer = \"https://a\"\neverybody = \"viewer\"",
                "client_id: is missing",
            ),
            (
                "issuer = \"https://a\"\nclient_id = \"x\"\neverybody = \"king\"",
                "sign_in.everybody:",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(want), "{text}: {said}");
        }
    }

    #[test]
    fn only_this_machine_is_asked_in_the_clear() {
        for private in [
            "https://a.b/c",
            "http://127.0.0.1:5556/dex",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(is_private(private), "{private}");
        }
        for open in [
            "http://a.b",
            "http://127.0.0.1.evil.example:80/",
            "ftp://a",
            "http://localhost.a",
        ] {
            assert!(!is_private(open), "{open}");
        }
    }
}
