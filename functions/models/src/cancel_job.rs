use axum::extract::State;
use llm_api_relay::Relay;
use llm_api_web::{ApiError, Caller, Generate, Json, Path};

use crate::jobs::{JobView, job_id, not_found};

/// Cancel one of the caller's downloads; one that has ended stays as it is.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = JobView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn cancel_job(
    State(relay): State<Relay>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<JobView>, ApiError> {
    let job = relay.cancel_download(caller.user, job_id(&id)?).await?;
    job.map(|job| Json(job.into())).ok_or_else(not_found)
}
