//! A newcomer's whole way to a true answer: a small real model, curl, and the vendors' own SDKs.

use std::path::Path;

use llm_api_domain::RequestStatus;
use llm_api_testkit::{RealModel, Server, each_db, run, run_sdk};
use serde_json::{Map, Value, json};

use crate::support::{PASSWORD, Site, get};

/// Each SDK with the formats that it speaks.
const SCRIPTS: [[&str; 3]; 5] = [
    ["python_openai.py", "chat", "responses"],
    ["node_openai.mjs", "chat", "responses"],
    ["python_anthropic.py", "messages", ""],
    ["node_anthropic.mjs", "messages", ""],
    ["node_ai.mjs", "chat", "messages"],
];

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

/// One of the scripts: what its SDK saw of the formats that it speaks, one plain and one streamed answer each.
async fn by_sdk(server: &Server, token: &str, model: &str, [script, apis @ ..]: [&str; 3]) -> Vec<Counts> {
    let apis = apis.into_iter().filter(|api| !api.is_empty());
    let families: Map<_, _> = apis.clone().map(|api| (api.to_owned(), json!({ "real": { "says": model } }))).collect();
    let stories = json!({
        "origin": server.base_url(), "token": token, "prompt": RealModel::QUESTION, "max_tokens": 32,
        "parameters": { "temperature": 0 }, "families": families,
    });
    let ended = run_sdk(script, &stories).await.expect(0);
    let seen: Value = serde_json::from_str(&ended.stdout).expect("a line of JSON");
    let answers = apis.flat_map(|api| ["says", "says.streamed"].map(|way| &seen["families"][api]["real"][way]));
    let counts = |answer: &Value| {
        is_answer(answer["text"].as_str().unwrap_or_else(|| panic!("{script}: {answer}")));
        let count = |index: usize| answer["usage"][index].as_i64().unwrap_or_else(|| panic!("{script}: {answer}"));
        (count(0), count(1))
    };
    answers.map(counts).collect()
}

async fn sign_up(site: &Site, server: &Server) -> String {
    let invite = site.run(&["invite", "create"], "").await.expect(0).stdout;
    let body = json!({ "username": "ada", "password": PASSWORD, "invite_token": invite.trim() });
    let reply = server.http().post("/v1/users/register").json(body).send().await;
    assert_eq!(reply.status, 201);
    reply.json().await["token"].as_str().expect("a token").to_owned()
}

each_db! {
    async fn the_answer_is_paris(database: Database) {
        let model = RealModel::shared().await;
        let origin = model.base_url().strip_suffix("/v1").expect("an address with /v1");
        let site = Site::with(database, &[("LOCAL_BASE_URL", model.base_url()), ("BASE_URL_ALLOW", origin)]).await;
        let server = site.start().await;
        let ada = sign_up(&site, &server).await;
        // The same server once more, as an endpoint of the user's own.
        let body = json!({ "provider": "custom", "api_key": "unused", "endpoint": model.base_url() });
        let stored = server.http().post("/v1/users/provider-keys").bearer(&ada).json(body).send().await;
        assert_eq!(stored.status, 201);

        let mut told = Vec::new();
        for name in ["local:smollm2", "custom:smollm2"] {
            told.push(plain_by_curl(&server, &ada, name).await);
            told.push(streamed_by_curl(&server, &ada, name).await);
        }
        for script in SCRIPTS {
            told.extend(by_sdk(&server, &ada, "local:smollm2", script).await);
        }
        let body = json!({
            "model": "local:smollm2", "modality": "text", "input": { "prompt": RealModel::QUESTION },
            "parameters": { "temperature": 0, "max_tokens": 32 },
        });
        let native = server.http().post("/v1/generate").bearer(&ada).json(body).send().await.json().await;
        is_answer(native["output"]["text"].as_str().unwrap_or_else(|| panic!("{native}")));
        told.push(counts(&native["usage"]));

        // Every row has the counts that its client was told.
        let me = get(&server.http(), &ada, "/v1/users/me").await.json().await;
        let mut rows = site.rows(me["id"].as_str().expect("an id").parse().expect("a UUID")).await;
        rows.reverse();
        assert!(rows.iter().all(|row| row.status == RequestStatus::Completed && row.model == RealModel::ID), "{rows:?}");
        let stored: Vec<_> = rows.iter().map(|row| (row.usage.prompt_tokens, row.usage.completion_tokens)).collect();
        let told: Vec<_> = told.into_iter().map(|(prompt, answer)| (Some(prompt), Some(answer))).collect();
        assert_eq!(stored, told);
        let providers: Vec<_> = rows.iter().map(|row| row.provider.as_str()).collect();
        assert_eq!(providers[..4], ["local", "local", "custom", "custom"]);
        assert!(providers[4..].iter().all(|provider| *provider == "local"), "{providers:?}");
    }
}
