//! What is Anthropic's alone.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpRequest, MODELS};
use serde_json::{Value, json};

fn post(provider: &FakeProvider) -> HttpRequest {
    let request = Http::new(provider.anthropic_base_url()).post("/messages");
    request.header("anthropic-version", "2023-06-01")
}

fn asked(messages: &Value) -> Value {
    json!({"model": "echo", "max_tokens": 9, "messages": messages})
}

#[tokio::test]
async fn a_stream_has_all_its_events_in_order() {
    let provider = FakeProvider::start().await;
    let mut body = asked(&json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]));
    body["stream"] = true.into();
    let mut reply = post(&provider).bearer("sk-good").json(body).send().await;
    let (mut kinds, mut events) = (Vec::new(), Vec::new());
    while let Some(event) = reply.next_event().await.unwrap() {
        let (kind, data) = event.split_once('\n').unwrap();
        kinds.push(kind.strip_prefix("event: ").unwrap().to_owned());
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], kinds.last().unwrap().as_str());
        events.push(data);
    }
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 11);
    assert_eq!(events[0]["message"]["content"], json!([]));
    assert_eq!(
        (&events[7]["delta"]["stop_reason"], &events[7]["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(7))
    );
}

#[tokio::test]
async fn faulty_requests_are_refused_with_the_fault() {
    let user = json!({"role": "user", "content": "hi"});
    let assistant = json!({"role": "assistant", "content": "ho"});
    let with = |field: &str, value: Value| {
        let mut body = asked(&json!([user]));
        body[field] = value;
        body
    };
    let part = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    let faulty = [
        (json!({"model": "echo", "messages": [user]}), "max_tokens"),
        (json!({"max_tokens": 9, "messages": [user]}), "model"),
        (asked(&json!([])), "at least one message"),
        (asked(&json!([assistant, user])), "first message"),
        (asked(&json!([user, user])), "must alternate"),
        (asked(&json!([user, assistant, assistant])), "multiple \"assistant\""),
        (asked(&json!([{"role": "system", "content": "be"}, user])), "Unexpected role \"system\""),
        (asked(&json!([user, {"role": "assistant", "content": ""}, user])), "messages.1: all messages"),
        (asked(&json!([{"role": "user", "content": [{"type": "text", "text": ""}]}])), "must be non-empty"),
        (asked(&json!([{"role": "user", "content": [part]}])), "Input tag 'image_url'"),
        (with("stop", json!("x")), "stop: Extra inputs"),
        (with("presence_penalty", json!(1)), "presence_penalty: Extra inputs"),
    ];
    let provider = FakeProvider::start().await;
    for (body, words) in faulty {
        let reply = post(&provider).header("x-api-key", "sk-good").json(body).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{words}");
        let answer = reply.json().await;
        assert_eq!((&answer["type"], &answer["error"]["type"]), (&json!("error"), &json!("invalid_request_error")));
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
}

#[tokio::test]
async fn keys_and_the_version_are_demanded() {
    let provider = FakeProvider::start().await;
    let body = asked(&json!([{"role": "user", "content": "hi"}]));
    let without = post(&provider).json(body.clone()).send().await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    assert_eq!(without.json().await["error"]["type"], "authentication_error");
    for request in [post(&provider).header("x-api-key", "sk-bad"), post(&provider).bearer("bad-token")] {
        assert_eq!(request.json(body.clone()).send().await.status, StatusCode::UNAUTHORIZED);
    }
    let unversioned = Http::new(provider.anthropic_base_url()).post("/messages").header("x-api-key", "sk-good");
    let reply = unversioned.json(body.clone()).send().await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.text().await.contains("anthropic-version"));

    let open = FakeProvider::start_open().await;
    assert_eq!(post(&open).json(body).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn models_come_in_pages() {
    let provider = FakeProvider::start().await;
    let http = Http::new(provider.anthropic_base_url());
    let page = async |query: &str| {
        let request = http.get(&format!("/models{query}")).header("anthropic-version", "2023-06-01");
        request.header("x-api-key", "sk-good").send().await.json().await
    };
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = page("?limit=1000").await;
    assert_eq!((ids(&all), &all["has_more"]), (MODELS.map(str::to_owned).to_vec(), &json!(false)));
    assert_eq!((&all["first_id"], &all["last_id"]), (&json!("echo"), &json!("huge")));
    assert_eq!(
        all["data"][0],
        json!({"type": "model", "id": "echo", "display_name": "Claude echo", "created_at": "2026-01-02T00:00:00Z"})
    );

    let first = page("").await;
    assert_eq!((ids(&first).len(), &first["has_more"]), (20, &json!(true)));
    let rest = page(&format!("?after_id={}", first["last_id"].as_str().unwrap())).await;
    assert_eq!(
        (ids(&rest), &rest["has_more"]),
        (MODELS[20..].iter().map(|id| (*id).to_owned()).collect(), &json!(false))
    );
}
