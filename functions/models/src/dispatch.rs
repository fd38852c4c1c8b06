//! Model ids may hold slashes, and the router knows no pattern for what stands behind them: the last part of the path
//! decides here which endpoint a request is for.

use axum::{
    extract::{FromRequestParts, Request, State},
    handler::Handler as _,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, header, request};
use llm_api_app::AppState;
use llm_api_web::{ApiError, Path, method_not_allowed};
use utoipa::OpenApi;

use crate::{get, load, set_default, status, unload};

/// The endpoints behind the wildcard, under the paths that clients use.
#[derive(OpenApi)]
#[openapi(paths(get::get, set_default::set_default, status::status, load::load, unload::unload))]
struct Document;

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Status,
    Default,
    Load,
    Unload,
}

impl Action {
    fn of(method: &Method, word: &str) -> Option<Self> {
        match (method, word) {
            (&Method::GET | &Method::HEAD, "status") => Some(Self::Status),
            (&Method::POST, "default") => Some(Self::Default),
            (&Method::POST, "load") => Some(Self::Load),
            (&Method::POST, "unload") => Some(Self::Unload),
            _ => None,
        }
    }
}

/// The model's id, and what is asked of it.
fn split<'p>(method: &Method, path: &'p str) -> (&'p str, Option<Action>) {
    let found = path.rsplit_once('/').filter(|(id, _)| !id.is_empty());
    match found.and_then(|(id, word)| Some((id, Action::of(method, word)?))) {
        Some((id, action)) => (id, Some(action)),
        None => (path, None),
    }
}

/// The id in the path, without the action behind it.
pub(crate) struct ModelId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ModelId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, ApiError> {
        let Path(path) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(split(&parts.method, &path).0.to_owned()))
    }
}

/// `GET /v1/models/{id}` and `GET /v1/models/{id}/status`.
pub(crate) async fn get(State(state): State<AppState>, Path(path): Path<String>, request: Request) -> Response {
    match split(request.method(), &path).1 {
        Some(Action::Status) => status::status.call(request, state).await,
        Some(Action::Default | Action::Load | Action::Unload) | None => get::get.call(request, state).await,
    }
}

/// `POST /v1/models/{id}/default`, `…/load` and `…/unload`.
pub(crate) async fn post(State(state): State<AppState>, Path(path): Path<String>, request: Request) -> Response {
    match split(request.method(), &path).1 {
        Some(Action::Default) => set_default::set_default.call(request, state).await,
        Some(Action::Load) => load::load.call(request, state).await,
        Some(Action::Unload) => unload::unload.call(request, state).await,
        Some(Action::Status) | None => {
            let mut response = method_not_allowed().await.into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_path_is_an_action_only_for_its_method() {
        let (status, default) = (Some(Action::Status), Some(Action::Default));
        for (method, path, expected) in [
            (Method::GET, "gpt-4o", ("gpt-4o", None)),
            (Method::GET, "gpt-4o/status", ("gpt-4o", status)),
            (Method::HEAD, "a/b/status", ("a/b", status)),
            (Method::POST, "meta-llama/Llama-3:8b/default", ("meta-llama/Llama-3:8b", default)),
            (Method::POST, "local:llama3:8b/load", ("local:llama3:8b", Some(Action::Load))),
            (Method::POST, "hf.co/org/model/unload", ("hf.co/org/model", Some(Action::Unload))),
            (Method::GET, "org/load", ("org/load", None)),
            (Method::GET, "org/default", ("org/default", None)),
            (Method::POST, "org/status", ("org/status", None)),
            (Method::GET, "status", ("status", None)),
            (Method::GET, "/status", ("/status", None)),
            (Method::GET, "status/status", ("status", status)),
        ] {
            assert_eq!(split(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_document_names_the_paths_that_clients_use() {
        let document = document();
        let paths: Vec<&str> = document.paths.paths.keys().map(String::as_str).collect();
        let of_models = ["", "/default", "/load", "/status", "/unload"].map(|word| format!("/v1/models/{{id}}{word}"));
        assert_eq!(paths, of_models);
    }
}
