use axum::extract::State;
use llm_api_domain::{JobId, JobStatus, Timestamp};
use llm_api_storage::{Job, Store};
use llm_api_web::{ApiError, Caller, Generate, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// More than anybody scrolls through.
const MOST: i64 = 1000;

/// A download of a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    /// `existing` where there was nothing to begin.
    pub(crate) job_id: String,
    pub(crate) model_id: String,
    /// `queued`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    pub(crate) status: JobStatus,
    /// 0 to 100.
    pub(crate) progress_pct: f64,
    pub(crate) error: Option<String>,
    #[schema(value_type = String)]
    pub(crate) created_at: Timestamp,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            job_id: job.id.to_string(),
            model_id: job.model,
            status: job.status,
            progress_pct: job.progress_pct,
            error: job.error,
            created_at: job.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    jobs: Vec<JobView>,
}

/// The caller's downloads, newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "models",
    responses((status = 200, body = JobList), (status = 401, body = llm_api_web::ErrorBody)))]
pub(crate) async fn jobs(State(store): State<Store>, caller: Caller<Generate>) -> Result<Json<JobList>, ApiError> {
    let jobs = store.download_jobs().list(caller.user, MOST).await?;
    Ok(Json(JobList { jobs: jobs.into_iter().map(JobView::from).collect() }))
}

/// The job that a path names; what cannot be an id names nothing.
pub(crate) fn job_id(text: &str) -> Result<JobId, ApiError> {
    text.parse().map_err(|_| not_found())
}

pub(crate) fn not_found() -> ApiError {
    ApiError::not_found("Job")
}
