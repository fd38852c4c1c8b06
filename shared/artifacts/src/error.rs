use std::io;

use llm_api_storage::StoreError;
use llm_api_upstream::UpstreamError;

/// Why a file was not stored, read or deleted. Knows no HTTP.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// In bytes.
    #[error("a file of {size} bytes is larger than all files together may be: {cap} bytes")]
    TooLarge { size: u64, cap: u64 },
    /// Its session or its room went to something else before its bytes had arrived.
    #[error("the file was deleted while it was stored")]
    Gone,
    #[error("the folder of generated files cannot be used: {0}")]
    Folder(#[source] io::Error),
    #[error("the bucket of generated files cannot be used: {0}")]
    Bucket(#[source] UpstreamError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
