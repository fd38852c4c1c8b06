//! An account of the run's own, and its tokens.

use llm_api_upstream::PlainRequest;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{
    answer::unanswered,
    report::{Step, failed, skipped},
    run::{Run, step},
};

pub(super) async fn run(run: &mut Run) {
    let is_admin = match run.options.token.clone() {
        Some(token) => step!(run, "given token", whose(run, &token)).unwrap_or(false),
        None => false,
    };
    let invite = step!(run, "invite", invite(run, is_admin));
    if let Some(invite) = invite
        && step!(run, "register", register(run, &invite)).is_some()
    {
        step!(run, "login", login(run));
    } else {
        let begun = std::time::Instant::now();
        run.report.tell::<()>("login", begun, skipped("there is no account of this run"));
    }
    step!(run, "me", me(run));
    step!(run, "token", token(run));
}

/// Whether the given token is an administrator's.
async fn whose(run: &Run, token: &SecretString) -> Step<bool> {
    let reply = run.ask(run.client.get("/v1/users/me").bearer(token), 200).await;
    let me = match reply {
        Ok(reply) => reply.json(),
        // The static key belongs to nobody who could be shown; it lists models like anybody else.
        Err(problem) => {
            let models = run.client.get("/v1/models?limit=1").bearer(token);
            run.ask(models, 200).await.map_err(|_| problem)?;
            return Ok((false, "the static key, or a token for a part of the API".to_owned()));
        }
    };
    let (name, is_admin) = (me["username"].as_str().unwrap_or_default(), me["is_admin"] == true);
    let role = if is_admin { "administrator" } else { "no administrator" };
    Ok((is_admin, format!("of {name}, {role}")))
}

async fn invite(run: &mut Run, is_admin: bool) -> Step<SecretString> {
    if let Some(invite) = &run.options.invite {
        return Ok((invite.clone(), "the given one".to_owned()));
    }
    let Some(token) = run.options.token.clone().filter(|_| is_admin) else {
        return skipped("needs an administrator's token, or --invite-file");
    };
    let request = run.client.post("/v1/users/invites").bearer(&token);
    let made = run.ask_json(request.json(&json!({ "max_uses": 1, "expires_days": 1 })), 201).await?;
    run.made.invite = made["id"].as_str().map(str::to_owned);
    match run.secret(&made["invite_token"]) {
        Some(invite) => Ok((invite, String::new())),
        None => failed("the reply holds no invite"),
    }
}

/// What registering sends; also to a frozen deployment, which must refuse it.
pub(super) fn registration<'c>(run: &'c Run, invite: &SecretString) -> PlainRequest<'c> {
    let mut body = run.credentials(&run.name);
    body["invite_token"] = invite.expose_secret().into();
    run.client.post("/v1/users/register").json(&body)
}

async fn register(run: &mut Run, invite: &SecretString) -> Step<()> {
    run.made.account = true;
    // Without a reply it may be there all the same.
    let reply = registration(run, invite).send().await.map_err(|error| run.failed(&unanswered(&error)))?;
    if reply.status.is_client_error() {
        run.made.account = false;
    }
    let account = run.expect(reply, 201)?.json();
    run.made.invite = None;
    run.made.account_id = account["id"].as_str().map(str::to_owned);
    let Some(token) = run.secret(&account["token"]) else { return failed("the reply holds no token") };
    run.made.logins.push(token.clone());
    run.token = Some(token);
    run.is_own_account = true;
    Ok(((), run.name.clone()))
}

async fn login(run: &mut Run) -> Step<()> {
    let request = run.client.post("/v1/users/login").json(&run.credentials(&run.name));
    let reply = run.ask_json(request, 200).await?;
    let Some(token) = run.secret(&reply["token"]) else { return failed("the reply holds no token") };
    run.made.logins.push(token.clone());
    run.token = Some(token);
    Ok(((), String::new()))
}

async fn me(run: &Run) -> Step<()> {
    let token = run.token()?;
    let reply = run.client.get("/v1/users/me").bearer(&token).send().await;
    let reply = reply.map_err(|error| run.failed(&unanswered(&error)))?;
    if !run.is_own_account && (reply.status == 404 || reply.status == 403) {
        return skipped("the given token is the static key, or for a part of the API");
    }
    let me = run.expect(reply, 200)?.json();
    match me["username"].as_str() {
        Some(name) if !run.is_own_account || name == run.name => Ok(((), String::new())),
        Some(other) => failed(format!("the profile is {other}'s")),
        None => failed("the profile has no name"),
    }
}

/// A personal token: made, used, revoked, and refused then.
async fn token(run: &mut Run) -> Step<()> {
    let login = run.token()?;
    if !run.is_own_account {
        return skipped("a revoked token would stay in the account of the given token");
    }
    run.made.token = true;
    let request = run.client.post("/v1/users/tokens").bearer(&login);
    let made = run.ask_json(request.json(&json!({ "name": run.name, "expires_days": 1 })), 201).await?;
    let Some(token) = run.secret(&made["token"]) else { return failed("the reply holds no token") };
    run.ask(run.client.get("/v1/users/me").bearer(&token), 200).await?;
    let path = format!("/v1/users/tokens/{}", made["id"].as_str().unwrap_or_default());
    run.ask(run.client.delete(&path).bearer(&login), 200).await?;
    run.made.token = false;
    let refused = run.client.get("/v1/users/me").bearer(&token);
    match run.ask(refused, 401).await {
        Ok(_) => Ok(((), "made, used, revoked".to_owned())),
        Err(_) => failed("a revoked token still works: do several servers share one SQLite file?"),
    }
}
