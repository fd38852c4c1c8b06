//! The Hugging Face hub's search: two pages of three models.

use http::header::LINK;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{Key, ProviderRequest, Script, json_reply};
use crate::serve::Body;

/// Needs no key. A search for `fails` is answered with 500.
pub(super) fn answer(script: &Script, request: &ProviderRequest) -> Response<Body> {
    let refused = |status, message: &str| json_reply(status, &json!({"error": message}));
    if script.judge(request, None) == Key::Bad {
        return refused(StatusCode::UNAUTHORIZED, "Invalid credentials in Authorization header");
    }
    if request.method != http::Method::GET {
        return refused(StatusCode::NOT_FOUND, "Sorry, we can't find the page you are looking for.");
    }
    let search = request.query("search").unwrap_or_default();
    if search == "fails" {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal Error - We're working hard to fix this.");
    }
    let tag = request.query("pipeline_tag").unwrap_or_else(|| "text-generation".to_owned());
    let limit = request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let cursor = request.query("cursor");
    let first = if cursor.is_some() { 4 } else { 1 };
    let page: Vec<Value> = (first..first + 3).take(limit).map(|number| model(number, &search, &tag)).collect();
    let mut response = json_reply(StatusCode::OK, &Value::Array(page));
    if cursor.is_none() {
        let link = format!("<{}>; rel=\"next\"", next_page(script, request));
        response.headers_mut().insert(LINK, link.parse().expect("an address is a header value"));
    }
    response
}

/// The same query with a cursor.
fn next_page(script: &Script, request: &ProviderRequest) -> String {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let mut next = Serializer::new(String::new());
    next.extend_pairs(url::form_urlencoded::parse(query.as_bytes())).append_pair("cursor", "2");
    format!("{}/api/models?{}", script.origin, next.finish())
}

fn model(number: u32, search: &str, tag: &str) -> Value {
    let id = format!("maker-{number}/{search}-{number}b");
    json!({
        "_id": format!("{number:024x}"),
        "id": id,
        "modelId": id,
        "author": format!("maker-{number}"),
        "private": false,
        "gated": false,
        "likes": 10 * number,
        "downloads": 1000 / number,
        "tags": ["transformers", "safetensors", tag, "license:mit"],
        "pipeline_tag": tag,
        "library_name": "transformers",
        "createdAt": "2025-12-01T00:00:00.000Z",
        "lastModified": format!("2026-01-{number:02}T00:00:00.000Z"),
    })
}
