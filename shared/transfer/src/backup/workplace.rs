//! Folders for what is only half done: private to their owner, and gone with the work, also when it fails.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::BackupError;

/// Left-overs of killed processes are known by it.
const PREFIX: &str = ".llm-api-work-";
const LOCK: &str = "lock";

/// A folder of mode 0700 that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct Workplace {
    path: PathBuf,
    /// Held as long as somebody works here.
    _lock: File,
}

impl Workplace {
    /// Makes one in `folder`, which is made when it is missing. Those of processes that were killed are removed.
    pub(crate) fn new(folder: &Path) -> Result<Self, BackupError> {
        let failed = BackupError::file;
        create_private(folder).map_err(failed(folder))?;
        sweep(folder);
        loop {
            let path = folder.join(format!("{PREFIX}{}", random_name()?));
            private_dir().create(&path).map_err(failed(&path))?;
            let lock = create_file(&path.join(LOCK)).map_err(failed(&path))?;
            // Somebody else's sweeping may have come in between.
            if lock.try_lock().is_ok() && path.join(LOCK).exists() {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // Whoever works here next tries again.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what nobody works in any more. What cannot be removed stays, and keeps nobody from working.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX)
            || !entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            continue;
        }
        if let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn random_name() -> Result<String, BackupError> {
    let mut bytes = [0; 8];
    llm_api_crypto::fill(&mut bytes).map_err(BackupError::Random)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn private_dir() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
}

/// Makes a folder and those above it that are missing, readable by their owner alone.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    private_dir().recursive(true).create(folder)
}

/// Makes a file that is readable by its owner alone from its first byte.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Makes a change of names in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A file that gets its name when it is whole. Until then it is in a folder beside it.
#[derive(Debug)]
pub(crate) struct Draft {
    target: PathBuf,
    overwrite: bool,
    place: Workplace,
}

impl Draft {
    /// Fails where the file could not be written in the end, before any work was done for it.
    pub(crate) fn new(target: &Path, overwrite: bool) -> Result<Self, BackupError> {
        let target = std::path::absolute(target).map_err(BackupError::file(target))?;
        let (Some(folder), Some(_)) = (target.parent(), target.file_name()) else {
            return Err(BackupError::Output { path: shown(&target), reason: "it names no file" });
        };
        let draft = Self { place: in_folder(folder)?, target, overwrite };
        draft.may_write()?;
        Ok(draft)
    }

    fn may_write(&self) -> Result<(), BackupError> {
        match fs::symlink_metadata(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(BackupError::file(&self.target)(error)),
            Ok(found) if found.is_dir() => {
                Err(BackupError::Output { path: shown(&self.target), reason: "it is a folder: name a file in it" })
            }
            Ok(_) if self.overwrite => Ok(()),
            Ok(_) => Err(BackupError::Exists { path: shown(&self.target) }),
        }
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where it is written.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.join("draft")
    }

    /// Gives it its name. What it holds must be on the disk already.
    pub(crate) fn publish(self) -> Result<PathBuf, BackupError> {
        let failed = BackupError::file(&self.target);
        self.may_write()?;
        if self.overwrite {
            fs::rename(self.path(), &self.target)
        } else {
            // Never replaces a file; not every file system can.
            match fs::hard_link(self.path(), &self.target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BackupError::Exists { path: shown(&self.target) });
                }
                Err(_) => fs::rename(self.path(), &self.target),
                Ok(()) => Ok(()),
            }
        }
        .and_then(|()| sync_folder(self.target.parent().unwrap_or(&self.target)))
        .map_err(failed)?;
        Ok(self.target)
    }
}

/// A folder that a backup goes into is never made: a disk that is not there must not become a folder of its name.
fn in_folder(folder: &Path) -> Result<Workplace, BackupError> {
    if !folder.is_dir() {
        return Err(BackupError::Output { path: shown(folder), reason: "there is no such folder" });
    }
    Workplace::new(folder)
}

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
