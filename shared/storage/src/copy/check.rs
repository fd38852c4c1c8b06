//! One database, read to its last row: what is there, and what would stop a copy of it.

use llm_api_crypto::Vault;

use super::{
    end::DatabaseEnd,
    error::{CopyError, Side},
    lint::Finding,
    scan::{self, Progress, Step, TableSum, Teller},
};

#[derive(Clone, Debug)]
pub struct Checked {
    pub tables: Vec<TableSum>,
    /// What would stop a copy.
    pub findings: Vec<Finding>,
    /// What may surprise, and does not stop one.
    pub warnings: Vec<Finding>,
    /// How many provider keys were opened; `None` without a vault.
    pub keys_opened: Option<u64>,
    /// Whether the vault has none of the keys that the database was used with.
    pub is_wrong_key: bool,
}

/// Reads every row of a database at this version; changes nothing. Without a vault no provider key is opened.
pub async fn check_database(
    database: &DatabaseEnd,
    vault: Option<&Vault>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Checked, CopyError> {
    let mut conn = database.open_for_reading(Side::Source).await?;
    let mut teller = Teller::new(progress, Step::Checking, None);
    let checked = scan::check(&mut conn, vault, &mut teller).await;
    conn.close().await;
    let (tables, lint) = checked?;
    let keys_opened = vault.is_some().then_some(lint.opened);
    let is_wrong_key = lint.is_wrong_key();
    Ok(Checked { tables, findings: lint.findings, warnings: lint.warnings, keys_opened, is_wrong_key })
}
