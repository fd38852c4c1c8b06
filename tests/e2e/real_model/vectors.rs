//! Vectors of the real model, by the SDKs that ask for them.

use llm_api_testkit::{Http, RealModel, each_db};
use serde_json::{Value, json};

use super::clients::{Client, Library};
use super::{MODEL, Stage};

/// What the scripts ask for.
const TEXTS: [&str; 2] = ["a", "bcd"];

fn vector(numbers: &Value) -> Vec<f64> {
    let numbers = numbers.as_array().unwrap_or_else(|| panic!("{numbers}"));
    let numbers: Vec<f64> = numbers.iter().filter_map(Value::as_f64).collect();
    assert_eq!(numbers.len(), RealModel::DIMENSIONS);
    numbers
}

/// Of two vectors of length one.
fn cosine(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

each_db! {
    async fn vectors_are_the_models_own(database: Database) {
        let model = RealModel::embedding().await;
        let body = json!({ "model": RealModel::ID, "input": TEXTS });
        let own = Http::new(model.base_url()).post("/embeddings").json(body).send().await.json().await;
        let own: Vec<_> = (0..TEXTS.len()).map(|index| vector(&own["data"][index]["embedding"])).collect();
        assert!(cosine(&own[0], &own[1]) < 0.99);

        let stage = Stage::new(database, model).await;
        let mut asked = 0;
        for client in Client::official_on(database).filter(|client| client.library != Library::Anthropic) {
            let seen = stage.tell(client, json!({ "families": {}, "embeddings": [MODEL] })).await;
            let vectors = seen["embeddings"][MODEL].as_array().unwrap_or_else(|| panic!("{}: {seen}", client.script));
            assert_eq!(vectors.len(), own.len());
            for (seen, own) in vectors.iter().zip(&own) {
                assert!((cosine(&vector(seen), own) - 1.0).abs() < 1e-4, "{}", client.script);
            }
            asked += 1;
        }

        let rows = stage.rows_of(&vec![None; asked]).await;
        assert!(rows.iter().all(|row| row.usage.prompt_tokens.is_some_and(|count| count > 0)), "{rows:?}");
    }
}
