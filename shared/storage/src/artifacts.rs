//! Generated files: whose they are, where their bytes lie and how long they are kept.

use llm_api_domain::{ArtifactId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::{Store, StoreError, dialect::DbTime};

/// What a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactKind {
    Image,
    Mesh,
}

impl ArtifactKind {
    const ALL: [Self; 2] = [Self::Image, Self::Mesh];

    /// The word in replies and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Mesh => "mesh",
        }
    }
}

/// Where the bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactStore {
    /// In the data directory.
    Local,
    S3,
}

impl ArtifactStore {
    const ALL: [Self; 2] = [Self::Local, Self::S3];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::S3 => "s3",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewArtifact {
    pub id: ArtifactId,
    pub user: UserId,
    pub session: Option<SessionId>,
    pub kind: ArtifactKind,
    pub content_type: String,
    pub size_bytes: i64,
    pub store: ArtifactStore,
    pub object_key: String,
    /// `None` keeps it with its session.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Artifact {
    pub id: ArtifactId,
    pub user: UserId,
    pub session: Option<SessionId>,
    pub kind: ArtifactKind,
    pub content_type: String,
    pub size_bytes: i64,
    pub store: ArtifactStore,
    pub object_key: String,
    pub created_at: Timestamp,
    /// `None` while it is kept with its session.
    pub expires_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: Uuid,
    user_id: Uuid,
    session_id: Option<Uuid>,
    kind: String,
    content_type: String,
    size_bytes: i64,
    store: String,
    object_key: String,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    expires_at: Option<DbTime>,
}

impl TryFrom<Row> for Artifact {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = ArtifactKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
        let store = ArtifactStore::ALL.into_iter().find(|store| store.as_str() == row.store);
        Ok(Self {
            id: row.id.into(),
            user: row.user_id.into(),
            session: row.session_id.map(SessionId::from),
            kind: kind.ok_or_else(|| StoreError::corrupt("artifacts", "kind", "unknown kind"))?,
            content_type: row.content_type,
            size_bytes: row.size_bytes,
            store: store.ok_or_else(|| StoreError::corrupt("artifacts", "store", "unknown store"))?,
            object_key: row.object_key,
            created_at: row.created_at,
            expires_at: row.expires_at.map(Timestamp::from),
        })
    }
}

macro_rules! select_artifact {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, session_id, kind, content_type, size_bytes, store, object_key, created_at, expires_at
             FROM artifacts ",
            $rest
        )
    };
}

/// The files of one user, oldest first.
pub(crate) const OF_USER: &str = select_artifact!("WHERE user_id = $1 ORDER BY id LIMIT $2");

/// The `artifacts` table. Rows go by [`Artifacts::delete`], after the bytes, or with
/// their owner.
#[derive(Debug)]
pub struct Artifacts<'s>(pub(crate) &'s Store);

impl Artifacts<'_> {
    pub async fn create(&self, artifact: &NewArtifact, now: Timestamp) -> Result<(), StoreError> {
        on_write_uncached!(self.0, db => {
            db.execute(sqlx::query(
                "INSERT INTO artifacts (id, user_id, session_id, kind, content_type, size_bytes, store, object_key,
                    created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
                .bind(artifact.id.as_uuid()).bind(artifact.user.as_uuid())
                .bind(artifact.session.map(SessionId::as_uuid)).bind(artifact.kind.as_str())
                .bind(artifact.content_type.as_str()).bind(artifact.size_bytes).bind(artifact.store.as_str())
                .bind(artifact.object_key.as_str()).bind(DbTime(now)).bind(artifact.expires_at.map(DbTime))).await?
        });
        Ok(())
    }

    /// One of the user's files, expired or not.
    pub async fn get(&self, user: UserId, id: ArtifactId) -> Result<Option<Artifact>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_artifact!("WHERE id = $1 AND user_id = $2"))
                .bind(id.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Artifact::try_from).transpose()
    }

    /// A file of whatever owner: only for callers that have verified a signature over its address.
    pub async fn get_signed(&self, id: ArtifactId) -> Result<Option<Artifact>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_artifact!("WHERE id = $1")).bind(id.as_uuid())).await?
        });
        row.map(Artifact::try_from).transpose()
    }

    /// The user's files of one session, oldest first.
    pub async fn of_session(&self, user: UserId, session: SessionId) -> Result<Vec<Artifact>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_artifact!("WHERE session_id = $1 AND user_id = $2 ORDER BY id"))
                .bind(session.as_uuid()).bind(user.as_uuid())).await?
        });
        rows.into_iter().map(Artifact::try_from).collect()
    }

    /// The user's oldest files, of whatever session.
    pub async fn of_user(&self, user: UserId, limit: i64) -> Result<Vec<Artifact>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(OF_USER).bind(user.as_uuid()).bind(limit)).await?
        });
        rows.into_iter().map(Artifact::try_from).collect()
    }

    /// Deletes the row of a file whose bytes are gone. False when there was none. For maintenance.
    pub async fn delete(&self, id: ArtifactId) -> Result<bool, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            db.execute(sqlx::query("DELETE FROM artifacts WHERE id = $1").bind(id.as_uuid())).await? > 0
        }))
    }

    /// What all files take together. For maintenance.
    pub async fn total_bytes(&self) -> Result<i64, StoreError> {
        let total = on_read!(self.0, db => {
            db.scalar(sqlx::query_scalar::<_, i64>("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM artifacts")).await?
        });
        Ok(total.unwrap_or(0))
    }

    /// The oldest files of all users. For maintenance.
    pub async fn oldest(&self, limit: i64) -> Result<Vec<Artifact>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_artifact!("ORDER BY created_at, id LIMIT $1")).bind(limit)).await?
        });
        rows.into_iter().map(Artifact::try_from).collect()
    }

    /// The files of all users whose time is over, longest first; those of deleted sessions among them. For maintenance.
    pub async fn expired(&self, now: Timestamp, limit: i64) -> Result<Vec<Artifact>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_artifact!("WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2"))
                .bind(DbTime(now)).bind(limit)).await?
        });
        rows.into_iter().map(Artifact::try_from).collect()
    }
}
