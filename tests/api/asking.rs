//! Asking the native endpoint for text, and reading what it answers.

use http::{Method, StatusCode};
use llm_api_testkit::{FakeProvider, HttpReply, Person, ProviderRequest, TestApp};
use serde_json::{Value, json};

pub(crate) const GENERATE: &str = "/v1/generate";

pub(crate) fn prompt(model: impl Into<Option<&'static str>>, prompt: &str) -> Value {
    json!({ "modality": "text", "model": model.into(), "input": { "prompt": prompt } })
}

/// `body` with one more field, or another value for one that it has.
pub(crate) fn with(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    body[name] = value.into();
    body
}

pub(crate) async fn ask(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    app.post(GENERATE, &person.token, body).await
}

pub(crate) async fn ask_streamed(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    ask(app, person, with(body, "stream", true)).await
}

/// The body of a reply that must be good.
pub(crate) async fn answer(reply: HttpReply) -> Value {
    let (status, text) = (reply.status, reply.text().await);
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Status, code and sentence of a refusal.
pub(crate) async fn refused(reply: HttpReply) -> (u16, String, String) {
    let status = reply.status.as_u16();
    assert_eq!(reply.header("content-type"), "application/json", "{status}");
    let body = reply.json().await;
    let detail = &body["detail"];
    let message = detail.as_str().or(detail["message"].as_str());
    let code = body["code"].as_str().expect("a code");
    assert!(detail.is_string() || detail["code"] == code, "{body}");
    (status, code.to_owned(), message.unwrap_or_else(|| panic!("a sentence: {body}")).to_owned())
}

/// The events of a whole stream, without the closing `[DONE]`.
pub(crate) async fn events(reply: HttpReply) -> Vec<Value> {
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "text/event-stream; charset=utf-8"));
    let mut data = reply.data().await;
    assert_eq!(data.pop().as_deref(), Some("[DONE]"), "{data:?}");
    data.iter().map(|line| serde_json::from_str(line).expect("JSON on one line")).collect()
}

/// The next event of a stream that still runs.
pub(crate) async fn next_event(reply: &mut HttpReply) -> Value {
    let event = reply.next_event().await.expect("a whole event").expect("one more event");
    let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("one line of data: {event}"));
    serde_json::from_str(data).unwrap_or_else(|_| Value::from(data))
}

/// The text of all events together.
pub(crate) fn said(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

/// Who the events say will answer, one after the other: `provider:model`, and the reason where it is a stand-in.
pub(crate) fn announced(events: &[Value]) -> Vec<String> {
    let selected = events.iter().filter(|event| event["event"] == "model_selected");
    let names = selected.map(|event| {
        assert_eq!(event["model_name"], event["model"]);
        named(&event["provider"], &event["model"], event)
    });
    names.collect()
}

/// Who a whole reply says has answered, in the same words.
pub(crate) fn chosen(reply: &Value) -> String {
    let selection = &reply["selection"];
    assert_eq!(reply["model"], selection["selected_model"]);
    named(&selection["selected_provider"], &selection["selected_model"], selection)
}

fn named(provider: &Value, model: &Value, fallback: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let reason = fallback["fallback_reason"].as_str();
    assert_eq!(fallback["fallback_used"], reason.is_some(), "{fallback}");
    let name = format!("{}:{}", text(provider), text(model));
    reason.map_or(name.clone(), |reason| format!("{name} ({reason})"))
}

/// What the provider was asked to generate, in order; its list of models is asked for at other times, too.
pub(crate) fn generations(provider: &FakeProvider) -> Vec<ProviderRequest> {
    provider.requests().into_iter().filter(|request| request.method == Method::POST).collect()
}

/// The models that were asked, where the body names them.
pub(crate) fn models_asked(provider: &FakeProvider) -> Vec<String> {
    let name = |request: &ProviderRequest| request.body["model"].as_str().unwrap_or(&request.path).to_owned();
    generations(provider).iter().map(name).collect()
}

/// A user's own account at a provider, or what stands for one.
pub(crate) async fn store_credential(app: &TestApp, person: &Person, credential: Value) -> Value {
    let reply = app.post("/v1/users/provider-keys", &person.token, credential).await;
    let (status, text) = (reply.status, reply.text().await);
    assert_eq!(status, StatusCode::CREATED, "{text}");
    serde_json::from_str(&text).expect("JSON")
}
