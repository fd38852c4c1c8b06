//! Generated files: where their bytes lie, how long, and the links that lead to them.

mod artifacts;
mod bucket;
mod error;
mod link;
mod local;

pub use artifacts::{Artifacts, ArtifactsConfig, File, Opened};
pub use bucket::{Bucket, BucketAddressError, BucketConfig};
pub use error::ArtifactError;
pub use link::Link;
