//! Files in the data directory, readable by their owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// The folder of all files; made when the first one is stored.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) folder: PathBuf,
}

impl Local {
    /// Stores a file: whole, or not at all.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> io::Result<()> {
        let path = self.folder.join(key);
        blocking(move || write(&path, &bytes)).await
    }

    /// `None` when there is none.
    pub(crate) async fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        let path = self.folder.join(key);
        blocking(move || present(fs::read(path))).await.map(|found| found.map(Bytes::from))
    }

    /// Nothing happens when there is none.
    pub(crate) async fn delete(&self, key: &str) -> io::Result<()> {
        let path = self.folder.join(key);
        blocking(move || present(fs::remove_file(path))).await.map(drop)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside and renames into place.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    create(folder)?;
    let draft = Draft(path.with_extension("part"));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&draft.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft.0, path)?;
    File::open(folder)?.sync_all()
}

fn create(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // Where all went well it has its final name by now.
        let _ = fs::remove_file(&self.0);
    }
}
