use axum::extract::State;
use llm_api_storage::Store;
use llm_api_web::{ApiError, Caller, Generate, Json, Path};

use crate::jobs::{JobView, job_id, not_found};

/// One of the caller's downloads.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "models", params(("id" = String, Path)),
    responses((status = 200, body = JobView), (status = 401, body = llm_api_web::ErrorBody),
        (status = 404, body = llm_api_web::ErrorBody)))]
pub(crate) async fn get_job(
    State(store): State<Store>,
    caller: Caller<Generate>,
    Path(id): Path<String>,
) -> Result<Json<JobView>, ApiError> {
    let job = store.download_jobs().get(caller.user, job_id(&id)?).await?;
    job.map(|job| Json(job.into())).ok_or_else(not_found)
}
