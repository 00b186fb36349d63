//! The operations about people: signing in and out, users, tokens, the audit log.

use schemars::SchemaGenerator;

use super::{CURSOR, JSON, LIMIT, TEXT, TRACE, get, post, schema};
use crate::api::openapi::operation::{Operation, Parameter};
use crate::api::people::{AuditEntry, Token, User};
use crate::api::request::Page;
use crate::api::session::{NewToken, NewUser, Session, SignedOut, SigningIn, TokenMade};
use crate::api::sign_in::Ways;

const BACK: [Parameter; 5] = [
    (
        "code",
        "query",
        "What to ask for the token with.",
        TEXT,
        "c0de",
    ),
    (
        "state",
        "query",
        "What the browser was sent with.",
        TEXT,
        "5tate",
    ),
    (
        "iss",
        "query",
        "Who sends it back.",
        TEXT,
        "https://id.example.net",
    ),
    (
        "error",
        "query",
        "Why nobody signed in there.",
        TEXT,
        "access_denied",
    ),
    (
        "error_description",
        "query",
        "The same in words.",
        TEXT,
        "not today",
    ),
];

pub(super) fn operations(of: &mut SchemaGenerator) -> Vec<Operation> {
    let name = r#"{"type":"string","pattern":"^[A-Za-z0-9._@-]{1,64}$"}"#;
    let user = ("name", "path", "The user.", name, "aysel");
    let signing = r#"{"user":"aysel","password":"correct horse battery"}"#;
    let new_user = r#"{"name":"aysel","password":"correct horse battery","role":"operator","lines":["baku-poti"]}"#;
    let delete =
        |path: &str, id, summary| Operation::new("delete", &format!("/api/v1/{path}"), id, summary);
    vec![
        get("session", "session", "Who asks, and what they may.")
            .gives(JSON, schema::<Session>(of)),
        post(
            "session",
            "sign_in",
            "Signs in; the answer carries the session's cookie.",
        )
        .body(JSON, &schema::<SigningIn>(of), signing),
        delete(
            "session",
            "sign_out",
            "Signs out; a guest of an identity provider may be signed out there too.",
        )
        .gives(JSON, schema::<SignedOut>(of)),
        get("sign-in", "ways", "How people may sign in; for everybody.")
            .gives(JSON, schema::<Ways>(of)),
        get(
            "sign-in/begin",
            "begin",
            "Sends a browser to the identity provider.",
        )
        .sends("To the provider, or to the page with the reason why not."),
        get(
            "sign-in/back",
            "back",
            "Takes a browser in that the identity provider sent back.",
        )
        .with(&BACK)
        .sends("To the page, with the cookie of a session or the reason why not."),
        get("users", "users", "Every user.").gives(JSON, schema::<Page<User>>(of)),
        post("users", "add_user", "Adds a user.")
            .body(JSON, &schema::<NewUser>(of), new_user)
            .gives(JSON, schema::<User>(of)),
        delete("users/{name}", "remove_user", "Removes a user.").with(&[user]),
        get("tokens", "tokens", "Every token, without its secret.")
            .gives(JSON, schema::<Page<Token>>(of)),
        post(
            "tokens",
            "make_token",
            "Makes a token; its secret is told this once.",
        )
        .body(
            JSON,
            &schema::<NewToken>(of),
            r#"{"name":"grafana","role":"viewer"}"#,
        )
        .gives(JSON, schema::<TokenMade>(of)),
        delete("tokens/{id}", "revoke", "Revokes a token.").with(&[TRACE]),
        get("audit", "audit", "Who did what, the newest first.")
            .with(&[LIMIT, CURSOR])
            .gives(JSON, schema::<Page<AuditEntry>>(of)),
    ]
}
