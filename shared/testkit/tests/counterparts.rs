//! The real model answers, and the official SDKs accept what it says.

use llm_api_testkit::{RealModel, run_sdk};
use serde_json::Value;

#[tokio::test]
async fn official_sdks_hear_the_real_model() {
    let model = RealModel::shared().await;
    for script in ["python_openai.py", "node_openai.mjs"] {
        let ended = run_sdk(script, model.base_url(), "any", RealModel::ID).await.expect(0);
        let saw: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(saw["listed"], true, "{script}");
        assert_eq!(saw["plain"]["text"], RealModel::ANSWER, "{script}");
        assert_eq!(saw["streamed"]["text"], RealModel::ANSWER, "{script}");
    }
}

#[tokio::test]
async fn an_sdk_script_that_fails_says_so() {
    let ended = run_sdk("python_openai.py", "http://127.0.0.1:1/v1", "any", RealModel::ID).await.expect(1);
    assert!(ended.stderr.contains("Connection error"), "{}", ended.stderr);
}
