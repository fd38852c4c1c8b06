//! Whether anything answers at all.

use super::{
    answer::unanswered,
    report::{Step, failed},
    run::{Run, step},
};

/// False when the rest makes no sense.
pub(super) async fn run(run: &mut Run) -> bool {
    if step!(run, "health", health(run)).is_none() {
        return false;
    }
    let ready = step!(run, "ready", ready(run)).is_some();
    step!(run, "version", version(run));
    ready
}

async fn health(run: &Run) -> Step<()> {
    let body = run.ask_json(run.client.get("/health"), 200).await?;
    match body["status"] == "ok" {
        true => Ok(((), String::new())),
        false => failed("something else answers there; is this the address of llm-api?"),
    }
}

async fn ready(run: &mut Run) -> Step<()> {
    let reply = run.client.get("/ready").send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    if reply.status == 503 && reply.json()["status"] == "not_ready" {
        return failed("503: it is stopping, or its database does not answer; run `llm-api doctor` on the server");
    }
    let body = run.expect(reply, 200)?.json();
    let Some(freeze) = body.get("frozen").filter(|freeze| !freeze.is_null()) else {
        return Ok(((), String::new()));
    };
    run.frozen = true;
    run.report.frozen = Some(freeze.clone());
    let since = freeze["since"].as_str().map(|since| format!(" since {since}")).unwrap_or_default();
    Ok(((), format!("frozen{since}: checking that it can be read, and that nothing can be changed")))
}

async fn version(run: &mut Run) -> Step<()> {
    let body = run.ask_json(run.client.get("/version"), 200).await?;
    let Some(version) = body["version"].as_str() else { return failed("the reply names no version") };
    run.report.version = Some(version.to_owned());
    Ok(((), version.to_owned()))
}
