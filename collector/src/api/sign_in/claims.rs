//! What a provider says of somebody, and what follows from it: a name, a role, lines.
//!
//! Several groups may fit one person. The strongest role counts, with the lines of those groups that
//! give it and of no others: who is an operator of one line and a viewer of all stays away from the
//! other lines rather than becoming their operator.
//!
//! # Source
//!
//! OpenID Connect Core 1.0, sections 2, 3.1.3.7 and 5.1.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use crate::api::who::Role;
use crate::config::{GroupSettings, SignInSettings};

/// How far the provider's clock may be off: more than a badly kept one drifts between two looks at
/// the time, far less than a token lives.
pub(super) const SKEW: Duration = Duration::from_secs(60);
/// A token is made while somebody waits, so an older one was kept for something.
const OLDEST: Duration = Duration::from_secs(600);
/// As much of a name as is shown.
const NAME_LETTERS: usize = 64;

/// What a token says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => core::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Why a token's claims are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untrusted {
    /// Somebody else's.
    #[error("the token's {claim} is {found:?}, want {wanted:?}")]
    Other {
        /// Which claim.
        claim: &'static str,
        /// What it says.
        found: String,
        /// What it should.
        wanted: String,
    },
    /// Over, not yet, or from another time.
    #[error("by this collector's clock the token {0}: compare the clocks")]
    Clock(String),
    /// Nobody.
    #[error("the token names nobody")]
    Nobody,
}

/// Holds `claims` against what is wanted.
///
/// # Errors
///
/// The first that is not so.
pub(super) fn check(claims: &Claims, wanted: &Wanted<'_>) -> Result<(), Untrusted> {
    let other = |claim, found: &str, wanted: &str| Untrusted::Other {
        claim,
        found: found.chars().take(120).collect(),
        wanted: wanted.to_owned(),
    };
    let same = |claim, found: &str, wanted: &str| match found == wanted {
        true => Ok(()),
        false => Err(other(claim, found, wanted)),
    };
    same("issuer", &claims.iss, wanted.issuer)?;
    let audience = claims.aud.names();
    if !audience.iter().any(|name| name == wanted.client_id) {
        return Err(other("audience", &audience.join(" "), wanted.client_id));
    }
    match &claims.azp {
        Some(party) => same("authorised party", party, wanted.client_id)?,
        None if audience.len() > 1 => same("authorised party", "", wanted.client_id)?,
        None => {}
    }
    same(
        "nonce",
        claims.nonce.as_deref().unwrap_or_default(),
        wanted.nonce,
    )?;
    if claims.sub.is_empty() {
        return Err(Untrusted::Nobody);
    }
    in_time(claims, wanted.now)
}

fn in_time(claims: &Claims, now: Timestamp) -> Result<(), Untrusted> {
    let now = now.nanos().div_euclid(1_000_000_000);
    let skew = i64::try_from(SKEW.as_secs()).unwrap_or(0);
    let oldest = i64::try_from(OLDEST.as_secs()).unwrap_or(0);
    let says = |what: &str, seconds: i64| Err(Untrusted::Clock(format!("{what} {seconds} s")));
    let since = |then: i64| now.saturating_sub(then);
    if since(claims.exp) >= skew {
        return says("has been over for", since(claims.exp));
    }
    for from in [Some(claims.iat), claims.nbf].into_iter().flatten() {
        if since(from) < -skew {
            return says("begins in", since(from).saturating_neg());
        }
    }
    if since(claims.iat) > oldest + skew {
        return says("was made before", since(claims.iat));
    }
    Ok(())
}

/// Somebody who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Person {
    /// The name to be shown.
    pub(in super::super) name: String,
    /// The provider's own name for them, which never changes.
    pub(in super::super) subject: String,
    /// What they may.
    pub(in super::super) role: Role,
    /// The lines that they see; all where absent.
    pub(in super::super) lines: Option<Vec<LineId>>,
}

/// Who somebody is by these claims; nobody where no group of the settings fits.
pub(super) fn person(
    subject: &str,
    claims: &Map<String, Value>,
    settings: &SignInSettings,
) -> Option<Person> {
    let groups = groups(claims, &settings.groups_claim);
    let theirs = settings
        .groups
        .iter()
        .filter(|group| groups.contains(&group.name.as_str()));
    let theirs: Vec<&GroupSettings> = theirs.collect();
    let strongest = theirs.iter().map(|group| group.role).max();
    let (role, lines) = match strongest.max(settings.everybody) {
        Some(role) if strongest == Some(role) => (role, lines_of(&theirs, role)),
        Some(role) => (role, None),
        None => return None,
    };
    Some(Person {
        name: name(subject, claims, &settings.name_claim),
        subject: subject.to_owned(),
        role,
        lines,
    })
}

/// The lines of the groups that give `role`; all where one of them sees all.
fn lines_of(groups: &[&GroupSettings], role: Role) -> Option<Vec<LineId>> {
    let giving = groups.iter().filter(|group| group.role == role);
    let lines: Option<Vec<_>> = giving.map(|group| group.lines.clone()).collect();
    let mut lines: Vec<LineId> = lines?.into_iter().flatten().collect();
    lines.sort();
    lines.dedup();
    Some(lines)
}

/// What stands at a path such as `realm_access.roles`; a name with dots in it comes first.
pub(super) fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let whole = claims.get(path);
    whole.or_else(|| {
        let (first, rest) = path.split_once('.')?;
        at(claims.get(first)?.as_object()?, rest)
    })
}

fn groups<'a>(claims: &'a Map<String, Value>, path: &str) -> Vec<&'a str> {
    match at(claims, path) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn name(subject: &str, claims: &Map<String, Value>, claim: &str) -> String {
    let known = [claim, "email", "name"];
    let found = known.iter().find_map(|claim| at(claims, claim)?.as_str());
    let fit = |text: &str| -> String {
        let letters = text.trim().chars().filter(|letter| !letter.is_control());
        letters.take(NAME_LETTERS).collect()
    };
    let shown = fit(found.unwrap_or(subject));
    if shown.is_empty() {
        fit(subject)
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn wanted() -> Wanted<'static> {
        Wanted {
            issuer: "https://id",
            client_id: "silkline",
            nonce: "n",
            now: Timestamp::from_seconds(NOW),
        }
    }

    fn token() -> Value {
        json!({ "iss": "https://id", "sub": "7", "aud": "silkline", "exp": NOW + 300, "iat": NOW,
            "nonce": "n" })
    }

    fn checked(token: &Value) -> Result<(), Untrusted> {
        check(&serde_json::from_value(token.clone()).unwrap(), &wanted())
    }

    #[test]
    fn a_token_for_us_is_taken_and_any_other_is_not() {
        assert_eq!(checked(&token()), Ok(()));
        for (claim, value) in [
            ("iss", json!("https://id/")),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["other", "silkline"])),
            ("azp", json!("other")),
            ("nonce", json!("m")),
            ("nonce", json!(null)),
            ("sub", json!("")),
        ] {
            let mut token = token();
            token[claim] = value.clone();
            let refused = checked(&token);
            assert!(
                refused.is_err() && !matches!(refused, Err(Untrusted::Clock(_))),
                "{claim} {value}"
            );
        }
        let mut both = token();
        both["aud"] = json!(["other", "silkline"]);
        both["azp"] = json!("silkline");
        assert_eq!(checked(&both), Ok(()));
    }

    #[test]
    fn clocks_may_differ_by_a_minute_and_no_more() {
        for (claim, off, good) in [
            ("exp", -59, true),
            ("exp", -60, false),
            ("iat", 60, true),
            ("iat", 61, false),
            ("nbf", 60, true),
            ("nbf", 61, false),
            ("iat", -660, true),
            ("iat", -661, false),
        ] {
            let mut token = token();
            token[claim] = json!(NOW + off);
            let said = checked(&token);
            assert_eq!(said.is_ok(), good, "{claim} {off}");
            assert!(
                good || matches!(said, Err(Untrusted::Clock(_))),
                "{claim} {off}: {said:?}"
            );
        }
        let mut token = token();
        token["exp"] = json!(i64::MIN);
        assert!(checked(&token).is_err());
    }

    #[test]
    fn a_time_that_is_no_number_is_no_token() {
        for claim in ["exp", "iat", "nbf"] {
            let mut token = token();
            token[claim] = json!("soon");
            assert!(serde_json::from_value::<Claims>(token).is_err(), "{claim}");
        }
    }

    fn settings() -> SignInSettings {
        let group = |name: &str, role, lines: &[&str]| GroupSettings {
            name: name.to_owned(),
            role,
            lines: (!lines.is_empty())
                .then(|| lines.iter().map(|line| line.parse().unwrap()).collect()),
        };
        SignInSettings {
            issuer: "https://id".to_owned(),
            client_id: "silkline".to_owned(),
            client_secret_file: None,
            name: "NOC".to_owned(),
            scopes: Vec::new(),
            groups_claim: "realm_access.roles".to_owned(),
            name_claim: SignInSettings::NAME_CLAIM.to_owned(),
            ca: None,
            everybody: None,
            groups: vec![
                group("guests", Role::Viewer, &[]),
                group("north-ops", Role::Operator, &["north"]),
                group("south-ops", Role::Operator, &["south", "north"]),
            ],
        }
    }

    fn role_of(roles: Value, settings: &SignInSettings) -> Option<(Role, Option<Vec<String>>)> {
        let claims = json!({ "realm_access": { "roles": roles }, "preferred_username": "aysel" });
        let person = person("7", claims.as_object().unwrap(), settings)?;
        let lines = person
            .lines
            .map(|lines| lines.iter().map(ToString::to_string).collect());
        Some((person.role, lines))
    }

    #[test]
    fn the_strongest_role_counts_with_its_own_lines_only() {
        let settings = settings();
        let lines = |names: &[&str]| {
            Some(
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            role_of(json!(["guests"]), &settings),
            Some((Role::Viewer, None))
        );
        let both = json!(["guests", "north-ops"]);
        assert_eq!(
            role_of(both, &settings),
            Some((Role::Operator, lines(&["north"])))
        );
        let all = json!(["south-ops", "north-ops"]);
        assert_eq!(
            role_of(all, &settings),
            Some((Role::Operator, lines(&["north", "south"])))
        );
    }

    #[test]
    fn who_is_in_no_group_is_turned_away_unless_everybody_may() {
        let mut settings = settings();
        for nothing in [
            json!([]),
            json!(["strangers"]),
            json!(7),
            json!(null),
            json!([null, 1]),
        ] {
            assert_eq!(role_of(nothing, &settings), None);
        }
        assert_eq!(
            role_of(json!("guests"), &settings),
            Some((Role::Viewer, None)),
            "one as a text"
        );
        settings.everybody = Some(Role::Field);
        assert_eq!(role_of(json!([]), &settings), Some((Role::Field, None)));
        let operator = role_of(json!(["north-ops"]), &settings).unwrap();
        assert_eq!(operator.0, Role::Operator);
        assert!(operator.1.is_some(), "lines of one's own stay");
    }

    #[test]
    fn a_name_is_fit_to_be_shown() {
        let of = |claims: Value| name("sub-7", claims.as_object().unwrap(), "preferred_username");
        assert_eq!(of(json!({ "preferred_username": " aysel\n" })), "aysel");
        assert_eq!(of(json!({ "email": "a@noc.example" })), "a@noc.example");
        assert_eq!(of(json!({ "preferred_username": "\u{7}" })), "sub-7");
        assert_eq!(of(json!({})), "sub-7");
        assert_eq!(of(json!({ "name": "x".repeat(200) })).len(), NAME_LETTERS);
    }
}
