//! A stored key is seen by nobody: not in replies, not in the log, not in the database.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use llm_api_testkit::{Database, TestApp, each_db};
use serde_json::json;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt as _};

use super::{KEYS, store};
use crate::database::OpenDatabase;

const GOOD: &str = "sk-secret-good-7f3a91c2";
const BAD: &str = "sk-secret-bad-5e8d20b4";

/// A log that is kept in memory.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The life of two keys; gives every reply's headers and body.
async fn live(app: &TestApp) -> String {
    let ada = app.person("ada").await;
    let mut replies = Vec::new();
    for key in [BAD, GOOD] {
        for provider in ["openai", "anthropic", "nonesuch", "local"] {
            replies.push(store(app, &ada.token, json!({ "provider": provider, "api_key": key })).await);
        }
        let inside = json!({ "provider": "custom", "api_key": key, "endpoint": "https://10.0.0.1/v1" });
        replies.push(store(app, &ada.token, inside).await);
        let wrong_type = json!({ "provider": "openai", "credential_type": key, "api_key": [key] });
        replies.push(store(app, &ada.token, wrong_type).await);
        let cut_off = format!(r#"{{"provider": "openai", "api_key": "{key}"#);
        replies.push(app.http().post(KEYS).bearer(&ada.token).body(cut_off).send().await);
        for model in ["echo", "rejects-key", "fails", "refuses"] {
            for streamed in [false, true] {
                let model = format!("openai:{model}");
                let chat =
                    json!({ "model": model, "stream": streamed, "messages": [{ "role": "user", "content": "hello" }] });
                replies.push(app.post("/v1/chat/completions", &ada.token, chat).await);
                let generate =
                    json!({ "model": model, "stream": streamed, "modality": "text", "input": { "prompt": "hello" } });
                replies.push(app.post("/v1/generate", &ada.token, generate).await);
            }
        }
        for path in [KEYS, "/v1/models", "/v1/users/me", "/v1/users/tokens"] {
            replies.push(app.get(path, &ada.token).await);
        }
    }
    replies.push(app.http().request(Method::DELETE, &format!("{KEYS}/{GOOD}")).bearer(&ada.token).send().await);
    let mut seen = Vec::new();
    for reply in replies {
        seen.push(format!("{} {:?}", reply.status, reply.headers));
        seen.push(reply.text().await);
    }
    seen.join("\n")
}

fn assert_silent(what: &str, text: &str) {
    for key in [GOOD, BAD] {
        // Nor enough of it to guess the rest: the mask shows six characters.
        let (head, tail) = (&key[..key.len() - 4], &key[4..]);
        assert!(!text.contains(head) && !text.contains(tail), "{what} shows {key}");
    }
}

/// On one thread, which is the one that the log is set for.
async fn nothing_tells_a_key(database: Database) {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(log.clone());
    let _logging = subscriber.set_default();
    let app = TestApp::start(database).await;
    let seen = live(&app).await;
    assert!(seen.contains("sk-...1c2") && seen.contains("rejected"), "there was something to see: {seen}");
    assert_silent("a reply", &seen);
    let log = log.text();
    assert!(log.contains("/v1/users/provider-keys") && log.contains("TRACE"), "there was a log: {log}");
    assert_silent("the log", &log);
}

#[tokio::test]
async fn no_reply_and_no_log_line_tells_a_key_sqlite() {
    nothing_tells_a_key(Database::Sqlite).await;
}

#[tokio::test]
async fn no_reply_and_no_log_line_tells_a_key_postgres() {
    nothing_tells_a_key(Database::Postgres).await;
}

fn holds(stored: &[u8], text: &str) -> bool {
    let digits = text.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    [text.as_bytes(), hex.as_bytes()].iter().any(|form| stored.windows(form.len()).any(|window| window == *form))
}

each_db! {
    async fn no_byte_of_the_database_tells_a_secret(database: Database) {
        let open = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[open.setting()]).await;
        live(&app).await;
        let ada = app.login("ada", "the-password-of-ada").await.json().await;
        let token = ada["token"].as_str().unwrap_or("no token").to_owned();
        let program = app.post("/v1/users/tokens", &token, json!({ "name": "laptop" })).await.json().await;
        let program = program["token"].as_str().unwrap_or("no token").to_owned();
        let stored = open.all_bytes(&app).await;
        assert!(holds(&stored, "sk-...1c2") && holds(&stored, "laptop"), "there was something to find");
        for secret in [GOOD, BAD, "the-password-of-ada", &token, &program] {
            assert!(!holds(&stored, secret), "{secret} is in the database");
        }
        // Nor in the parts that a page or a cut-off text might hold.
        assert!(!holds(&stored, "secret-good") && !holds(&stored, "secret-bad"));
    }
}
