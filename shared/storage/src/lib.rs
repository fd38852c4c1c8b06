//! The only crate that speaks SQL. One [`Store`] serves SQLite and Postgres with the same statements.
//!
//! Every method on owned data takes the owner; what may go wrong as part of the product (a name is taken, an
//! invite is used up) is a value, and [`StoreError`] means that the database itself failed.

#[macro_use]
mod db;
mod address;
mod audit;
mod cache;
mod dialect;
mod error;
mod invites;
mod migrate;
mod open;
mod provider_keys;
mod recorder;
mod requests;
mod store;
mod tokens;
mod users;
mod vault_canaries;

pub use address::{DatabaseAddress, SqlitePath};
pub use audit::{Action, AuditContext};
pub use error::{OpenError, StoreError};
pub use invites::{Invite, Invites, NewInvite};
pub use open::{OpenMode, OpenOptions};
pub use provider_keys::{KeyStatus, NewProviderKey, ProviderKey, ProviderKeys, SealedKey};
pub use recorder::{Recorder, RequestRecord};
pub use requests::{Request, Requests};
pub use store::Store;
pub use tokens::{AuthenticatedToken, NewToken, Token, TokenKind, Tokens};
pub use users::{LoginUser, NewUser, Profile, ProfileChange, RegisterOutcome, User, Users};
pub use vault_canaries::VaultCanaries;
