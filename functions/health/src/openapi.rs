use axum::response::IntoResponse;
use http::header;

/// The document of all groups, as it is checked in; a test keeps it true.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The description of this API.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
