//! The native format of generation, which several endpoints speak: bodies in, replies and streams out.

mod answer;
mod request;
mod response;
mod stream;

pub use answer::answer;
pub use request::{GenerateRequest, RegenerateRequest, session_id};
pub use response::{CreditsStatus, GenerateResponse};
