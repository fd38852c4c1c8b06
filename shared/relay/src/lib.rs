//! One path for every generating route: admit, route, call, settle. The only place where storage and providers meet.

mod catalogue;
mod chat;
mod credential;
mod error;
mod generate;
mod limits;
mod meter;
mod providers;
mod pump;
mod relay;
mod route;

pub use catalogue::CatalogueEntry;
pub use chat::{ChatCall, ChatEvent, ChatReply};
pub use credential::{Credential, IncompleteCredential};
pub use error::RelayError;
pub use generate::{GenerateCall, GenerateEvent, Generated, SelectionMode};
pub use limits::StreamLimits;
pub use providers::{ProviderSettings, ServerKey};
pub use relay::{Relay, RelayConfig, Subject};
pub use route::Target;
