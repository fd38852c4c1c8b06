//! Chat completions where the provider speaks them in a dialect, and where it speaks something else.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{AZURE, Account, HUGGINGFACE, KEY, PART_OF_KEY, seen, start};
use crate::usage_rows::{COUNTED, request_id, row_with};

const CHAT: &str = "/v1/chat/completions";

fn hello(account: Account, model: &str) -> Value {
    json!({
        "model": format!("{}:{model}", account.provider), "messages": [{ "role": "user", "content": "Hello" }],
        "logit_bias": { "50256": -100 }, "vendor_option": { "deep": [1, null] },
    })
}

async fn ask(app: &TestApp, person: &Person, body: Value) -> HttpReply {
    app.post(CHAT, &person.token, body).await
}

async fn ask_streamed(app: &TestApp, person: &Person, mut body: Value) -> HttpReply {
    body["stream"] = true.into();
    ask(app, person, body).await
}

/// The provider got every field, under the name that it knows the model by, and its own key.
fn check_what_was_sent(app: &TestApp, account: Account, model: &str) {
    let request = seen(app);
    assert_eq!(request.header(account.header), format!("{}{KEY}", account.scheme));
    let expected = account.paths[0].replace("echo", model);
    assert_eq!((request.path.as_str(), &request.body["model"]), (expected.as_str(), &json!(model)));
    assert_eq!(request.body["logit_bias"], json!({ "50256": -100 }));
    assert_eq!(request.body["vendor_option"], json!({ "deep": [1, null] }));
}

each_db! {
    async fn azure_and_hugging_face_complete_chats(database: Database) {
        let (app, ada) = start(database, &[AZURE, HUGGINGFACE], &[]).await;
        for account in [AZURE, HUGGINGFACE] {
            let reply = ask(&app, &ada, hello(account, "echo")).await;
            assert_eq!(reply.status, 200, "{account:?}");
            assert_eq!(reply.header("x-llm-api-provider"), account.provider);
            assert_eq!(reply.header("x-llm-api-model"), "echo");
            let id = request_id(&reply);
            let reply = reply.json().await;
            assert_eq!(reply["choices"][0]["message"]["content"], "You said: Hello");
            assert_eq!((&reply["object"], &reply["id"]), (&json!("chat.completion"), &json!("chatcmpl-fake")));
            assert_eq!(reply["usage"], json!({ "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 }));
            check_what_was_sent(&app, account, "echo");
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.provider.as_str(), row.endpoint.as_str()), (account.provider, "chat_completions"));
            assert_eq!((row.status, row.usage), (RequestStatus::Completed, COUNTED));
        }
    }

    async fn what_only_azure_says_gets_through(database: Database) {
        let (app, ada) = start(database, &[AZURE], &[]).await;
        let reply = ask(&app, &ada, hello(AZURE, "echo")).await.json().await;
        assert_eq!(reply["choices"][0]["content_filter_results"]["violence"]["severity"], "safe");
        assert_eq!(reply["prompt_filter_results"][0]["prompt_index"], 0);

        let data = ask_streamed(&app, &ada, hello(AZURE, "echo")).await.data().await;
        let first: Value = serde_json::from_str(&data[0]).expect("JSON");
        assert_eq!((&first["choices"], &first["prompt_filter_results"][0]["prompt_index"]), (&json!([]), &json!(0)));
    }

    async fn azure_and_hugging_face_stream_chats(database: Database) {
        let (app, ada) = start(database, &[AZURE, HUGGINGFACE], &[]).await;
        for account in [AZURE, HUGGINGFACE] {
            let reply = ask_streamed(&app, &ada, hello(account, "echo")).await;
            assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
            let id = request_id(&reply);
            let mut data = reply.data().await;
            assert_eq!(data.pop().as_deref(), Some("[DONE]"));
            let chunks: Vec<Value> = data.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let text: String =
                chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
            assert_eq!(text, "You said: Hello", "{account:?}");
            // The client did not ask for them; we did, for the row.
            assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()), "{account:?}");
            check_what_was_sent(&app, account, "echo");
            assert_eq!(seen(&app).body["stream_options"], json!({ "include_usage": true }));
            let row = row_with(&app, &ada, id).await;
            assert_eq!((row.status, row.streamed, row.usage), (RequestStatus::Completed, true, COUNTED));
        }
    }

    async fn their_refusals_are_told_in_the_format_of_the_endpoint(database: Database) {
        let (app, ada) = start(database, &[AZURE, HUGGINGFACE], &[]).await;
        for account in [AZURE, HUGGINGFACE] {
            for (model, status, code, retry_after) in [
                ("rejects-key", 424, "provider_key_rejected", ""),
                ("rate-limited", 429, "upstream_rate_limited", "7"),
                ("no-quota", 429, "insufficient_quota", ""),
                ("refuses", 400, "unsupported_value", ""),
                ("overloaded", 502, "upstream_error", ""),
                ("no-such-model", 404, "model_not_found", ""),
            ] {
                for reply in [
                    ask(&app, &ada, hello(account, model)).await,
                    ask_streamed(&app, &ada, hello(account, model)).await,
                ] {
                    assert_eq!(reply.status, status, "{model} of {account:?}");
                    assert_eq!(reply.header("retry-after"), retry_after, "{model} of {account:?}");
                    let text = reply.text().await;
                    assert!(!text.contains(PART_OF_KEY), "{text}");
                    let body: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(body["error"]["code"], code, "{model} of {account:?}");
                }
            }
        }
    }
}
