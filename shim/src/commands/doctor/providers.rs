//! Whether the operator's providers answer, and take the keys that are set.

use std::time::Duration;

use llm_api_app::ProviderCheck;
use llm_api_domain::ProviderId;
use llm_api_upstream::{TimeoutPhase, UnreachableReason, UpstreamError};
use tokio::{task::JoinSet, time::timeout};

use super::{Run, network, report::Status};

struct Answer {
    status: Status,
    detail: String,
    remedy: String,
}

pub(super) async fn check(run: &mut Run<'_>, (checks, nowhere): (Vec<ProviderCheck>, Vec<ProviderId>)) {
    for provider in nowhere {
        let detail = "there is a key for it, but no address";
        run.report.warn(&name(provider), detail, "set LLM_API_AZURE_OPENAI_ENDPOINT");
    }
    let limit = run.limit;
    let mut asked = JoinSet::new();
    for (place, check) in checks.into_iter().enumerate() {
        asked.spawn(async move {
            let answer = ask(&check, limit).await;
            (place, check.provider, answer)
        });
    }
    // All at once, and told in the order of the list.
    let mut answers = asked.join_all().await;
    answers.sort_unstable_by_key(|(place, ..)| *place);
    for (_, provider, answer) in answers {
        run.report.tell(answer.status, &name(provider), answer.detail, &answer.remedy);
    }
}

fn name(provider: ProviderId) -> String {
    match provider {
        ProviderId::Local => "local-models".to_owned(),
        provider => format!("provider-{provider}"),
    }
}

async fn ask(check: &ProviderCheck, limit: Duration) -> Answer {
    if let Some((host, port)) = check.peer() {
        // Here, where a resolver that does not answer keeps nothing from ending.
        let host = host.trim_matches(['[', ']']);
        if let Err(error) = network::resolve(host, port, limit).await {
            let status = if check.provider == ProviderId::Local { Status::Warn } else { Status::Fail };
            let detail = format!("{host} has no address ({error})");
            return Answer { status, detail, remedy: "check this machine's name servers".to_owned() };
        }
    }
    let late = || UpstreamError::Timeout { phase: TimeoutPhase::FirstByte };
    let listed = timeout(limit, check.ask()).await.unwrap_or_else(|_| Err(late()));
    let origin = check.origin();
    let error = match listed {
        Ok(models) => {
            let untried = match check.provider.lists_models_by_key() {
                true => "",
                false => ", as it does for everybody: the key was not tried",
            };
            let detail = format!("{origin} lists {models} models{untried}");
            return Answer { status: Status::Ok, detail, remedy: String::new() };
        }
        Err(error) => error,
    };
    if check.provider == ProviderId::Local {
        return local(origin, &error);
    }
    let (status, remedy) = judge(check, &error);
    Answer { status, detail: format!("{origin}: {error}"), remedy }
}

/// The operator's own server may be off.
fn local(origin: &str, error: &UpstreamError) -> Answer {
    let (detail, remedy) = match error {
        UpstreamError::Unreachable { reason: UnreachableReason::Refused } => (
            format!("not running: nothing listens at {origin}"),
            "start it, set LLM_API_LOCAL_BASE_URL, or set LLM_API_ENABLE_LOCAL_MODELS=false",
        ),
        error => {
            (format!("{origin}: {error}"), "check LLM_API_LOCAL_BASE_URL, or set LLM_API_ENABLE_LOCAL_MODELS=false")
        }
    };
    Answer { status: Status::Warn, detail, remedy: remedy.to_owned() }
}

fn judge(check: &ProviderCheck, error: &UpstreamError) -> (Status, String) {
    let ProviderCheck { address_setting, key_setting, .. } = check;
    match error {
        UpstreamError::KeyRejected { status: 403, .. } => {
            (Status::Fail, format!("{key_setting} is known there but may not be used: check its rights and its region"))
        }
        UpstreamError::KeyRejected { .. } => {
            (Status::Fail, format!("{key_setting} is wrong or was revoked: set another"))
        }
        UpstreamError::RateLimited { insufficient_quota: true, .. } => {
            (Status::Warn, "the account has no credit left".to_owned())
        }
        UpstreamError::RateLimited { .. } | UpstreamError::Failed { .. } | UpstreamError::Died { .. } => {
            (Status::Warn, "try again later".to_owned())
        }
        UpstreamError::Unreachable { .. } | UpstreamError::Timeout { .. } => {
            (Status::Fail, format!("check this machine's way there, {address_setting} and LLM_API_UPSTREAM_PROXY"))
        }
        UpstreamError::Refused { .. } | UpstreamError::BadResponse { .. } => {
            (Status::Fail, format!("check {address_setting}"))
        }
    }
}
