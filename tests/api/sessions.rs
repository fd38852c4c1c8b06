//! Conversations, as the people who have them see them.

mod at_once;
mod exchanges;
mod families;
mod large;
mod lifecycle;
mod long;
mod nobody_elses;
mod regenerate;
mod retention;
mod streaming;

use std::time::Duration;

use llm_api_domain::{ExchangeId, ExchangeStatus, Modality, RequestId, SessionId, UserId};
use llm_api_storage::{Exchange, NewExchange, Recorded};
use llm_api_testkit::{Database, HttpReply, Person, TestApp};
use serde_json::{Value, json};

const SESSIONS: &str = "/v1/sessions";
const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// No test waits longer than this for an exchange.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ada, who has a key for OpenAI.
async fn start(database: Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let app = TestApp::start_with(database, settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    (app, ada)
}

/// A new session's id.
async fn open(app: &TestApp, person: &Person, body: Value) -> String {
    let reply = app.post(SESSIONS, &person.token, body).await;
    assert_eq!(reply.status, 201);
    reply.json().await["id"].as_str().expect("an id").to_owned()
}

/// The path of a session, or of what can be done in it.
fn path(session: &str, what: &str) -> String {
    format!("{SESSIONS}/{session}{what}")
}

fn prompt(model: &str, prompt: &str) -> Value {
    json!({ "modality": "text", "model": model, "input": { "prompt": prompt } })
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}

async fn ask(app: &TestApp, person: &Person, session: &str, body: Value) -> HttpReply {
    app.post(&path(session, "/generate"), &person.token, body).await
}

/// The reply to a prompt that must be answered.
async fn say(app: &TestApp, person: &Person, session: &str, model: &str, text: &str) -> Value {
    let reply = ask(app, person, session, prompt(model, text)).await;
    let (status, reply) = (reply.status, reply.json().await);
    assert_eq!(status, 200, "{model}: {reply}");
    reply
}

/// The session with its messages.
async fn shown(app: &TestApp, person: &Person, session: &str) -> Value {
    let reply = app.get(&path(session, ""), &person.token).await;
    assert_eq!(reply.status, 200);
    reply.json().await
}

/// The messages of a session, one line each: `user: Hello`; what was cut short says so.
async fn talk(app: &TestApp, person: &Person, session: &str) -> Vec<String> {
    let shown = shown(app, person, session).await;
    let messages = shown["messages"].as_array().expect("a list of messages");
    let text = |message: &Value, name: &str| message[name].as_str().expect(name).to_owned();
    let line = |message| {
        let mark = if text(message, "status") == "completed" { "" } else { " (incomplete)" };
        format!("{}{mark}: {}", text(message, "role"), text(message, "content"))
    };
    messages.iter().map(line).collect()
}

/// The caller's sessions as the list shows them.
async fn list(app: &TestApp, person: &Person) -> Vec<Value> {
    let reply = app.get(SESSIONS, &person.token).await;
    assert_eq!(reply.status, 200);
    let mut list = reply.json().await;
    assert_eq!(list["next_cursor"], Value::Null);
    list["sessions"].as_array_mut().map(std::mem::take).expect("a list of sessions")
}

async fn next_event(reply: &mut HttpReply) -> String {
    reply.next_event().await.expect("a whole event").expect("one more event")
}

/// A stream of which the first word has come and the rest waits for its release.
async fn begun(reply: HttpReply) -> HttpReply {
    assert_eq!(reply.status, 200);
    let mut reply = reply;
    assert!(next_event(&mut reply).await.contains("model_selected"));
    assert!(next_event(&mut reply).await.contains("You "));
    reply
}

/// A stream to its end: what was said in it, and the last event before `[DONE]`.
async fn heard(reply: HttpReply) -> (String, Value) {
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/event-stream; charset=utf-8"));
    let data = reply.data().await;
    let (done, events) = data.split_last().expect("an event");
    assert_eq!(done, "[DONE]");
    let mut events: Vec<Value> = events.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = events.pop().expect("a last event");
    let text = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    (text, last)
}

/// Status, code and `detail` of a refusal.
async fn refused(reply: HttpReply) -> (u16, String, Value) {
    let status = reply.status.as_u16();
    let mut body = reply.json().await;
    (status, body["code"].as_str().expect("a code").to_owned(), body["detail"].take())
}

fn ids(person: &Person, session: &str) -> (UserId, SessionId) {
    (person.id.parse().expect("an id"), session.parse().expect("an id"))
}

/// What is stored of a session, without using it.
async fn stored(app: &TestApp, person: &Person, session: &str) -> Vec<Exchange> {
    let (user, session) = ids(person, session);
    app.state.auth.store.exchanges().list(user, session, 0, 10_000).await.expect("the database answers")
}

/// Waits for exchanges that are stored behind a client that has left: there is nobody to tell.
async fn wait_until_stored(app: &TestApp, person: &Person, session: &str, count: usize) {
    let enough = async {
        while stored(app, person, session).await.len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.expect("the exchange is stored");
}

/// Stores `count` exchanges as if they had been had, each half of them `letters` long.
async fn fill(app: &TestApp, person: &Person, session: &str, count: usize, letters: usize) {
    let (user, session) = ids(person, session);
    for number in 1..=count {
        let now = app.clock.now();
        let half = |word: &str| format!("{:.<letters$}", format!("{word} {number:04}"));
        let exchange = NewExchange {
            id: ExchangeId::new(now),
            user,
            session,
            request: RequestId::new(now),
            modality: Modality::Text,
            provider: "openai".to_owned(),
            model: "echo".to_owned(),
            prompt: Some(half("question")),
            input: None,
            reply: Some(half("answer")),
            output: None,
            status: ExchangeStatus::Completed,
            finish_reason: Some("stop".to_owned()),
            error_code: None,
            state_tokens: None,
            title_when_untitled: None,
            replaces: None,
            created_at: now,
        };
        let recorded = app.state.auth.store.exchanges().record(&exchange).await.expect("the database answers");
        assert_eq!(recorded, Recorded::Stored);
    }
}
