use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use llm_api_artifacts::{ArtifactError, File, Opened};
use llm_api_domain::{Clock, Timestamp};
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Path, Query};
use serde::Deserialize;
use utoipa::IntoParams;

/// Links may be good for days; what caches hold should not outlive a deleted file for long.
const MAX_AGE_SECONDS: u64 = 3600;

/// What a link carries. Other texts are wrong signatures, not wrong requests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// Seconds since the epoch.
    expires: Option<String>,
    signature: Option<String>,
}

/// A generated file, by its link, which needs no credential, or with the owner's.
///
/// A link is judged by itself, whoever presents it.
#[utoipa::path(get, path = "/v1/artifacts/{id}", tag = "artifacts", params(("id" = String, Path), LinkQuery),
    security(()),
    responses((status = 200, description = "The bytes: PNG, JPEG, WebP, GIF or `application/octet-stream`"),
        (status = 404, body = llm_api_web::ErrorBody), (status = 410, body = llm_api_web::ErrorBody),
        (status = 503, body = llm_api_web::ErrorBody)))]
pub(crate) async fn open(
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    Path(id): Path<String>,
    Query(link): Query<LinkQuery>,
    caller: Result<Caller<Generate>, ApiError>,
) -> Result<Response, ApiError> {
    let not_found = || ApiError::not_found("Artifact");
    let id = id.parse().map_err(|_| not_found())?;
    let (opened, shared) = match (link.expires, link.signature) {
        (None, None) => (relay.artifacts().open_own(known(caller)?.user, id).await, "private"),
        (Some(expires), Some(signature)) => {
            let expires = expires.parse().map_err(|_| not_found())?;
            (relay.artifacts().open_signed(id, expires, &signature).await, "public")
        }
        (Some(_), None) | (None, Some(_)) => return Err(not_found()),
    };
    match opened.map_err(failed)? {
        Opened::File(file) => Ok(reply(file, shared, clock.now())),
        Opened::Expired => Err(ApiError::gone("Artifact")),
        Opened::Missing => Err(not_found()),
    }
}

/// Strangers learn nothing, not even that a credential would help.
fn known(caller: Result<Caller<Generate>, ApiError>) -> Result<Caller<Generate>, ApiError> {
    caller.map_err(|error| if error.status().is_server_error() { error } else { ApiError::not_found("Artifact") })
}

fn reply(file: File, shared: &str, now: Timestamp) -> Response {
    let left = file.expires_at.map_or(MAX_AGE_SECONDS, |end| end.since(now).as_secs().min(MAX_AGE_SECONDS));
    let headers = [
        (header::CONTENT_TYPE, file.content_type.to_owned()),
        (header::CONTENT_DISPOSITION, "inline".to_owned()),
        (header::CACHE_CONTROL, format!("{shared}, max-age={left}")),
    ];
    (headers, file.bytes).into_response()
}

fn failed(error: ArtifactError) -> ApiError {
    match error {
        ArtifactError::Store(error) => error.into(),
        ArtifactError::Bucket(error) => {
            tracing::error!(%error, "the bucket of generated files does not answer as it should");
            let message = "The store of generated files does not answer at the moment; try again shortly";
            ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "artifact_store_unavailable", message)
        }
        ArtifactError::TooLarge { .. } | ArtifactError::Gone | ArtifactError::Folder(_) => ApiError::internal(error),
    }
}
