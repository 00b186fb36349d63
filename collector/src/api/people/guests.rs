//! Guests: people whom an identity provider vouches for. They have a session here and nothing else;
//! what they may is what the provider said when they signed in.

use rusqlite::params;
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use super::{People, PeopleError, SESSION, digest, joined, secret};
use crate::api::who::Role;

impl People {
    /// Begins the session of a guest; its secret.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub(in super::super) fn welcome(
        &self,
        name: &str,
        role: Role,
        lines: Option<&Vec<LineId>>,
        now: Timestamp,
    ) -> Result<String, PeopleError> {
        let secret = secret();
        let db = self.db();
        db.execute("DELETE FROM guest_session WHERE ends < ?1", [now.nanos()])?;
        let ends = (now + SESSION).nanos();
        let row = params![digest(&secret), name, role.word(), joined(lines), ends];
        db.execute("INSERT INTO guest_session VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
        Ok(secret)
    }

    /// The name for a guest: one that a user of our own has already is marked, so that a history
    /// never shows one person in place of the other.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub(in super::super) fn name_for_guest(
        &self,
        name: &str,
        provider: &str,
    ) -> Result<String, PeopleError> {
        let taken = self.users()?.iter().any(|user| user.name == name);
        Ok(if taken {
            format!("{name} ({provider})")
        } else {
            name.to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::people::{FILE, User};

    #[test]
    fn a_guest_has_a_session_that_ends_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let people = People::open(&folder.path().join(FILE)).unwrap();
        let now = Timestamp::from_seconds(1000);
        let north: LineId = "north".parse().unwrap();
        let lines = Some(vec![north.clone()]);
        let secret = people
            .welcome("aysel", Role::Operator, lines.as_ref(), now)
            .unwrap();
        let who = people.session(&secret, now).unwrap().unwrap();
        assert_eq!(
            (who.user.as_deref(), who.role),
            (Some("aysel"), Role::Operator)
        );
        assert!(who.sees(&north) && who.lines.is_some_and(|lines| lines.len() == 1));
        assert!(!people.any().unwrap(), "a guest is no user of ours");
        let later = now + SESSION + core::time::Duration::from_secs(1);
        assert_eq!(people.session(&secret, later).unwrap(), None);
        assert!(people.sign_out(&secret).unwrap());
        assert_eq!(people.session(&secret, now).unwrap(), None);
        assert!(!people.sign_out(&secret).unwrap());
    }

    #[test]
    fn a_guest_does_not_pass_for_a_user_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let people = People::open(&folder.path().join(FILE)).unwrap();
        let user = User {
            name: "aysel".to_owned(),
            role: Role::Admin,
            lines: None,
            added: Timestamp::from_seconds(1),
        };
        people.add(&user, "correct horse battery").unwrap();
        assert_eq!(
            people.name_for_guest("aysel", "NOC").unwrap(),
            "aysel (NOC)"
        );
        assert_eq!(people.name_for_guest("elnur", "NOC").unwrap(), "elnur");
    }
}
