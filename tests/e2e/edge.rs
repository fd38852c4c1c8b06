//! What strangers do to an open port, and how callers are told apart.

use std::time::{Duration, Instant};

use http::StatusCode;
use llm_api_testkit::{Database, Http, Server, each_db, target_binary};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Site, chat, get, sign_in, store_key};

/// Longer than the server itself waits for anything here.
const PATIENCE: Duration = Duration::from_mins(1);

async fn server(envs: &[(&str, &str)]) -> Server {
    Server::start(&target_binary("llm-api"), envs).await
}

/// Sends bytes and reads until the server closes.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let address = server.base_url().strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("an open port");
    stream.write_all(bytes).await.expect("a reader");
    let mut answer = Vec::new();
    // A reset after the reply is as good as an end.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_header_that_never_ends_is_given_ten_seconds() {
    let server = server(&[]).await;
    let begun = Instant::now();
    // Together: half a header, half a word that may yet become HTTP/2, and silence.
    let half = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let (half, word, silence) = tokio::join!(raw(&server, half), raw(&server, b"PRI"), raw(&server, b""));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(20), "{took:?}");
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 408 "), "{half}");
    assert_eq!((word.as_str(), silence.as_str()), ("", ""));
    assert_eq!(server.http().get("/health").send().await.status, 200);
}

#[tokio::test]
async fn a_header_over_32_kib_is_refused() {
    let server = server(&[]).await;
    let request = |bytes: usize| {
        let value = "x".repeat(bytes);
        format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: {value}\r\n\r\n")
    };
    let fits = raw(&server, request(30 * 1024).as_bytes()).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "{fits}");
    let large = raw(&server, request(33 * 1024).as_bytes()).await;
    assert!(large.starts_with("HTTP/1.1 431 "), "{large}");
    assert_eq!(server.http().get("/health").send().await.status, 200);
}

/// As many clients do: the whole request first, then the reply. A reset while it is on its way would lose the reply.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_everything_first() {
    let server = server(&[]).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer lap_wrong\r\n\
        Content-Type: application/json\r\nContent-Length: 16777216\r\nConnection: close\r\n\r\n";
    let mut request = head.as_bytes().to_vec();
    request.resize(head.len() + 16_777_216, b' ');
    for _ in 0..5 {
        let answer = raw(&server, &request).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_api_key"), "{answer}");
    }
}

/// A sign-in under a name of its own, with a password that is too long to be hashed: only the address counts, and eleven
/// of them are over before the throttle lets the next one in.
async fn knock(http: &Http, number: usize, forwarded: &str) -> StatusCode {
    let body = json!({ "username": format!("nobody-{number}"), "password": "x".repeat(1100) });
    let request = http.post("/v1/users/login").header("x-forwarded-for", forwarded).json(body);
    request.send().await.status
}

#[tokio::test]
async fn a_stranger_cannot_choose_its_address() {
    let server = server(&[]).await;
    let http = server.http();
    for number in 0..10 {
        assert_eq!(knock(&http, number, &format!("198.51.100.{number}")).await, 401);
    }
    assert_eq!(knock(&http, 10, "198.51.100.99").await, 429);
}

#[tokio::test]
async fn behind_a_trusted_proxy_every_client_has_its_own_address() {
    let server = server(&[("LLM_API_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let http = server.http();
    for number in 0..10 {
        // What the client itself wrote stands on the left and does not count.
        assert_eq!(knock(&http, number, &format!("192.0.2.{number}, 198.51.100.7")).await, 401);
    }
    assert_eq!(knock(&http, 10, "198.51.100.7").await, 429);
    assert_eq!(knock(&http, 11, "198.51.100.8").await, 401);
}

each_db! {
    async fn every_reply_has_a_request_id_of_its_own(database: Database) {
        let site = Site::new(database).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        let replies = [
            (200, http.get("/health").send().await),
            (401, http.get("/v1/users/me").send().await),
            (200, get(&http, &ada, "/v1/users/me").await),
            (404, get(&http, &ada, "/v1/nothing").await),
            (405, http.delete("/health").send().await),
            (422, http.post("/v1/users/login").json(json!({})).send().await),
            (413, http.post("/v1/users/login").body(vec![b' '; 1024 * 1024 + 1]).send().await),
            (502, chat(&http, &ada, "fails", false).await),
            (200, chat(&http, &ada, "echo", false).await),
            (200, chat(&http, &ada, "echo", true).await),
        ];
        let mut ids = Vec::new();
        for (status, reply) in replies {
            assert_eq!(reply.status, status);
            let id = reply.header("x-request-id").to_owned();
            id.parse::<uuid::Uuid>().unwrap_or_else(|error| panic!("{status} {id:?}: {error}"));
            if status >= 400 {
                assert_eq!(reply.json().await["request_id"], id.as_str());
            }
            assert!(!ids.contains(&id), "{id} twice");
            ids.push(id);
        }
    }
}

#[tokio::test]
async fn a_client_may_choose_its_request_id_but_a_proxys_is_left_alone() {
    let site = Site::new(Database::Sqlite).await;
    let server = site.start().await;
    let mine = "0b7e1a52-6d0f-4e4b-9a53-2f1f3c1d9e77";
    let reply = server.http().get("/health").header("x-request-id", mine).send().await;
    assert_eq!(reply.header("x-request-id"), mine);
    for other in ["0b7e1a526d0f4e4b9a532f1f3c1d9e77", "0b7e1a52-6d0f-4e4b-9a53-2f1f3c1d9e7x", "7", ""] {
        let reply = server.http().get("/health").header("x-request-id", other).send().await;
        assert_ne!(reply.header("x-request-id"), other);
        assert_eq!(reply.header("x-request-id").len(), 36);
    }
}
