//! The wire formats: pure functions over bytes.

pub(crate) mod anthropic;
mod body;
pub(crate) mod gemini;
pub mod models;
pub mod openai;
mod outline;
mod passing;
pub(crate) mod responses;

pub use body::{BodyError, RequestBody};
pub use outline::{Outline, outline};
pub use passing::{Closing, PassingStream, Seen};
