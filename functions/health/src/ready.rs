use axum::{extract::State, response::IntoResponse};
use http::StatusCode;
use llm_api_app::AppState;
use llm_api_web::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether requests can be served: the database answers and the server is not stopping.
#[utoipa::path(get, path = "/ready", tag = "health", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let stopping = state.relay.is_stopping();
    match state.auth.store.ping().await {
        Ok(()) if !stopping => (StatusCode::OK, Json(Readiness { status: "ready" })),
        Ok(()) => (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status: "not_ready" })),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status: "not_ready" }))
        }
    }
}
