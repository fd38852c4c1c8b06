//! Limits that hold across processes: one statement each.

use llm_api_domain::{Rate, Timestamp};

use crate::{Store, StoreError, store::Backend};

/// The `throttles` table.
#[derive(Debug)]
pub struct SharedThrottles<'s>(pub(crate) &'s Store);

/// The generic cell rate algorithm in one statement: no row comes back when the attempt is one too many.
const ATTEMPT: &str = "
    INSERT INTO throttles (key, spent_until) VALUES ($1, $2 + $3)
    ON CONFLICT (key) DO UPDATE SET
        spent_until = (CASE WHEN throttles.spent_until > $2 THEN throttles.spent_until ELSE $2 END) + $3
    WHERE (CASE WHEN throttles.spent_until > $2 THEN throttles.spent_until ELSE $2 END) + $3 - $4 <= $2
    RETURNING spent_until";

impl SharedThrottles<'_> {
    /// Counts an attempt where `rate` allows it. Gives the state of the key, as [`Rate::check`] takes it, and whether this
    /// attempt is in it.
    pub async fn attempt(&self, key: &[u8], rate: Rate, now: Timestamp) -> Result<(bool, Timestamp), StoreError> {
        let interval = i64::try_from(rate.interval.as_micros()).unwrap_or(i64::MAX);
        let burst = interval.saturating_mul(i64::from(rate.burst));
        macro_rules! attempt {
            ($db:expr) => {{
                let mut db = $db;
                let query = sqlx::query_scalar(ATTEMPT).bind(key).bind(now.as_micros()).bind(interval).bind(burst);
                let counted: Option<i64> = db.scalar(query).await?;
                db.finish().await?;
                counted
            }};
        }
        let counted = match &self.0.backend {
            Backend::Sqlite(pools) => attempt!(pools.writer().await?),
            Backend::Postgres(pool) => attempt!(pool.statement().await?),
        };
        match counted {
            Some(state) => Ok((true, Timestamp::from_micros(state))),
            None => Ok((false, self.state(key).await?.unwrap_or(now))),
        }
    }

    /// The state of a key; `None` when nothing counts.
    pub async fn state(&self, key: &[u8]) -> Result<Option<Timestamp>, StoreError> {
        let state: Option<i64> = on_read!(self.0, db => {
            db.scalar(sqlx::query_scalar("SELECT spent_until FROM throttles WHERE key = $1").bind(key)).await?
        });
        Ok(state.map(Timestamp::from_micros))
    }

    /// Deletes what counts nothing any more.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query("DELETE FROM throttles WHERE spent_until <= $1").bind(now.as_micros())).await?
        }))
    }
}
