//! The receipt that a database must have, by the operator's setting: so that a wrong or an empty one is never served in the
//! place of the one that the data was copied to.

use std::path::Path;

use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::{OpenError, db::PostgresDb};

const KNOWN: &str = "SELECT COUNT(*) FROM transfer_receipts WHERE id = $1";
const UNDEFINED_TABLE: &str = "42P01";

pub(super) async fn sqlite(path: &Path, receipt: Uuid) -> Result<(), OpenError> {
    // Looking must not make the file.
    if !path.exists() {
        return Err(OpenError::NoReceipt { receipt });
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
    let table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'transfer_receipts'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(&mut conn).await.map_err(OpenError::Prepare)?;
    let found: i64 = match tables {
        0 => 0,
        _ => sqlx::query_scalar(KNOWN).bind(receipt).fetch_one(&mut conn).await.map_err(OpenError::Prepare)?,
    };
    conn.close().await.map_err(OpenError::Prepare)?;
    is_there(found, receipt)
}

pub(super) async fn session(conn: &mut PgConnection, receipt: Uuid) -> Result<(), OpenError> {
    judge(sqlx::query_scalar(KNOWN).bind(receipt).fetch_one(conn).await, receipt)
}

pub(super) async fn transaction(db: &mut PostgresDb, receipt: Uuid) -> Result<(), OpenError> {
    let found = db.scalar(sqlx::query_scalar(KNOWN).bind(receipt)).await;
    judge(found.map(Option::unwrap_or_default), receipt)
}

fn judge(found: Result<i64, sqlx::Error>, receipt: Uuid) -> Result<(), OpenError> {
    match found {
        Ok(found) => is_there(found, receipt),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            Err(OpenError::NoReceipt { receipt })
        }
        Err(error) => Err(OpenError::Prepare(error)),
    }
}

fn is_there(found: i64, receipt: Uuid) -> Result<(), OpenError> {
    if found > 0 { Ok(()) } else { Err(OpenError::NoReceipt { receipt }) }
}
