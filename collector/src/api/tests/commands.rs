//! Questions to agents as clients meet them.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use silkline_protocol::codec;
use silkline_protocol::message::{Command, Reply};

use super::{DEADLINE, get, json_of, problem_of};
use crate::api::example::Running;

const REPLY: &str = "silkline/1/dsw/ganja/reply";

pub(super) fn answer(detail: &str) -> Vec<u8> {
    codec::to_json(&Reply {
        agent: "main".parse().unwrap(),
        at: crate::clock::now(),
        accepted: true,
        detail: detail.to_owned(),
        permit: None,
    })
}

async fn asked(server: &Running, body: Value) -> reqwest::Response {
    let post = Client::new().post(server.url("/api/v1/commands"));
    post.json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_shot_is_asked_for_and_its_answer_comes_back() {
    let mut server = Running::start().await;
    server.ready.send(Ok(())).unwrap();
    let post = Client::new().post(server.url("/api/v1/commands"));
    let body = json!({ "do": "shot", "view": "ganja-b" });
    let asking = tokio::spawn(post.json(&body).send());
    let sent = tokio::time::timeout(DEADLINE, server.outgoing.recv());
    let sent = sent.await.unwrap().unwrap();
    assert_eq!(sent.topic, "silkline/1/dsw/ganja/command");
    let view = "ganja-b".parse().unwrap();
    let command: Command = codec::from_json(&sent.payload).unwrap();
    assert_eq!(command, Command::Shot { view });
    let question = sent.question.unwrap();
    let said = answer("a shot of ganja-b is wanted");
    let heard = |desk: &mut crate::commands::Desk| desk.heard(REPLY, &said, question.as_bytes());
    assert!(server.commands.send_if_modified(heard));
    let answered = asking.await.unwrap().unwrap();
    assert_eq!(answered.status(), StatusCode::OK);
    let answered: Value = answered.json().await.unwrap();
    assert_eq!(answered["replies"][0]["accepted"], true);
    assert_eq!(
        answered["replies"][0]["detail"],
        "a shot of ganja-b is wanted"
    );
    let list = json_of(&server, "/api/v1/commands").await;
    assert_eq!(list["items"], json!([answered]));
    let one = format!("/api/v1/commands/{}", answered["id"].as_str().unwrap());
    assert_eq!(json_of(&server, &one).await, answered);
    let audit = json_of(&server, "/api/v1/audit").await;
    let last = audit["items"][0]["what"].as_str().unwrap();
    assert_eq!(last, "asked ganja for a shot of ganja-b");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_the_reason() {
    let server = Running::start().await;
    for (body, status, said) in [
        (
            json!({ "do": "shot", "view": "nowhere-a" }),
            400,
            "no view nowhere-a",
        ),
        (
            json!({ "do": "identify", "site": "nowhere" }),
            400,
            "no site nowhere",
        ),
        (
            json!({ "do": "reread", "device": "edfa-1" }),
            404,
            "baku.edfa-1",
        ),
        (json!({ "do": "reboot", "site": "ganja" }), 422, "reboot"),
        (
            json!({ "do": "identify", "site": "ganja" }),
            503,
            "no broker yet",
        ),
    ] {
        let detail = problem_of(asked(&server, body.clone()).await, status).await;
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(
        json_of(&server, "/api/v1/commands").await["items"],
        json!([])
    );
    problem_of(get(&server, "/api/v1/commands/c-0").await, 404).await;
}
