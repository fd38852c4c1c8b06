//! The scripted provider does what its table of models says, seen through the test client.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod anthropic;
mod azure;
mod families;
mod gemini;
mod images;
mod ollama;

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpReply, HttpRequest, MODELS, UNICODE};
use serde_json::{Value, json};

fn chat(provider: &FakeProvider, model: &str, stream: bool) -> HttpRequest {
    let body = json!({
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": "first"}, {"role": "user", "content": "hello big world"}],
    });
    Http::new(provider.base_url()).post("/chat/completions").bearer("sk-good").json(body)
}

async fn ask(model: &str) -> (FakeProvider, HttpReply) {
    let provider = FakeProvider::start().await;
    let reply = chat(&provider, model, false).send().await;
    (provider, reply)
}

fn text_of(data: &[String]) -> String {
    let chunks = data.iter().filter(|line| *line != "[DONE]").map(|line| serde_json::from_str::<Value>(line).unwrap());
    chunks.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn echo_completes_and_the_request_is_on_record() {
    let (provider, reply) = ask("echo").await;
    assert_eq!(reply.status, StatusCode::OK);
    let reply = reply.json().await;
    assert_eq!(reply["choices"][0]["message"]["content"], "You said: hello big world");
    assert_eq!(reply["usage"], json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}));

    let request = provider.last_request();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(request.header("authorization"), "Bearer sk-good");
    assert_eq!(request.body["model"], "echo");
}

#[tokio::test]
async fn echo_streams_a_word_an_event_and_usage_only_when_asked() {
    let provider = FakeProvider::start().await;
    let data = chat(&provider, "echo", true).send().await.data().await;
    assert_eq!(data.len(), 1 + 5 + 1 + 1, "role, words, finish reason, end: {data:#?}");
    assert_eq!(text_of(&data), "You said: hello big world");
    assert_eq!(data.last().unwrap(), "[DONE]");
    assert!(!data.concat().contains("usage"));

    let mut with_usage = provider.last_request().body;
    with_usage["stream_options"] = json!({"include_usage": true});
    let post = Http::new(provider.base_url()).post("/chat/completions").bearer("sk-good").json(with_usage);
    let data = post.send().await.data().await;
    let usage: Value = serde_json::from_str(&data[data.len() - 2]).unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(18)));
}

#[tokio::test]
async fn characters_arrive_in_pieces() {
    let provider = FakeProvider::start().await;
    let mut reply = chat(&provider, "unicode", false).send().await;
    let mut pieces = Vec::new();
    while let Some(piece) = reply.next_chunk().await.unwrap() {
        pieces.push(piece);
    }
    assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()), "no character was cut");
    assert!(String::from_utf8(pieces.concat()).unwrap().contains(UNICODE));

    let data = chat(&provider, "unicode", true).send().await.data().await;
    assert_eq!(text_of(&data), UNICODE);
}

#[tokio::test]
async fn keys_are_demanded_unless_the_provider_is_open() {
    let provider = FakeProvider::start().await;
    let http = Http::new(provider.base_url());
    assert_eq!(http.get("/models").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(http.get("/models").bearer("sk-bad-1").send().await.status, StatusCode::UNAUTHORIZED);
    let list = http.get("/models").bearer("sk-good").send().await.json().await;
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, MODELS);

    let open = FakeProvider::start_open().await;
    let http = Http::new(open.base_url());
    assert_eq!(http.get("/models").send().await.status, StatusCode::OK);
    assert_eq!(http.get("/models").bearer("sk-bad-1").send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refusals_have_the_vendors_shapes() {
    let expected = [
        ("rate-limited", 429, "rate_limit_exceeded"),
        ("no-quota", 429, "insufficient_quota"),
        ("rejects-key", 401, "invalid_api_key"),
        ("refuses", 400, "unsupported_value"),
        ("unknown", 404, "model_not_found"),
        ("fails", 500, ""),
        ("overloaded", 503, ""),
    ];
    for (model, status, code) in expected {
        let (_provider, reply) = ask(model).await;
        assert_eq!(reply.status.as_u16(), status, "{model}");
        assert_eq!(reply.header("retry-after"), if model == "rate-limited" { "7" } else { "" }, "{model}");
        let error = reply.json().await["error"].clone();
        assert_eq!(error["code"].as_str().unwrap_or_default(), code, "{model}");
        assert_eq!(error["message"].as_str().unwrap().contains("Bearer sk-good"), model == "rejects-key", "{model}");
        assert_eq!(error["param"] == "temperature", model == "refuses", "{model}");
    }
}

#[tokio::test]
async fn bad_answers_are_bad() {
    let (_provider, reply) = ask("html").await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "text/html"));

    let (_provider, reply) = ask("bad-json").await;
    assert!(serde_json::from_str::<Value>(&reply.text().await).is_err());

    let (provider, reply) = ask("redirect").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (StatusCode::FOUND, &*format!("{}/elsewhere", provider.origin()))
    );
    Http::new(reply.header("location")).get("").send().await;
    assert_eq!(provider.last_request().path, "/elsewhere");

    let (_provider, mut reply) = ask("huge").await;
    assert_eq!(reply.header("content-length"), "67108864");
    assert!(reply.next_chunk().await.unwrap().is_some());
}

#[tokio::test]
async fn a_dying_stream_gives_two_events_and_an_error() {
    let provider = FakeProvider::start().await;
    let mut reply = chat(&provider, "dies", true).send().await;
    assert!(reply.next_event().await.unwrap().unwrap().contains("You "));
    assert!(reply.next_event().await.unwrap().unwrap().contains("said: "));
    let error = reply.next_event().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("ConnectionReset"), "{text}");

    let mut reply = chat(&provider, "dies", false).send().await;
    assert!(reply.next_chunk().await.unwrap().is_some());
    assert!(reply.next_chunk().await.is_err());
}

#[tokio::test]
async fn a_stream_without_its_end_closes_cleanly() {
    let provider = FakeProvider::start().await;
    let data = chat(&provider, "no-done", true).send().await.data().await;
    assert_eq!(text_of(&data), "You said: ");
    assert!(!data.concat().contains("[DONE]"));
}

#[tokio::test]
async fn slow_answers_wait_for_their_release() {
    let provider = FakeProvider::start().await;
    let mut reply = chat(&provider, "slow-stream", true).send().await;
    reply.next_event().await.unwrap();
    assert!(reply.next_event().await.unwrap().unwrap().contains("You "));
    provider.release();
    assert_eq!(text_of(&reply.data().await), "said: hello big world");

    provider.release();
    let reply = chat(&provider, "slow-head", false).send().await;
    assert_eq!(reply.json().await["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a client that leaves is a task that ends")]
async fn a_client_that_leaves_is_noticed() {
    let provider = FakeProvider::start().await;
    for model in ["slow-stream", "stalls"] {
        let mut reply = chat(&provider, model, true).send().await;
        assert!(reply.next_event().await.unwrap().is_some());
        drop(reply);
        provider.wait_until_closed().await;
    }
    for (count, model) in [(3, "silent"), (4, "slow-head")] {
        let request = tokio::spawn(chat(&provider, model, false).try_send());
        provider.wait_for_requests(count).await;
        request.abort();
        provider.wait_until_closed().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_refuses_connections() {
    let provider = FakeProvider::start().await;
    let request = chat(&provider, "echo", false);
    let port = provider.port();
    drop(provider);
    // The server's task ends at its next turn, and with it the listening socket.
    while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
        tokio::task::yield_now().await;
    }
    assert!(request.try_send().await.is_err());
}
