//! People, as the server asks for them.

use super::*;

const PASSWORD: &str = "correct horse battery";

fn people() -> (tempfile::TempDir, People) {
    let folder = tempfile::tempdir().unwrap();
    let people = People::open(&folder.path().join(FILE)).unwrap();
    (folder, people)
}

fn user(name: &str, role: Role) -> User {
    User {
        name: name.to_owned(),
        role,
        lines: Some(vec!["north".parse().unwrap()]),
        added: Timestamp::from_seconds(1),
    }
}

#[test]
fn a_right_password_gives_a_session_that_ends() {
    let (_folder, people) = people();
    assert!(!people.any().unwrap());
    people
        .add(&user("aysel", Role::Operator), PASSWORD)
        .unwrap();
    assert!(people.any().unwrap());
    let now = Timestamp::from_seconds(1000);
    assert_eq!(people.sign_in("aysel", "wrong", now).unwrap(), None);
    assert_eq!(people.sign_in("nobody", PASSWORD, now).unwrap(), None);
    let secret = people.sign_in("aysel", PASSWORD, now).unwrap().unwrap();
    let who = people.session(&secret, now).unwrap().unwrap();
    assert_eq!(
        (who.user.as_deref(), who.role),
        (Some("aysel"), Role::Operator)
    );
    assert_eq!(who.lines.unwrap()[0].as_str(), "north");
    let later = now + SESSION + core::time::Duration::from_secs(1);
    assert_eq!(people.session(&secret, later).unwrap(), None);
    people.sign_out(&secret).unwrap();
    assert_eq!(people.session(&secret, now).unwrap(), None);
}

#[test]
fn no_secret_stands_in_the_file() {
    let (folder, people) = people();
    people.add(&user("aysel", Role::Admin), PASSWORD).unwrap();
    let now = Timestamp::from_seconds(1000);
    let session = people.sign_in("aysel", PASSWORD, now).unwrap().unwrap();
    let token = Token {
        id: 0,
        name: "grafana".to_owned(),
        role: Role::Viewer,
        lines: None,
        added: now,
    };
    let (id, secret) = people.make_token(&token).unwrap();
    assert_eq!(
        people.bearer(&secret).unwrap().unwrap().program.unwrap(),
        "grafana"
    );
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [PASSWORD, &session, &secret] {
            let there = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!there, "{secret}");
        }
    }
    people.revoke(id).unwrap();
    assert_eq!(people.bearer(&secret).unwrap(), None);
    assert!(matches!(people.revoke(id), Err(PeopleError::Missing)));
}

#[test]
fn names_and_passwords_are_fit_or_refused() {
    let (_folder, people) = people();
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        let refused = people.add(&user(name, Role::Viewer), PASSWORD);
        assert!(matches!(refused, Err(PeopleError::Name(_))), "{name}");
    }
    let short = people.add(&user("a", Role::Viewer), "short");
    assert!(matches!(short, Err(PeopleError::Password)));
    people.add(&user("a", Role::Viewer), PASSWORD).unwrap();
    let twice = people.add(&user("a", Role::Viewer), PASSWORD);
    assert!(matches!(twice, Err(PeopleError::Taken(_))));
}

#[test]
fn who_is_removed_is_out_at_once_but_the_last_admin_stays() {
    let (_folder, people) = people();
    people.add(&user("root", Role::Admin), PASSWORD).unwrap();
    people.add(&user("b", Role::Viewer), PASSWORD).unwrap();
    let now = Timestamp::from_seconds(5);
    let secret = people.sign_in("b", PASSWORD, now).unwrap().unwrap();
    assert!(matches!(people.remove("root"), Err(PeopleError::LastAdmin)));
    people.remove("b").unwrap();
    assert_eq!(people.session(&secret, now).unwrap(), None);
    assert!(matches!(people.remove("b"), Err(PeopleError::Missing)));
    assert_eq!(people.users().unwrap().len(), 1);
}

#[test]
fn the_audit_log_comes_newest_first_in_pages() {
    let (_folder, people) = people();
    for number in 0..5 {
        people
            .note(
                "a",
                &format!("did {number}"),
                Timestamp::from_seconds(number),
            )
            .unwrap();
    }
    let page = people.audit(i64::MAX, 2).unwrap();
    assert_eq!([&*page[0].what, &*page[1].what], ["did 4", "did 3"]);
    assert_eq!(people.audit(page[1].id, 9).unwrap().len(), 3);
}
