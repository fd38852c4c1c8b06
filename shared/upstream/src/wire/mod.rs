//! The wire formats: pure functions over bytes.

pub mod models;
pub mod openai;
