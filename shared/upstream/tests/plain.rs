//! The client of the operator's own commands.
#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::time::Duration;

use llm_api_upstream::{PlainAnswer, PlainClient, PlainError, UnreachableReason};
use secrecy::SecretString;
use serde_json::json as value;
use support::{Server, Step, answer, chunk, json, stream_head};

fn client(server: &Server) -> PlainClient {
    PlainClient::new(&format!("http://{}", server.address), Duration::from_secs(20)).expect("a client")
}

#[tokio::test]
async fn a_request_carries_token_and_body_and_gets_replies_of_every_status() {
    let refusal = json("403 Forbidden", r#"{"code":"forbidden"}"#);
    let server = Server::start(vec![vec![Step::Read, refusal]]).await;
    let token = SecretString::from("lap_abc");
    let client = client(&server);
    let request = client.post("/v1/sessions").bearer(&token).header("x-trace", "7").json(&value!({ "a": 1 }));
    let reply = request.send().await.expect("a reply");
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (403, &value!("forbidden")));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let sent = server.requests()[0].clone();
    let (head, body) = sent.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /v1/sessions HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("authorization: bearer lap_abc") && head.contains("x-trace: 7"), "{head}");
    assert_eq!(body, r#"{"a":1}"#);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let moved = answer("308 Permanent Redirect", "location: http://127.0.0.1:9/\r\n", "");
    let server = Server::start(vec![vec![Step::Read, moved]]).await;
    let reply = client(&server).get("/health").send().await.expect("a reply");
    assert_eq!((reply.status.as_u16(), reply.header("location")), (308, Some("http://127.0.0.1:9/")));
}

#[tokio::test]
async fn a_stream_is_read_event_by_event_without_its_heartbeats() {
    let server = Server::start(vec![vec![
        Step::Read,
        stream_head(),
        chunk(": heartbeat\n\ndata: {\"a\""),
        Step::Wait,
        chunk(":1}\n\n"),
        Step::Reset,
    ]])
    .await;
    let PlainAnswer::Events(mut stream) = client(&server).post("/v1/generate").stream().await.expect("an answer")
    else {
        panic!("no stream");
    };
    server.release();
    assert_eq!(stream.next_data().await, Some(Ok("{\"a\":1}".into())));
    assert!(matches!(stream.next_data().await, Some(Err(PlainError::Died(_)))));
    assert_eq!(stream.next_data().await, None);
}

#[tokio::test]
async fn what_is_no_stream_is_read_whole() {
    let server = Server::start(vec![vec![Step::Read, json("200 OK", "{}")]]).await;
    let answer = client(&server).post("/v1/generate").stream().await.expect("an answer");
    assert!(matches!(answer, PlainAnswer::Whole(reply) if reply.status == 200 && reply.json() == value!({})));
}

#[tokio::test]
async fn a_silent_and_a_missing_server_end_in_time() {
    let server = Server::start(vec![vec![Step::Read, Step::Wait]]).await;
    let base = format!("http://{}", server.address);
    let hasty = PlainClient::new(&base, Duration::from_millis(50)).expect("a client");
    assert!(matches!(hasty.get("/health").send().await, Err(PlainError::Timeout(_))));
    // Nothing listens on the discard port.
    let nobody = PlainClient::new("http://127.0.0.1:9", Duration::from_secs(20)).expect("a client");
    let refused = nobody.get("/health").send().await.expect_err("nobody is there");
    assert_eq!(refused, PlainError::Unreachable(UnreachableReason::Refused));
}
