//! What tests stand on: a real PostgreSQL, a scripted provider, a real model, Lambda's runtime API, our binaries.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a test kit owns its tasks and fails by panicking"
)]

mod app;
mod bucket;
mod client;
mod collector;
mod counterparts;
mod lambda;
mod nginx;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod provider;
mod secrets;
mod serve;
mod temp;

pub use app::{Database, ENCRYPTION_KEY, Person, TestApp};
pub use bucket::FakeBucket;
pub use client::{Http, HttpError, HttpReply, HttpRequest};
pub use collector::{Batch, FakeCollector};
pub use counterparts::{RealModel, run_sdk, schema_faults};
pub use lambda::{FunctionProcess, LambdaGateway, LambdaReply, LambdaRuntime, LambdaStream, LambdaWatch};
pub use nginx::Nginx;
pub use pgbouncer::{Pooler, Pooling};
pub use port::free_port;
pub use postgres::{Cluster, TestDatabase, Tls};
pub use process::{Finished, Server, run, target_binary};
pub use provider::{Dialect, FakeProvider, MODELS, ProviderRequest, Recording, Speech, UNICODE};
pub use secrets::FakeSecrets;
pub use temp::TempDir;
