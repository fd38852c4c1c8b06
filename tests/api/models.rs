//! The models that a caller can use, and what clients ask before they offer them.

mod access;
mod defaults;
mod hub;
mod listing;
mod one;
mod service;

use http::StatusCode;
use llm_api_testkit::{Database, HttpReply, Person, TestApp};
use serde_json::{Value, json};

/// Ada with a key for `openai`, which leads to the scripted provider.
async fn start(database: Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

/// The JSON of a reply that must be good.
async fn good(reply: HttpReply) -> Value {
    let status = reply.status;
    let body = reply.json().await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn get(app: &TestApp, person: &Person, path: &str) -> Value {
    good(app.get(path, &person.token).await).await
}

async fn list(app: &TestApp, person: &Person, query: &str) -> Value {
    get(app, person, &format!("/v1/models{query}")).await
}

fn entries(list: &Value) -> &[Value] {
    list["data"].as_array().expect("a list")
}

fn id_of(entry: &Value) -> &str {
    entry["id"].as_str().expect("an id")
}

fn ids(list: &Value) -> Vec<&str> {
    entries(list).iter().map(id_of).collect()
}

/// The ids whose access is told by this word.
fn ids_with<'l>(list: &'l Value, access: &str) -> Vec<&'l str> {
    entries(list).iter().filter(|entry| entry["availability"]["access"] == access).map(id_of).collect()
}

/// What the caller can use now; behind it stands what a key would open.
fn open_ids(list: &Value) -> Vec<&str> {
    ids_with(list, "available")
}

/// The locked models of one provider.
fn locked_of<'l>(list: &'l Value, provider: &str) -> Vec<&'l str> {
    let locked = |entry: &&Value| {
        entry["availability"] == json!({ "provider": provider, "access": "locked", "credits_status": null })
    };
    entries(list).iter().filter(locked).map(id_of).collect()
}

fn default_ids(list: &Value) -> Vec<&str> {
    entries(list).iter().filter(|entry| entry["is_default"] == true).map(id_of).collect()
}

/// How often the provider was asked for its list.
fn times_asked(app: &TestApp) -> usize {
    app.provider.requests().iter().filter(|request| request.path == "/v1/models").count()
}

/// A refusal below `/v1/models`: its `detail`, after a look at the form for OpenAI's SDKs beside it.
async fn refused(reply: HttpReply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status);
    let id = reply.header("x-request-id").to_owned();
    let mut body = reply.json().await;
    assert_eq!((&body["code"], &body["request_id"]), (&json!(code), &json!(id)), "{body}");
    assert_eq!(body["error"]["code"], code, "{body}");
    if body["detail"].is_string() {
        assert_eq!(body["error"]["message"], body["detail"]);
    }
    body["detail"].take()
}
