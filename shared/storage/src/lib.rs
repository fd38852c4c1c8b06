//! The only crate that speaks SQL. One [`Store`] serves SQLite and Postgres with the same statements.
//!
//! Every method on owned data takes the owner; what may go wrong as part of the product (a name is taken, an
//! invite is used up) is a value, and [`StoreError`] means that the database itself failed.

#[macro_use]
mod db;
mod address;
mod aliases;
mod artifacts;
mod audit;
mod cache;
mod copy;
mod default_models;
mod dialect;
mod download_jobs;
mod error;
mod exchanges;
mod figures;
mod freeze;
mod idempotency;
mod import;
mod invites;
mod later;
mod legacy;
mod migrate;
mod open;
mod pool;
mod probe;
mod provider_keys;
mod recorder;
mod requests;
mod sealed;
mod sessions;
mod snapshot;
mod store;
mod throttles;
mod tokens;
mod usage_buckets;
mod users;
mod vault_canaries;

pub use address::{DatabaseAddress, RootCert, SqlitePath};
pub use aliases::{Alias, Aliases, NewAlias};
pub use artifacts::{Artifact, ArtifactKind, ArtifactStore, Artifacts, NewArtifact};
pub use audit::{Action, AuditContext};
pub use copy::{
    Checked, Column, Comparison, CopyError, CopyJob, CopyReport, DatabaseEnd, Difference, Finding, Kind, Outcome,
    Progress, Receipt, Side, Step, TABLES, Table, TableComparison, TableSum, check_database, compare_databases,
    copy_database,
};
pub use default_models::{DefaultModel, DefaultModels};
pub use download_jobs::{DownloadJobs, Job, NewJob};
pub use error::{OpenError, StoreError};
pub use exchanges::{Exchange, Exchanges, NewExchange, Recorded, StoredTurn};
pub use figures::{Figures, PoolFigures};
pub use freeze::{Freeze, Freezes};
pub use idempotency::{Claim, Claimed, IdempotencyKeys, KeptAtMost, KeptReply};
pub use import::{Import, ImportedInvite, ImportedSession, ImportedToken, ImportedUser, Placed};
pub use invites::{Invite, Invites, NewInvite};
pub use legacy::{Cell, LegacyError, LegacyFile, LegacyRow, LegacyTable};
pub use open::{OpenMode, OpenOptions};
pub use pool::PoolMode;
pub use probe::{
    CertificateProblem, DatabaseProbe, FreezeFacts, LoginProblem, MigrationState, PostgresPlace, PostgresProbe,
    ProbeError, SchemaFacts, SignInProblem, SqliteProbe, TlsMode, is_schema_name, speaks_tls,
};
pub use provider_keys::{KeyStatus, NewProviderKey, ProviderKey, ProviderKeys, SealedKey};
pub use recorder::{Recorder, RequestRecord, Running};
pub use requests::{Request, Requests};
pub use sealed::{
    Bound, RotateError, Rotated, Rotation, SEALED_COLUMNS, Sealed, SealedColumn, SealedCount, Told, Unopened, Verified,
    rotate, verify,
};
pub use sessions::{NewSession, Session, Sessions};
pub use snapshot::{Age, ArtifactFiles, SnapshotError, SnapshotFile, snapshot};
pub use store::Store;
pub use throttles::SharedThrottles;
pub use tokens::{AuthenticatedToken, NewToken, Token, TokenKind, Tokens};
pub use usage_buckets::{Bucket, Totals, UsageBuckets};
pub use users::{AccountChange, LoginUser, NewUser, Profile, ProfileChange, RegisterOutcome, User, UserRef, Users};
pub use vault_canaries::VaultCanaries;
