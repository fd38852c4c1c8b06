//! Steps that many stories take: inviting, registering, signing in from somewhere else.

use llm_api_testkit::{HttpReply, HttpRequest, Person, TestApp};
use serde_json::{Value, json};

/// Lets a test choose the address that it calls from: see [`Calling::calling_from`].
pub(crate) const BEHIND_A_PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

pub(crate) trait Calling {
    /// The request as a trusted proxy hands it on; throttles count by this address.
    fn calling_from(self, address: &str) -> Self;
}

impl Calling for HttpRequest {
    fn calling_from(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }
}

/// The text of a fresh invite.
pub(crate) async fn invite(app: &TestApp, admin: &Person, wishes: Value) -> String {
    let reply = app.post("/v1/users/invites", &admin.token, wishes).await;
    text(&created(reply).await["invite_token"])
}

pub(crate) async fn register(app: &TestApp, body: Value) -> HttpReply {
    app.http().post("/v1/users/register").json(body).send().await
}

/// A personal token's text.
pub(crate) async fn personal_token(app: &TestApp, token: &str, wishes: Value) -> String {
    text(&created(app.post("/v1/users/tokens", token, wishes).await).await["token"])
}

async fn created(reply: HttpReply) -> Value {
    let status = reply.status;
    let body = reply.json().await;
    assert_eq!(status, 201, "{body}");
    body
}

/// Whether a token is good: the profile answers, or refuses in the known words.
pub(crate) async fn is_good(app: &TestApp, token: &str) -> bool {
    let reply = app.get("/v1/users/me", token).await;
    if reply.status == 200 {
        return true;
    }
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json().await["detail"], "Invalid or expired token");
    false
}

/// A reply that refuses: its status, its `code`, and the body for a closer look. Every such body has the same three
/// members, and names the request by the id of the reply's header.
pub(crate) async fn refusal(reply: HttpReply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status);
    let request_id = reply.header("x-request-id").to_owned();
    assert_eq!(reply.header("content-type"), "application/json");
    let body = reply.json().await;
    assert_eq!(body, json!({ "detail": body["detail"], "code": code, "request_id": request_id }));
    assert!(!body["detail"].is_null() && !request_id.is_empty(), "{body}");
    body
}

/// A 422 about one field; answers the sentence.
pub(crate) async fn invalid(reply: HttpReply, field: &str) -> String {
    let body = refusal(reply, 422, "validation_error").await;
    assert_eq!(body["detail"][0]["loc"], json!(["body", field]), "{body}");
    assert!(body["detail"][0]["type"].is_string(), "{body}");
    text(&body["detail"][0]["msg"])
}

/// A refusal whose detail is one sentence; answers it.
pub(crate) async fn sentence(reply: HttpReply, status: u16, code: &str) -> String {
    text(&refusal(reply, status, code).await["detail"])
}

/// A 429 of our own; answers the seconds of `Retry-After`.
pub(crate) async fn throttled(reply: HttpReply) -> u64 {
    let seconds = reply.header("retry-after").parse().unwrap_or(0);
    assert_eq!(sentence(reply, 429, "too_many_requests").await, "Too many attempts; try again later");
    seconds
}

/// A JSON string's text.
pub(crate) fn text(value: &Value) -> String {
    assert!(value.is_string(), "no text: {value}");
    value.as_str().unwrap_or_default().to_owned()
}
