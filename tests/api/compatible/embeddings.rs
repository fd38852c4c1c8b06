//! Embeddings, in OpenAI's format.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{Recording, each_db};
use serde_json::{Value, json};

use crate::{
    families::{ANTHROPIC, GOOGLE, OPENAI, start},
    usage_rows::row_behind,
};

const PATH: &str = "/v1/embeddings";

each_db! {
    async fn vectors_come_from_openai_as_they_are(database: Database) {
        let (app, ada) = start(database, &[OPENAI], &[]).await;
        let body = json!({ "model": "openai:echo", "input": ["a", "bcd"], "dimensions": 2, "vendor": 1 });
        let reply = app.post(PATH, &ada.token, body).await;
        assert_eq!(reply.status, 200);
        assert_eq!((reply.header("x-llm-api-provider"), reply.header("x-llm-api-model")), ("openai", "echo"));
        let row = row_behind(&app, &ada, &reply).await;
        assert_eq!((row.endpoint.as_str(), row.status), ("embeddings", RequestStatus::Completed));
        assert_eq!(row.usage.prompt_tokens, Some(11));
        let reply = reply.json().await;
        assert_eq!(reply["data"][1]["embedding"], json!([3, 1]));
        let seen = app.provider.last_request();
        assert_eq!((&seen.body["model"], &seen.body["vendor"]), (&json!("echo"), &json!(1)));
    }

    async fn googles_come_in_the_same_form(database: Database) {
        let (app, ada) = start(database, &[GOOGLE], &[]).await;
        app.provider.play("vectors", Recording::new(json!({ "embeddings": [{ "values": [0.5, 1.0] }] }), ""));
        let reply = app.post(PATH, &ada.token, json!({ "model": "google:vectors", "input": "a" })).await;
        assert_eq!(reply.status, 200);
        let reply = reply.json().await;
        assert_eq!((&reply["object"], &reply["data"][0]["embedding"]), (&json!("list"), &json!([0.5, 1.0])));
        let seen = app.provider.last_request();
        assert_eq!(seen.path, "/v1beta/models/vectors:batchEmbedContents");
        assert_eq!(seen.body["requests"][0]["content"]["parts"][0]["text"], "a");
    }

    async fn what_cannot_be_is_said_by_name(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC, GOOGLE, OPENAI], &[]).await;
        for (body, status, param) in [
            (json!({ "model": "anthropic:echo", "input": "a" }), 400, json!("model")),
            (json!({ "model": "google:echo", "input": [[1, 2]] }), 400, json!("input")),
            (json!({ "model": "openai:rejects-key", "input": "a" }), 424, Value::Null),
            (json!({ "input": "a" }), 400, json!("model")),
        ] {
            let reply = app.post(PATH, &ada.token, body.clone()).await;
            assert_eq!(reply.status, status, "{body}");
            assert_eq!(reply.json().await["error"]["param"], param, "{body}");
        }
    }
}
