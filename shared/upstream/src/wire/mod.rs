//! The wire formats: pure functions over bytes.

pub(crate) mod anthropic;
pub(crate) mod gemini;
pub mod models;
pub mod openai;
