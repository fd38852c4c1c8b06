//! What talks to providers: the only outbound HTTP client, the SSE codec and the wire formats.
//! Knows neither our database nor how we serve HTTP.

mod body;
mod client;
mod config;
mod detail;
mod endpoint;
mod error;
mod guard;
mod redact;
pub mod sse;
mod stream;
pub mod wire;

pub use client::{Call, Client, ClientError, Complete, Reply};
pub use config::UpstreamConfig;
pub use detail::Detail;
pub use endpoint::{Endpoint, EndpointError, Origin, Trust};
pub use error::{TimeoutPhase, UnreachableReason, UpstreamError};
pub use guard::{BlockedAddress, GuardedResolver, is_public};
pub use redact::redact;
pub use stream::EventStream;
pub use wire::models::ListedModel;
