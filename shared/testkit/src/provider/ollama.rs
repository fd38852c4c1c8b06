//! An Ollama server: its own API below `/api`, and chat completions with the models on its disk.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use async_stream::stream;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::behaviour::{act, is_known};
use super::openai::{self, Chat};
use super::{MODELS, Presence, ProviderRequest, Script, json_reply, reply};
use crate::serve::{Body, full, pieces};

const SIZE: u64 = 397_821_319;
const DIGEST: &str = "sha256:7df6b6e09427a769808717c0a93cadc4ae99ed4eb8bf5ca557c90846becea435";

/// The models on the disk and those in memory, by their full names.
#[derive(Debug)]
pub(super) struct Library {
    pulled: BTreeSet<String>,
    loaded: BTreeSet<String>,
}

impl Library {
    pub(super) fn new() -> Self {
        Self { pulled: MODELS.into_iter().map(full_name).collect(), loaded: BTreeSet::new() }
    }
}

/// A name without a tag means the tag `latest`.
fn full_name(name: &str) -> String {
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { name.to_owned() } else { format!("{name}:latest") }
}

fn without_tag(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(name, _)| name)
}

fn library(script: &Script) -> MutexGuard<'_, Library> {
    script.ollama.as_ref().and_then(|library| Mutex::lock(library).ok()).expect("an Ollama server's library")
}

pub(super) async fn answer(script: &Arc<Script>, request: &ProviderRequest) -> Response<Body> {
    let body = &request.body;
    // Older clients say `name`.
    let name = body["model"].as_str().or_else(|| body["name"].as_str()).unwrap_or_default();
    match (request.method.as_str(), request.route()) {
        ("GET", "/api/version") => json_reply(StatusCode::OK, &json!({"version": "0.12.6"})),
        ("GET", "/api/tags") => models(library(script).pulled.iter().map(|name| tag(name))),
        ("GET", "/api/ps") => models(library(script).loaded.iter().map(|name| running(name))),
        ("POST", "/api/generate") => generate(script, name, body),
        ("POST", "/api/pull") => pull(script, name, body["stream"] != false).await,
        ("DELETE", "/api/delete") => delete(script, name),
        ("GET", "/v1/models") => openai::models(library(script).pulled.iter().map(String::as_str), "library"),
        ("POST", "/v1/chat/completions") => chat(script, request, name).await,
        _ => reply(StatusCode::NOT_FOUND, "text/plain", full("404 page not found")),
    }
}

fn models(list: impl Iterator<Item = Value>) -> Response<Body> {
    json_reply(StatusCode::OK, &json!({"models": list.collect::<Vec<_>>()}))
}

fn details() -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": "qwen2", "families": ["qwen2"], "parameter_size": "494.03M",
        "quantization_level": "Q4_K_M",
    })
}

fn tag(name: &str) -> Value {
    json!({
        "name": name, "model": name, "modified_at": "2026-11-20T08:00:00.123456789Z", "size": SIZE, "digest": DIGEST,
        "details": details(),
    })
}

fn running(name: &str) -> Value {
    json!({
        "name": name, "model": name, "size": SIZE, "digest": DIGEST, "details": details(),
        "expires_at": "2318-04-09T23:47:16.854775807Z", "size_vram": 0, "context_length": 4096,
    })
}

fn not_found(name: &str) -> Response<Body> {
    json_reply(StatusCode::NOT_FOUND, &json!({"error": format!("model '{name}' not found")}))
}

/// Loads or, told to keep the model for no time, unloads; with a prompt it says the prompt again.
fn generate(script: &Script, name: &str, body: &Value) -> Response<Body> {
    let mut library = library(script);
    let full_name = full_name(name);
    if !library.pulled.contains(&full_name) {
        return not_found(name);
    }
    let prompt = body["prompt"].as_str().unwrap_or_default();
    let keep = &body["keep_alive"];
    // Ollama's own client writes 0.0.
    let is_zero = keep.as_f64().is_some_and(|seconds| seconds.abs() < f64::EPSILON);
    let leaves = is_zero || matches!(keep.as_str(), Some("0" | "0s" | "0m"));
    let reason = match (prompt, leaves) {
        ("", true) => "unload",
        ("", false) => "load",
        _ => "stop",
    };
    if leaves {
        library.loaded.remove(&full_name);
    } else {
        library.loaded.insert(full_name);
    }
    let done = json!({
        "model": name, "created_at": "2026-11-22T12:00:00.123456Z", "response": prompt, "done": true,
        "done_reason": reason,
    });
    json_reply(StatusCode::OK, &done)
}

/// `slow-pull` waits for its release after two lines, `missing-pull` is not to be had, all else comes at once.
async fn pull(script: &Arc<Script>, name: &str, streamed: bool) -> Response<Body> {
    let (is_slow, is_missing) = (without_tag(name) == "slow-pull", without_tag(name) == "missing-pull");
    let missing = json!({"error": "pull model manifest: file does not exist"});
    let name = full_name(name);
    if !streamed {
        if is_missing {
            return json_reply(StatusCode::INTERNAL_SERVER_ERROR, &missing);
        }
        if is_slow {
            script.released().await;
        }
        library(script).pulled.insert(name);
        return json_reply(StatusCode::OK, &json!({"status": "success"}));
    }
    let (presence, script) = (Presence::of(script), Arc::clone(script));
    let line = |value: &Value| Ok(Bytes::from(format!("{value}\n")));
    let lines = pieces(stream! {
        yield line(&json!({"status": "pulling manifest"}));
        if is_missing {
            presence.complete();
            yield line(&missing);
            return;
        }
        yield line(&layer(SIZE / 4));
        if is_slow {
            script.gate.acquire().await.expect("a semaphore that is never closed").forget();
        }
        yield line(&layer(SIZE));
        yield line(&json!({"status": "verifying sha256 digest"}));
        yield line(&json!({"status": "writing manifest"}));
        library(&script).pulled.insert(name);
        presence.complete();
        yield line(&json!({"status": "success"}));
    });
    reply(StatusCode::OK, "application/x-ndjson", lines)
}

fn layer(completed: u64) -> Value {
    json!({"status": "pulling 7df6b6e09427", "digest": DIGEST, "total": SIZE, "completed": completed})
}

fn delete(script: &Script, name: &str) -> Response<Body> {
    let mut library = library(script);
    let full_name = full_name(name);
    if !library.pulled.remove(&full_name) {
        return not_found(name);
    }
    library.loaded.remove(&full_name);
    Response::new(full(""))
}

/// Loads the model, as Ollama does; one that has no behaviour of its own is an `echo`.
async fn chat(script: &Arc<Script>, request: &ProviderRequest, name: &str) -> Response<Body> {
    let full_name = full_name(name);
    if !library(script).pulled.contains(&full_name) {
        let message = format!("model \"{name}\" not found, try pulling it first");
        return openai::error(StatusCode::NOT_FOUND, &message, "api_error", [None, None]);
    }
    library(script).loaded.insert(full_name);
    let grammar = Chat::of(request);
    let behaviour = Some(without_tag(name)).filter(|name| is_known(name)).unwrap_or("echo");
    act(script, &grammar, &grammar.conversation_with(script, behaviour)).await
}
