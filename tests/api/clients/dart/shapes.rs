//! What the models of the SDK parse: `as String` is required, `as String?` may be missing or null.

use crate::clients::shape::{Shape, list, map, object, optional, required};

pub(super) fn credits() -> Shape {
    object([
        optional("provider", Shape::Text),
        optional("status", Shape::Text),
        optional("remaining", Shape::Number),
        optional("reset_at", Shape::Time),
    ])
}

pub(super) fn model() -> Shape {
    let availability = object([
        optional("provider", Shape::Text),
        optional("access", Shape::Word(&["available", "locked", "unknown"])),
        optional("credits_status", credits()),
    ]);
    object([
        required("id", Shape::Text),
        optional("name", Shape::Text),
        optional("provider", Shape::Text),
        optional("modality", Shape::Text),
        optional("version", Shape::Text),
        optional("description", Shape::Text),
        optional("is_default", Shape::Flag),
        optional("availability", availability),
        optional("status", Shape::Text),
    ])
}

pub(super) fn models() -> Shape {
    object([required("models", list(model()))])
}

pub(super) fn schema() -> Shape {
    let parameter = object([
        optional("type", Shape::Text),
        optional("title", Shape::Text),
        optional("description", Shape::Text),
        optional("minimum", Shape::Number),
        optional("maximum", Shape::Number),
        optional("enum", list(Shape::Anything)),
        optional("required", Shape::Flag),
    ]);
    object([
        optional("model_id", Shape::Text),
        optional("version", Shape::Text),
        optional("properties", map(parameter)),
    ])
}

pub(super) fn found() -> Shape {
    let result = object([
        required("id", Shape::Text),
        optional("name", Shape::Text),
        optional("tags", list(Shape::Text)),
        optional("modality_hints", list(Shape::Text)),
        optional("hf_hosted_supported", Shape::Flag),
        optional("downloads", Shape::Whole),
        optional("last_modified", Shape::Time),
    ]);
    object([optional("results", list(result)), optional("next_cursor", Shape::Text)])
}

pub(super) fn job() -> Shape {
    object([
        required("job_id", Shape::Text),
        required("model_id", Shape::Text),
        required("status", Shape::Word(&["queued", "running", "completed", "failed", "cancelled"])),
        optional("progress_pct", Shape::Number),
        optional("error", Shape::Text),
        required("created_at", Shape::Time),
    ])
}

pub(in crate::clients) fn generation() -> Shape {
    let artifact = object([
        required("id", Shape::Text),
        required("type", Shape::Text),
        required("url", Shape::Text),
        optional("expires_at", Shape::Time),
    ]);
    let output = object([
        optional("text", Shape::Text),
        optional("images", list(Shape::Text)),
        optional("mesh", Shape::Text),
        optional("artifacts", list(artifact)),
    ]);
    let selection = object([
        optional("selected_model", Shape::Text),
        optional("selected_provider", Shape::Text),
        optional("fallback_used", Shape::Flag),
        optional("fallback_reason", Shape::Text),
    ]);
    let usage = object([optional("prompt_tokens", Shape::Whole), optional("completion_tokens", Shape::Whole)]);
    object([
        optional("request_id", Shape::Text),
        optional("modality", Shape::Text),
        required("output", output),
        optional("usage", usage),
        optional("selection", selection),
        optional("credits_status", credits()),
    ])
}

pub(in crate::clients) fn session() -> Shape {
    let message = object([
        optional("id", Shape::Text),
        required("role", Shape::Text),
        optional("content", Shape::Text),
        optional("images", list(Shape::Text)),
        optional("artifact_urls", list(Shape::Text)),
        optional("mesh_artifact_urls", list(Shape::Text)),
        optional("mesh", Shape::Text),
        optional("model_name", Shape::Text),
        optional("created_at", Shape::Time),
    ]);
    object([
        required("id", Shape::Text),
        optional("title", Shape::Text),
        optional("model_id", Shape::Text),
        optional("messages", list(message)),
        optional("message_count", Shape::Whole),
        required("created_at", Shape::Time),
        optional("last_used_at", Shape::Time),
    ])
}

pub(super) fn profile() -> Shape {
    object([
        required("id", Shape::Text),
        optional("username", Shape::Text),
        optional("email", Shape::Text),
        optional("preferences", map(Shape::Anything)),
        optional("created_at", Shape::Time),
    ])
}

/// The client takes `token` as well; ours sends both.
pub(super) fn signed_in() -> Shape {
    object([
        required("access_token", Shape::Text),
        required("token", Shape::Text),
        optional("token_type", Shape::Text),
        optional("expires_in", Shape::Whole),
        optional("user", profile()),
    ])
}

pub(super) fn token() -> Shape {
    object([
        required("id", Shape::Text),
        optional("name", Shape::Text),
        required("created_at", Shape::Time),
        optional("last_used_at", Shape::Time),
        optional("token", Shape::Text),
    ])
}

pub(super) fn provider_key() -> Shape {
    object([
        required("id", Shape::Text),
        required("provider", Shape::Text),
        optional("credential_type", Shape::Text),
        optional("masked_key", Shape::Text),
        required("created_at", Shape::Time),
    ])
}

pub(super) fn request_status() -> Shape {
    object([
        required("request_id", Shape::Text),
        required("status", Shape::Text),
        optional("queue_position", Shape::Whole),
        optional("estimated_wait_seconds", Shape::Whole),
    ])
}
