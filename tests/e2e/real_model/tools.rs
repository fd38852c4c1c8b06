//! Tools and objects: the model calls, is told the result, and answers; and what it writes follows a schema.

use llm_api_testkit::{RealModel, each_db};
use serde_json::{Value, json};

use super::clients::{Client, Library};
use super::{Counts, MODEL, Stage};

/// With the object's members in it, for the model is small.
const FACTS: &str = "Oslo has 700000 people. What is the weather in Oslo?";

/// A call, its result given back, and the answer that tells it; what the client was told that both cost.
fn round(client: &Client, api: &str, seen: &Value) -> [Counts; 2] {
    let (ends, calls) = client.reasons(api);
    let place = || format!("{} by {api}: {seen}", client.script);
    assert_eq!(seen["calls"], json!([["weather", { "city": "Oslo" }]]), "{}", place());
    assert_eq!((&seen["text"], &seen["finish"]), (&json!(""), &calls), "{}", place());
    let answer = &seen["answer"];
    let text = answer["text"].as_str().unwrap_or_default();
    // Nothing but the result says how warm it is.
    assert!(text.contains("Oslo") && text.contains("7 °C"), "{}", place());
    assert_eq!((&answer["calls"], &answer["finish"]), (&json!([]), &ends), "{}", place());
    if client.library == Library::Llm {
        assert_eq!(seen["printed"], *text, "{}", place());
    }
    [client.counts(seen), client.counts(answer)]
}

fn object(client: &Client, api: &str, seen: &Value) {
    let follows = seen["name"] == "Oslo" && seen["population"].as_u64().is_some_and(|count| count > 0);
    assert!(follows && seen.as_object().is_some_and(|object| object.len() == 2), "{} by {api}: {seen}", client.script);
}

/// Looks at all that a client saw; what its requests are to have cost, one after the other, where it tells.
fn check(client: &Client, seen: &Value) -> Vec<Option<Counts>> {
    let mut told = Vec::new();
    for api in client.apis {
        let seen = &seen["families"][api]["real"];
        for way in ["calls", "calls.streamed"] {
            told.extend(round(client, api, &seen[way]).map(Some));
        }
        for way in client.object_ways() {
            object(client, api, &seen[way]);
            told.push(None);
        }
    }
    if matches!(client.library, Library::OpenAi | Library::Anthropic) {
        assert!(seen["models"].as_array().is_some_and(|models| models.contains(&json!(MODEL))), "{}", seen["models"]);
    }
    if client.library == Library::Anthropic {
        assert!(seen["counted"][MODEL].as_u64().is_some_and(|count| count > 0), "{}", seen["counted"]);
    }
    told
}

each_db! {
    async fn a_tool_is_called_and_an_object_is_made(database: Database) {
        let stage = Stage::new(database, RealModel::shared().await).await;
        let mut told = Vec::new();
        for client in Client::on(database) {
            let models = json!({ "calls": MODEL, "object": MODEL });
            let stories = json!({
                "prompt": RealModel::TOOL_QUESTION, "facts": FACTS, "max_tokens": 48,
                "families": client.families(&models), "counted": [MODEL],
            });
            told.extend(check(client, &stage.tell(client, stories).await));
        }
        stage.rows_of(&told).await;
    }
}
