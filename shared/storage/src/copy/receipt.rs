//! The proof of a copy, written with it: what came from where, and its sums.

use llm_api_domain::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    conn::{Conn, versions},
    scan::{TableSum, checksum},
};
use crate::dialect::DbTime;

/// A row of `transfer_receipts`.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub id: Uuid,
    pub source: String,
    pub target: String,
    pub rows: u64,
    /// Over all tables.
    pub checksum: Vec<u8>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ReceiptRow {
    id: Uuid,
    source: String,
    target: String,
    row_count: i64,
    checksum: Vec<u8>,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
}

impl Receipt {
    pub(crate) fn new(source: String, target: String, sums: &[TableSum], now: Timestamp) -> Self {
        Self {
            // Any id of ours is made the same way.
            id: llm_api_domain::AuditEventId::new(now).as_uuid(),
            source,
            target,
            rows: sums.iter().map(|sum| sum.rows).sum(),
            checksum: checksum(sums).to_vec(),
            created_at: now,
        }
    }

    pub(crate) async fn insert(&self, conn: &mut Conn, sums: &[TableSum]) -> Result<(), sqlx::Error> {
        let statement =
            "INSERT INTO transfer_receipts (id, source, target, migration, row_count, tables, checksum, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let tables: Vec<Value> = sums
            .iter()
            .map(|sum| json!({ "table": sum.table, "rows": sum.rows, "sha256": sum.sha256_hex() }))
            .collect();
        let migration = versions().last().copied().unwrap_or_default();
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        each!(conn, conn => sqlx::query(statement).persistent(false)
            .bind(self.id).bind(self.source.as_str()).bind(self.target.as_str()).bind(migration).bind(rows)
            .bind(Value::from(tables).to_string()).bind(self.checksum.as_slice()).bind(DbTime(self.created_at))
            .execute(conn).await.map(drop))
    }
}

/// The newest receipt in a database.
pub(crate) async fn latest(conn: &mut Conn) -> Result<Option<Receipt>, sqlx::Error> {
    let query = "SELECT id, source, target, row_count, checksum, created_at FROM transfer_receipts
         ORDER BY created_at DESC, id DESC LIMIT 1";
    let row: Option<ReceiptRow> =
        each!(conn, conn => sqlx::query_as(query).persistent(false).fetch_optional(conn).await)?;
    Ok(row.map(|row| Receipt {
        id: row.id,
        source: row.source,
        target: row.target,
        rows: u64::try_from(row.row_count).unwrap_or_default(),
        checksum: row.checksum,
        created_at: row.created_at,
    }))
}
