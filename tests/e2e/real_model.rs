//! A newcomer's whole way to a true answer: a small real model, curl, and the libraries that applications are built with.

mod clients;
mod departures;
mod forced;
mod tools;
mod vectors;

use std::path::Path;

use llm_api_domain::{RequestStatus, UserId};
use llm_api_storage::Request;
use llm_api_testkit::{Database, RealModel, Server, each_db, run, run_sdk};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, get};
use clients::{CLIENTS, Client};

const MODEL: &str = "local:smollm2";

/// Tokens of the prompt and of the answer, as a client was told.
type Counts = (i64, i64);

fn counts(usage: &Value) -> Counts {
    let count =
        |name: &str| usage[name].as_i64().filter(|count| *count > 0).unwrap_or_else(|| panic!("{name}: {usage}"));
    (count("prompt_tokens"), count("completion_tokens"))
}

fn is_answer(text: &str) {
    assert!(text.trim_start().starts_with(RealModel::ANSWER.trim_end_matches('.')), "{text:?}");
}

fn request(model: &str, stream: bool) -> Value {
    let mut body = json!({
        "model": model,
        "messages": [{ "role": "user", "content": RealModel::QUESTION }],
        "temperature": 0,
        "max_tokens": 32,
    });
    if stream {
        body["stream"] = true.into();
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}

/// curl as the README shows it.
async fn curl(server: &Server, token: &str, body: &Value) -> String {
    let (url, authorization) =
        (format!("{}/v1/chat/completions", server.base_url()), format!("authorization: Bearer {token}"));
    let body = body.to_string();
    let args = [
        "-sS",
        "-N",
        "--fail-with-body",
        &url,
        "-H",
        &authorization,
        "-H",
        "content-type: application/json",
        "-d",
        &body,
    ];
    run(Path::new("curl"), server.data_dir(), &args, &[], "").await.expect(0).stdout
}

async fn plain_by_curl(server: &Server, token: &str, model: &str) -> Counts {
    let reply: Value = serde_json::from_str(&curl(server, token, &request(model, false)).await).expect("JSON");
    is_answer(reply["choices"][0]["message"]["content"].as_str().expect("a text"));
    counts(&reply["usage"])
}

async fn streamed_by_curl(server: &Server, token: &str, model: &str) -> Counts {
    let text = curl(server, token, &request(model, true)).await;
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect();
    let pieces: Vec<&str> =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(pieces.len() > 3, "{pieces:?}");
    is_answer(&pieces.concat());
    counts(&events.iter().rfind(|event| event["usage"].is_object()).expect("usage")["usage"])
}

/// A server in front of a real model, and Ada, who came by an invite.
struct Stage {
    site: Site,
    server: Server,
    token: String,
    ada: UserId,
}

impl Stage {
    async fn new(database: Database, model: &RealModel) -> Self {
        let settings = [("LOCAL_BASE_URL", model.base_url()), ("BASE_URL_ALLOW", model.origin())];
        let site = Site::with(database, &settings).await;
        let server = site.start().await;
        let invite = site.run(&["invite", "create"], "").await.expect(0).stdout;
        let body = json!({ "username": "ada", "password": PASSWORD, "invite_token": invite.trim() });
        let reply = server.http().post("/v1/users/register").json(body).send().await;
        assert_eq!(reply.status, 201);
        let token = reply.json().await["token"].as_str().expect("a token").to_owned();
        let me = get(&server.http(), &token, "/v1/users/me").await.json().await;
        let ada = me["id"].as_str().expect("an id").parse().expect("a UUID");
        Self { site, server, token, ada }
    }

    /// Runs a client's script with Ada's token; what it saw. `stories` are what all scripts take, without the origin.
    async fn tell(&self, client: &Client, mut stories: Value) -> Value {
        stories["origin"] = self.server.base_url().into();
        stories["token"] = self.token.as_str().into();
        // As cold as can be, and without asking for thoughts.
        stories["parameters"] = json!({ "temperature": 0 });
        let ended = run_sdk(client.script, &stories).await.expect(0);
        serde_json::from_str(&ended.stdout).expect("a line of JSON")
    }

    /// Ada's usage rows, oldest first.
    async fn rows(&self) -> Vec<Request> {
        let mut rows = self.site.rows(self.ada).await;
        rows.reverse();
        rows
    }

    /// The same when all of them tell of whole answers by the model, in the order of what the clients were told.
    async fn rows_of(&self, told: &[Option<Counts>]) -> Vec<Request> {
        let rows = self.rows().await;
        assert!(
            rows.iter().all(|row| row.status == RequestStatus::Completed && row.model == RealModel::ID),
            "{rows:?}"
        );
        assert_eq!(rows.len(), told.len(), "{rows:?}");
        for (row, told) in rows.iter().zip(told) {
            let Some((prompt, answer)) = told else { continue };
            assert_eq!(
                (row.usage.prompt_tokens, row.usage.completion_tokens),
                (Some(*prompt), Some(*answer)),
                "{row:?}"
            );
        }
        rows
    }
}

/// What a client saw of the formats that it speaks, one plain and one streamed answer each.
async fn answers(stage: &Stage, client: &Client) -> Vec<Counts> {
    let families = client.families(&json!({ "says": MODEL }));
    let stories = json!({ "prompt": RealModel::QUESTION, "max_tokens": 32, "families": families });
    let seen = stage.tell(client, stories).await;
    let answers =
        client.apis.iter().flat_map(|api| ["says", "says.streamed"].map(|way| &seen["families"][api]["real"][way]));
    let counts = |answer: &Value| {
        is_answer(answer["text"].as_str().unwrap_or_else(|| panic!("{}: {answer}", client.script)));
        client.counts(answer)
    };
    answers.map(counts).collect()
}

each_db! {
    async fn the_answer_is_paris(database: Database) {
        let model = RealModel::shared().await;
        let stage = Stage::new(database, model).await;
        let (server, ada) = (&stage.server, &stage.token);
        // The same server once more, as an endpoint of the user's own.
        let body = json!({ "provider": "custom", "api_key": "unused", "endpoint": model.base_url() });
        let stored = server.http().post("/v1/users/provider-keys").bearer(ada).json(body).send().await;
        assert_eq!(stored.status, 201);

        let mut told = Vec::new();
        for name in [MODEL, "custom:smollm2"] {
            told.push(plain_by_curl(server, ada, name).await);
            told.push(streamed_by_curl(server, ada, name).await);
        }
        for client in &CLIENTS {
            told.extend(answers(&stage, client).await);
        }
        let body = json!({
            "model": MODEL, "modality": "text", "input": { "prompt": RealModel::QUESTION },
            "parameters": { "temperature": 0, "max_tokens": 32 },
        });
        let native = server.http().post("/v1/generate").bearer(ada).json(body).send().await.json().await;
        is_answer(native["output"]["text"].as_str().unwrap_or_else(|| panic!("{native}")));
        told.push(counts(&native["usage"]));

        // Every row has the counts that its client was told.
        let told: Vec<_> = told.into_iter().map(Some).collect();
        let rows = stage.rows_of(&told).await;
        let providers: Vec<_> = rows.iter().map(|row| row.provider.as_str()).collect();
        assert_eq!(providers[..4], ["local", "local", "custom", "custom"]);
        assert!(providers[4..].iter().all(|provider| *provider == "local"), "{providers:?}");
    }
}
