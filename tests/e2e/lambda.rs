//! Each endpoint group as a cloud function, behind an emulated gateway and runtime, on the data of an installation.

mod chains;
mod compatible;
mod crew;
mod failing;
mod gateway;
mod repeated;

use std::collections::HashMap;

use http::Method;
use llm_api_testkit::{
    ENCRYPTION_KEY, FakeSecrets, FunctionProcess, LambdaReply, LambdaRuntime, LambdaStream, each_db, target_binary,
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, question};

/// One function in its sandbox, which it does not outlive.
struct Function {
    process: FunctionProcess,
    runtime: LambdaRuntime,
}

impl Function {
    async fn start(site: &Site, name: &str, more: &[(&str, &str)]) -> Self {
        let envs: Vec<_> = site.envs().into_iter().chain(more.iter().copied()).collect();
        Self::with(&envs, name).await
    }

    async fn with(envs: &[(&str, &str)], name: &str) -> Self {
        let runtime = LambdaRuntime::start().await;
        let process = runtime.spawn(&target_binary(name), envs);
        Self { process, runtime }
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> LambdaReply {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.invoke(method, path, &headers, &body).await
    }

    /// With all headers and the body as they are.
    async fn invoke(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> LambdaReply {
        let reply = self.runtime.invoke(method, path, headers, body).await;
        assert_eq!(reply.failure, None, "{}", self.process.stderr());
        assert!(!reply.header("x-request-id").is_empty());
        reply
    }
}

/// Reads on until the model's first word has come, which must be before the provider is done.
async fn until_the_first_word(stream: &mut LambdaStream) -> String {
    let mut seen = String::new();
    while !seen.contains("\"You \"") {
        let chunk = stream.next_chunk().await.expect("events before the provider is done");
        seen.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    seen
}

/// Reads what is left; the function must not break off.
async fn to_the_end(mut stream: LambdaStream) -> String {
    let mut rest = String::new();
    while let Some(chunk) = stream.next_chunk().await {
        rest.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    assert_eq!(stream.failure, None, "{rest}");
    rest
}

/// A migrated installation with the user ada, and her login token as the function `users` made it.
async fn installation(database: llm_api_testkit::Database, settings: &[(&str, &str)]) -> (Site, String, Function) {
    let mut site = Site::with(database, settings).await;
    let (anthropic, google) = (site.provider.anthropic_base_url(), site.provider.google_base_url());
    site.set("ANTHROPIC_BASE_URL", &anthropic);
    site.set("GOOGLE_BASE_URL", &google);
    site.run(&["migrate"], "").await.expect(0);
    site.add_user("ada").await;
    let users = Function::start(&site, "users", &[]).await;
    let body = json!({ "username": "ada", "password": PASSWORD });
    let reply = users.call(Method::POST, "/v1/users/login", "", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.json()["token"].as_str().expect("a token").to_owned();
    (site, token, users)
}

async fn store_key(keys: &Function, token: &str) -> Value {
    store_key_for(keys, token, "openai").await
}

async fn store_key_for(keys: &Function, token: &str, provider: &str) -> Value {
    let body = json!({ "provider": provider, "api_key": "sk-good" });
    let reply = keys.call(Method::POST, "/v1/users/provider-keys", token, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

const STREAM: [(&str, &str); 1] = [("LLM_API_RESPONSE_MODE", "stream")];

each_db! {
    async fn the_functions_work_together_on_one_database(database: Database) {
        let (site, ada, users) = installation(database, &[]).await;
        // All of them run at once, as siblings do.
        let health = Function::start(&site, "health", &[]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        let models = Function::start(&site, "models", &[]).await;
        let generate = Function::start(&site, "generate", &[]).await;
        let openai = Function::start(&site, "openai", &[]).await;

        for (path, body) in [("/health", json!({ "status": "ok" })), ("/ready", json!({ "status": "ready" }))] {
            let reply = health.call(Method::GET, path, "", Value::Null).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (200, body));
        }
        let me = users.call(Method::GET, "/v1/users/me", &ada, Value::Null).await;
        assert_eq!((me.status.as_u16(), &me.json()["username"]), (200, &json!("ada")));
        assert_eq!(users.call(Method::GET, "/v1/users/me", "las_nonsense", Value::Null).await.status, 401);

        assert_eq!(store_key(&keys, &ada).await["status"], "valid");
        let list = models.call(Method::GET, "/v1/models?limit=2", &ada, Value::Null).await.json();
        assert_eq!((list["data"].as_array().map(Vec::len), &list["next_cursor"]), (Some(2), &json!("2")));
        let model = list["data"][0]["id"].as_str().expect("an id").to_owned();
        let found = models.call(Method::GET, &format!("/v1/models/{model}"), &ada, Value::Null).await;
        assert_eq!((found.status.as_u16(), &found.json()["id"]), (200, &json!(model)));

        let body = json!({ "model": "openai:echo", "modality": "text", "input": { "prompt": "Grüße" } });
        let generated = generate.call(Method::POST, "/v1/generate", &ada, body).await.json();
        assert_eq!(generated["output"]["text"], "You said: Grüße", "{generated}");
        let answered = openai.call(Method::POST, "/v1/chat/completions", &ada, question("openai:echo")).await.json();
        assert_eq!(answered["choices"][0]["message"]["content"], "You said: Hello there, how are you?");
        // A function knows its own group alone.
        assert_eq!(openai.call(Method::GET, "/health", "", Value::Null).await.status, 404);
    }

    async fn the_operators_word_counts_for_functions_too(database: Database) {
        let (site, ada, users) = installation(database, &[]).await;
        let (health, admin) = (Function::start(&site, "health", &[]).await, Function::start(&site, "admin", &[]).await);
        let root = ["user", "create", "--username", "root", "--admin", "--password-stdin"];
        site.run(&root, &format!("{PASSWORD}\n")).await.expect(0);
        let login = json!({ "username": "root", "password": PASSWORD });
        let root = users.call(Method::POST, "/v1/users/login", "", login.clone()).await.json();
        let root = root["token"].as_str().expect("a token");

        site.run(&["freeze", "--reason", "migration"], "").await.expect(0);
        let refused = users.call(Method::POST, "/v1/users/login", "", login.clone()).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (503, &json!("read_only")));
        assert!(!refused.header("retry-after").is_empty());
        let me = users.call(Method::GET, "/v1/users/me", &ada, Value::Null).await;
        assert_eq!(me.status, 200);
        let id = me.json()["id"].as_str().expect("an id").to_owned();
        let ready = health.call(Method::GET, "/ready", "", Value::Null).await;
        assert_eq!((ready.status.as_u16(), &ready.json()["frozen"]["reason"]), (200, &json!("migration")));
        site.run(&["thaw"], "").await.expect(0);
        assert_eq!(users.call(Method::POST, "/v1/users/login", "", login).await.status, 200);

        let removed = admin.call(Method::DELETE, &format!("/v1/admin/users/{id}"), root, Value::Null).await;
        assert_eq!(removed.status, 204, "{}", removed.text());
        assert_eq!(users.call(Method::GET, "/v1/users/me", &ada, Value::Null).await.status, 401);

        // A database without the receipt is no function's either.
        let other = [("LLM_API_EXPECT_RECEIPT", "01a20370-0409-7905-84c8-506c731c6d85")];
        let mut refused = Function::start(&site, "health", &other).await;
        assert_ne!(refused.process.wait().await, 0);
        assert!(refused.process.stderr().contains("LLM_API_EXPECT_RECEIPT"), "{}", refused.process.stderr());
    }

    async fn a_function_reads_its_secrets_when_it_starts(database: Database) {
        let (site, ada, users) = installation(database, &[]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        store_key(&keys, &ada).await;
        // What template.yaml leaves out: the key and the address stand in the secret alone.
        let in_secret = ["LLM_API_ENCRYPTION_KEY", "LLM_API_DATABASE_URL"];
        let (hidden, plain): (Vec<_>, Vec<_>) = site.envs().into_iter().partition(|(name, _)| in_secret.contains(name));
        let text = serde_json::to_string(&hidden.into_iter().collect::<HashMap<_, _>>()).expect("JSON");
        let start = async |secrets: &FakeSecrets, more: &[(&str, &str)]| {
            let envs: Vec<_> = plain.iter().copied().chain(secrets.envs()).chain(more.iter().copied()).collect();
            Function::with(&envs, "openai").await
        };
        let secrets = FakeSecrets::start(text).await;
        let openai = start(&secrets, &[]).await;
        let answered = openai.call(Method::POST, "/v1/chat/completions", &ada, question("openai:echo")).await.json();
        assert_eq!(answered["choices"][0]["message"]["content"], "You said: Hello there, how are you?", "{answered}");

        let other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf";
        let broken = FakeSecrets::start(format!("[{ENCRYPTION_KEY:?}]")).await;
        for (secrets, name, value, sentence) in [
            (&secrets, "AWS_SESSION_TOKEN", "another", "role may not read it (secretsmanager:GetSecretValue"),
            (&secrets, "LLM_API_SECRETS_ARN", other, "there is none of this name"),
            (&secrets, "LLM_API_SECRETS_ARN", "llm-api", "must be the ARN of a secret in AWS Secrets Manager"),
            (&secrets, "AWS_SECRET_ACCESS_KEY", "", "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            (&secrets, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9", "cannot be reached"),
            (&secrets, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://192.0.2.1", "without TLS"),
            (&broken, "AWS_REGION", "eu-central-1", "must be a JSON object of texts"),
        ] {
            let mut refused = start(secrets, &[(name, value)]).await;
            assert_ne!(refused.process.wait().await, 0);
            let told = refused.process.stderr();
            assert!(told.contains(sentence) && told.contains("LLM_API_SECRETS_ARN"), "{told}");
            assert!(!told.contains(ENCRYPTION_KEY) && !told.contains("the-secret-of-the-role"), "{told}");
        }
        drop(users);
    }

    async fn events_arrive_while_the_provider_still_talks(database: Database) {
        let (site, ada, _users) = installation(database, &[]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        store_key(&keys, &ada).await;

        let mut chat = question("openai:slow-stream");
        chat["stream"] = true.into();
        let native =
            json!({ "model": "openai:slow-stream", "modality": "text", "stream": true, "input": { "prompt": "Hello you" } });
        for (name, path, body) in [("openai", "/v1/chat/completions", chat), ("generate", "/v1/generate", native)] {
            let function = Function::start(&site, name, &STREAM).await;
            let authorization = format!("Bearer {ada}");
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            let mut stream = function.runtime.begin(&Method::POST, path, &headers, &body.to_string()).await;
            assert_eq!(stream.status, 200, "{:?} {}", stream.failure, function.process.stderr());
            assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
            let seen = until_the_first_word(&mut stream).await;
            assert!(!seen.contains("[DONE]"), "{seen}");
            site.provider.release();
            let rest = to_the_end(stream).await;
            assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
        }
    }

    async fn a_conversation_goes_on_in_another_function(database: Database) {
        let (site, ada, users) = installation(database, &[("API_KEY", "the-key-of-the-service")]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        store_key(&keys, &ada).await;
        let sessions = Function::start(&site, "sessions", &STREAM).await;
        let made = sessions.call(Method::POST, "/v1/sessions", &ada, json!({ "title": "Travels" })).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/sessions/{id}");
        let ask = |stream: bool| {
            json!({ "model": "openai:counts", "modality": "text", "stream": stream, "input": { "prompt": "Where to?" } })
        };
        let first = sessions.call(Method::POST, &format!("{path}/generate"), &ada, ask(false)).await.json();
        assert_eq!(first["output"]["text"], "turns: 1 user", "{first}");

        // A fresh instance of the same group, as the gateway may choose.
        let sessions = Function::start(&site, "sessions", &STREAM).await;
        let streamed = sessions.call(Method::POST, &format!("{path}/generate"), &ada, ask(true)).await.text();
        assert!(streamed.contains("3 ") && streamed.ends_with("data: [DONE]\n\n"), "{streamed}");
        let again = sessions.call(Method::POST, &format!("{path}/regenerate"), &ada, Value::Null).await.json();
        assert_eq!(again["output"]["text"], "turns: 3 user assistant user", "{again}");
        let session = sessions.call(Method::GET, &path, &ada, Value::Null).await.json();
        assert_eq!((&session["title"], &session["message_count"]), (&json!("Travels"), &json!(2)));
        assert_eq!(session["messages"].as_array().map(Vec::len), Some(4), "{session}");

        let request = again["request_id"].as_str().expect("an id");
        let requests = Function::start(&site, "requests", &[]).await;
        let status = requests.call(Method::GET, &format!("/v1/requests/{request}/status"), &ada, Value::Null).await;
        assert_eq!(status.json()["status"], "completed");
        let admin = Function::start(&site, "admin", &[]).await;
        let stats = admin.call(Method::GET, "/v1/stats", "the-key-of-the-service", Value::Null).await.json();
        assert_eq!((&stats["request_count"], &stats["provider_counts"]["openai"]), (&json!(3), &json!(3)), "{stats}");
        assert_eq!(admin.call(Method::GET, "/metrics", &ada, Value::Null).await.status, 403);
        let artifacts = Function::start(&site, "artifacts", &STREAM).await;
        let unknown = artifacts.call(Method::GET, &format!("/v1/artifacts/{id}"), &ada, Value::Null).await;
        assert_eq!((unknown.status.as_u16(), &unknown.json()["detail"]), (404, &json!("Artifact not found")));
        drop(users);
    }

    async fn one_function_ends_what_runs_in_another(database: Database) {
        let (site, ada, _users) = installation(database, &[]).await;
        let keys = Function::start(&site, "provider-keys", &[]).await;
        store_key(&keys, &ada).await;
        let generate = Function::start(&site, "generate", &STREAM).await;
        let requests = Function::start(&site, "requests", &[]).await;
        let id = "0b7e1a52-6d0f-4e4b-9a53-2f1f3c1d9e77";
        let body = json!({
            "model": "openai:slow-stream", "modality": "text", "stream": true, "request_id": id,
            "input": { "prompt": "Hello you" },
        });
        let authorization = format!("Bearer {ada}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let mut stream = generate.runtime.begin(&Method::POST, "/v1/generate", &headers, &body.to_string()).await;
        until_the_first_word(&mut stream).await;
        let path = format!("/v1/requests/{id}");
        let running = requests.call(Method::GET, &format!("{path}/status"), &ada, Value::Null).await.json();
        assert_eq!(running["status"], "running", "{running}");
        let cancelled = requests.call(Method::POST, &format!("{path}/cancel"), &ada, Value::Null).await.json();
        assert_eq!((&cancelled["cancelled"], &cancelled["status"]), (&json!(true), &json!("cancelled")));
        let rest = to_the_end(stream).await;
        assert!(rest.contains("request_cancelled") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
        site.provider.wait_until_closed().await;
        let status = requests.call(Method::GET, &format!("{path}/status"), &ada, Value::Null).await.json();
        assert_eq!(status["status"], "cancelled", "{status}");
    }

    async fn an_error_keeps_its_status_where_replies_are_streamed(database: Database) {
        let (site, ada, _users) = installation(database, &[]).await;
        let openai = Function::start(&site, "openai", &STREAM).await;
        let refused = openai.call(Method::POST, "/v1/chat/completions", &ada, question("openai:echo")).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.json()["error"]["code"], "provider_not_configured");
    }

    async fn a_function_never_migrates(database: Database) {
        let site = Site::new(database).await;
        for (name, _) in llm_api::api::groups() {
            let mut function = Function::start(&site, name, &[]).await;
            assert_eq!(function.process.wait().await, 1);
            let stderr = function.process.stderr();
            assert!(
                stderr.contains("the database is behind this llm-api: run `llm-api migrate` first"),
                "{name} says: {stderr}"
            );
        }
        site.run(&["migrate"], "").await.expect(0);
        let health = Function::start(&site, "health", &[]).await;
        assert_eq!(health.call(Method::GET, "/ready", "", Value::Null).await.status, 200);
    }

    async fn the_gateways_client_is_who_gets_throttled(database: Database) {
        let (site, _ada, users) = installation(database, &[]).await;
        let addresses = site.sql("SELECT DISTINCT address FROM audit_events WHERE address IS NOT NULL").await;
        assert_eq!(addresses, ["203.0.113.7"]);

        // Too long to be hashed: ten tries are over before the throttle lets another one in.
        let knock = async |function: &Function, number: usize, forwarded: &str| {
            let body = json!({ "username": format!("nobody-{number}"), "password": "x".repeat(1100) }).to_string();
            let headers = [("content-type", "application/json"), ("x-forwarded-for", forwarded)];
            function.runtime.invoke(Method::POST, "/v1/users/login", &headers, &body).await.status
        };
        // The first of ten was ada's own.
        for number in 1..10 {
            assert_eq!(knock(&users, number, &format!("198.51.100.{number}")).await, 401);
        }
        assert_eq!(knock(&users, 10, "198.51.100.99").await, 429);

        // What the gateway says counts as the peer: named as a trusted proxy, its header is believed.
        let behind_proxy = Function::start(&site, "users", &[("LLM_API_TRUSTED_PROXIES", "203.0.113.7")]).await;
        for number in 0..12 {
            assert_eq!(knock(&behind_proxy, number, &format!("198.51.100.{number}")).await, 401);
        }
    }
}
