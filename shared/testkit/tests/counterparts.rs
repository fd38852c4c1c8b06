//! The real model answers, and the official SDKs accept what it says.

use llm_api_testkit::{RealModel, run_sdk};
use serde_json::{Value, json};

fn stories(origin: &str) -> Value {
    json!({
        "origin": origin, "token": "any", "prompt": RealModel::QUESTION, "max_tokens": 32,
        "parameters": { "temperature": 0 },
        "families": { "chat": { "real": { "says": RealModel::ID } } },
    })
}

#[tokio::test]
async fn official_sdks_hear_the_real_model() {
    let model = RealModel::shared().await;
    let origin = model.base_url().strip_suffix("/v1").unwrap();
    for script in ["python_openai.py", "node_openai.mjs"] {
        let ended = run_sdk(script, &stories(origin)).await.expect(0);
        let saw: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(saw["models"], json!([RealModel::ID]), "{script}");
        for story in ["says", "says.streamed"] {
            assert_eq!(saw["families"]["chat"]["real"][story]["text"], RealModel::ANSWER, "{script} {story} {saw}");
        }
    }
}

#[tokio::test]
async fn an_sdk_script_that_fails_says_so() {
    let ended = run_sdk("python_openai.py", &stories("http://127.0.0.1:1")).await.expect(1);
    assert!(ended.stderr.contains("Connection error"), "{}", ended.stderr);
}
