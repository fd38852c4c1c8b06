//! Downloads of models to the operator's own server.

use llm_api_domain::{JobId, JobStatus, Timestamp, UserId};
use uuid::Uuid;

use crate::{Store, StoreError, dialect::DbTime, store::Backend};

#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: JobId,
    pub user: UserId,
    pub model: String,
    pub source_type: Option<String>,
    pub source_uri: Option<String>,
}

/// A download, as stored.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: JobId,
    pub model: String,
    pub status: JobStatus,
    /// 0 to 100.
    pub progress_pct: f64,
    pub error: Option<String>,
    pub source_type: Option<String>,
    pub source_uri: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub cancel_requested_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    model: String,
    status: String,
    progress_pct: f64,
    error: Option<String>,
    source_type: Option<String>,
    source_uri: Option<String>,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    started_at: Option<DbTime>,
    finished_at: Option<DbTime>,
    cancel_requested_at: Option<DbTime>,
}

impl TryFrom<Row> for Job {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            model: row.model,
            status: JobStatus::from_text(&row.status)
                .ok_or_else(|| StoreError::corrupt("download_jobs", "status", "unknown status"))?,
            progress_pct: row.progress_pct,
            error: row.error,
            source_type: row.source_type,
            source_uri: row.source_uri,
            created_at: row.created_at,
            started_at: row.started_at.map(Timestamp::from),
            finished_at: row.finished_at.map(Timestamp::from),
            cancel_requested_at: row.cancel_requested_at.map(Timestamp::from),
        })
    }
}

macro_rules! select_job {
    ($rest:literal) => {
        concat!(
            "SELECT id, model, status, progress_pct, error, source_type, source_uri, created_at, started_at, finished_at,
                cancel_requested_at FROM download_jobs ",
            $rest
        )
    };
}

/// The `download_jobs` table. A job that has ended stays as it is.
#[derive(Debug)]
pub struct DownloadJobs<'s>(pub(crate) &'s Store);

impl DownloadJobs<'_> {
    /// Adds a job that waits to be started.
    pub async fn create(&self, job: &NewJob, now: Timestamp) -> Result<Job, StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO download_jobs (id, user_id, model, status, progress_pct, source_type, source_uri, created_at)
                 VALUES ($1, $2, $3, 'queued', 0, $4, $5, $6)")
                .bind(job.id.as_uuid()).bind(job.user.as_uuid()).bind(job.model.as_str())
                .bind(job.source_type.as_deref()).bind(job.source_uri.as_deref()).bind(DbTime(now))).await?
        });
        Ok(Job {
            id: job.id,
            model: job.model.clone(),
            status: JobStatus::Queued,
            progress_pct: 0.0,
            error: None,
            source_type: job.source_type.clone(),
            source_uri: job.source_uri.clone(),
            created_at: now,
            started_at: None,
            finished_at: None,
            cancel_requested_at: None,
        })
    }

    /// One of the user's jobs.
    pub async fn get(&self, user: UserId, id: JobId) -> Result<Option<Job>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_job!("WHERE id = $1 AND user_id = $2"))
                .bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Job::try_from).transpose()
    }

    /// The user's jobs, newest first.
    pub async fn list(&self, user: UserId, limit: i64) -> Result<Vec<Job>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_job!("WHERE user_id = $1 ORDER BY id DESC LIMIT $2"))
                .bind(user.as_uuid()).bind(limit)).await?
        });
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Notes that the work on a job begins. False when it was cancelled before, or runs already.
    pub async fn start(&self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE download_jobs SET status = 'running', started_at = $1 WHERE id = $2 AND status = 'queued'")
                .bind(DbTime(now)).bind(id.as_uuid())).await? > 0
        }))
    }

    /// Notes how far a job has come, in percent. False when it was cancelled or has ended: the work is to stop.
    pub async fn set_progress(&self, id: JobId, progress_pct: f64) -> Result<bool, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE download_jobs SET progress_pct = $1, status = 'running' WHERE id = $2 AND status IN ('queued', 'running')")
                .bind(progress_pct).bind(id.as_uuid())).await? > 0
        }))
    }

    /// Ends a job. False when it was cancelled or had ended before.
    pub async fn finish(
        &self,
        id: JobId,
        status: JobStatus,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE download_jobs SET status = $1, error = $2, finished_at = $3,
                    progress_pct = CASE WHEN $1 = 'completed' THEN 100 ELSE progress_pct END
                 WHERE id = $4 AND status IN ('queued', 'running')")
                .bind(status.as_str()).bind(error).bind(DbTime(now)).bind(id.as_uuid())).await? > 0
        }))
    }

    /// Cancels one of the user's jobs, if it has not ended, and answers with what it is then. Whoever works on it sees
    /// so with the next step, in whatever process.
    pub async fn request_cancel(&self, user: UserId, id: JobId, now: Timestamp) -> Result<Option<Job>, StoreError> {
        let row: Option<Row> = on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE download_jobs SET status = 'cancelled', cancel_requested_at = $1, finished_at = $1
                 WHERE id = $2 AND user_id = $3 AND status IN ('queued', 'running')")
                .bind(DbTime(now)).bind(id.as_uuid()).bind(user.as_uuid())).await?;
            db.optional(sqlx::query_as(select_job!("WHERE id = $1 AND user_id = $2"))
                .bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Job::try_from).transpose()
    }

    /// Ends the jobs that a process made until then and left behind: on SQLite all of them, for the caller is the only
    /// server; on Postgres none, for another server may be at work.
    pub(crate) async fn close_left_open(&self, before: Timestamp) -> Result<u64, StoreError> {
        if matches!(self.0.backend, Backend::Postgres(_)) {
            return Ok(0);
        }
        let closed = on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "UPDATE download_jobs SET status = 'failed', error = 'the server stopped', finished_at = $1
                 WHERE status IN ('queued', 'running') AND created_at <= $1")
                .bind(DbTime(before))).await?
        });
        if closed > 0 {
            tracing::warn!(jobs = closed, "downloads of an earlier process were closed as failed");
        }
        Ok(closed)
    }
}
