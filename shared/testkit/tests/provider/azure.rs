//! What is Azure's alone.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http};
use serde_json::{Value, json};

const VERSION: &str = "api-version=2024-10-21";

fn hello() -> Value {
    json!({"messages": [{"role": "user", "content": "hi"}], "stream": true})
}

#[tokio::test]
async fn a_stream_begins_with_the_filters_verdict_on_the_prompt() {
    let provider = FakeProvider::start().await;
    let path = format!("/openai/deployments/echo/chat/completions?{VERSION}");
    let request = Http::new(provider.azure_base_url()).post(&path).bearer("entra-good").json(hello());
    let data = request.send().await.data().await;
    let first: Value = serde_json::from_str(&data[0]).unwrap();
    assert_eq!((&first["choices"], &first["model"]), (&json!([]), &json!("echo")));
    assert_eq!(first["prompt_filter_results"][0]["prompt_index"], 0);
    assert_eq!(data.last().unwrap(), "[DONE]");
    assert_eq!(provider.last_request().query("api-version").as_deref(), Some("2024-10-21"));
}

#[tokio::test]
async fn the_version_and_a_key_are_demanded() {
    let provider = FakeProvider::start().await;
    let http = Http::new(provider.azure_base_url());
    let path = "/openai/deployments/echo/chat/completions";
    for query in ["", "?api-version="] {
        let reply = http.post(&format!("{path}{query}")).header("api-key", "good").json(hello()).send().await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{query}");
        assert_eq!(reply.json().await["error"], json!({"code": "404", "message": "Resource not found"}));
    }
    let versioned = format!("{path}?{VERSION}");
    let post = || http.post(&versioned).json(hello());
    for request in [post(), post().header("api-key", "bad"), post().bearer("bad"), post().header("x-api-key", "good")] {
        let reply = request.send().await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.json().await["error"]["code"], "401");
    }
    let models = http.get(&format!("/openai/models?{VERSION}")).header("api-key", "good").send().await.json().await;
    assert_eq!(models["data"][0]["lifecycle_status"], "generally-available");
    assert_eq!(http.get("/openai/models").header("api-key", "good").send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_newer_address_takes_the_model_in_the_body() {
    let provider = FakeProvider::start().await;
    let http = Http::new(format!("{}/openai/v1", provider.azure_base_url()));
    let mut body = hello();
    body["model"] = "counts".into();
    let data = http.post("/chat/completions").header("api-key", "good").json(body).send().await.data().await;
    assert!(data.concat().contains("turns: "), "{data:?}");
    assert_eq!(http.get("/models").header("api-key", "good").send().await.status, StatusCode::OK);
    let older = http.post(&format!("/deployments/echo/chat/completions?{VERSION}")).header("api-key", "good");
    assert_eq!(older.json(hello()).send().await.status, StatusCode::NOT_FOUND);
}
