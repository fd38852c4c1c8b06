//! Images that are made here: in the reply, or as files with links.

mod bucket;
mod files;
mod links;
mod making;
mod processes;
mod sessions;
mod streams;

use std::{path::Path, time::Duration};

use llm_api_testkit::{Database, FakeProvider, HttpReply, Person, TestApp};
use serde_json::{Value, json};

use crate::asking::{answer, ask, refused, with};

/// [`FakeProvider::PNG`] as replies show it.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP438AAAAQBAYD718vxAAAAAElFTkSuQmCC";
/// Behind that pixel in a large image; a number of bytes that base64 writes without padding.
const MORE_BYTES: usize = 300 * 1024;
/// Of a link, and of a file without a session, where the operator says nothing else.
const LIFE: Duration = Duration::from_hours(1);
/// A request that no server made.
const OWN_ID: &str = "0b54a1c0-6c1f-4d5a-9c53-6b7f0f8a2d11";

/// Ada, who has keys for both makers of images.
async fn start(database: Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    app.store_key(&ada.token, "huggingface", "hf_adas-own-key").await;
    (app, ada)
}

/// A request for an image.
fn image(model: impl Into<Option<&'static str>>) -> Value {
    json!({ "modality": "image", "model": model.into(), "input": { "prompt": "A boat" } })
}

/// A request for an image that is too large for a reply.
fn large() -> Value {
    image("openai:big-image")
}

fn large_bytes() -> Vec<u8> {
    let mut bytes = FakeProvider::PNG.to_vec();
    bytes.resize(bytes.len() + MORE_BYTES, 0xa5);
    bytes
}

/// The same in base64.
fn large_text() -> String {
    format!("{PNG}{}", "paWl".repeat(MORE_BYTES / 3))
}

/// The link to the one file of a reply.
fn link_in(reply: &Value) -> String {
    let output = &reply["output"];
    let files = output["artifacts"].as_array().unwrap_or_else(|| panic!("a file: {output}"));
    let [file] = files.as_slice() else { panic!("one file: {output}") };
    assert_eq!((&output["images"], &file["type"]), (&Value::Null, &json!("image")));
    file["url"].as_str().expect("an address").to_owned()
}

/// Has a large image made: the link to it.
async fn made(app: &TestApp, person: &Person, body: Value) -> String {
    link_in(&answer(ask(app, person, body).await).await)
}

/// Path and query of an absolute address.
fn path_in(link: &str) -> &str {
    let (_, rest) = link.split_once("://").expect("an absolute address");
    &rest[rest.find('/').expect("a path")..]
}

/// The path alone: what the owner opens.
fn own_path(link: &str) -> &str {
    path_in(link).split_once('?').expect("a query").0
}

/// Opens a link as a page does that shows it: without a credential.
async fn open(app: &TestApp, link: &str) -> HttpReply {
    app.http().get(path_in(link)).send().await
}

async fn assert_opens(app: &TestApp, link: &str) {
    let reply = open(app, link).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "image/png"), "{link}");
    assert!(reply.bytes().await == large_bytes(), "{link}");
}

async fn assert_missing(reply: HttpReply) {
    assert_eq!(refused(reply).await, (404, "not_found".to_owned(), "Artifact not found".to_owned()));
}

async fn assert_expired(reply: HttpReply) {
    assert_eq!(refused(reply).await, (410, "expired".to_owned(), "Artifact expired".to_owned()));
}

/// How many files lie in the data folder.
fn files_on_disk(app: &TestApp) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&app.data_dir().join("artifacts"))
}

/// A new session's id.
async fn open_session(app: &TestApp, person: &Person) -> String {
    let reply = app.post("/v1/sessions", &person.token, json!({})).await;
    assert_eq!(reply.status, 201);
    reply.json().await["id"].as_str().expect("an id").to_owned()
}

fn in_session(body: Value, session: &str) -> Value {
    with(body, "session_id", session)
}

/// The messages of a session.
async fn messages(app: &TestApp, person: &Person, session: &str) -> Vec<Value> {
    let mut shown = answer(app.get(&format!("/v1/sessions/{session}"), &person.token).await).await;
    shown["messages"].as_array_mut().map(std::mem::take).expect("a list of messages")
}

/// The only link in a session's last message.
async fn link_shown(app: &TestApp, person: &Person, session: &str) -> String {
    let last = messages(app, person, session).await.pop().expect("a message");
    let [link] = last["artifact_urls"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        panic!("one link: {last}")
    };
    link.as_str().expect("an address").to_owned()
}
