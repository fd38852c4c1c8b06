//! Translates requests, replies and streams between the wire formats of model providers. Pure functions: each format is
//! read into one neutral form and written from it, so a new format is one module and no new pair.
//!
//! What the caller and the provider share passes by here untouched: it is bytes.

mod anthropic_messages;
mod bedrock_converse;
mod call;
pub mod embeddings;
mod estimate;
mod extra;
mod fields;
mod format;
mod google_gemini;
mod json;
mod loss;
mod member;
mod ollama_chat;
mod openai_chat;
mod openai_responses;
mod part;
mod reply;
mod request;
mod signature;
mod translate;
mod unsaid;
mod whole;

pub use anthropic_messages::read_count_request;
pub use estimate::estimate_tokens;
pub use format::Format;
pub use loss::{Losses, Malformed, OnUnsupported, Unreadable, Unsupported};
pub use member::Member;
pub use part::{Media, Part, Parts, Source, Text, Thinking};
pub use reply::{Event, Finish, Reply, Usage};
pub use request::{
    Cache, Effort, Function, LogProbs, Message, Reasoning, ReplyFormat, Request, Role, Sampling, Tool, ToolCall,
    ToolChoice, ToolResult,
};
pub use signature::Signature;
pub use translate::{
    DROPPED_COMMENT, Stamp, StreamReader, StreamWriter, read_reply, read_request, write_reply, write_request,
};
pub use unsaid::Written;
