//! One path for every generating route: admit, route, call, settle. The only place where storage and providers meet.

mod attempt;
mod breaker;
mod catalogue;
mod completion;
mod control;
mod credential;
mod credits;
mod defaults;
mod error;
mod fallback;
mod generate;
mod history;
mod image;
mod limits;
mod local;
mod meter;
mod providers;
mod pump;
mod regenerate;
mod relay;
mod route;
mod target;
mod transcript;
mod watch;

pub use catalogue::{Access, CatalogueEntry, HubSearch, modality_of};
pub use completion::{CompletionCall, CompletionEvent, CompletionReply, ServedBy};
pub use control::Cancellation;
pub use credential::{Credential, IncompleteCredential};
pub use credits::{CreditState, Credits};
pub use defaults::Defaults;
pub use error::RelayError;
pub use generate::{ArtifactLink, GenerateCall, GenerateEvent, Generated, Output, SelectionMode, Served};
pub use history::Replaced;
pub use limits::StreamLimits;
pub use local::{
    BadPullName, Download, DownloadCall, DownloadSource, Load, LoadedLocalModel, PullName, RuntimeStatus, Unload,
};
pub use providers::{ProviderSettings, ServerKey};
pub use regenerate::RegenerateCall;
pub use relay::{Relay, RelayConfig, Subject};
pub use target::Target;
