//! Who may do what: users, sessions, roles, tokens and lines of one's own.

use super::*;

const PASSWORD: &str = "correct horse battery";

/// Adds a user through the API.
async fn add(server: &Running, name: &str, role: &str, cookie: Option<&str>) -> Response {
    let mut request = Client::new()
        .post(server.url("/api/v1/users"))
        .json(&json!({ "name": name, "password": PASSWORD, "role": role, "lines": ["dsw"] }));
    if let Some(cookie) = cookie {
        request = request
            .header("cookie", cookie)
            .header("x-silkline", "page");
    }
    request.send().await.unwrap()
}

/// Signs in; the cookie of the session.
async fn sign_in(server: &Running, name: &str, password: &str) -> Result<String, Response> {
    let request = Client::new()
        .post(server.url("/api/v1/session"))
        .header("x-silkline", "page")
        .json(&json!({ "user": name, "password": password }));
    let response = request.send().await.unwrap();
    if response.status() != StatusCode::NO_CONTENT {
        return Err(response);
    }
    let cookie = response.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    Ok(cookie.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn the_first_user_closes_the_door_behind_it() {
    let server = Running::start().await;
    assert_eq!(json_of(&server, "/api/v1/session").await["open"], true);
    assert_eq!(
        add(&server, "root", "admin", None).await.status(),
        StatusCode::OK
    );
    problem_of(get(&server, "/api/v1/lines").await, 401).await;
    assert_eq!(
        get(&server, "/").await.status(),
        StatusCode::OK,
        "the page lets people sign in"
    );
    problem_of(sign_in(&server, "root", "wrong").await.unwrap_err(), 401).await;
    let cookie = sign_in(&server, "root", PASSWORD).await.unwrap();
    let with = |path: &str| {
        Client::new()
            .get(server.url(path))
            .header("cookie", &cookie)
            .send()
    };
    let session: Value = with("/api/v1/session").await.unwrap().json().await.unwrap();
    assert_eq!(
        (&session["user"], &session["role"]),
        (&json!("root"), &json!("admin"))
    );
    let forged = Client::new()
        .delete(server.url("/api/v1/users/root"))
        .header("cookie", &cookie);
    problem_of(forged.send().await.unwrap(), 403).await;
    assert_eq!(
        add(&server, "b", "viewer", Some(&cookie)).await.status(),
        StatusCode::OK
    );
    let log: Value = with("/api/v1/audit").await.unwrap().json().await.unwrap();
    let entry = log["items"][0]["what"].as_str().unwrap();
    assert_eq!(entry, "added user b as viewer");
}

#[tokio::test]
async fn a_viewer_looks_and_does_nothing() {
    let mut server = Running::start().await;
    add(&server, "root", "admin", None).await;
    let root = sign_in(&server, "root", PASSWORD).await.unwrap();
    add(&server, "eye", "viewer", Some(&root)).await;
    let cookie = sign_in(&server, "eye", PASSWORD).await.unwrap();
    let act = Client::new()
        .post(server.url("/api/v1/incidents/i-1/acknowledge"))
        .header("cookie", &cookie)
        .header("x-silkline", "page")
        .json(&json!({}));
    let why = problem_of(act.send().await.unwrap(), 403).await;
    assert!(why.contains("operator"), "{why}");
    for path in ["/api/v1/users", "/api/v1/tokens", "/api/v1/audit"] {
        let request = Client::new()
            .get(server.url(path))
            .header("cookie", &cookie);
        problem_of(request.send().await.unwrap(), 403).await;
    }
    assert!(server.actions.try_recv().is_err());
}

#[tokio::test]
async fn a_password_is_guessed_a_few_times_only() {
    let server = Running::start().await;
    add(&server, "root", "admin", None).await;
    let mut refused = None;
    for _ in 0..8 {
        let answer = sign_in(&server, "root", "guess").await.unwrap_err();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    problem_of(refused, 429).await;
}

#[tokio::test]
async fn a_token_of_other_lines_sees_nothing_of_ours() {
    let mut server = Running::start().await;
    let trace = server.store_device(crate::clock::now());
    server.store_incident(&example::incident("i-1", State::Open));
    let body = json!({ "name": "guest", "role": "operator", "lines": ["elsewhere"] });
    let made = Client::new().post(server.url("/api/v1/tokens")).json(&body);
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let secret = made["secret"].as_str().unwrap();
    let ask = |path: &str| {
        Client::new()
            .get(server.url(path))
            .bearer_auth(secret)
            .send()
    };
    for list in ["lines", "devices", "incidents", "traces", "anomalies"] {
        let page: Value = ask(&format!("/api/v1/{list}"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(page["items"], json!([]), "{list}");
    }
    for one in [
        "lines/dsw",
        "lines/dsw/plant.geojson",
        "devices/ganja.edfa-1",
        "devices/ganja.edfa-1/series?point=in_power.1",
        "incidents/i-1",
        "incidents/i-1/alert.txt",
        &format!("traces/{trace}"),
        &format!("traces/{trace}.sor"),
    ] {
        problem_of(ask(&format!("/api/v1/{one}")).await.unwrap(), 404).await;
    }
}
