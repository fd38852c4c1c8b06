//! Removes what the run has made, however it ended. What a request may have made without an answer is looked for by name.

use llm_api_upstream::PlainReply;
use secrecy::SecretString;
use serde_json::Value;

use super::{
    report::{Problem, Step, failed, skipped},
    run::{Run, step},
};

pub(super) async fn remove(run: &mut Run) {
    if run.made.session {
        step!(run, "remove sessions", sessions(run));
    }
    if run.made.key.is_some() {
        step!(run, "remove the provider key", key(run));
    }
    if run.made.token {
        step!(run, "remove tokens", tokens(run));
    }
    if run.made.account {
        step!(run, "remove the account", account(run));
    }
    if run.made.invite.is_some() {
        step!(run, "revoke the invite", invite(run));
    }
}

async fn sessions(run: &mut Run) -> Step<()> {
    let token = run.token()?;
    let listed = run.ask_json(run.client.get("/v1/sessions").bearer(&token), 200).await?;
    let ours = ids(&listed["sessions"], "title", &run.name);
    for id in &ours {
        let path = format!("/v1/sessions/{id}?purge=true");
        run.ask(run.client.delete(&path).bearer(&token), 200).await?;
        if let Some(problem) = still_there(run, &format!("/v1/sessions/{id}"), &token).await {
            return Err(problem);
        }
    }
    run.made.session = false;
    Ok(((), String::new()))
}

/// The ids of those entries whose `member` is `name`.
fn ids(list: &Value, member: &str, name: &str) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    entries.filter(|entry| entry[member] == name).filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect()
}

async fn still_there(run: &Run, path: &str, token: &SecretString) -> Option<Problem> {
    run.ask(run.client.get(path).bearer(token), 404).await.err()
}

async fn key(run: &mut Run) -> Step<()> {
    let token = run.token()?;
    let Some(provider) = run.made.key.clone() else { return skipped("there is none") };
    let path = format!("/v1/users/provider-keys/{}", provider.to_lowercase());
    let reply = run.client.delete(&path).bearer(&token).send().await;
    accept(run, reply, &[200, 404])?;
    run.made.key = None;
    Ok(((), String::new()))
}

async fn tokens(run: &mut Run) -> Step<()> {
    let token = run.token()?;
    let listed = run.ask_json(run.client.get("/v1/users/tokens").bearer(&token), 200).await?;
    for id in ids(&listed, "name", &run.name) {
        run.ask(run.client.delete(&format!("/v1/users/tokens/{id}")).bearer(&token), 200).await?;
    }
    run.made.token = false;
    Ok(((), String::new()))
}

async fn account(run: &mut Run) -> Step<()> {
    let id = match &run.made.account_id {
        Some(id) => Some(id.clone()),
        None => find(run).await?,
    };
    let Some(id) = id else {
        run.made.account = false;
        return Ok(((), "it had not been made".to_owned()));
    };
    let admin = run.options.token.clone();
    let reply = match &admin {
        Some(admin) => run.client.delete(&format!("/v1/admin/users/{id}")).bearer(admin).send().await.ok(),
        None => None,
    };
    match reply {
        Some(reply) if matches!(reply.status.as_u16(), 204 | 404) => {}
        Some(reply) if reply.status != 403 => return Err(run.unexpected(&reply)),
        Some(_) | None => return stays(run).await,
    }
    run.made.account_is_gone();
    if let Some(login) = run.made.logins.last().cloned()
        && run.ask(run.client.get("/v1/users/me").bearer(&login), 401).await.is_err()
    {
        return failed("the account is gone, and its token still works");
    }
    Ok(((), String::new()))
}

/// Only an administrator removes accounts: this one's tokens end, and nobody knows its password.
async fn stays(run: &mut Run) -> Step<()> {
    for login in std::mem::take(&mut run.made.logins) {
        run.ask(run.client.post("/v1/users/logout").bearer(&login), 200).await?;
    }
    run.made.account = false;
    let name = &run.name;
    skipped(format!(
        "only an administrator may; it is signed out: `llm-api user delete --username {name} --confirm {name}` on the server"
    ))
}

/// The account of this run, when the reply that would have told its id never came.
async fn find(run: &Run) -> Result<Option<String>, Problem> {
    let Some(admin) = &run.options.token else {
        return failed(format!("whether the account {} was made is not known", run.name));
    };
    let users = run.ask_json(run.client.get("/v1/admin/users").bearer(admin), 200).await?;
    Ok(ids(&users, "username", &run.name).pop())
}

async fn invite(run: &mut Run) -> Step<()> {
    let (Some(id), Some(admin)) = (run.made.invite.clone(), run.options.token.clone()) else {
        return skipped("there is none");
    };
    let reply = run.client.delete(&format!("/v1/users/invites/{id}")).bearer(&admin).send().await;
    accept(run, reply, &[200, 404])?;
    run.made.invite = None;
    Ok(((), String::new()))
}

fn accept(run: &Run, reply: Result<PlainReply, llm_api_upstream::PlainError>, statuses: &[u16]) -> Result<(), Problem> {
    let reply = reply.map_err(|error| run.failed(&super::answer::unanswered(&error)))?;
    match statuses.contains(&reply.status.as_u16()) {
        true => Ok(()),
        false => Err(run.unexpected(&reply)),
    }
}
