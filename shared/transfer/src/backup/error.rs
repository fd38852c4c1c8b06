//! Why there is no backup, or nothing came back from one. Every text is for the operator, without a secret.

use std::{io, path::Path};

use llm_api_crypto::{RandomError, StreamError};
use llm_api_storage::{CopyError, OpenError, SnapshotError};

use super::workplace::shown;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("{path}: {source}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot write a backup to {path}: {reason}")]
    Output { path: String, reason: &'static str },
    #[error("{path} is there already: name another file, or give --overwrite to replace it")]
    Exists { path: String },
    #[error(
        "an archive is sealed with the encryption key, and none is set: set LLM_API_ENCRYPTION_KEY, or write a plain file \
         with --format sqlite"
    )]
    NoKeyToSeal,
    /// With the key's id in hex, which is not secret.
    #[error(
        "{path} is sealed with the encryption key of id {id}, and none is configured: set LLM_API_ENCRYPTION_KEY to it, or \
         put encryption.key back into the data directory"
    )]
    NoKeyToOpen { path: String, id: String },
    #[error("{path}: {reason}{}", remedy(*.reason))]
    Sealed { path: String, reason: StreamError },
    #[error("{path} is no backup of llm-api")]
    NotABackup { path: String },
    #[error(
        "{path} is a database of the Python service: bring its data over with `llm-api import --source {path} \
         --legacy-passphrase-file FILE`, or with `--legacy-key-file FILE`"
    )]
    Legacy { path: String },
    #[error("{path} was made by a newer llm-api ({what}): install that version first")]
    Newer { path: String, what: String },
    #[error(
        "{path} has changes beside it ({path}-wal): it is a database in use, or a part of one. Make a file of it with \
         `llm-api backup`"
    )]
    InUse { path: String },
    #[error("{path} cannot be used: {reason}")]
    Content { path: String, reason: String },
    #[error("{path} is damaged: {}", .problems.join("; "))]
    Damaged { path: String, problems: Vec<String> },
    #[error(transparent)]
    Random(RandomError),
    #[error("the work on files ended unexpectedly: {0}")]
    Crashed(#[source] tokio::task::JoinError),
}

fn remedy(reason: StreamError) -> &'static str {
    match reason {
        StreamError::UnknownKey(_) => {
            ": set LLM_API_ENCRYPTION_KEY to that key, or name it in LLM_API_ENCRYPTION_KEYS_OLD"
        }
        StreamError::Damaged => ": use another backup",
        StreamError::Newer(_) => ": install that version first",
        StreamError::NotSealed => "",
    }
}

impl BackupError {
    /// For `map_err`.
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = shown(path);
        move |source| Self::File { path: path.clone(), source }
    }

    /// Whether a setting or an installation must change, rather than a file.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::NoKeyToSeal | Self::NoKeyToOpen { .. } | Self::Newer { .. } | Self::Copy(CopyError::WrongKey) => true,
            Self::Sealed { reason, .. } => matches!(reason, StreamError::UnknownKey(_) | StreamError::Newer(_)),
            Self::Snapshot(SnapshotError::Open(error)) => !error.is_transient(),
            Self::Snapshot(SnapshotError::Write(_) | SnapshotError::Read(_))
            | Self::Copy(_)
            | Self::File { .. }
            | Self::Output { .. }
            | Self::Exists { .. }
            | Self::NotABackup { .. }
            | Self::Legacy { .. }
            | Self::InUse { .. }
            | Self::Content { .. }
            | Self::Damaged { .. }
            | Self::Random(_)
            | Self::Crashed(_) => false,
        }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        Self::Snapshot(error.into())
    }
}
