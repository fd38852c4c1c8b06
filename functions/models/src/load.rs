use axum::extract::State;
use http::StatusCode;
use llm_api_domain::UserId;
use llm_api_relay::{Load, Relay, RelayError};
use llm_api_web::{ApiError, Caller, Generate, Json, OptionalJson};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dispatch::ModelId;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct LoadModel {
    /// Whether to answer only when the model is loaded.
    wait: Option<bool>,
    /// False keeps `fallback_model_id` from being used.
    use_fallback: Option<bool>,
    /// Loaded in its place when that fails; only with `wait`.
    fallback_model_id: Option<String>,
}

impl LoadModel {
    /// The model to load when the one that was asked for cannot be.
    fn stand_in(&self) -> Option<&str> {
        let is_wanted = self.wait == Some(true) && self.use_fallback != Some(false);
        self.fallback_model_id.as_deref().map(str::trim).filter(|id| is_wanted && !id.is_empty())
    }
}

/// Where a model is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelRuntime {
    /// As the list of models has it.
    #[schema(example = "local:llama3.2:1b")]
    pub(crate) model_id: String,
    /// `loading`, `loaded` or `unloaded`.
    #[schema(example = "loaded")]
    pub(crate) status: &'static str,
    pub(crate) message: String,
}

/// Have a local model loaded into memory, where it stays.
#[utoipa::path(post, path = "/v1/models/{id}/load", tag = "models", params(("id" = String, Path)),
    request_body = Option<LoadModel>,
    responses((status = 200, description = "It is loaded", body = ModelRuntime),
        (status = 202, description = "It is being loaded", body = ModelRuntime),
        (status = 400, body = llm_api_web::ErrorBody), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 501, body = llm_api_web::ErrorBody), (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn load(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    ModelId(id): ModelId,
    OptionalJson(body): OptionalJson<LoadModel>,
) -> Result<(StatusCode, Json<ModelRuntime>), ApiError> {
    let asked = relay.load_model(caller.user, &id, body.wait.unwrap_or(false)).await;
    // When the stand-in fails as well, the first failure is the one that is told.
    if let Ok(None) | Err(RelayError::Upstream { .. }) = asked
        && let Some(other) = body.stand_in()
        && let Some(loaded) = load_instead(&relay, caller.user, &id, other).await
    {
        return Ok((StatusCode::OK, Json(loaded)));
    }
    let load = asked?.ok_or_else(|| ApiError::not_found(&format!("Model '{id}'")))?;
    Ok(view(load))
}

async fn load_instead(relay: &Relay, user: UserId, id: &str, other: &str) -> Option<ModelRuntime> {
    let load = relay.load_model(user, other, true).await.ok()??;
    let (_, Json(view)) = view(load);
    Some(ModelRuntime { message: format!("In place of {id}, which could not be loaded: {}", view.message), ..view })
}

fn view(load: Load) -> (StatusCode, Json<ModelRuntime>) {
    let (code, model_id, status, message) = match load {
        Load::Hosted { id, provider } => {
            (StatusCode::OK, id, "loaded", format!("Hosted by {provider}: nothing to load"))
        }
        Load::Loaded { id } => (StatusCode::OK, id, "loaded", "The model is loaded".to_owned()),
        Load::Loading { id } => (StatusCode::ACCEPTED, id, "loading", "The model is being loaded".to_owned()),
    };
    (code, Json(ModelRuntime { model_id, status, message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_taken_where_the_caller_waits_and_does_not_forbid_it() {
        for (wait, use_fallback, expected) in [
            (Some(true), Some(true), Some("other")),
            (Some(true), None, Some("other")),
            (Some(true), Some(false), None),
            (Some(false), Some(true), None),
            (None, None, None),
        ] {
            let body = LoadModel { wait, use_fallback, fallback_model_id: Some(" other ".to_owned()) };
            assert_eq!(body.stand_in(), expected, "{body:?}");
        }
        let none_named =
            LoadModel { wait: Some(true), use_fallback: Some(true), fallback_model_id: Some(String::new()) };
        assert_eq!(none_named.stand_in(), None);
    }
}
