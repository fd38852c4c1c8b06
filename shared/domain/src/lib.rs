//! The words every other crate speaks: ids, time, scopes, providers. No I/O, no async.

mod clock;
mod disconnect;
mod id;
mod modality;
mod model_name;
mod provider;
mod scope;
mod session;
mod throttle;
mod timestamp;
mod usage;
mod username;

pub use clock::Clock;
pub use disconnect::OnDisconnect;
pub use id::{
    ArtifactId, AuditEventId, ExchangeId, InviteId, JobId, ProviderKeyId, RequestId, SERVICE_USER_ID, SessionId,
    TokenId, UserId,
};
pub use modality::Modality;
pub use model_name::{ModelName, NoModelName};
pub use provider::{CredentialType, ProviderId, UnknownProvider, WireFamily};
pub use scope::{Scope, ScopeSet, UnknownScope};
pub use session::{ExchangeStatus, JobStatus, SessionStatus};
pub use throttle::{Rate, Verdict};
pub use timestamp::Timestamp;
pub use usage::{RequestStatus, TokenUsage};
pub use username::{MAX_USERNAME, UsernameProblem, check_username};
