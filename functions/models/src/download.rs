use std::borrow::Cow;

use axum::extract::State;
use http::StatusCode;
use llm_api_domain::{Clock, JobStatus};
use llm_api_relay::{BadPullName, Download, DownloadCall, DownloadSource, PullName, Relay};
use llm_api_web::{ApiError, Caller, Generate, Json, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::jobs::JobView;

/// The longest id, in bytes.
const MAX_ID: usize = 255;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DownloadModel {
    model: WantedModel,
    source: Source,
}

#[derive(Debug, Deserialize, ToSchema)]
struct WantedModel {
    /// The client's own; the job tells it again.
    #[schema(example = "llama3.2:1b")]
    id: String,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Source {
    #[serde(rename = "type")]
    kind: SourceKind,
    /// The model's id there; the one in `model` when not given.
    #[schema(example = "llama3.2:1b")]
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SourceKind {
    /// `owner/name` of a repository with GGUF files.
    Huggingface,
    /// A name of Ollama's library.
    Local,
    /// The same.
    Ollama,
    /// Not possible here: the job fails at once.
    Url,
}

impl SourceKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Huggingface => "huggingface",
            Self::Local => "local",
            Self::Ollama => "ollama",
            Self::Url => "url",
        }
    }
}

impl DownloadModel {
    fn source(&self) -> Result<DownloadSource, ApiError> {
        let given = self.source.id.as_deref().filter(|id| !id.trim().is_empty());
        let id = given.unwrap_or(&self.model.id);
        let name = match self.source.kind {
            SourceKind::Huggingface => PullName::huggingface(id),
            SourceKind::Local | SourceKind::Ollama => PullName::ollama(id),
            SourceKind::Url => return Ok(DownloadSource::Url),
        };
        let path = if given.is_some() { "source" } else { "model" };
        name.map(DownloadSource::Pull).map_err(|error: BadPullName| bad_id(path, error.to_string()))
    }
}

fn bad_id(path: &str, msg: String) -> ApiError {
    let loc = ["body", path, "id"].map(str::to_owned).to_vec();
    ApiError::invalid(vec![Problem { kind: Cow::Borrowed("value_error"), loc, msg }])
}

/// Have the local server download a model. The work goes on after the reply.
#[utoipa::path(post, path = "/v1/models/download", tag = "models", request_body = DownloadModel,
    responses((status = 202, description = "The job, also when it failed at once", body = JobView),
        (status = 400, body = llm_api_web::ErrorBody), (status = 401, body = llm_api_web::ErrorBody),
        (status = 422, body = llm_api_web::ErrorBody), (status = 501, body = llm_api_web::ErrorBody),
        (status = 502, body = llm_api_web::ErrorBody)))]
pub(crate) async fn download(
    State(relay): State<Relay>,
    State(clock): State<Clock>,
    caller: Caller<Generate>,
    Json(body): Json<DownloadModel>,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    let model = body.model.id.trim().to_owned();
    if model.is_empty() || model.len() > MAX_ID {
        return Err(bad_id("model", format!("must have 1 to {MAX_ID} bytes")));
    }
    let source = body.source()?;
    let source_type = body.source.kind.as_str();
    let call = DownloadCall { user: caller.user, model: model.clone(), source_type, source };
    let existing = |status, progress_pct| JobView {
        job_id: "existing".to_owned(),
        model_id: model,
        status,
        progress_pct,
        error: None,
        created_at: clock.now(),
    };
    let job = match relay.download(call).await? {
        Download::Job(job) => job.into(),
        Download::RunsAlready { progress_pct } => existing(JobStatus::Running, progress_pct),
        Download::Present => existing(JobStatus::Completed, 100.0),
    };
    Ok((StatusCode::ACCEPTED, Json(job)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_of_the_clients_are_read() {
        for body in [
            r#"{"model":{"id":"org/m","name":"m","version":"latest","modality":"text","provider":"huggingface"},
                "source":{"type":"huggingface","id":"org/m"},"options":{"install_local":true}}"#,
            r#"{"model":{"id":"org/m","name":"m","version":"latest","modality":"text","provider":null},
                "source":{"type":"huggingface","id":null,"uri":null},"options":null}"#,
        ] {
            let body: DownloadModel = serde_json::from_str(body).expect("a body");
            let Ok(DownloadSource::Pull(name)) = body.source() else { panic!("{body:?}") };
            assert_eq!(name.to_string(), "hf.co/org/m");
        }
    }
}
