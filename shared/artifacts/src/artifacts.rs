//! [`Artifacts`]: stores, finds and deletes generated files.

mod owner;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use llm_api_crypto::Signer;
use llm_api_domain::{ArtifactId, Clock, SessionId, Timestamp, UserId};
use llm_api_storage::{Artifact, ArtifactKind, ArtifactStore, NewArtifact, Store};
use tokio::sync::Mutex;

use crate::{
    ArtifactError, Bucket, Link,
    link::{Links, Verdict, moment},
    local::Local,
};

/// Files looked at in one go where room is made.
const BATCH: i64 = 50;

/// No upload takes longer: a file that is older lies where it lies.
const UPLOAD_TIME: Duration = Duration::from_mins(10);

/// The types that browsers show and cannot run. Everything else is bytes.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// What the files' keeper is made of.
#[derive(Debug)]
pub struct ArtifactsConfig {
    /// Where it stands which files there are.
    pub store: Store,
    /// For files on this machine; made when the first one is stored.
    pub folder: PathBuf,
    /// Takes new files in place of the folder.
    pub bucket: Option<Bucket>,
    /// Signs links.
    pub signer: Signer,
    /// How long a link is good. A file without a session is kept as long as its first link.
    pub link_life: Duration,
    /// What all files together may take.
    pub max_total_bytes: u64,
    /// Larger ones are files, all others stand in the reply.
    pub inline_threshold_bytes: u64,
    pub clock: Clock,
}

/// The keeper of generated files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Artifacts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    local: Local,
    bucket: Option<Bucket>,
    links: Links,
    max_total_bytes: u64,
    inline_threshold_bytes: u64,
    clock: Clock,
    /// Held while room is made and taken: two files must not both get the same room.
    room: Mutex<()>,
}

/// A file, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    pub bytes: Bytes,
    /// `image/png`, `image/jpeg`, `image/webp`, `image/gif` or `application/octet-stream`.
    pub content_type: &'static str,
    /// When the link, or the file itself, will be gone; `None` while it is kept with its session.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for File {
    /// Without its bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("bytes", &self.bytes.len())
            .field("content_type", &self.content_type)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// What stands behind an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    File(File),
    /// There was one for this caller; its time or the link's is over.
    Expired,
    /// None, or none for this caller.
    Missing,
}

impl Artifacts {
    pub fn new(config: ArtifactsConfig) -> Self {
        Self(Arc::new(Inner {
            store: config.store,
            local: Local { folder: config.folder },
            bucket: config.bucket,
            links: Links { signer: config.signer, life: config.link_life },
            max_total_bytes: config.max_total_bytes,
            inline_threshold_bytes: config.inline_threshold_bytes,
            clock: config.clock,
            room: Mutex::new(()),
        }))
    }

    /// Whether so many bytes stand in the reply itself.
    pub fn is_inline(&self, bytes: usize) -> bool {
        u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.0.inline_threshold_bytes)
    }

    /// A fresh link to a file. One that has an end of its own stays bound to that.
    pub fn link(&self, id: ArtifactId) -> Link {
        self.0.links.make(id, self.0.clock.now())
    }

    /// Stores an image. What is expired, then what is oldest, goes where it needs room.
    pub async fn save(
        &self,
        user: UserId,
        session: Option<SessionId>,
        bytes: Bytes,
        content_type: &str,
    ) -> Result<Link, ArtifactError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > self.0.max_total_bytes {
            return Err(ArtifactError::TooLarge { size, cap: self.0.max_total_bytes });
        }
        let session = self.still_there(user, session).await?;
        let now = self.0.clock.now();
        let id = ArtifactId::new(now);
        let link = self.0.links.make(id, now);
        let artifact = NewArtifact {
            id,
            user,
            session,
            kind: ArtifactKind::Image,
            content_type: content_type.to_owned(),
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            store: if self.0.bucket.is_some() { ArtifactStore::S3 } else { ArtifactStore::Local },
            object_key: key(id),
            expires_at: session.is_none().then_some(link.expires_at),
        };
        // The row comes first: bytes without one would lie there for ever.
        {
            let _room = self.0.room.lock().await;
            self.make_room(size, now).await?;
            self.0.store.artifacts().create(&artifact, now).await?;
        }
        let stored = self.put(&artifact, bytes).await;
        let kept = match stored {
            Ok(()) if self.0.store.artifacts().get(user, id).await?.is_some() => return Ok(link),
            Ok(()) => ArtifactError::Gone,
            Err(error) => error,
        };
        // A failed upload may have arrived all the same.
        if let Err(error) = self.remove(id, artifact.store, &artifact.object_key, now).await {
            tracing::warn!(%error, artifact_id = %id, "a file that could not be stored is deleted later");
        }
        Err(kept)
    }

    /// The session, unless it was deleted while the image was made: then the file must not outlive its link.
    async fn still_there(&self, user: UserId, session: Option<SessionId>) -> Result<Option<SessionId>, ArtifactError> {
        let Some(session) = session else { return Ok(None) };
        Ok(self.0.store.sessions().get(user, session).await?.map(|session| session.id))
    }

    /// The file behind a link; `expires` are seconds since the epoch.
    pub async fn open_signed(&self, id: ArtifactId, expires: i64, signature: &str) -> Result<Opened, ArtifactError> {
        match self.0.links.judge(id, expires, signature, self.0.clock.now()) {
            Verdict::Good => {}
            Verdict::Expired => return Ok(Opened::Expired),
            Verdict::Forged => return Ok(Opened::Missing),
        }
        let artifact = self.0.store.artifacts().get_signed(id).await?;
        self.open(artifact, Some(moment(expires))).await
    }

    /// One of the user's own files.
    pub async fn open_own(&self, user: UserId, id: ArtifactId) -> Result<Opened, ArtifactError> {
        let artifact = self.0.store.artifacts().get(user, id).await?;
        self.open(artifact, None).await
    }

    async fn open(&self, artifact: Option<Artifact>, link_ends: Option<Timestamp>) -> Result<Opened, ArtifactError> {
        let Some(artifact) = artifact else { return Ok(Opened::Missing) };
        if artifact.expires_at.is_some_and(|end| end <= self.0.clock.now()) {
            return Ok(Opened::Expired);
        }
        let Some(bytes) = self.get(&artifact).await? else {
            tracing::warn!(artifact_id = %artifact.id, store = artifact.store.as_str(), "a file's bytes are missing");
            return Ok(Opened::Missing);
        };
        let shown = SHOWN.into_iter().find(|shown| *shown == artifact.content_type);
        let expires_at = [artifact.expires_at, link_ends].into_iter().flatten().min();
        Ok(Opened::File(File { bytes, content_type: shown.unwrap_or("application/octet-stream"), expires_at }))
    }

    /// Deletes the files of a session of the user's, also of one that is deleted already. Gives how many there were.
    pub async fn delete_of_session(&self, user: UserId, session: SessionId) -> Result<u64, ArtifactError> {
        let artifacts = self.0.store.artifacts().of_session(user, session).await?;
        self.remove_all(&artifacts).await
    }

    /// Deletes some of the user's files; what is gone already, or somebody else's, is passed over.
    pub async fn delete(&self, user: UserId, ids: &[ArtifactId]) -> Result<(), ArtifactError> {
        for id in ids {
            if let Some(artifact) = self.0.store.artifacts().get(user, *id).await? {
                self.remove(artifact.id, artifact.store, &artifact.object_key, artifact.created_at).await?;
            }
        }
        Ok(())
    }

    /// Deletes all files whose time is over at `now`. Gives how many there were. For maintenance.
    pub async fn purge_expired(&self, now: Timestamp) -> Result<u64, ArtifactError> {
        let mut purged = 0;
        loop {
            let expired = self.0.store.artifacts().expired(now, BATCH).await?;
            if expired.is_empty() {
                return Ok(purged);
            }
            purged += self.remove_all(&expired).await?;
        }
    }

    /// Deletes files until `size` bytes more fit. With several processes on one database they may, together, go beyond
    /// the limit by what each of them is storing.
    async fn make_room(&self, size: u64, now: Timestamp) -> Result<(), ArtifactError> {
        let artifacts = self.0.store.artifacts();
        let mut taken = u64::try_from(artifacts.total_bytes().await?).unwrap_or(0);
        while taken.saturating_add(size) > self.0.max_total_bytes {
            let mut batch = artifacts.expired(now, BATCH).await?;
            if batch.is_empty() {
                batch = artifacts.oldest(BATCH).await?;
            }
            if batch.is_empty() {
                break;
            }
            for artifact in batch {
                if taken.saturating_add(size) <= self.0.max_total_bytes {
                    break;
                }
                self.remove(artifact.id, artifact.store, &artifact.object_key, artifact.created_at).await?;
                taken = taken.saturating_sub(u64::try_from(artifact.size_bytes).unwrap_or(0));
                tracing::info!(artifact_id = %artifact.id, bytes = artifact.size_bytes, "a file made room for another");
            }
        }
        Ok(())
    }

    async fn remove_all(&self, artifacts: &[Artifact]) -> Result<u64, ArtifactError> {
        let mut removed = 0;
        for artifact in artifacts {
            self.remove(artifact.id, artifact.store, &artifact.object_key, artifact.created_at).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Deletes the bytes, then the row: what fails half-way is found again.
    async fn remove(
        &self,
        id: ArtifactId,
        store: ArtifactStore,
        key: &str,
        created_at: Timestamp,
    ) -> Result<(), ArtifactError> {
        self.erase(id, store, key).await?;
        self.0.store.artifacts().delete(id).await?;
        // The bytes may have arrived in between. Who stores them looks for the row afterwards: either that finds none
        // and erases them, or it was before this, and they are erased here.
        if self.0.clock.now().since(created_at) < UPLOAD_TIME
            && let Err(error) = self.erase(id, store, key).await
        {
            tracing::warn!(%error, artifact_id = %id, "the bytes of a deleted file may still be there");
        }
        Ok(())
    }

    async fn erase(&self, id: ArtifactId, store: ArtifactStore, key: &str) -> Result<(), ArtifactError> {
        match (store, &self.0.bucket) {
            (ArtifactStore::Local, _) => self.0.local.delete(key).await.map_err(ArtifactError::Folder),
            (ArtifactStore::S3, Some(bucket)) => bucket.delete(key).await.map_err(ArtifactError::Bucket),
            (ArtifactStore::S3, None) => {
                tracing::warn!(artifact_id = %id, key, "a file stays in the bucket that is no longer set");
                Ok(())
            }
        }
    }

    async fn put(&self, artifact: &NewArtifact, bytes: Bytes) -> Result<(), ArtifactError> {
        match &self.0.bucket {
            Some(bucket) => bucket.put(&artifact.object_key, bytes).await.map_err(ArtifactError::Bucket),
            None => self.0.local.put(&artifact.object_key, bytes).await.map_err(ArtifactError::Folder),
        }
    }

    async fn get(&self, artifact: &Artifact) -> Result<Option<Bytes>, ArtifactError> {
        match (artifact.store, &self.0.bucket) {
            (ArtifactStore::Local, _) => self.0.local.get(&artifact.object_key).await.map_err(ArtifactError::Folder),
            (ArtifactStore::S3, Some(bucket)) => bucket.get(&artifact.object_key).await.map_err(ArtifactError::Bucket),
            (ArtifactStore::S3, None) => Ok(None),
        }
    }
}

/// Spread over 256 folders by the last byte: it is random, while the first ones tell the time.
fn key(id: ArtifactId) -> String {
    let [.., last] = id.as_uuid().into_bytes();
    format!("{last:02x}/{id}")
}
