//! Each way in which a provider can fail, on each way to ask it.

use http::StatusCode;
use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::usage_rows::{request_id, row_with, rows_of};

/// The key in the vault, and a part of it that must not get out either.
const KEY: &str = "sk-live-Zq8rT2vWx4YzAb19";
const PART_OF_KEY: &str = "Zq8rT2vW";

/// One fault, and how it looks to clients and in the usage row.
#[derive(Clone, Copy)]
struct Fault {
    model: &'static str,
    status: StatusCode,
    /// In the row; in replies, too, unless the provider named a code of its own.
    code: &'static str,
    code_shown: &'static str,
    /// What the message must say.
    says: &'static str,
    param: Option<&'static str>,
    retry_after: &'static str,
    /// Whether a stream has begun with 200 when the fault shows.
    after_the_head: bool,
}

const fn fault(model: &'static str, status: StatusCode, code: &'static str, says: &'static str) -> Fault {
    Fault { model, status, code, code_shown: code, says, param: None, retry_after: "", after_the_head: false }
}

const FAULTS: [Fault; 10] = [
    fault("openai:rejects-key", StatusCode::FAILED_DEPENDENCY, "provider_key_rejected", "openai"),
    Fault {
        retry_after: "7",
        ..fault("openai:rate-limited", StatusCode::TOO_MANY_REQUESTS, "upstream_rate_limited", "Rate limit reached")
    },
    fault("openai:no-quota", StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "exceeded your current quota"),
    Fault {
        code_shown: "unsupported_value",
        param: Some("temperature"),
        ..fault("openai:refuses", StatusCode::BAD_REQUEST, "provider_refused_request", "does not support 0.2")
    },
    fault("openai:fails", StatusCode::BAD_GATEWAY, "upstream_error", "had an error while processing"),
    fault("openai:overloaded", StatusCode::BAD_GATEWAY, "upstream_error", "currently overloaded"),
    fault("openai:html", StatusCode::BAD_GATEWAY, "upstream_bad_response", "text/html"),
    fault("openai:redirect", StatusCode::BAD_GATEWAY, "upstream_bad_response", "redirects"),
    Fault { after_the_head: true, ..fault("openai:huge", StatusCode::BAD_GATEWAY, "upstream_bad_response", "openai") },
    fault("groq:echo", StatusCode::BAD_GATEWAY, "upstream_unreachable", "connection refused"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Chat,
    ChatStream,
    Generate,
    GenerateStream,
}

impl Way {
    const ALL: [Self; 4] = [Self::Chat, Self::ChatStream, Self::Generate, Self::GenerateStream];

    async fn ask(self, app: &TestApp, person: &Person, model: &str) -> HttpReply {
        let messages = json!([{ "role": "user", "content": "Hello" }]);
        let input = json!({ "prompt": "Hello" });
        let (path, body) = match self {
            Self::Chat => ("/v1/chat/completions", json!({ "model": model, "messages": messages })),
            Self::ChatStream => {
                ("/v1/chat/completions", json!({ "model": model, "messages": messages, "stream": true }))
            }
            Self::Generate => ("/v1/generate", json!({ "model": model, "modality": "text", "input": input })),
            Self::GenerateStream => {
                ("/v1/generate", json!({ "model": model, "modality": "text", "input": input, "stream": true }))
            }
        };
        app.post(path, &person.token, body).await
    }

    /// Whether this fault is told inside a stream.
    fn tells_inside(self, fault: Fault) -> bool {
        self == Self::GenerateStream || (self == Self::ChatStream && fault.after_the_head)
    }
}

/// Ada with keys for `openai` and for `groq`, where nothing listens.
async fn start(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (TestApp, Person) {
    let settings = [&[("GROQ_BASE_URL", "http://127.0.0.1:9/v1")], settings].concat();
    let app = TestApp::start_with(database, &settings).await;
    let ada = app.person("ada").await;
    app.store_key(&ada.token, "openai", KEY).await;
    app.store_key(&ada.token, "groq", KEY).await;
    (app, ada)
}

/// Code, message and parameter as the client of this way reads them.
fn told(way: Way, inside: bool, text: &str) -> (String, String, Option<String>) {
    let error: Value = if inside {
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let done = lines.contains(&"[DONE]");
        assert_eq!(done, way == Way::GenerateStream, "{text}");
        let event = lines.iter().rfind(|line| line.contains("\"error\"")).expect("an error event");
        serde_json::from_str::<Value>(event).expect("JSON")["error"].take()
    } else {
        let mut body: Value = serde_json::from_str(text).expect("JSON");
        assert!(body["code"].is_string() && body["request_id"].is_string(), "{body}");
        match way {
            Way::Chat | Way::ChatStream => body["error"].take(),
            Way::Generate | Way::GenerateStream => body["detail"].take(),
        }
    };
    let text = |name: &str| error[name].as_str().map(str::to_owned);
    (text("code").expect("a code"), text("message").expect("a message"), text("param"))
}

async fn check(app: &TestApp, ada: &Person, way: Way, fault: Fault) {
    let what = format!("{} by {way:?}", fault.model);
    let rows_before = rows_of(app, ada).await.len();
    let reply = way.ask(app, ada, fault.model).await;
    let inside = way.tells_inside(fault);
    let status = if inside { StatusCode::OK } else { fault.status };
    assert_eq!(reply.status, status, "{what}");
    let retry_after = if inside { "" } else { fault.retry_after };
    assert_eq!(reply.header("retry-after"), retry_after, "{what}");
    let (id, headers) = (request_id(&reply), format!("{:?}", reply.headers));
    let text = reply.text().await;
    let (code, message, param) = told(way, inside, &text);
    assert_eq!(code, fault.code_shown, "{what}: {text}");
    assert!(message.contains(fault.says), "{what}: {message}");
    if matches!(way, Way::Chat | Way::ChatStream) {
        assert_eq!(param.as_deref(), fault.param, "{what}");
    }

    let row = row_with(app, ada, id).await;
    assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Failed, Some(fault.code)), "{what}");
    assert_eq!(rows_of(app, ada).await.len(), rows_before + 1, "{what}");
    for seen in [headers, text, format!("{row:?}")] {
        assert!(!seen.contains(PART_OF_KEY), "{what}: {seen}");
    }
}

/// What the list of keys says of `openai`.
async fn key_status(app: &TestApp, person: &Person) -> Value {
    let reply = app.get("/v1/users/provider-keys", &person.token).await;
    let text = reply.text().await;
    assert!(!text.contains(PART_OF_KEY), "{text}");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list.as_array().expect("a list").iter().find(|key| key["provider"] == "openai").expect("its key")["status"].clone()
}

each_db! {
    async fn every_fault_has_its_status_code_and_row_on_every_way(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for fault in FAULTS {
            for way in Way::ALL {
                check(&app, &ada, way, fault).await;
            }
        }
        let strayed = app.provider.requests().into_iter().find(|request| request.path.contains("elsewhere"));
        assert!(strayed.is_none(), "a redirect is not followed: {strayed:?}");
    }

    async fn a_provider_that_never_answers_is_a_timeout(database: Database) {
        let (app, ada) = start(database, &[("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "0.2")]).await;
        let silent = fault("openai:silent", StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", "did not answer in time");
        for way in Way::ALL {
            check(&app, &ada, way, silent).await;
            app.provider.wait_until_closed().await;
        }
    }

    async fn half_an_answer_is_none(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let dies = fault("openai:dies", StatusCode::BAD_GATEWAY, "upstream_interrupted", "broke off");
        let bad_json = fault("openai:bad-json", StatusCode::BAD_GATEWAY, "upstream_bad_response", "JSON");
        for way in [Way::Chat, Way::Generate] {
            check(&app, &ada, way, dies).await;
            check(&app, &ada, way, bad_json).await;
        }
    }

    async fn half_an_event_ends_a_stream_with_an_error(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for way in [Way::ChatStream, Way::GenerateStream] {
            let reply = way.ask(&app, &ada, "openai:bad-json").await;
            assert_eq!(reply.status, StatusCode::OK);
            let id = request_id(&reply);
            let (code, ..) = told(way, true, &reply.text().await);
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.status, row.error_code), (RequestStatus::Incomplete, Some(code)), "{way:?}");
        }
    }

    async fn a_key_that_is_rejected_in_use_is_marked_until_it_works(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for way in Way::ALL {
            assert_eq!(key_status(&app, &ada).await, "valid", "{way:?}");
            way.ask(&app, &ada, "openai:rejects-key").await.text().await;
            assert_eq!(key_status(&app, &ada).await, "rejected", "{way:?}");
            way.ask(&app, &ada, "openai:echo").await.text().await;
        }
        assert_eq!(key_status(&app, &ada).await, "valid");
    }

    async fn a_fault_says_nothing_of_the_key(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for way in Way::ALL {
            way.ask(&app, &ada, "openai:fails").await.text().await;
        }
        assert_eq!(key_status(&app, &ada).await, "valid");
    }
}
