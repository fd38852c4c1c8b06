//! The Ollama server: what is on its disk and in its memory.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpReply, MODELS};
use serde_json::{Value, json};

async fn names(http: &Http, path: &str) -> Vec<String> {
    let list = http.get(path).send().await.json().await;
    let (field, name) = if path == "/v1/models" { ("data", "id") } else { ("models", "name") };
    list[field].as_array().unwrap().iter().map(|model| model[name].as_str().unwrap().to_owned()).collect()
}

async fn load(http: &Http, model: &str, keep_alive: Value) -> (u16, Value) {
    let body = json!({"model": model, "keep_alive": keep_alive, "stream": false});
    let reply = http.post("/api/generate").json(body).send().await;
    (reply.status.as_u16(), reply.json().await)
}

async fn lines(reply: HttpReply) -> Vec<Value> {
    reply.text().await.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn models_are_loaded_and_unloaded() {
    let provider = FakeProvider::start_ollama().await;
    let http = Http::new(provider.origin());
    assert!(http.get("/api/version").send().await.json().await["version"].is_string());
    assert_eq!(names(&http, "/api/tags").await.len(), MODELS.len());
    assert_eq!(names(&http, "/api/ps").await, [""; 0]);

    let (status, loaded) = load(&http, "echo", json!(-1)).await;
    assert_eq!((status, &loaded["done_reason"], &loaded["response"]), (200, &json!("load"), &json!("")));
    load(&http, "counts:latest", json!("5m")).await;
    assert_eq!(names(&http, "/api/ps").await, ["counts:latest", "echo:latest"]);

    let (_, unloaded) = load(&http, "echo:latest", json!(0)).await;
    assert_eq!(unloaded["done_reason"], "unload");
    for no_time in [json!("0s"), json!(0.0)] {
        load(&http, "counts", json!(-1)).await;
        load(&http, "counts", no_time).await;
        assert_eq!(names(&http, "/api/ps").await, [""; 0]);
    }

    let (status, unknown) = load(&http, "nothing", json!(-1)).await;
    assert_eq!((status, unknown), (404, json!({"error": "model 'nothing' not found"})));
}

#[tokio::test]
async fn a_pulled_model_answers_until_it_is_deleted() {
    let provider = FakeProvider::start_ollama().await;
    let http = Http::new(provider.origin());
    let chat = async || {
        let body = json!({"model": "tiny:1b", "messages": [{"role": "user", "content": "hi"}]});
        http.post("/v1/chat/completions").json(body).send().await
    };
    let missing = chat().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.json().await["error"]["message"].as_str().unwrap().contains("try pulling it"));

    let reply = http.post("/api/pull").json(json!({"model": "tiny:1b"})).send().await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let progress = lines(reply).await;
    assert_eq!(
        (&progress[0]["status"], &progress.last().unwrap()["status"]),
        (&json!("pulling manifest"), &json!("success"))
    );
    let layer = &progress[1];
    assert!(layer["completed"].as_u64().unwrap() < layer["total"].as_u64().unwrap(), "{layer}");

    assert!(names(&http, "/v1/models").await.contains(&"tiny:1b".to_owned()));
    assert_eq!(chat().await.json().await["choices"][0]["message"]["content"], "You said: hi");
    assert_eq!(names(&http, "/api/ps").await, ["tiny:1b"], "a chat loads its model");

    let delete = async || http.delete("/api/delete").json(json!({"model": "tiny:1b"})).send().await;
    assert_eq!(delete().await.status, StatusCode::OK);
    assert_eq!(names(&http, "/api/ps").await, [""; 0]);
    assert!(!names(&http, "/v1/models").await.contains(&"tiny:1b".to_owned()));
    let again = delete().await;
    assert_eq!(
        (again.status, again.json().await),
        (StatusCode::NOT_FOUND, json!({"error": "model 'tiny:1b' not found"}))
    );
}

#[tokio::test]
async fn pulls_wait_and_fail() {
    let provider = FakeProvider::start_ollama().await;
    let http = Http::new(provider.origin());
    let pull = async |model: &str, stream: bool| {
        http.post("/api/pull").json(json!({"model": model, "stream": stream})).send().await
    };
    let slow = async || {
        let mut slow = pull("slow-pull", true).await;
        let mut came = String::new();
        while came.lines().count() < 2 || !came.ends_with('\n') {
            came.push_str(std::str::from_utf8(&slow.next_chunk().await.unwrap().unwrap()).unwrap());
        }
        slow
    };
    let waiting = slow().await;
    assert!(!names(&http, "/api/tags").await.contains(&"slow-pull:latest".to_owned()));
    provider.release();
    assert_eq!(lines(waiting).await.last().unwrap()["status"], "success");
    assert!(names(&http, "/api/tags").await.contains(&"slow-pull:latest".to_owned()));

    drop(slow().await);
    provider.wait_until_closed().await;

    let missing = lines(pull("missing-pull", true).await).await;
    assert_eq!(missing.last().unwrap(), &json!({"error": "pull model manifest: file does not exist"}));
    assert_eq!(pull("missing-pull", false).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!names(&http, "/api/tags").await.contains(&"missing-pull:latest".to_owned()));
}

#[tokio::test]
async fn only_an_ollama_server_has_its_api() {
    for provider in [FakeProvider::start().await, FakeProvider::start_open().await] {
        let http = Http::new(provider.origin());
        for path in ["/api/version", "/api/tags", "/api/ps"] {
            assert_eq!(http.get(path).send().await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(load(&http, "echo", json!(-1)).await.0, 404);
    }
}
