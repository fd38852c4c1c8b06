//! What an archive says about itself: its first entry.

use llm_api_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Archives with a greater one are of a newer version of us.
pub(crate) const FORMAT: u32 = 1;

/// The first entry of an archive. Fields may be added; they are ignored where they are not known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version of llm-api that made it.
    pub version: String,
    pub made_at: Timestamp,
    /// `sqlite` or `postgres`.
    pub source: String,
    /// The newest migration of the database in it.
    pub migration: i64,
    pub tables: Vec<TableContent>,
    pub artifacts: ArtifactContent,
}

/// One table of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContent {
    pub table: String,
    pub rows: u64,
    /// Over the rows in their common form; not known for a database of an older version than the program's.
    pub sha256: Option<String>,
}

/// The generated files of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactContent {
    pub files: u64,
    pub bytes: u64,
    /// Named by the database, and not in the backup: not asked for, or not found.
    pub missing: u64,
    /// Named by the database, and kept in a bucket.
    pub in_bucket: u64,
}
