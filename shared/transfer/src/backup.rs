//! Backups of either database while servers run, and the way back into either.

mod archive;
mod error;
mod files;
mod make;
mod manifest;
mod restore;
mod workplace;

pub use error::BackupError;
pub use files::Placed;
pub use make::{BackupJob, BackupReport, Form, back_up};
pub use manifest::{ArtifactContent, Manifest, TableContent};
pub use restore::{Content, RestoreJob, RestoreReport, restore, verify_backup};

use llm_api_storage::TableSum;

fn content_of(sums: &[TableSum]) -> Vec<TableContent> {
    let table =
        |sum: &TableSum| TableContent { table: sum.table.to_owned(), rows: sum.rows, sha256: Some(sum.sha256_hex()) };
    sums.iter().map(table).collect()
}

/// Waits for work that reads and writes files.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(BackupError::Crashed)?
}
