use axum::{extract::State, response::IntoResponse};
use http::StatusCode;
use llm_api_app::AppState;
use llm_api_domain::Timestamp;
use llm_api_web::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Only while the operator has frozen the data: everything can be read, and nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<Frozen>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Frozen {
    /// The operator's words.
    #[schema(example = "migration")]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl Readiness {
    fn not_ready() -> (StatusCode, Json<Self>) {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Self { status: "not_ready", frozen: None }))
    }
}

/// Whether requests can be served: the database answers and the server is not stopping.
#[utoipa::path(get, path = "/ready", tag = "health", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    if state.relay.is_stopping() {
        return Readiness::not_ready();
    }
    match state.auth.store.freezes().current().await {
        Ok(freeze) => {
            let frozen = freeze.map(|freeze| Frozen { reason: freeze.reason, since: freeze.since });
            (StatusCode::OK, Json(Readiness { status: "ready", frozen }))
        }
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Readiness::not_ready()
        }
    }
}
