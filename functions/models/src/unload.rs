use axum::extract::State;
use llm_api_relay::{Relay, Unload};
use llm_api_web::{ApiError, Caller, Generate, Json, OptionalJson, Query};
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::{IntoParams, ToSchema};

use crate::{dispatch::ModelId, load::ModelRuntime};

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct UnloadModel {
    /// Unloads it also while it answers.
    force: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UnloadQuery {
    /// The same as in the body; one that says so is enough.
    #[serde(default, deserialize_with = "flag")]
    force: bool,
}

/// As programs in several languages write it.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        _ => Err(D::Error::custom("force: expected true or false")),
    }
}

/// Have a local model out of memory.
#[utoipa::path(post, path = "/v1/models/{id}/unload", tag = "models", params(("id" = String, Path), UnloadQuery),
    request_body = Option<UnloadModel>,
    responses((status = 200, body = ModelRuntime), (status = 400, body = llm_api_web::ErrorBody),
        (status = 401, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody),
        (status = 501, body = llm_api_web::ErrorBody), (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn unload(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    ModelId(id): ModelId,
    Query(query): Query<UnloadQuery>,
    OptionalJson(body): OptionalJson<UnloadModel>,
) -> Result<Json<ModelRuntime>, ApiError> {
    let force = query.force || body.force == Some(true);
    let (model_id, message) = match relay.unload_model(caller.user, &id, force).await? {
        Unload::Unloaded { id } => (id, "The model is unloaded"),
        Unload::Nothing => (id, "Nothing to unload: the local server has no such model"),
    };
    Ok(Json(ModelRuntime { model_id, status: "unloaded", message: message.to_owned() }))
}
