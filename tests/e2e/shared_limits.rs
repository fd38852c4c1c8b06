//! Several servers on one database count together.

use llm_api_testkit::{Database, Http};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, chat, eventually, sign_in, store_key};

async fn try_to_sign_in(http: &Http, name: &str, password: &str) -> u16 {
    let body = json!({ "username": name, "password": password });
    http.post("/v1/users/login").json(body).send().await.status.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_two_servers_are_counted_together() {
    // Clients of the proxy have addresses of their own.
    let site = Site::with(Database::Postgres, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    site.run(&["migrate"], "").await.expect(0);
    site.add_user("ada").await;
    site.add_user("grace").await;
    let (here, there) = (site.start().await, site.start().await);
    let from = async |http: &Http, address: &str, name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        let login = http.post("/v1/users/login").header("x-forwarded-for", address).json(body).send().await;
        (login.status.as_u16(), login.header("retry-after").to_owned())
    };
    // Ten for a name, wherever they come from and go to.
    for number in 0..10 {
        let server = if number % 2 == 0 { &here } else { &there };
        let address = format!("198.51.100.{number}");
        assert_eq!(from(&server.http(), &address, "ada", "a wrong guess").await.0, 401, "{number}");
    }
    for server in [&here, &there] {
        let (status, retry_after) = from(&server.http(), "203.0.113.1", "ada", PASSWORD).await;
        assert_eq!(status, 429);
        assert!(retry_after.parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)), "{retry_after}");
        assert_eq!(from(&server.http(), "203.0.113.1", "grace", PASSWORD).await.0, 200);
    }
    // Ten for an address, whatever the names.
    for number in 0..10 {
        let server = if number % 2 == 0 { &here } else { &there };
        assert_eq!(from(&server.http(), "192.0.2.1", &format!("nobody-{number}"), "a wrong guess").await.0, 401);
    }
    assert_eq!(from(&here.http(), "192.0.2.1", "grace", PASSWORD).await.0, 429);
    assert_eq!(from(&there.http(), "192.0.2.1", "grace", PASSWORD).await.0, 429);
    assert_eq!(from(&there.http(), "192.0.2.2", "grace", PASSWORD).await.0, 200);
    // What is counted names nobody.
    let keys = site.sql("SELECT length(key) FROM throttles").await;
    assert!(!keys.is_empty() && keys.iter().all(|length| length == "16"), "{keys:?}");
    assert_eq!(try_to_sign_in(&here.http(), "ada", PASSWORD).await, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_at_two_servers_are_counted_together() {
    let site = Site::with(Database::Postgres, &[("MAX_STREAMS_PER_USER", "2")]).await;
    site.run(&["migrate"], "").await.expect(0);
    site.add_user("ada").await;
    site.add_user("grace").await;
    let (here, there) = (site.start().await, site.start().await);
    let (ada, grace) = (sign_in(&here.http(), "ada").await, sign_in(&here.http(), "grace").await);
    for token in [&ada, &grace] {
        store_key(&here.http(), token, "sk-good").await;
    }
    let mut first = chat(&here.http(), &ada, "slow-stream", true).await;
    let mut second = chat(&there.http(), &ada, "slow-stream", true).await;
    for stream in [&mut first, &mut second] {
        assert_eq!(stream.status, 200);
        stream.next_event().await.expect("readable").expect("an event");
    }
    let both = "SELECT COUNT(*) FROM requests WHERE status = 'running'";
    eventually("both have their rows", async || (site.sql(both).await == ["2"]).then_some(())).await;
    for server in [&here, &there] {
        let refused = chat(&server.http(), &ada, "echo", true).await;
        assert_eq!(refused.status, 503);
        let body: Value = refused.json().await;
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("stream")), "{body}");
        assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
        assert_eq!(chat(&server.http(), &grace, "echo", true).await.status, 200);
    }
    site.provider.release();
    site.provider.release();
    first.text().await;
    second.text().await;
    assert_eq!(chat(&there.http(), &ada, "echo", true).await.status, 200);
}
