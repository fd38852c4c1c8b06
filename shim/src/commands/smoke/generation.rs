//! Text out of a model, by every way that clients take.

use std::time::Instant;

use llm_api_upstream::{PlainAnswer, PlainReply, PlainRequest};
use serde_json::{Value, json};

use super::{
    answer::{sentence, unanswered},
    models::Model,
    report::{Problem, Step, failed, skipped},
    run::{Run, step},
};

const PROMPT: &str = "Answer with one short sentence: are you there?";

/// Gives how many exchanges came into the session.
pub(super) async fn run(run: &mut Run, model: &Model, session: Option<&str>) -> usize {
    let native =
        |stream| json!({ "model": model.name, "modality": "text", "input": { "prompt": PROMPT }, "stream": stream });
    let chat =
        |stream| json!({ "model": model.name, "messages": [{ "role": "user", "content": PROMPT }], "stream": stream });
    step!(run, "generate", plain(run, "/v1/generate", native(false)));
    step!(run, "generate streamed", streamed(run, "/v1/generate", native(true)));
    let mut exchanges = 0;
    if let Some(session) = session {
        let path = format!("/v1/sessions/{session}/generate");
        let done = step!(run, "generate in a session", plain(run, &path, native(false)));
        exchanges += usize::from(done.is_some());
        let done = step!(run, "generate in a session streamed", streamed(run, &path, native(true)));
        exchanges += usize::from(done.is_some());
    }
    step!(run, "chat completion", plain(run, "/v1/chat/completions", chat(false)));
    step!(run, "chat completion streamed", streamed(run, "/v1/chat/completions", chat(true)));
    exchanges
}

fn request<'c>(run: &'c Run, path: &str, body: &Value) -> Result<PlainRequest<'c>, Problem> {
    let token = run.token()?;
    Ok(run.client.post(path).bearer(&token).json(body))
}

/// OpenAI's format is for providers that speak it.
fn judge(run: &Run, path: &str, reply: PlainReply) -> Result<PlainReply, Problem> {
    if path == "/v1/chat/completions" && reply.status == 400 && reply.json()["code"] == "unsupported_provider" {
        return skipped("the provider of this model does not speak OpenAI's format");
    }
    run.expect(reply, 200)
}

async fn plain(run: &Run, path: &str, body: Value) -> Step<()> {
    let reply = request(run, path, &body)?.send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    let body = judge(run, path, reply)?.json();
    let text = body["output"]["text"].as_str().or(body["choices"][0]["message"]["content"].as_str());
    if text.is_none_or(|text| text.trim().is_empty()) {
        return failed("the reply holds no text; reasoning models may need --model with another one");
    }
    let tokens = body["usage"]["total_tokens"].as_i64().unwrap_or(0);
    Ok(((), format!("{tokens} tokens{}", stand_in(&body["selection"]))))
}

/// Another model may have answered in place of the chosen one.
fn stand_in(selection: &Value) -> String {
    match selection["fallback_reason"].as_str() {
        Some(reason) => format!(", by {} instead ({reason})", selection["selected_model"].as_str().unwrap_or_default()),
        None => String::new(),
    }
}

async fn streamed(run: &Run, path: &str, body: Value) -> Step<()> {
    let begun = Instant::now();
    let unanswered = |error| run.failed(&unanswered(&error));
    let mut stream = match request(run, path, &body)?.stream().await.map_err(unanswered)? {
        PlainAnswer::Events(stream) => stream,
        PlainAnswer::Whole(reply) => {
            judge(run, path, reply)?;
            return failed("the reply is no stream of events; does a proxy change it?");
        }
    };
    let (mut text, mut pieces, mut first) = (String::new(), 0_usize, None);
    while let Some(data) = stream.next_data().await {
        let data = data.map_err(unanswered)?;
        if &*data == b"[DONE]" {
            if text.trim().is_empty() {
                return failed("the stream holds no text");
            }
            let first = first.unwrap_or_default();
            return Ok(((), format!("{pieces} pieces, the first after {first} ms")));
        }
        let event: Value = serde_json::from_slice(&data).unwrap_or_default();
        if event["error"].is_object() {
            return Err(run.failed(&in_stream(&event)));
        }
        if let Some(piece) = event["choices"][0]["delta"]["content"].as_str().filter(|piece| !piece.is_empty()) {
            first.get_or_insert_with(|| begun.elapsed().as_millis());
            pieces += 1;
            text.push_str(piece);
        }
    }
    failed("the stream ended without [DONE]: the server was stopped, or a proxy cut it")
}

fn in_stream(event: &Value) -> String {
    let code = event["error"]["code"].as_str().unwrap_or("an error");
    format!("{code} in the stream: {}", sentence(event).unwrap_or_default())
}
