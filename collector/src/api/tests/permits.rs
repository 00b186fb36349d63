//! Permits to work as clients meet them.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::{DEADLINE, get, json_of, problem_of};
use crate::api::example::Running;
use crate::permits::{Entry, Register};
use crate::state::{PermitAsk, PermitResult};

/// Does what the commit task would: stores what is asked and answers.
async fn commit(server: &mut Running) -> PermitAsk {
    let waiting = tokio::time::timeout(DEADLINE, server.permits.recv());
    let action = waiting.await.unwrap().unwrap();
    let entry = match action.ask.clone() {
        PermitAsk::Grant { permit, reason } => Entry::Granted {
            permit,
            reason,
            who: action.who,
            site: None,
        },
        PermitAsk::Revoke { id } => Entry::Revoked {
            id,
            line: "dsw".parse().unwrap(),
            who: action.who,
        },
    };
    let now = crate::clock::now();
    let mut transaction = server.writer.begin(now).unwrap();
    transaction.told("permit", None, None, &entry).unwrap();
    transaction.commit(true).unwrap();
    let register: Register = crate::store::Queries::of(server.writer.db())
        .permits()
        .unwrap();
    let grant = register.all()[0].clone();
    action
        .done
        .send(PermitResult::Done(Box::new(grant)))
        .unwrap();
    action.ask
}

fn wanted() -> Value {
    let until = crate::clock::now() + Duration::from_secs(3600);
    json!({ "who": "Aysel", "person": "L. Mammadova", "contact": "+994 12 555 01 00",
        "line": "dsw", "fibres": ["f1"], "until": until, "reason": "splice at closure 7" })
}

#[tokio::test]
async fn a_permit_is_granted_listed_and_taken_back() {
    let mut server = Running::start().await;
    let post = Client::new().post(server.url("/api/v1/permits"));
    let asked = tokio::spawn(post.json(&wanted()).send());
    commit(&mut server).await;
    let response = asked.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let made: Value = response.json().await.unwrap();
    assert_eq!(made["state"], "standing");
    assert_eq!(made["granted_by"], "Aysel");
    assert_eq!(made["sites"], json!(["ganja", "tovuz"]));
    assert_eq!(made["kept_by"], json!([]));
    let list = json_of(&server, "/api/v1/permits?state=standing&line=dsw").await;
    assert_eq!(list["items"], json!([made]));
    assert_eq!(
        json_of(&server, "/api/v1/permits?state=over").await["items"],
        json!([])
    );
    let path = format!("/api/v1/permits/{}", made["id"].as_str().unwrap());
    assert_eq!(json_of(&server, &path).await, made);
    let asked = tokio::spawn(Client::new().delete(server.url(&path)).send());
    commit(&mut server).await;
    let gone: Value = asked.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(gone["state"], "revoked");
    assert!(gone["revoked_at"].is_string());
    let audit = json_of(&server, "/api/v1/audit").await;
    let said = audit["items"].as_array().unwrap().iter();
    let said: Vec<&str> = said.map(|entry| entry["what"].as_str().unwrap()).collect();
    assert!(
        said[0].starts_with("took back permit p-") && said[1].contains("L. Mammadova"),
        "{said:?}"
    );
    problem_of(get(&server, "/api/v1/permits/p-0").await, 404).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason() {
    let server = Running::start().await;
    for (key, bad, said) in [
        ("line", json!("nowhere"), "no line nowhere"),
        ("fibres", json!(["f9"]), "no fibre f9"),
        ("until", json!("2020-01-01T00:00:00Z"), "has passed"),
        ("until", json!("2120-01-01T00:00:00Z"), "31 days"),
        ("person", json!(" "), "person"),
        ("contact", json!(""), "contact"),
        ("reason", json!(""), "reason"),
    ] {
        let mut body = wanted();
        body[key] = bad;
        let post = Client::new().post(server.url("/api/v1/permits"));
        let response = post.json(&body).send().await.unwrap();
        let problem = problem_of(response, 400).await;
        assert!(problem.contains(said), "{problem}");
    }
}
