//! The one list of encrypted columns. Rotation, verification and status of the encryption keys walk it, and so does a
//! copy; tests hold it against the real tables, so that a new column cannot be forgotten.

mod rotation;

use std::{collections::BTreeMap, fmt::Write as _};

use llm_api_crypto::{CANARY, KeyId, PROVIDER_KEY, SealContext};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

pub use rotation::{RotateError, Rotated, Rotation, Told, Unopened, Verified, rotate, verify};

use crate::{Action, AuditContext, Store, StoreError, audit::audit, store::Backend};

/// A column that holds envelopes of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedColumn {
    pub table: &'static str,
    pub column: &'static str,
    pub bound: Bound,
}

/// What the envelopes of a column are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The row's secret: everything but the purpose is the name of a column.
    Row { purpose: &'static str, id: &'static str, owner: &'static str, provider: &'static str, origin: &'static str },
    /// A known text, one for each encryption key, whose id is in this column. It is never sealed again: it goes when
    /// nothing else is sealed under its key.
    Canary { key: &'static str },
}

/// Every encrypted column.
pub static SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn {
        table: "provider_keys",
        column: "sealed",
        bound: Bound::Row { purpose: PROVIDER_KEY, id: "id", owner: "user_id", provider: "provider", origin: "origin" },
    },
    SealedColumn { table: "vault_canaries", column: "sealed", bound: Bound::Canary { key: "key_id" } },
];

/// How many values of a column are sealed under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedCount {
    pub column: &'static SealedColumn,
    /// `None`: these are no envelopes.
    pub key: Option<KeyId>,
    pub values: u64,
}

/// An envelope with what it is bound to, as the row has it.
#[derive(Debug)]
pub(crate) struct SealedValue {
    /// The primary key, for people.
    pub(crate) id: String,
    /// `None` for a canary.
    pub(crate) of: Option<SealedOf>,
    pub(crate) sealed: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct SealedOf {
    purpose: &'static str,
    pub(crate) record: Uuid,
    pub(crate) owner: Uuid,
    pub(crate) provider: String,
    origin: String,
}

impl SealedValue {
    pub(crate) fn context(&self) -> SealContext<'_> {
        self.of.as_ref().map_or(CANARY, |of| SealContext {
            purpose: of.purpose,
            record: of.record,
            owner: of.owner,
            provider: &of.provider,
            origin: &of.origin,
        })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    record: Uuid,
    owner: Uuid,
    provider: String,
    origin: String,
    sealed: Vec<u8>,
}

/// One envelope in place of another.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) record: Uuid,
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
}

/// The encrypted columns, whatever table they are in.
#[derive(Debug)]
pub struct Sealed<'s>(pub(crate) &'s Store);

impl Sealed<'_> {
    /// How many values are sealed under each key, by the ids in their envelopes: none is opened.
    pub async fn by_key(&self) -> Result<Vec<SealedCount>, StoreError> {
        let mut counts = Vec::new();
        for column in SEALED_COLUMNS {
            // The version and the id.
            let statement = AssertSqlSafe(format!(
                "SELECT substr({}, 1, 5), COUNT(*) FROM {} GROUP BY 1",
                column.column, column.table
            ));
            let rows: Vec<(Vec<u8>, i64)> = on_read!(self.0, db => db.all(sqlx::query_as(statement)).await?);
            let mut by_key: BTreeMap<Option<KeyId>, u64> = BTreeMap::new();
            for (start, values) in rows {
                *by_key.entry(KeyId::of(&start)).or_default() += u64::try_from(values).unwrap_or_default();
            }
            counts.extend(by_key.into_iter().map(|(key, values)| SealedCount { column, key, values }));
        }
        Ok(counts)
    }

    /// Up to `limit` values in the order of their ids, from `after` on. All canaries at once: there is one for a key.
    pub(crate) async fn page(
        &self,
        column: &SealedColumn,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let (purpose, id, owner, provider, origin) = match column.bound {
            Bound::Row { purpose, id, owner, provider, origin } => (purpose, id, owner, provider, origin),
            Bound::Canary { .. } if after.is_some() => return Ok(Vec::new()),
            Bound::Canary { key } => return self.canaries(column, key).await,
        };
        let compare = if after.is_some() { ">" } else { ">=" };
        let statement = AssertSqlSafe(format!(
            "SELECT {id} AS record, {owner} AS owner, {provider} AS provider, {origin} AS origin, {} AS sealed
             FROM {} WHERE {id} {compare} $1 ORDER BY {id} LIMIT $2",
            column.column, column.table
        ));
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(statement).bind(after.unwrap_or(Uuid::nil())).bind(i64::from(limit))).await?
        });
        Ok(rows.into_iter().map(|row| row.into_value(purpose)).collect())
    }

    async fn canaries(&self, column: &SealedColumn, key: &str) -> Result<Vec<SealedValue>, StoreError> {
        let statement = AssertSqlSafe(format!("SELECT {key}, {} FROM {} ORDER BY 1", column.column, column.table));
        let rows: Vec<(Vec<u8>, Vec<u8>)> = on_read!(self.0, db => db.all(sqlx::query_as(statement)).await?);
        Ok(rows.into_iter().map(|(key, sealed)| SealedValue { id: crate::copy::hex(&key), of: None, sealed }).collect())
    }

    /// Puts each new envelope where the old one still is: what its owner has replaced or deleted meanwhile stays so. One
    /// transaction, one statement. Gives how many were put.
    pub(crate) async fn swap(&self, column: &SealedColumn, swaps: &[Swap]) -> Result<u64, StoreError> {
        let Bound::Row { id, .. } = column.bound else { return Ok(0) };
        if swaps.is_empty() {
            return Ok(0);
        }
        // A row that is being changed at this moment is left for later: who waits for nobody takes part in no deadlock.
        let free = match self.0.backend {
            Backend::Postgres(_) => " FOR UPDATE SKIP LOCKED",
            Backend::Sqlite(_) => "",
        };
        let (mut ids, mut rows) = (String::new(), String::new());
        for (place, first) in (1..).step_by(3).take(swaps.len()).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(ids, "{comma}${first}");
            let _ = write!(rows, "{comma}(${first}, ${}, ${})", first + 1, first + 2);
        }
        let SealedColumn { table, column, .. } = column;
        let statement = format!(
            "WITH free AS (SELECT {id} FROM {table} WHERE {id} IN ({ids}){free})
             UPDATE {table} SET {column} = swaps.column3 FROM (VALUES {rows}) AS swaps
             WHERE {table}.{id} = swaps.column1 AND {table}.{column} = swaps.column2
             AND {table}.{id} IN (SELECT {id} FROM free)"
        );
        Ok(on_write!(self.0, db => {
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for swap in swaps {
                query = query.bind(swap.record).bind(swap.old.as_slice()).bind(swap.new.as_slice());
            }
            db.execute(query).await?
        }))
    }

    /// Deletes the canaries of keys that nothing is sealed under but themselves, but for the current one; notes the
    /// rotation in the audit trail. Gives how many went.
    pub(crate) async fn end_rotation(&self, current: KeyId, context: &AuditContext) -> Result<u64, StoreError> {
        let mut statement = "DELETE FROM vault_canaries WHERE key_id <> $1".to_owned();
        for column in SEALED_COLUMNS.iter().filter(|column| matches!(column.bound, Bound::Row { .. })) {
            let SealedColumn { table, column, .. } = column;
            let _ = write!(
                statement,
                " AND NOT EXISTS (SELECT 1 FROM {table} WHERE substr({table}.{column}, 2, 4) = vault_canaries.key_id)"
            );
        }
        Ok(on_write!(self.0, db => {
            let removed = db.execute(sqlx::query(AssertSqlSafe(statement)).bind(current.0.as_slice())).await?;
            audit!(db, context, Action::VaultRotated, None::<Uuid>);
            removed
        }))
    }
}

impl Row {
    fn into_value(self, purpose: &'static str) -> SealedValue {
        let Self { record, owner, provider, origin, sealed } = self;
        SealedValue { id: record.to_string(), of: Some(SealedOf { purpose, record, owner, provider, origin }), sealed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, TABLES, Table};

    /// What a copy takes for an envelope is what a rotation takes for one.
    #[test]
    fn the_list_of_tables_and_this_one_agree() {
        let sealed = |table: &'static Table| {
            let columns = table.columns.iter().filter(|column| column.kind == Kind::Sealed);
            columns.map(|column| (table.name, column.name))
        };
        let mut of_tables: Vec<_> = TABLES.iter().flat_map(sealed).collect();
        of_tables.sort_unstable();
        let mut listed: Vec<_> = SEALED_COLUMNS.iter().map(|column| (column.table, column.column)).collect();
        listed.sort_unstable();
        assert_eq!(of_tables, listed);
    }

    #[test]
    fn every_column_that_is_bound_to_is_there() {
        for sealed in SEALED_COLUMNS {
            let table = TABLES.iter().find(|table| table.name == sealed.table).expect("a table");
            let kind = |column| table.place(column).map(|place| table.columns[place].kind);
            match sealed.bound {
                Bound::Row { id, owner, provider, origin, .. } => {
                    let kinds = [kind(id), kind(owner), kind(provider), kind(origin)];
                    assert_eq!(kinds, [Kind::Id, Kind::Id, Kind::Text, Kind::Text].map(Some), "{sealed:?}");
                    assert_eq!(table.key, [table.place(id).expect("a column")], "{sealed:?}");
                }
                Bound::Canary { key } => assert_eq!(kind(key), Some(Kind::Bytes), "{sealed:?}"),
            }
        }
    }
}
