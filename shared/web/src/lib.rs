//! What every endpoint shares: errors, extractors, throttles, and the edge around the router.

mod address;
pub mod aliases;
mod attendant;
mod audit;
mod background;
mod base_url;
mod caller;
mod completion;
mod edge;
mod error;
mod family;
mod idempotency;
mod inspect;
mod json;
pub mod native;
mod relay_error;
mod requester;
mod sse;
mod throttles;
mod told_body;

pub use address::{ClientAddress, PeerAddress, TrustedProxies};
pub use attendant::{AttendantConfig, ready};
pub use audit::Audit;
pub use background::Background;
pub use base_url::BaseUrl;
pub use caller::{Account, Admin, Any, AuthState, Caller, Generate, Keys, Operator, Permission};
pub use completion::Endpoint;
pub use edge::{Edge, EdgeConfig, method_not_allowed, not_found, read_only, telling_its_route};
pub use error::{ApiError, Detail, ErrorBody, Problem, gate_error};
pub use idempotency::Completion;
pub use inspect::check_json;
pub use json::{BodyLimits, Json, LargeBody, LargeJson, OptionalJson, Path, Query, lenient_integer};
pub use requester::Requester;
pub use sse::{HEARTBEAT, event_stream};
pub use throttles::{Throttle, ThrottleKey, Throttles};
