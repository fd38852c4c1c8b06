//! A conversation: begun, listed, read.

use serde_json::json;

use super::{
    answer::unanswered,
    report::{Step, failed, skipped},
    run::{Run, step},
};

/// Gives the session's id.
pub(super) async fn create(run: &mut Run) -> Option<String> {
    step!(run, "session create", begin(run))
}

/// `exchanges` were said in it.
pub(super) async fn read(run: &mut Run, session: Option<&str>, exchanges: usize) {
    step!(run, "session list", list(run, session));
    step!(run, "session get", get(run, session, exchanges));
}

async fn begin(run: &mut Run) -> Step<String> {
    let token = run.token()?;
    run.made.session = true;
    let request = run.client.post("/v1/sessions").bearer(&token).json(&json!({ "title": run.name }));
    // Without a reply it may be there all the same.
    let reply = request.send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    if reply.status.is_client_error() {
        run.made.session = false;
    }
    let session = run.expect(reply, 201)?.json();
    match session["id"].as_str() {
        Some(id) if session["title"] == run.name.as_str() => Ok((id.to_owned(), String::new())),
        _ => failed("the reply is not the session that was asked for"),
    }
}

async fn list(run: &Run, session: Option<&str>) -> Step<()> {
    let token = run.token()?;
    let listed = run.ask_json(run.client.get("/v1/sessions").bearer(&token), 200).await?;
    let Some(sessions) = listed["sessions"].as_array() else { return failed("the reply holds no list") };
    match session {
        Some(id) if !sessions.iter().any(|listed| listed["id"] == id) => failed("the new session is not in the list"),
        Some(_) | None => Ok(((), String::new())),
    }
}

async fn get(run: &Run, session: Option<&str>, exchanges: usize) -> Step<()> {
    let token = run.token()?;
    let Some(id) = session else { return skipped("there is no session") };
    let session = run.ask_json(run.client.get(&format!("/v1/sessions/{id}")).bearer(&token), 200).await?;
    let count = session["messages"].as_array().map_or(0, Vec::len);
    // More is right: one that broke off is kept with what had come.
    match count >= 2 * exchanges {
        true => Ok(((), format!("{count} messages"))),
        false => failed(format!("it has {count} messages after {exchanges} exchanges, which are {}", 2 * exchanges)),
    }
}
