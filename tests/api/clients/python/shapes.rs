//! What the pydantic models parse: a field with a default may be missing, but not null.

use crate::clients::shape::{Shape, defaulted, list, map, object, optional, required};

pub(super) const MODALITY: Shape = Shape::Word(&["text", "image", "3d"]);

pub(super) fn credits() -> Shape {
    object([
        required("provider", Shape::Text),
        defaulted("status", Shape::Word(&["available", "exhausted", "unknown"])),
        optional("remaining", Shape::Number),
        optional("reset_at", Shape::Time),
    ])
}

pub(super) fn generation() -> Shape {
    let selection = object([
        required("selected_model", Shape::Text),
        optional("selected_provider", Shape::Text),
        defaulted("fallback_used", Shape::Flag),
        optional("fallback_reason", Shape::Text),
    ]);
    let output = object([
        optional("text", Shape::Text),
        optional("images", list(Shape::Text)),
        optional("mesh", Shape::Text),
        optional("artifacts", list(map(Shape::Anything))),
    ]);
    let usage = object([
        defaulted("prompt_tokens", Shape::Whole),
        defaulted("completion_tokens", Shape::Whole),
        defaulted("total_tokens", Shape::Whole),
    ]);
    object([
        required("request_id", Shape::Text),
        required("model", Shape::Text),
        required("modality", MODALITY),
        optional("session_id", Shape::Text),
        optional("state_tokens", map(Shape::Anything)),
        optional("selection", selection),
        optional("credits_status", credits()),
        required("output", output),
        required("usage", usage),
    ])
}

pub(super) fn model() -> Shape {
    let capabilities = object([
        optional("max_context_tokens", Shape::Whole),
        optional("output_formats", list(Shape::Text)),
        optional("hardware_requirements", list(Shape::Text)),
        optional("image_input_max_edge", Shape::Whole),
        optional("image_input_max_pixels", Shape::Whole),
        optional("image_input_formats", list(Shape::Text)),
    ]);
    let source =
        object([required("type", Shape::Word(&["huggingface", "url", "local"])), required("uri", Shape::Text)]);
    let availability = object([
        required("provider", Shape::Text),
        defaulted("access", Shape::Word(&["available", "locked", "unknown"])),
        optional("credits_status", credits()),
    ]);
    object([
        required("id", Shape::Text),
        required("name", Shape::Text),
        required("version", Shape::Text),
        required("modality", MODALITY),
        optional("provider", Shape::Text),
        optional("capabilities", capabilities),
        optional("source", source),
        optional("size_bytes", Shape::Whole),
        optional("local_path", Shape::Text),
        optional("last_used_at", Shape::Time),
        optional("is_default", Shape::Flag),
        defaulted("status", Shape::Word(&["available", "downloading", "failed", "disabled", "evicted"])),
        optional("availability", availability),
    ])
}

pub(super) fn catalogue() -> Shape {
    object([required("models", list(model())), optional("next_cursor", Shape::Text)])
}

pub(super) fn session() -> Shape {
    let message = object([
        required("id", Shape::Text),
        required("role", Shape::Word(&["user", "assistant"])),
        required("content", Shape::Text),
        required("created_at", Shape::Time),
    ]);
    object([
        required("id", Shape::Text),
        required("status", Shape::Word(&["active", "closed"])),
        optional("title", Shape::Text),
        required("created_at", Shape::Time),
        optional("last_used_at", Shape::Time),
        defaulted("message_count", Shape::Whole),
        optional("messages", list(message)),
    ])
}

pub(super) fn profile() -> Shape {
    object([
        required("id", Shape::Text),
        required("email", Shape::Text),
        optional("display_name", Shape::Text),
        optional("preferred_model", Shape::Text),
        defaulted("preferences", map(Shape::Anything)),
    ])
}

pub(super) fn token() -> Shape {
    object([
        required("id", Shape::Text),
        optional("name", Shape::Text),
        defaulted("scopes", list(Shape::Text)),
        required("created_at", Shape::Time),
        optional("last_used_at", Shape::Time),
        optional("expires_at", Shape::Time),
    ])
}

pub(super) fn job() -> Shape {
    object([
        required("job_id", Shape::Text),
        required("model_id", Shape::Text),
        required("status", Shape::Word(&["queued", "running", "completed", "failed", "cancelled"])),
        required("progress_pct", Shape::Number),
        optional("error", Shape::Text),
        required("created_at", Shape::Time),
    ])
}

pub(super) fn request_status() -> Shape {
    object([
        required("request_id", Shape::Text),
        required("status", Shape::Word(&["pending", "queued", "running", "completed", "cancelled", "failed"])),
        optional("queue_position", Shape::Whole),
    ])
}

pub(super) fn cancelled() -> Shape {
    object([required("request_id", Shape::Text), required("cancelled", Shape::Flag), required("status", Shape::Text)])
}
