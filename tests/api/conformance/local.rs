//! Models of the operator's own server: in memory and out of it, and jobs that bring them.

use std::time::Duration;

use llm_api_testkit::{FakeProvider, Person, TestApp, each_db};
use serde_json::{Value, json};

use super::talk::Talk;

fn wish(id: &str) -> Value {
    json!({
        "model": { "id": id, "name": id, "version": "latest", "modality": "text" },
        "source": { "type": "local", "id": id }, "options": { "install_local": true },
    })
}

/// Waits for what the scripted server sends before it waits itself.
async fn a_quarter_is_there(app: &TestApp, person: &Person, path: &str) {
    let told = async {
        while app.get(path, &person.token).await.json().await["progress_pct"] != 25.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("the job goes on");
}

each_db! {
    async fn a_model_is_loaded_and_unloaded(database: Database) {
        let ollama = FakeProvider::start_ollama().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/models/local:echo:latest/status").await;
        talk.post("/v1/models/local:echo:latest/load", json!({ "wait": true })).await;
        talk.get("/v1/models/local:echo:latest/status").await;
        talk.get("/v1/models/loaded").await;
        talk.post("/v1/models/local:echo:latest/load", json!({})).await;
        talk.post_nothing("/v1/models/local:echo:latest/unload?force=true").await;
        talk.post("/v1/models/local:nothing/unload", json!({ "force": true })).await;
        talk.get("/v1/models/loaded").await;
        talk.post("/v1/models/local:nothing/load", json!({})).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models/local:echo:latest/status
            200
            {"model_id":"local:echo:latest","queue_depth":0,"runtime_status":"unloaded"}

            > POST /v1/models/local:echo:latest/load {"wait":true}
            200
            {"message":"The model is loaded","model_id":"local:echo:latest","status":"loaded"}

            > GET /v1/models/local:echo:latest/status
            200
            {"model_id":"local:echo:latest","queue_depth":0,"runtime_status":"loaded"}

            > GET /v1/models/loaded
            200
            {
              "models": [
                {
                  "busy_count": 0,
                  "is_busy": false,
                  "is_pinned": false,
                  "last_used_at": "2026-11-22T12:00:00.000000Z",
                  "loaded_at": "2026-11-22T12:00:00.000000Z",
                  "memory_bytes": 397821319,
                  "model_id": "local:echo:latest"
                }
              ]
            }

            > POST /v1/models/local:echo:latest/load {}
            200
            {"message":"The model is loaded","model_id":"local:echo:latest","status":"loaded"}

            > POST /v1/models/local:echo:latest/unload?force=true
            200
            {"message":"The model is unloaded","model_id":"local:echo:latest","status":"unloaded"}

            > POST /v1/models/local:nothing/unload {"force":true}
            200
            {
              "message": "Nothing to unload: the local server has no such model",
              "model_id": "local:nothing",
              "status": "unloaded"
            }

            > GET /v1/models/loaded
            200
            {"models":[]}

            > POST /v1/models/local:nothing/load {}
            404
            {
              "code": "not_found",
              "detail": "Model 'local:nothing' not found",
              "error": {"code":"not_found","message":"Model 'local:nothing' not found","param":null,"type":"invalid_request_error"},
              "request_id": "[id 1]"
            }
            "##); }
    }

    async fn a_model_is_downloaded_by_a_job(database: Database) {
        let ollama = FakeProvider::start_ollama().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/jobs").await;
        talk.post("/v1/models/download", wish("echo")).await;
        let mut by_url = wish("echo");
        by_url["source"] = json!({ "type": "url", "uri": "https://example.org/model.gguf" });
        let failed = talk.post("/v1/models/download", by_url).await;
        let path = format!("/v1/jobs/{}", failed["job_id"].as_str().expect("an id"));
        talk.get(&path).await;
        talk.get("/v1/jobs").await;
        talk.delete(&path).await;
        talk.get("/v1/jobs/nothing").await;
        talk.delete("/v1/jobs/0190a000-0000-7000-8000-000000000000").await;
        talk.post("/v1/models/download", json!({ "model": { "id": "echo" } })).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/jobs
            200
            {"jobs":[]}

            > POST /v1/models/download {"model":{"id":"echo","modality":"text","name":"echo","version":"latest"},"options":{"install_local":true},"source":{"id":"echo","type":"local"}}
            202
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "error": null,
              "job_id": "existing",
              "model_id": "echo",
              "progress_pct": 100.0,
              "status": "completed"
            }

            > POST /v1/models/download {"model":{"id":"echo","modality":"text","name":"echo","version":"latest"},"options":{"install_local":true},"source":{"type":"url","uri":"https://example.org/model.gguf"}}
            202
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "error": "models cannot be downloaded from a URL; name one of Ollama's library or of Hugging Face by its id",
              "job_id": "[id 1]",
              "model_id": "echo",
              "progress_pct": 0.0,
              "status": "failed"
            }

            > GET /v1/jobs/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "error": "models cannot be downloaded from a URL; name one of Ollama's library or of Hugging Face by its id",
              "job_id": "[id 1]",
              "model_id": "echo",
              "progress_pct": 0.0,
              "status": "failed"
            }

            > GET /v1/jobs
            200
            {
              "jobs": [
                {
                  "created_at": "2026-11-22T12:00:00.000000Z",
                  "error": "models cannot be downloaded from a URL; name one of Ollama's library or of Hugging Face by its id",
                  "job_id": "[id 1]",
                  "model_id": "echo",
                  "progress_pct": 0.0,
                  "status": "failed"
                }
              ]
            }

            > DELETE /v1/jobs/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "error": "models cannot be downloaded from a URL; name one of Ollama's library or of Hugging Face by its id",
              "job_id": "[id 1]",
              "model_id": "echo",
              "progress_pct": 0.0,
              "status": "failed"
            }

            > GET /v1/jobs/nothing
            404
            {"code":"not_found","detail":"Job not found","request_id":"[id 2]"}

            > DELETE /v1/jobs/[id 3]
            404
            {"code":"not_found","detail":"Job not found","request_id":"[id 4]"}

            > POST /v1/models/download {"model":{"id":"echo"}}
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["body","source"],"msg":"Field required","type":"missing"}],
              "error": {
                "code": "validation_error",
                "message": "body.source: Field required",
                "param": "source",
                "type": "invalid_request_error"
              },
              "request_id": "[id 5]"
            }
            "##); }
    }

    async fn a_running_job_is_cancelled(database: Database) {
        let ollama = FakeProvider::start_ollama().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &ollama.base_url())]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        let job = app.post("/v1/models/download", &ada.token, wish("slow-pull")).await;
        assert_eq!(job.status, 202);
        let path = format!("/v1/jobs/{}", job.json().await["job_id"].as_str().expect("an id"));
        a_quarter_is_there(&app, &ada, &path).await;
        talk.delete(&path).await;
        ollama.wait_until_closed().await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > DELETE /v1/jobs/[id 1]
            200
            {
              "created_at": "2026-11-22T12:00:00.000000Z",
              "error": null,
              "job_id": "[id 1]",
              "model_id": "slow-pull",
              "progress_pct": 25.0,
              "status": "cancelled"
            }
            "##); }
    }

    async fn without_local_models_nothing_is_loaded_or_downloaded(database: Database) {
        let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/models/loaded").await;
        talk.post("/v1/models/local:echo/load", json!({})).await;
        talk.post("/v1/models/download", wish("echo")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models/loaded
            200
            {"models":[]}

            > POST /v1/models/local:echo/load {}
            400
            {
              "code": "local_models_disabled",
              "detail": "Local models are disabled",
              "error": {
                "code": "local_models_disabled",
                "message": "Local models are disabled",
                "param": null,
                "type": "invalid_request_error"
              },
              "request_id": "[id 1]"
            }

            > POST /v1/models/download {"model":{"id":"echo","modality":"text","name":"echo","version":"latest"},"options":{"install_local":true},"source":{"id":"echo","type":"local"}}
            400
            {
              "code": "local_models_disabled",
              "detail": "Local models are disabled",
              "error": {
                "code": "local_models_disabled",
                "message": "Local models are disabled",
                "param": null,
                "type": "invalid_request_error"
              },
              "request_id": "[id 2]"
            }
            "##); }
    }

    async fn a_server_that_is_no_ollama_says_what_it_cannot(database: Database) {
        let server = FakeProvider::start_open().await;
        let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &server.base_url())]).await;
        let ada = app.person("ada").await;
        let mut talk = Talk::new(&app, &ada);
        talk.post("/v1/models/local:echo/load", json!({})).await;
        talk.post("/v1/models/local:echo/unload", json!({})).await;
        talk.post("/v1/models/download", wish("echo")).await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > POST /v1/models/local:echo/load {}
            200
            {"message":"The model is loaded","model_id":"local:echo","status":"loaded"}

            > POST /v1/models/local:echo/unload {}
            501
            {
              "code": "not_supported",
              "detail": {"code":"not_supported","message":"The local model server cannot be told to unload models; Ollama can"},
              "error": {
                "code": "not_supported",
                "message": "The local model server cannot be told to unload models; Ollama can",
                "param": null,
                "type": "server_error"
              },
              "request_id": "[id 1]"
            }

            > POST /v1/models/download {"model":{"id":"echo","modality":"text","name":"echo","version":"latest"},"options":{"install_local":true},"source":{"id":"echo","type":"local"}}
            501
            {
              "code": "not_supported",
              "detail": {"code":"not_supported","message":"The local model server cannot be told to download models; Ollama can"},
              "error": {
                "code": "not_supported",
                "message": "The local model server cannot be told to download models; Ollama can",
                "param": null,
                "type": "server_error"
              },
              "request_id": "[id 2]"
            }
            "##); }
    }
}
