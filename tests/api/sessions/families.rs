//! What was said before is sent along, in each family's own words.

use llm_api_testkit::{Database, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::{IMAGE, ask, heard, open, prompt, say, start, streamed};

/// A model of each family that tells what it was sent.
const COUNTING: [&str; 3] = ["openai:counts", "anthropic:claude-counts", "google:gemini-counts"];

/// Ada with a key for each family.
async fn start_with_keys(database: Database) -> (TestApp, Person) {
    let (app, ada) = start(database, &[]).await;
    app.store_key(&ada.token, "anthropic", "sk-ant-adas-own-key").await;
    app.store_key(&ada.token, "google", "AIza-adas-own-key").await;
    (app, ada)
}

/// The system prompt and the turns as the provider saw them last: `user: Hello`.
fn sent(app: &TestApp) -> (Value, Vec<String>) {
    let body = app.provider.last_request().body;
    let texts = |parts: &Value| match parts.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        None => parts.as_str().unwrap_or_default().to_owned(),
    };
    let place = if body["contents"].is_array() { "contents" } else { "messages" };
    let all = body[place].as_array().expect("turns").iter();
    let turns = all.map(|turn| {
        let content = if place == "contents" { &turn["parts"] } else { &turn["content"] };
        format!("{}: {}", turn["role"].as_str().expect("a role"), texts(content))
    });
    let mut turns: Vec<String> = turns.collect();
    let mut system = match place {
        "contents" => body["system_instruction"]["parts"][0]["text"].clone(),
        _ => body["system"].clone(),
    };
    if let Some(first) = turns.first().and_then(|turn| turn.strip_prefix("system: ")).map(str::to_owned) {
        system = first.into();
        turns.remove(0);
    }
    (system, turns)
}

each_db! {
    async fn a_conversation_goes_on_in_every_family(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        for model in COUNTING {
            let session = open(&app, &ada, json!({})).await;
            assert_eq!(say(&app, &ada, &session, model, "One").await["output"]["text"], "turns: 1 user", "{model}");
            let second = say(&app, &ada, &session, model, "Two").await;
            assert_eq!(second["output"]["text"], "turns: 3 user assistant user", "{model}");
            let (third, _) = heard(ask(&app, &ada, &session, streamed(prompt(model, "Three"))).await).await;
            assert_eq!(third, "turns: 5 user assistant user assistant user", "{model}");
            let assistant = if model.starts_with("google") { "model" } else { "assistant" };
            assert_eq!(sent(&app), (Value::Null, vec![
                "user: One".to_owned(), format!("{assistant}: turns: 1 user"),
                "user: Two".to_owned(), format!("{assistant}: turns: 3 user assistant user"),
                "user: Three".to_owned(),
            ]), "{model}");
        }
    }

    async fn a_conversation_may_change_its_model_at_every_turn(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        let session = open(&app, &ada, json!({})).await;
        for (turn, model) in COUNTING.into_iter().cycle().take(6).enumerate() {
            let reply = say(&app, &ada, &session, model, "Next").await;
            let text = reply["output"]["text"].as_str().expect("a text");
            assert!(text.starts_with(&format!("turns: {} user", 2 * turn + 1)), "{model}: {text}");
        }
    }

    async fn a_prompt_without_words_does_not_break_the_order_of_turns(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        for model in COUNTING {
            let session = open(&app, &ada, json!({})).await;
            let mut body = prompt(model, "");
            body["input"] = json!({ "images": [IMAGE] });
            assert_eq!(ask(&app, &ada, &session, body).await.status, 200, "{model}");
            let text = say(&app, &ada, &session, model, "And now?").await["output"]["text"].take();
            let expected = match model {
                "openai:counts" => "turns: 2 assistant user",
                _ => "turns: 3 user assistant user",
            };
            assert_eq!(text, expected, "{model}: others demand that a user begins");
        }
    }

    async fn the_system_prompt_of_the_request_goes_before_that_of_the_session(database: Database) {
        let (app, ada) = start_with_keys(database).await;
        for model in COUNTING {
            let session = open(&app, &ada, json!({ "system_prompt": "Be brief." })).await;
            for (own, expected) in [
                (Value::Null, json!("Be brief.")),
                (json!("Be long."), json!("Be long.")),
                (Value::Null, json!("Be brief.")),
            ] {
                let mut body = prompt(model, "Hello");
                body["system_prompt"] = own;
                assert_eq!(ask(&app, &ada, &session, body.clone()).await.status, 200);
                assert_eq!(sent(&app).0, expected, "{model}");
                heard(ask(&app, &ada, &session, streamed(body)).await).await;
                assert_eq!(sent(&app).0, expected, "{model}");
            }
        }
    }
}
