//! A provider key: stored and listed; deleted at the end.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    report::{Step, failed, skipped},
    run::{Run, step},
};

pub(super) async fn store(run: &mut Run) {
    if step!(run, "provider key", put(run)).is_some() {
        step!(run, "provider keys", list(run));
    }
}

async fn keys(run: &Run) -> Result<Vec<Value>, super::report::Problem> {
    let token = run.token()?;
    let keys = run.ask_json(run.client.get("/v1/users/provider-keys").bearer(&token), 200).await?;
    Ok(keys.as_array().cloned().unwrap_or_default())
}

fn is_of(key: &Value, provider: &str) -> bool {
    key["provider"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(provider))
}

async fn put(run: &mut Run) -> Step<()> {
    let token = run.token()?;
    let (Some(provider), Some(key)) = (run.options.provider.clone(), run.options.key.clone()) else {
        return skipped("needs --provider and --provider-key-file");
    };
    if !run.is_own_account && keys(run).await?.iter().any(|key| is_of(key, &provider)) {
        return skipped(format!("the account of the given token has a key for {provider}, which stays as it is"));
    }
    let mut body = json!({ "provider": provider, "api_key": key.expose_secret() });
    if let Some(endpoint) = &run.options.endpoint {
        body["credential_type"] = "endpoint_key".into();
        body["endpoint"] = endpoint.as_str().into();
    }
    run.made.key = Some(provider.clone());
    let stored = run.ask_json(run.client.post("/v1/users/provider-keys").bearer(&token).json(&body), 201).await?;
    let said = stored["status_detail"].as_str().unwrap_or_default();
    match stored["status"].as_str() {
        Some("valid" | "unchecked") => Ok(((), format!("{provider}: {said}"))),
        Some("rejected") => Err(run.failed(&format!("{provider} rejects the key: {said}"))),
        Some("unreachable") => Err(run.failed(&format!("the server does not reach {provider}: {said}"))),
        _ => failed("the reply names no known status"),
    }
}

async fn list(run: &Run) -> Step<()> {
    let Some(provider) = &run.options.provider else { return skipped("there is none") };
    let keys = keys(run).await?;
    let Some(key) = keys.iter().find(|key| is_of(key, provider)) else {
        return failed("the key that was stored is not listed");
    };
    let secret = run.options.key.as_ref().map_or("", |key| key.expose_secret());
    match key.to_string().contains(secret) {
        true => failed("the list shows the key itself: keep this server from the network until that is mended"),
        false => Ok(((), String::new())),
    }
}
