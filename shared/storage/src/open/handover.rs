//! Two servers on one database for a while: one that ends, and its successor (`docs/adr/0024-handover.md`).

use std::{fs::File, io, path::Path};

use llm_api_domain::Timestamp;

use super::{OpenMode, OpenOptions, beside};
use crate::{DatabaseAddress, OpenError, Store, cache::Changes};

impl Store {
    /// Opens the database beside a server that is about to end. `lock` is what that one's [`share_lock`](Self::share_lock)
    /// gave; where these settings name another file, it is of no use, and this is an ordinary start.
    ///
    /// Until [`be_alone`](Self::be_alone) nothing is kept in memory, and nothing that the other one began is settled.
    pub async fn succeed(options: OpenOptions, lock: Option<File>) -> Result<Self, OpenError> {
        let options = OpenOptions { mode: OpenMode::Server, ..options };
        match lock.filter(|lock| is_lock_of(&options.address, lock)) {
            Some(lock) => Self::open_with(options, Some(lock)).await,
            None => Self::open(options).await,
        }
    }

    /// The lock on the SQLite file for a process that is to hold it, too; `None` on Postgres.
    pub fn share_lock(&self) -> io::Result<Option<File>> {
        self.lock.as_ref().map(|lock| lock.try_clone()).transpose()
    }

    /// Another server is about to write as this one does: from here on nothing is kept in memory.
    pub fn be_beside(&self) {
        if let Changes::Own(cache) = &self.changes {
            cache.set_alone(false);
        }
    }

    /// No other server is there any more, or none came.
    pub fn be_alone(&self) {
        if let Changes::Own(cache) = &self.changes {
            cache.set_alone(true);
        }
    }

    /// Settles what the other server began before `since` and, having been killed, did not end.
    pub async fn settle_predecessor(&self, since: Timestamp) -> Result<(), OpenError> {
        self.settle_left_open(since).await
    }
}

/// Whether the open file is the lock file of this database.
#[cfg(unix)]
fn is_lock_of(address: &DatabaseAddress, lock: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |path: &Path| -> io::Result<bool> {
        let (ours, theirs) = (lock.metadata()?, beside(path, ".lock").metadata()?);
        Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
    };
    match address {
        DatabaseAddress::Sqlite(path) => same(&path.0).unwrap_or(false),
        DatabaseAddress::Postgres(_) => false,
    }
}

#[cfg(not(unix))]
fn is_lock_of(_: &DatabaseAddress, _: &File) -> bool {
    false
}
