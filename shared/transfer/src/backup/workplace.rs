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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_swept_and_those_of_the_living_are_not() {
        let home = Workplace::new(&std::env::temp_dir()).expect("a folder");
        let (living, dead) = (Workplace::new(&home.path).expect("a folder"), home.join(".llm-api-work-dead"));
        create_private(&dead.join("artifacts")).expect("a folder");
        fs::write(dead.join(LOCK), "").expect("a file");
        fs::write(dead.join("artifacts/one"), "left behind").expect("a file");
        let other = home.join("not-ours");
        create_private(&other).expect("a folder");
        fs::write(other.join(LOCK), "").expect("a file");

        let next = Workplace::new(&home.path).expect("a folder");
        assert!(!dead.exists() && other.exists() && living.path.exists() && next.path.exists());
        let (path, text) = (next.path.clone(), next.join("text"));
        fs::write(text, "secret").expect("a file");
        drop(next);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = Workplace::new(&std::env::temp_dir()).expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        create_file(&home.join("file")).expect("a file");
        create_private(&home.join("a/b")).expect("a folder");
        assert_eq!((mode(&home.path), mode(&home.join("file"))), (0o700, 0o600));
        assert_eq!((mode(&home.join("a")), mode(&home.join("a/b"))), (0o700, 0o700));
    }

    #[test]
    fn a_draft_takes_its_name_only_when_it_is_free() {
        let home = Workplace::new(&std::env::temp_dir()).expect("a folder");
        let target = home.join("target");
        let draft = Draft::new(&target, false).expect("a free name");
        fs::write(draft.path(), "first").expect("a file");
        let late = Draft::new(&target, false).expect("a free name");
        fs::write(late.path(), "second").expect("a file");
        assert_eq!(draft.publish().expect("a name"), target);
        assert!(matches!(late.publish(), Err(BackupError::Exists { .. })));
        assert_eq!(fs::read_to_string(&target).expect("a file"), "first");
        let third = Draft::new(&target, true).expect("it may be replaced");
        fs::write(third.path(), "third").expect("a file");
        third.publish().expect("a name");
        assert_eq!(fs::read_to_string(&target).expect("a file"), "third");
        assert_eq!(fs::read_dir(&home.path).expect("a folder").count(), 2, "the file, and the folder's lock");
    }
}
