//! The id of a request, where the SDKs look for it.

use llm_api_testkit::{HttpReply, each_db};
use serde_json::{Value, json};

use super::Caller;
use crate::families::{ANTHROPIC, OPENAI, start};

const MESSAGES: &str = "/v1/messages";
const COUNT: &str = "/v1/messages/count_tokens";

fn messages(model: &str, stream: bool) -> Value {
    let mut body = Caller::Messages.hello(model);
    body["stream"] = stream.into();
    body
}

fn count(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] })
}

/// Looks at the id of a reply with this status.
async fn check(what: &str, status: u16, reply: HttpReply) {
    assert_eq!(reply.status, status, "{what}");
    let id = reply.header("x-request-id").to_owned();
    let named: Vec<_> = reply.headers.get_all("request-id").iter().collect();
    assert_eq!(named, [&id], "{what}");
    if status >= 400 {
        let body = reply.json().await;
        assert_eq!((&body["type"], &body["request_id"]), (&json!("error"), &json!(id)), "{what}");
    }
}

each_db! {
    async fn every_reply_on_anthropics_paths_names_its_request(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC, OPENAI], &[("MAX_GENERATE_BODY_BYTES", "2000")]).await;
        let post = async |path: &str, body: Value| app.post(path, &ada.token, body).await;
        for model in ["anthropic:echo", "openai:echo"] {
            check("a reply", 200, post(MESSAGES, messages(model, false)).await).await;
            check("a stream", 200, post(MESSAGES, messages(model, true)).await).await;
            check("a count", 200, post(COUNT, count(model)).await).await;
        }
        let keyed = || app.http().post(MESSAGES).bearer(&ada.token).header("idempotency-key", "k");
        check("the first", 200, keyed().json(messages("anthropic:echo", false)).send().await).await;
        check("its repetition", 200, keyed().json(messages("anthropic:echo", false)).send().await).await;
        check("a used key", 422, keyed().json(messages("anthropic:counts", false)).send().await).await;
        for path in [MESSAGES, COUNT] {
            let request = || app.http().post(path);
            check("no JSON", 400, request().bearer(&ada.token).body("{").send().await).await;
            check("no messages", 400, post(path, json!({ "model": "anthropic:echo" })).await).await;
            check("nobody", 401, request().json(count("anthropic:echo")).send().await).await;
            check("no model", 404, post(path, count("nobodys-model")).await).await;
            check("another method", 405, app.get(path, &ada.token).await).await;
            let long = json!({ "model": "anthropic:echo", "messages": [{ "role": "user", "content": "x".repeat(2000) }] });
            check("too much", 413, post(path, long).await).await;
        }
        for stream in [false, true] {
            check("a refusal", 400, post(MESSAGES, messages("anthropic:refuses", stream)).await).await;
            check("too often", 429, post(MESSAGES, messages("anthropic:rate-limited", stream)).await).await;
        }
        check("another path", 404, app.get("/v1/messages/batches", &ada.token).await).await;
    }

    async fn the_others_have_it_in_one_place(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC, OPENAI], &[]).await;
        for caller in [Caller::Chat, Caller::Responses] {
            for model in ["anthropic:echo", "anthropic:refuses"] {
                let reply = caller.ask(&app, &ada, caller.hello(model)).await;
                assert_eq!((reply.header("request-id"), reply.header("x-request-id").len()), ("", 36), "{caller:?} {model}");
            }
        }
    }
}
