//! Signing in by a provider, over sockets: a good one, and one that lies in every way we could think
//! of. A real one is asked in the stories.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{get, post};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::token::tests::Signer;
use super::*;
use crate::api::example::Running;
use crate::api::who::Role;
use crate::config::{GroupSettings, SignInSettings};

/// A provider that says whatever it is told to, and remembers what it was asked.
#[derive(Clone)]
struct Fake {
    issuer: String,
    signer: Arc<Mutex<Signer>>,
    /// Laid over what is true.
    lies: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self {
            issuer,
            signer: Arc::new(Mutex::new(Signer::new("first"))),
            lies: Arc::new(Mutex::new(json!({}))),
            asked: Arc::default(),
        };
        let (itself, keys, token, user) = (fake.clone(), fake.clone(), fake.clone(), fake.clone());
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || Json(itself.about())),
            )
            .route(
                "/keys",
                get(async move || Json(json!({ "keys": [keys.signer.lock().unwrap().key()] }))),
            )
            .route(
                "/token",
                post(async move |form: String| Json(token.give(&form))),
            )
            .route(
                "/user",
                get(async move || Json(user.lies.lock().unwrap()["user"].clone())),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn about(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut about = json!({ "issuer": self.issuer, "authorization_endpoint": at("/auth"),
            "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
            "userinfo_endpoint": at("/user"), "end_session_endpoint": at("/end") });
        lay(&mut about, &self.lies.lock().unwrap()["about"]);
        about
    }

    fn give(&self, form: &str) -> Value {
        let form = Url::parse(&format!("form:?{form}")).unwrap();
        let form = form.query_pairs().into_owned().collect();
        let nonce = self.lies.lock().unwrap()["nonce"].clone();
        let now = crate::clock::now().nanos() / 1_000_000_000;
        let mut claims = json!({ "iss": self.issuer, "sub": "u7", "aud": "silkline", "iat": now,
            "exp": now + 300, "nonce": nonce, "preferred_username": "aysel", "groups": ["ops"] });
        lay(&mut claims, &self.lies.lock().unwrap()["claims"]);
        *self.asked.lock().unwrap() = form;
        json!({ "id_token": self.signer.lock().unwrap().token(&claims), "access_token": "t",
            "token_type": "Bearer" })
    }

    fn lie(&self, what: &str, lie: Value) {
        self.lies.lock().unwrap()[what] = lie;
    }
}

/// Lays `over` on an object; null removes.
fn lay(object: &mut Value, over: &Value) {
    for (key, value) in over.as_object().into_iter().flatten() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            object[key] = value.clone();
        }
    }
}

async fn server(fake: &Fake) -> Running {
    let settings = SignInSettings {
        issuer: fake.issuer.clone(),
        client_id: "silkline".to_owned(),
        client_secret_file: None,
        name: "NOC".to_owned(),
        scopes: vec!["openid".to_owned(), "groups".to_owned()],
        groups_claim: SignInSettings::GROUPS_CLAIM.to_owned(),
        name_claim: SignInSettings::NAME_CLAIM.to_owned(),
        ca: None,
        everybody: None,
        groups: vec![GroupSettings {
            name: "ops".to_owned(),
            role: Role::Operator,
            lines: Some(vec!["dsw".parse().unwrap()]),
        }],
    };
    Running::start_with(|address, access| {
        access.by(Provider::new(settings, &format!("http://{address}")).unwrap())
    })
    .await
}

fn browser() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

async fn ask(server: &Running, path: &str, cookie: &str) -> Response {
    let request = browser().get(server.url(path)).header("cookie", cookie);
    request.send().await.unwrap()
}

fn location(response: &Response) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["location"].to_str().unwrap()
}

/// The cookie `name` that an answer sets.
fn set(response: &Response, name: &str) -> Option<String> {
    let all = response.headers().get_all("set-cookie");
    let cookies = all
        .iter()
        .map(|it| it.to_str().unwrap().split(';').next().unwrap());
    cookies
        .filter_map(|it| it.split_once('='))
        .find(|(known, value)| *known == name && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
}

/// Begins; the browser's cookie and what it was sent with.
async fn begun(server: &Running) -> (String, Vec<(String, String)>) {
    let response = ask(server, "/api/v1/sign-in/begin", "").await;
    let url = Url::parse(location(&response)).unwrap();
    let cookie = set(&response, ATTEMPT).unwrap();
    (cookie, url.query_pairs().into_owned().collect())
}

fn one<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// Goes the whole way; where the browser ends, and with which session.
async fn through(server: &Running, fake: &Fake) -> (String, Option<String>) {
    let (cookie, sent) = begun(server).await;
    fake.lie("nonce", json!(one(&sent, "nonce")));
    let path = format!("/api/v1/sign-in/back?code=c&state={}", one(&sent, "state"));
    let response = ask(server, &path, &cookie).await;
    (location(&response).to_owned(), set(&response, "silkline"))
}

#[tokio::test]
async fn who_the_provider_vouches_for_is_in_with_role_and_lines() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    let ways: Value = ask(&server, "/api/v1/sign-in", "")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(ways["provider"]["name"], "NOC");
    assert_eq!(
        ask(&server, "/api/v1/lines", "").await.status(),
        401,
        "not open any more"
    );
    let (at, session) = through(&server, &fake).await;
    assert_eq!(at, server.url("/"));
    let session = session.unwrap();
    let who: Value = ask(&server, "/api/v1/session", &session)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&who["user"], &who["role"], &who["lines"]),
        (&json!("aysel"), &json!("operator"), &json!(["dsw"]))
    );
    let out = browser()
        .delete(server.url("/api/v1/session"))
        .header("cookie", &session)
        .header("x-silkline", "page");
    let out: Value = out.send().await.unwrap().json().await.unwrap();
    let then = out["then"].as_str().unwrap();
    assert!(
        then.starts_with(&format!("{}/end?client_id=silkline", fake.issuer)),
        "{then}"
    );
    assert_eq!(
        ask(&server, "/api/v1/session", &session).await.status(),
        401
    );
}

#[tokio::test]
async fn the_code_comes_with_proof_that_this_browser_asked() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    let (cookie, sent) = begun(&server).await;
    assert_eq!(one(&sent, "code_challenge_method"), "S256");
    assert_eq!(one(&sent, "scope"), "openid groups");
    assert_eq!(
        one(&sent, "redirect_uri"),
        server.url("/api/v1/sign-in/back")
    );
    fake.lie("nonce", json!(one(&sent, "nonce")));
    let path = format!("/api/v1/sign-in/back?code=c&state={}", one(&sent, "state"));
    ask(&server, &path, &cookie).await;
    let asked = fake.asked.lock().unwrap().clone();
    let verifier = one(&asked, "code_verifier");
    let challenge = {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(verifier))
    };
    assert!(verifier.len() >= 43 && challenge == one(&sent, "code_challenge"));
    let (_, again) = begun(&server).await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(
            one(&sent, name),
            one(&again, name),
            "{name} is never used twice"
        );
    }
}

#[tokio::test]
async fn another_browser_cannot_end_what_this_one_began() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    let (cookie, sent) = begun(&server).await;
    let state = one(&sent, "state");
    for (query, with) in [
        (format!("code=c&state={state}"), ""),
        (format!("code=c&state={state}"), "silkline-sign-in=other"),
        ("code=c".to_owned(), cookie.as_str()),
        ("code=c&state=guess".to_owned(), cookie.as_str()),
    ] {
        let response = ask(&server, &format!("/api/v1/sign-in/back?{query}"), with).await;
        assert!(
            location(&response).ends_with("#/sign-in/not-begun"),
            "{query} {with}"
        );
        assert_eq!(set(&response, "silkline"), None);
    }
    assert!(fake.asked.lock().unwrap().is_empty(), "no code was spent");
}

#[tokio::test]
async fn whatever_a_liar_says_nobody_is_in() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    for (lie, word) in [
        (json!({ "iss": "https://other" }), "untrusted"),
        (json!({ "aud": "other" }), "untrusted"),
        (json!({ "nonce": "other" }), "untrusted"),
        (json!({ "exp": "never" }), "untrusted"),
        (json!({ "exp": 1_000 }), "clock"),
        (json!({ "iat": 4_000_000_000_i64 }), "clock"),
        (json!({ "groups": ["guests"] }), "no-role"),
    ] {
        fake.lie("claims", lie.clone());
        let (at, session) = through(&server, &fake).await;
        assert_eq!(at, server.url(&format!("/#/sign-in/{word}")), "{lie}");
        assert_eq!(session, None);
    }
    fake.lie("claims", json!({}));
    // Changed keys under the old name, and then keys that nobody has shown.
    *fake.signer.lock().unwrap() = Signer::new("first");
    assert!(through(&server, &fake).await.0.ends_with("untrusted"));
    *fake.signer.lock().unwrap() = Signer::new("second");
    assert!(
        through(&server, &fake).await.0.ends_with("untrusted"),
        "asked a moment ago"
    );
}

#[tokio::test]
async fn groups_may_stand_apart_but_must_be_of_the_same_person() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    fake.lie("claims", json!({ "groups": null }));
    fake.lie("user", json!({ "sub": "u7", "groups": ["ops"] }));
    assert!(through(&server, &fake).await.1.is_some());
    fake.lie("user", json!({ "sub": "u8", "groups": ["ops"] }));
    assert!(through(&server, &fake).await.0.ends_with("untrusted"));
}

#[tokio::test]
async fn what_the_provider_answers_is_told_and_written_down() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    let (cookie, sent) = begun(&server).await;
    let state = one(&sent, "state");
    let query = format!("state={state}&error=access_denied&error_description=not+today");
    let response = ask(&server, &format!("/api/v1/sign-in/back?{query}"), &cookie).await;
    assert!(location(&response).ends_with("#/sign-in/denied"));
    let query = format!("code=c&state={state}&iss=https%3A%2F%2Fother");
    let response = ask(&server, &format!("/api/v1/sign-in/back?{query}"), &cookie).await;
    assert!(
        location(&response).ends_with("#/sign-in/untrusted"),
        "an answer mixed up"
    );
    let people =
        crate::api::people::People::open(&server.store_path().with_file_name("people.data"));
    let log = people.unwrap().audit(i64::MAX, 9).unwrap();
    assert!(log[1].what.contains("access_denied not today"), "{log:?}");
    assert!(log[0].what.contains("https://other"), "{log:?}");
}

#[tokio::test]
async fn a_provider_that_is_away_or_sends_people_astray_is_said_so() {
    let fake = Fake::start().await;
    fake.lie(
        "about",
        json!({ "authorization_endpoint": "http://evil.example/auth" }),
    );
    let first = server(&fake).await;
    let response = ask(&first, "/api/v1/sign-in/begin", "").await;
    assert!(location(&response).ends_with("#/sign-in/untrusted"));
    let renamed = Fake::start().await;
    renamed.lie("about", json!({ "issuer": "https://other" }));
    let second = server(&renamed).await;
    let response = ask(&second, "/api/v1/sign-in/begin", "").await;
    assert!(location(&response).ends_with("#/sign-in/untrusted"));
    let mut nobody = Fake::start().await;
    nobody.issuer.push_str("/nowhere");
    let third = server(&nobody).await;
    let response = ask(&third, "/api/v1/sign-in/begin", "").await;
    assert!(location(&response).ends_with("#/sign-in/unreachable"));
}

#[tokio::test]
async fn without_a_provider_nobody_is_sent_anywhere() {
    let server = Running::start().await;
    for path in ["/api/v1/sign-in/begin", "/api/v1/sign-in/back?code=c"] {
        assert_eq!(
            ask(&server, path, "").await.status(),
            StatusCode::CONFLICT,
            "{path}"
        );
    }
    let ways: Value = ask(&server, "/api/v1/sign-in", "")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(ways, json!({ "password": false, "provider": null }));
}
