//! A frozen deployment: it can be read, and refuses to change anything.

use llm_api_upstream::PlainRequest;
use secrecy::SecretString;
use serde_json::json;

use super::{
    account::registration,
    answer::unanswered,
    report::{Step, failed, skipped},
    run::{Run, step},
};

pub(super) async fn run(run: &mut Run) {
    step!(run, "read the profile", read(run, "/v1/users/me"));
    step!(run, "read models", read(run, "/v1/models"));
    step!(run, "read sessions", read(run, "/v1/sessions"));
    step!(run, "read provider keys", read(run, "/v1/users/provider-keys"));
    // Should one not be refused, what it made is removed as always.
    let nobodys = SecretString::from("lai_none");
    run.made.account = true;
    if step!(run, "register is refused", refused(run, registration(run, &nobodys))).is_some() {
        run.made.account = false;
    }
    run.made.session = true;
    let session = json!({ "title": run.name });
    if step!(run, "session create is refused", refused(run, write(run, "/v1/sessions", &session))).is_some() {
        run.made.session = false;
    }
    let native = json!({ "modality": "text", "input": { "prompt": "Hi" } });
    step!(run, "generate is refused", refused(run, write(run, "/v1/generate", &native)));
    let chat = json!({ "model": "auto", "messages": [{ "role": "user", "content": "Hi" }] });
    step!(run, "chat completion is refused", refused(run, write(run, "/v1/chat/completions", &chat)));
}

async fn read(run: &Run, path: &str) -> Step<()> {
    let token = run.token()?;
    let reply = run.client.get(path).bearer(&token).send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    if matches!(reply.status.as_u16(), 403 | 404) {
        return skipped("the given token is the static key, or for a part of the API");
    }
    run.expect(reply, 200)?;
    Ok(((), String::new()))
}

fn write<'c>(run: &'c Run, path: &str, body: &serde_json::Value) -> PlainRequest<'c> {
    let request = run.client.post(path).json(body);
    match &run.token {
        Some(token) => request.bearer(token),
        None => request,
    }
}

async fn refused(run: &Run, request: PlainRequest<'_>) -> Step<()> {
    let reply = request.send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    let status = reply.status.as_u16();
    if status != 503 || reply.json()["code"] != "read_only" {
        return match reply.status.is_success() {
            true => failed(format!("{status}: it was carried out, although `/ready` says frozen")),
            false => Err(run.unexpected(&reply)),
        };
    }
    match reply.header("retry-after").and_then(|after| after.parse::<u32>().ok()) {
        Some(seconds) => Ok(((), format!("503 read_only, Retry-After {seconds}"))),
        None => failed("503 read_only without Retry-After; does a proxy drop it?"),
    }
}
