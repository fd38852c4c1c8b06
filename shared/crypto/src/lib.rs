//! Passwords, tokens, signatures and the vault for provider keys. The only owner of `argon2`, `aes-gcm` and
//! `aead-stream`.

mod archive;
mod envelope;
mod legacy;
mod master_key;
mod new_password;
mod password;
mod random;
mod signer;
mod token;

pub use archive::{OpenedReader, STREAM_MAGIC, SealedWriter, StreamError, stream_key_id};
pub use envelope::{CANARY, KeyId, OpenError, Opened, PROVIDER_KEY, ResealError, SealContext, Vault};
pub use legacy::{FernetError, FernetKey, NotAFernetKey, is_legacy_hash};
pub use master_key::{MasterKey, WeakKey};
pub use new_password::{PasswordProblem, check_new_password};
pub use password::{GateError, PasswordGate, Verified};
pub use random::{RandomError, fill};
pub use signer::Signer;
pub use token::{PlainToken, TokenHash, TokenKind};
