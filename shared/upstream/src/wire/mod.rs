//! The wire formats: pure functions over bytes.

pub(crate) mod anthropic;
mod body;
pub mod models;
pub mod openai;
mod outline;
mod passing;
pub(crate) mod responses;
mod wanted;

pub use body::{BodyError, RequestBody};
pub use outline::{Outline, outline};
pub use passing::{Closing, PassingStream, Seen};
pub use wanted::Wanted;
