//! The models of the operator's own server: in and out of memory, and downloads.

use std::time::Duration;

use http::{Method, StatusCode};
use llm_api_testkit::{Database, FakeProvider, HttpReply, MODELS, Person, TestApp, each_db};
use serde_json::{Value, json};

/// No test waits longer than this for work that goes on behind a reply.
const PATIENCE: Duration = Duration::from_mins(1);

/// An Ollama server, us in front of it, and somebody who uses it.
async fn start(database: Database) -> (FakeProvider, TestApp, Person) {
    let ollama = FakeProvider::start_ollama().await;
    let (app, ada) = start_before(database, &ollama).await;
    (ollama, app, ada)
}

async fn start_before(database: Database, local: &FakeProvider) -> (TestApp, Person) {
    let app = TestApp::start_with(database, &[("LOCAL_BASE_URL", &local.base_url())]).await;
    let ada = app.person("ada").await;
    (app, ada)
}

/// A reply's status and body.
async fn told(reply: HttpReply) -> (u16, Value) {
    (reply.status.as_u16(), reply.json().await)
}

async fn load(app: &TestApp, person: &Person, id: &str, body: Value) -> (u16, Value) {
    told(app.post(&format!("/v1/models/{id}/load"), &person.token, body).await).await
}

async fn unload(app: &TestApp, person: &Person, id: &str, body: Value) -> (u16, Value) {
    told(app.post(&format!("/v1/models/{id}/unload"), &person.token, body).await).await
}

async fn loaded(app: &TestApp, person: &Person) -> Vec<Value> {
    let (status, body) = told(app.get("/v1/models/loaded", &person.token).await).await;
    assert_eq!(status, 200, "{body}");
    body["models"].as_array().expect("a list").clone()
}

async fn status(app: &TestApp, person: &Person, id: &str) -> Value {
    let (status, body) = told(app.get(&format!("/v1/models/{id}/status"), &person.token).await).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["queue_depth"], 0);
    body["runtime_status"].clone()
}

/// Asks the same again until the answer is as it should be.
async fn until(app: &TestApp, person: &Person, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let so = async {
        loop {
            let body = app.get(path, &person.token).await.json().await;
            if is_so(&body) {
                return body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("{path} does not become what it should"))
}

fn wanted(id: &str, source: &Value) -> Value {
    let model = json!({ "id": id, "name": id, "version": "latest", "modality": "text", "provider": null });
    json!({ "model": model, "source": source, "options": { "install_local": true } })
}

async fn download(app: &TestApp, person: &Person, id: &str, source: Value) -> (u16, Value) {
    told(app.post("/v1/models/download", &person.token, wanted(id, &source)).await).await
}

/// Begins a download that must be a new one; answers with the path of its job.
async fn begin(app: &TestApp, person: &Person, id: &str, source: Value) -> String {
    let (status, job) = download(app, person, id, source).await;
    assert_eq!((status, &job["status"]), (202, &json!("queued")), "{job}");
    format!("/v1/jobs/{}", job["job_id"].as_str().expect("an id"))
}

async fn ended(app: &TestApp, person: &Person, job: &str) -> Value {
    until(app, person, job, |job| job["status"] != "queued" && job["status"] != "running").await
}

fn asked(provider: &FakeProvider, method: &Method, path: &str) -> Vec<Value> {
    let requests = provider.requests().into_iter();
    requests.filter(|request| request.method == *method && request.path == path).map(|request| request.body).collect()
}

async fn listed(app: &TestApp, person: &Person) -> Vec<Value> {
    let list = app.get("/v1/models", &person.token).await.json().await;
    list["models"].as_array().expect("a list").iter().map(|model| model["id"].clone()).collect()
}

each_db! {
    async fn a_model_is_loaded_and_unloaded(database: Database) {
        let (ollama, app, ada) = start(database).await;
        assert_eq!(loaded(&app, &ada).await, [json!(null); 0]);
        assert_eq!(status(&app, &ada, "local:echo:latest").await, "unloaded");

        let (code, reply) = load(&app, &ada, "local:echo:latest", json!({})).await;
        assert_eq!((code, &reply["model_id"], &reply["status"]), (202, &json!("local:echo:latest"), &json!("loading")));
        assert!(reply["message"].is_string());
        until(&app, &ada, "/v1/models/local:echo:latest/status", |body| body["runtime_status"] == "loaded").await;
        app.advance(Duration::from_mins(1));
        let time = "2026-11-22T12:00:00.000000Z";
        assert_eq!(loaded(&app, &ada).await, [json!({
            "model_id": "local:echo:latest", "loaded_at": time, "last_used_at": time, "is_pinned": false,
            "memory_bytes": 397_821_319, "is_busy": false, "busy_count": 0,
        })]);

        let (code, again) = load(&app, &ada, "local:echo:latest", json!({ "config": {} })).await;
        assert_eq!((code, &again["status"]), (200, &json!("loaded")));
        assert_eq!(asked(&ollama, &Method::POST, "/api/generate").len(), 1, "it is loaded once");

        let (code, reply) = unload(&app, &ada, "local:echo:latest", json!({ "force": false })).await;
        assert_eq!((code, reply), (200, json!({
            "model_id": "local:echo:latest", "status": "unloaded", "message": "The model is unloaded",
        })));
        assert_eq!(loaded(&app, &ada).await, [json!(null); 0]);
        assert_eq!(status(&app, &ada, "local:echo:latest").await, "unloaded");
    }

    async fn whoever_waits_hears_when_it_is_loaded(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        let (code, reply) = load(&app, &ada, "local:echo:latest", json!({ "wait": true })).await;
        assert_eq!((code, reply), (200, json!({
            "model_id": "local:echo:latest", "status": "loaded", "message": "The model is loaded",
        })));
        assert_eq!(status(&app, &ada, "local:echo:latest").await, "loaded");
    }

    async fn the_prefix_and_the_tag_may_be_left_out(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        for id in ["echo", "echo:latest", "local:echo", "local:echo:latest"] {
            let (code, reply) = load(&app, &ada, id, json!({ "wait": true })).await;
            assert_eq!((code, &reply["model_id"]), (200, &json!("local:echo:latest")), "{id}");
            assert_eq!(status(&app, &ada, id).await, "loaded", "{id}");
            let reply = app.http().post(&format!("/v1/models/{id}/unload?force=true")).bearer(&ada.token).send().await;
            assert_eq!((reply.status, &reply.json().await["model_id"]), (StatusCode::OK, &json!("local:echo:latest")));
            assert_eq!(status(&app, &ada, id).await, "unloaded", "{id}");
        }
    }

    async fn what_is_not_there_is_not_found(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        for id in ["nothing", "local:nothing", "openai:nothing", "org/nothing"] {
            for (method, word) in [(Method::POST, "load"), (Method::GET, "status")] {
                let request = app.http().request(method, &format!("/v1/models/{id}/{word}")).bearer(&ada.token);
                let (code, body) = told(request.send().await).await;
                let sentence = json!(format!("Model '{id}' not found"));
                assert_eq!((code, &body["detail"], &body["code"]), (404, &sentence, &json!("not_found")), "{id}");
            }
            let (code, reply) = unload(&app, &ada, id, json!({})).await;
            assert_eq!((code, &reply["model_id"], &reply["status"]), (200, &json!(id), &json!("unloaded")));
        }
    }

    async fn a_providers_model_needs_no_loading(database: Database) {
        let (ollama, app, ada) = start(database).await;
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        let (code, reply) = load(&app, &ada, "openai:echo", json!({})).await;
        assert_eq!((code, reply), (200, json!({
            "model_id": "echo", "status": "loaded", "message": "Hosted by openai: nothing to load",
        })));
        assert_eq!(status(&app, &ada, "openai:echo").await, "loaded");
        assert_eq!(unload(&app, &ada, "openai:echo", json!({})).await.0, 200);
        assert_eq!(asked(&ollama, &Method::POST, "/api/generate"), [json!(null); 0]);
    }

    async fn another_model_is_loaded_in_place_of_one_that_cannot_be(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        let body = json!({ "wait": true, "use_fallback": true, "fallback_model_id": "local:counts" });
        let (code, reply) = load(&app, &ada, "local:nothing", body).await;
        assert_eq!((code, &reply["model_id"], &reply["status"]), (200, &json!("local:counts:latest"), &json!("loaded")));
        assert!(reply["message"].as_str().expect("a sentence").contains("In place of local:nothing"), "{reply}");
        assert_eq!(loaded(&app, &ada).await.len(), 1);
        for body in [
            json!({ "wait": true, "use_fallback": false, "fallback_model_id": "local:counts" }),
            json!({ "wait": true, "use_fallback": true, "fallback_model_id": null }),
            json!({ "wait": true, "use_fallback": true, "fallback_model_id": "local:neither" }),
        ] {
            assert_eq!(load(&app, &ada, "local:nothing", body).await.0, 404);
        }
    }

    async fn a_model_that_answers_stays_unless_it_is_forced_out(database: Database) {
        let (ollama, app, ada) = start(database).await;
        load(&app, &ada, "local:slow-head", json!({ "wait": true })).await;
        let before = ollama.requests().len();
        let body = json!({
            "model": "local:slow-head", "modality": "text", "input": { "prompt": "Hi" },
        });
        let meanwhile = async {
            ollama.wait_for_requests(before + 1).await;
            assert_eq!(status(&app, &ada, "local:slow-head").await, "busy");
            let model = loaded(&app, &ada).await.remove(0);
            assert_eq!((&model["is_busy"], &model["busy_count"]), (&json!(true), &json!(1)));
            for body in [json!({}), json!({ "force": false })] {
                let (code, body) = unload(&app, &ada, "local:slow-head", body).await;
                assert_eq!((code, &body["code"]), (400, &json!("model_busy")));
                assert_eq!(body["detail"], "Cannot unload model (pinned or busy)");
            }
            let (code, reply) = unload(&app, &ada, "local:slow-head", json!({ "force": true })).await;
            assert_eq!((code, &reply["status"]), (200, &json!("unloaded")));
            ollama.release();
        };
        let (reply, ()) = tokio::join!(app.post("/v1/generate", &ada.token, body), meanwhile);
        assert_eq!(reply.status, StatusCode::OK);
        load(&app, &ada, "local:slow-head", json!({ "wait": true })).await;
        assert_eq!(loaded(&app, &ada).await[0]["busy_count"], 0);
        assert_eq!(unload(&app, &ada, "local:slow-head", json!({})).await.0, 200);
    }

    async fn a_force_that_says_nothing_is_refused(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        let ask = async |force: &str| {
            let path = format!("/v1/models/local:echo/unload?force={force}");
            app.http().post(&path).bearer(&ada.token).send().await
        };
        for force in ["true", "True", "1", "false", "0", ""] {
            assert_eq!(ask(force).await.status, StatusCode::OK, "{force:?}");
        }
        let reply = ask("perhaps").await;
        assert_eq!((reply.status.as_u16(), &reply.json().await["code"]), (422, &json!("validation_error")));
    }

    async fn a_download_brings_a_model(database: Database) {
        let (ollama, app, ada) = start(database).await;
        assert!(!listed(&app, &ada).await.contains(&json!("local:tiny:1b")));
        let job = begin(&app, &ada, "tiny:1b", json!({ "type": "local", "id": "tiny:1b" })).await;
        let done = ended(&app, &ada, &job).await;
        assert_eq!(done, json!({
            "job_id": job.trim_start_matches("/v1/jobs/"), "model_id": "tiny:1b", "status": "completed",
            "progress_pct": 100.0, "error": null, "created_at": "2026-11-22T12:00:00.000000Z",
        }));
        assert!(listed(&app, &ada).await.contains(&json!("local:tiny:1b")), "the kept list is not shown any more");
        let body = json!({ "model": "local:tiny:1b", "modality": "text", "input": { "prompt": "Hi" } });
        let reply = app.post("/v1/generate", &ada.token, body).await.json().await;
        assert_eq!(reply["output"]["text"], "You said: Hi");

        let (code, again) = download(&app, &ada, "tiny:1b", json!({ "type": "ollama", "id": null })).await;
        assert_eq!((code, &again["job_id"], &again["status"]), (202, &json!("existing"), &json!("completed")));
        assert_eq!((&again["progress_pct"], &again["model_id"]), (&json!(100.0), &json!("tiny:1b")));
        assert_eq!(asked(&ollama, &Method::POST, "/api/pull"), [json!({ "model": "tiny:1b", "stream": true })]);
        let jobs = app.get("/v1/jobs", &ada.token).await.json().await;
        assert_eq!(jobs, json!({ "jobs": [done] }), "nothing was begun the second time");
    }

    async fn models_of_hugging_face_come_through_ollama(database: Database) {
        let (ollama, app, ada) = start(database).await;
        let source = json!({ "type": "huggingface", "id": "org/Tiny-GGUF" });
        let job = begin(&app, &ada, "org/Tiny-GGUF", source).await;
        assert_eq!(ended(&app, &ada, &job).await["status"], "completed");
        assert_eq!(asked(&ollama, &Method::POST, "/api/pull")[0]["model"], "hf.co/org/Tiny-GGUF");
        assert!(listed(&app, &ada).await.contains(&json!("local:hf.co/org/Tiny-GGUF:latest")));
        assert_eq!(load(&app, &ada, "local:hf.co/org/Tiny-GGUF", json!({ "wait": true })).await.0, 200);
        assert_eq!(status(&app, &ada, "hf.co/org/Tiny-GGUF:latest").await, "loaded");
    }

    async fn a_download_can_be_watched_and_cancelled(database: Database) {
        let (ollama, app, ada) = start(database).await;
        let bob = app.person("bob").await;
        let job = begin(&app, &ada, "slow-pull", json!({ "type": "local", "id": "slow-pull" })).await;
        let running = until(&app, &ada, &job, |job| job["progress_pct"] == 25.0).await;
        assert_eq!(running["status"], "running");
        let (code, same) = download(&app, &ada, "slow-pull", json!({ "type": "local" })).await;
        assert_eq!((code, &same["job_id"], &same["status"]), (202, &running["job_id"], &json!("running")));

        let (code, others) = download(&app, &bob, "slow-pull:latest", json!({ "type": "local" })).await;
        assert_eq!((code, &others["job_id"], &others["status"]), (202, &json!("existing"), &json!("running")));
        assert_eq!(others["progress_pct"], 25.0);
        assert_eq!(app.get("/v1/jobs", &bob.token).await.json().await, json!({ "jobs": [] }));
        for method in [Method::GET, Method::DELETE] {
            let reply = told(app.http().request(method, &job).bearer(&bob.token).send().await).await;
            assert_eq!((reply.0, &reply.1["detail"]), (404, &json!("Job not found")), "it is ada's");
        }

        let (code, cancelled) = told(app.delete(&job, &ada.token).await).await;
        assert_eq!((code, &cancelled["status"], &cancelled["progress_pct"]), (200, &json!("cancelled"), &json!(25.0)));
        ollama.wait_until_closed().await;
        assert_eq!(told(app.get(&job, &ada.token).await).await, (200, cancelled));
        assert_eq!(told(app.delete(&job, &ada.token).await).await.1["status"], "cancelled", "again");

        let next = begin(&app, &bob, "slow-pull", json!({ "type": "local" })).await;
        ollama.release();
        assert_eq!(ended(&app, &bob, &next).await["status"], "completed");
        assert_eq!(told(app.delete(&next, &bob.token).await).await.1["status"], "completed", "too late");
        assert_eq!(asked(&ollama, &Method::POST, "/api/pull").len(), 2);
    }

    async fn jobs_are_listed_newest_first(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        for id in ["one:1b", "two:1b", "three:1b"] {
            let job = begin(&app, &ada, id, json!({ "type": "local" })).await;
            ended(&app, &ada, &job).await;
            app.advance(Duration::from_secs(1));
        }
        let jobs = app.get("/v1/jobs", &ada.token).await.json().await;
        let models: Vec<_> = jobs["jobs"].as_array().expect("a list").iter().map(|job| &job["model_id"]).collect();
        assert_eq!(models, ["three:1b", "two:1b", "one:1b"]);
    }

    async fn a_download_that_fails_says_why(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        let job = begin(&app, &ada, "missing-pull", json!({ "type": "local" })).await;
        let failed = ended(&app, &ada, &job).await;
        assert_eq!(failed["status"], "failed");
        let error = failed["error"].as_str().expect("a sentence");
        assert!(error.contains("pull model manifest: file does not exist"), "{error}");

        let source = json!({ "type": "url", "uri": "https://example.com/model.gguf" });
        let (code, refused) = download(&app, &ada, "model", source).await;
        assert_eq!((code, &refused["status"]), (202, &json!("failed")));
        assert!(refused["error"].as_str().expect("a sentence").contains("cannot be downloaded from a URL"));
        let path = format!("/v1/jobs/{}", refused["job_id"].as_str().expect("an id"));
        assert_eq!(told(app.get(&path, &ada.token).await).await, (200, refused));
    }

    async fn names_that_lead_into_the_operators_network_are_refused(database: Database) {
        let (ollama, app, ada) = start(database).await;
        for (source, place) in [
            (json!({ "type": "local", "id": "10.0.0.7/org/model" }), "source"),
            (json!({ "type": "ollama", "id": "http://evil.test/org/model" }), "source"),
            (json!({ "type": "huggingface", "id": "evil.test/org/model" }), "source"),
            (json!({ "type": "huggingface" }), "model"),
        ] {
            let (code, body) = download(&app, &ada, "no-owner", source).await;
            assert_eq!((code, &body["detail"][0]["loc"]), (422, &json!(["body", place, "id"])), "{body}");
        }
        for body in [json!({}), json!({ "model": { "id": "a" }, "source": { "type": "tape" } }), wanted(" ", &json!({ "type": "local" }))] {
            let reply = app.post("/v1/models/download", &ada.token, body).await;
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(asked(&ollama, &Method::POST, "/api/pull"), [json!(null); 0]);
    }

    async fn a_stopping_server_ends_its_downloads(database: Database) {
        let (ollama, app, ada) = start(database).await;
        let job = begin(&app, &ada, "slow-pull", json!({ "type": "local" })).await;
        until(&app, &ada, &job, |job| job["progress_pct"] == 25.0).await;
        app.state.relay.close().await;
        let (_, failed) = told(app.get(&job, &ada.token).await).await;
        assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!("the server stopped")));
        ollama.wait_until_closed().await;
        let (code, body) = download(&app, &ada, "tiny:1b", json!({ "type": "local" })).await;
        assert_eq!((code, &body["code"]), (503, &json!("server_stopping")));
    }

    async fn a_server_that_ends_its_streams_ends_its_downloads(database: Database) {
        let (ollama, app, ada) = start(database).await;
        let job = begin(&app, &ada, "slow-pull", json!({ "type": "local" })).await;
        until(&app, &ada, &job, |job| job["progress_pct"] == 25.0).await;
        app.stop_streams();
        assert_eq!(ended(&app, &ada, &job).await["error"], "the server stopped");
        ollama.wait_until_closed().await;
    }

    async fn jobs_that_are_none_are_not_found(database: Database) {
        let (_ollama, app, ada) = start(database).await;
        for id in ["existing", "0", "01a20370-04a5-7038-95c8-e981add9523b"] {
            for method in [Method::GET, Method::DELETE] {
                let path = format!("/v1/jobs/{id}");
                let (code, body) = told(app.http().request(method, &path).bearer(&ada.token).send().await).await;
                assert_eq!((code, &body["detail"], &body["code"]), (404, &json!("Job not found"), &json!("not_found")));
            }
        }
    }

    async fn of_another_kind_of_server_only_the_list_is_known(database: Database) {
        let local = FakeProvider::start_open().await;
        let (app, ada) = start_before(database, &local).await;
        let models = loaded(&app, &ada).await;
        assert_eq!(models.len(), MODELS.len());
        let time = "2026-11-22T12:00:00.000000Z";
        assert_eq!(models[0], json!({
            "model_id": "local:echo", "loaded_at": time, "last_used_at": time, "is_pinned": false, "memory_bytes": 0,
            "is_busy": false, "busy_count": 0,
        }));
        assert_eq!(status(&app, &ada, "local:echo").await, "loaded");
        let (code, reply) = load(&app, &ada, "echo", json!({})).await;
        assert_eq!((code, &reply["model_id"], &reply["status"]), (200, &json!("local:echo"), &json!("loaded")));

        for (code, body) in [
            load(&app, &ada, "local:nothing", json!({})).await,
            unload(&app, &ada, "local:echo", json!({})).await,
            download(&app, &ada, "tiny:1b", json!({ "type": "local" })).await,
        ] {
            assert_eq!((code, &body["code"]), (501, &json!("not_supported")), "{body}");
            assert!(body["detail"]["message"].as_str().expect("a sentence").ends_with("Ollama can"), "{body}");
        }
        assert_eq!(unload(&app, &ada, "nothing", json!({})).await.0, 200);
    }

    async fn nothing_is_loaded_where_local_models_are_switched_off(database: Database) {
        let app = TestApp::start_with(database, &[("ENABLE_LOCAL_MODELS", "false")]).await;
        let ada = app.person("ada").await;
        assert_eq!(loaded(&app, &ada).await, [json!(null); 0]);
        for (code, body) in [
            load(&app, &ada, "local:echo", json!({})).await,
            load(&app, &ada, "llama3:8b", json!({})).await,
            download(&app, &ada, "tiny:1b", json!({ "type": "local" })).await,
        ] {
            assert_eq!((code, &body["detail"]), (400, &json!("Local models are disabled")), "{body}");
            assert_eq!(body["code"], "local_models_disabled");
        }
        assert_eq!(unload(&app, &ada, "local:echo", json!({})).await.0, 200);
        app.store_key(&ada.token, "openai", "sk-adas-own-key").await;
        assert_eq!(load(&app, &ada, "echo", json!({})).await.0, 200, "a provider's");
    }

    async fn a_local_server_that_is_down_is_told(database: Database) {
        let app = TestApp::start(database).await;
        let ada = app.person("ada").await;
        for (code, body) in [
            told(app.get("/v1/models/loaded", &ada.token).await).await,
            told(app.get("/v1/models/local:echo/status", &ada.token).await).await,
            load(&app, &ada, "local:echo", json!({})).await,
            unload(&app, &ada, "local:echo", json!({})).await,
            download(&app, &ada, "tiny:1b", json!({ "type": "local" })).await,
        ] {
            assert_eq!((code, &body["code"]), (502, &json!("upstream_unreachable")), "{body}");
        }
        let (code, body) = told(app.get("/v1/models/echo/status", &ada.token).await).await;
        assert_eq!((code, &body["code"]), (404, &json!("not_found")), "nothing says that it is local");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_cancelled_from_another_process() {
    let (ollama, app, ada) = start(Database::Postgres).await;
    let beside = app.start_beside().await;
    let job = begin(&app, &ada, "slow-pull", json!({ "type": "local" })).await;
    until(&beside, &ada, &job, |job| job["progress_pct"] == 25.0).await;
    let (code, cancelled) = told(beside.delete(&job, &ada.token).await).await;
    assert_eq!((code, &cancelled["status"]), (200, &json!("cancelled")));
    ollama.wait_until_closed().await;
    assert_eq!(told(app.get(&job, &ada.token).await).await, (200, cancelled));
}
