//! Refusals that name what is wrong; and a model that stops as soon as its client has left, or has lost its patience.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{RealModel, each_db};
use serde_json::{Map, Value, json};

use super::clients::{Client, Library};
use super::{MODEL, Stage};
use crate::support::eventually;

/// Told by each format in this order.
const ENDS: [RequestStatus; 3] = [RequestStatus::Failed, RequestStatus::Cancelled, RequestStatus::Cancelled];

/// What is to be refused comes with more words than the model can hold: it serves whatever name it is called by.
fn stories(client: &Client, departure_url: &str) -> Value {
    let long = json!([{ "role": "user", "content": "word ".repeat(3000) }]);
    let (mut misbehaving, mut extra) = (Map::new(), Map::new());
    for api in client.apis {
        let wordy = format!("local:wordy-{api}");
        let member = if *api == "responses" { "input" } else { "messages" };
        let models = json!({
            "stranger": MODEL, "unknown": "no-such-model", "refused": wordy, "cancelled": MODEL, "silent": MODEL,
        });
        misbehaving.insert((*api).into(), models);
        extra.insert(wordy, json!({ member: long }));
    }
    json!({
        "prompt": RealModel::QUESTION, "max_tokens": RealModel::LONG, "departure_url": departure_url,
        "families": {}, "misbehaving": misbehaving, "extra": extra,
    })
}

fn check(client: &Client, api: &str, seen: &Value) {
    let refusals = [
        ("stranger", "AuthenticationError", 401, "invalid_api_key"),
        ("unknown", "NotFoundError", 404, "model_not_found"),
        ("refused", "BadRequestError", 400, "context_length_exceeded"),
    ];
    for (story, class, status, code) in refusals {
        let seen = &seen[story];
        let place = format!("{} by {api}, {story}: {seen}", client.script);
        assert_eq!((&seen["class"], &seen["status"]), (&json!(client.exception(class)), &json!(status)), "{place}");
        // The others have no member for it.
        if client.library == Library::OpenAi {
            assert_eq!(seen["code"], code, "{place}");
        }
    }
    let too_long = seen["refused"]["message"].as_str().unwrap_or_default();
    assert!(too_long.contains("exceeds the available context size"), "{} by {api}: {too_long}", client.script);

    let (cancelled, silent) = (&seen["cancelled"], &seen["silent"]);
    let place = format!("{} by {api}: {cancelled} {silent}", client.script);
    let first = cancelled["first"].as_str().unwrap_or_default();
    assert!(!first.is_empty(), "{place}");
    assert_eq!((&cancelled["left"], &silent["left"]), (&json!(true), &json!(true)), "{place}");
    assert_eq!(silent["class"], client.timeout(), "{place}");
}

each_db! {
    async fn a_model_stops_when_its_client_leaves(database: Database) {
        let model = RealModel::endless().await;
        let departures = model.departures().await;
        let stage = Stage::new(database, &model).await;
        let mut expected = Vec::new();
        for client in Client::official_on(database) {
            let seen = stage.tell(client, stories(client, &departures.url())).await;
            for api in client.apis {
                check(client, api, &seen["misbehaving"][api]);
                expected.extend(ENDS);
            }
        }
        // The model stops before we have written down that it did.
        let rows = eventually("all requests end", async || {
            let rows = stage.rows().await;
            rows.iter().all(|row| row.status != RequestStatus::Running).then_some(rows)
        });
        let ends: Vec<_> = rows.await.into_iter().map(|row| row.status).collect();
        assert_eq!(ends, expected);
    }
}
