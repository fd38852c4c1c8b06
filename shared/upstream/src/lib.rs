//! What talks to providers: the only outbound HTTP client, the SSE codec and the wire formats.
//! Knows neither our database nor how we serve HTTP.

mod address;
mod auth;
mod balance;
mod body;
mod chat;
mod chunks;
mod client;
mod config;
pub mod convert;
mod detail;
mod endpoint;
mod error;
mod guard;
mod hub;
mod images;
mod list;
mod object;
mod ollama;
mod plain;
mod redact;
mod request;
mod sniff;
pub mod sse;
mod stream;
pub mod wire;

pub use auth::{Auth, AuthScheme};
pub use balance::Balance;
pub use chat::{Call, Complete, Reply};
pub use client::{Client, ClientError};
pub use config::UpstreamConfig;
pub use convert::{Conversation, ConvertError, Step, StreamReader, Turn, to_wire};
pub use detail::Detail;
pub use endpoint::{Endpoint, EndpointError, Origin, Trust};
pub use error::{TimeoutPhase, UnreachableReason, UpstreamError};
pub use guard::{BlockedAddress, GuardedResolver, is_public};
pub use hub::{HubModel, HubPage, HubQuery};
pub use images::{Image, ImageApi, ImageCall};
pub use ollama::{LoadedModel, PullProgress, PullStream, PulledModel, PulledModelDetails};
pub use plain::{PlainAnswer, PlainClient, PlainError, PlainReply, PlainRequest, PlainStream};
pub use redact::redact;
pub use stream::EventStream;
pub use wire::models::ListedModel;
