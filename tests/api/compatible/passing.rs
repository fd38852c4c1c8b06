//! What provider and caller share passes through as bytes.

use http::StatusCode;
use llm_api_testkit::{Recording, each_db};
use serde_json::json;

use super::Caller;
use crate::{
    families::{ANTHROPIC, OPENAI, start},
    raw_provider::RawProvider,
    usage_rows::row_behind,
};

const MESSAGE: &str = concat!(
    r#"{ "id":"msg_1","type":"message","role":"assistant","model":"claude-x", "content":[{"type":"text","text":"Gr\u00fc\u00df"}],"#,
    r#""stop_reason":"end_turn","usage":{"input_tokens":11,"cache_read_input_tokens":2,"output_tokens":7.0},"x_new":0.10 }"#,
    "\n",
);

each_db! {
    async fn a_message_passes_both_ways_as_it_is(database: Database) {
        let provider = RawProvider::start(r#"{"data":[]}"#, MESSAGE).await;
        let base = provider.base_url().to_owned();
        let (app, ada) = start(database, &[], &[("ANTHROPIC_BASE_URL", &base)]).await;
        app.store_key(&ada.token, "anthropic", "sk-ant-adas").await;
        let sent = |model: &str| {
            let before = r#"{"top_k":5,"temperature":1.50,"model":"#;
            let after = r#","max_tokens":64,"messages":[ {"role":"user","content":"\u00df"} ],"vendor":{"deep":[1e2,null]}}"#;
            format!("{before}\"{model}\"{after}")
        };
        let request = app.http().post("/v1/messages").header("x-api-key", &ada.token);
        let reply = request
            .header("anthropic-version", "2023-06-01")
            .header("anthropic-beta", "context-1m-2025-08-07")
            .body(sent("anthropic:claude-x"))
            .send()
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        let row = row_behind(&app, &ada, &reply).await;
        assert_eq!((row.usage.prompt_tokens, row.usage.completion_tokens), (Some(13), Some(7)));
        assert_eq!(reply.text().await, MESSAGE);
        assert_eq!(provider.last_body(), sent("claude-x"));
    }

    async fn a_providers_events_pass_as_they_are(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        let responses = concat!(
            ": hello\n\n",
            "event: response.created\r\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"x\":1}}\r\n\r\n",
            "event: response.new_thing\ndata: {\"type\":\"response.new_thing\",  \"sequence_number\":1}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"output\":[],\"usage\":{\"input_tokens\":11,\"output_tokens\":7,\"total_tokens\":18}}}\n\n",
        );
        let messages = concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: something_new\ndata: {\"type\":\"something_new\",\"deep\":[null]}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        );
        for (caller, account, stream) in [(Caller::Responses, OPENAI, responses), (Caller::Messages, ANTHROPIC, messages)] {
            app.provider.play("recorded", Recording::new("{}", stream));
            let model = format!("{}:recorded", account.provider);
            let reply = caller.ask_streamed(&app, &ada, caller.hello(&model)).await;
            let row_id = crate::usage_rows::request_id(&reply);
            assert_eq!(reply.text().await, stream);
            let row = crate::usage_rows::row_with(&app, &ada, row_id).await;
            assert_eq!(row.usage.total_tokens, Some(18), "{caller:?}");
        }
    }

    async fn betas_and_limits_pass_where_the_format_is_shared(database: Database) {
        let (app, ada) = start(database, &[OPENAI, ANTHROPIC], &[]).await;
        let recording = Recording::new(MESSAGE, "")
            .with_header("anthropic-ratelimit-requests-remaining", "41")
            .with_header("request-id", "req_theirs");
        app.provider.play("recorded", recording);
        let ask = |caller: Caller| {
            let request = app.http().post(caller.path()).bearer(&ada.token);
            let request = request.header("anthropic-beta", "one").header("anthropic-beta", "two");
            request.json(caller.hello("anthropic:recorded")).send()
        };
        let reply = ask(Caller::Messages).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), "41");
        assert_eq!(reply.header("x-llm-api-provider-request-id"), "req_theirs");
        let seen = app.provider.last_request();
        let betas: Vec<_> = seen.headers.get_all("anthropic-beta").iter().collect();
        assert_eq!(betas, ["one", "two"]);

        let reply = ask(Caller::Chat).await;
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "41", "in the names of OpenAI's SDKs");
        assert!(!app.provider.last_request().headers.contains_key("anthropic-beta"), "a translated request has none");
    }

    async fn our_own_members_stay_with_us(database: Database) {
        let (app, ada) = start(database, &[OPENAI], &[]).await;
        for caller in [Caller::Chat, Caller::Responses] {
            let mut body = caller.hello("openai:echo");
            body["vendor"] = json!({ "new": true });
            let reply = caller.ask(&app, &ada, body.clone()).await;
            assert_eq!(reply.status, 200);
            body["model"] = "echo".into();
            assert_eq!(app.provider.last_request().body, body);
        }
    }
}
