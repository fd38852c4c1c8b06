//! Generated files on their way into a backup and back into the data directory.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    BackupError,
    workplace::{create_file, create_private, sync_folder},
};

/// The folder of generated files, in the data directory and in an archive.
pub(crate) const FOLDER: &str = "artifacts";

const DEEPEST: usize = 3;

/// Whether a name below [`FOLDER`] is one that we give: it leads nowhere else.
pub(crate) fn is_safe(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.len() <= 100
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    name.split('/').count() <= DEEPEST && name.split('/').all(part)
}

/// Takes hold of the files that are named: a file is never changed, only deleted, so a second name keeps it as it is.
/// Gives the names of those that are there, with their sizes.
pub(crate) fn collect(from: &Path, mut names: Vec<String>, into: &Path) -> Result<Vec<(String, u64)>, BackupError> {
    let mut found = Vec::new();
    // No two rows share a file, unless somebody bent them.
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| is_safe(name)) {
        let (source, kept) = (from.join(&name), into.join(&name));
        let failed = |error| BackupError::file(&source)(error);
        match fs::symlink_metadata(&source) {
            Ok(entry) if entry.is_file() => {}
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        }
        create_private(kept.parent().unwrap_or(into)).map_err(failed)?;
        match fs::hard_link(&source, &kept).or_else(|_| copy(&source, &kept)) {
            Ok(()) => {}
            // Deleted just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(error)),
        }
        let size = fs::metadata(&kept).map_err(failed)?.len();
        found.push((name, size));
    }
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = create_file(to)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

/// How generated files came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub restored: u64,
    /// There already, with the same bytes.
    pub kept: u64,
    /// There with other bytes, which gave way: a file is never changed, so those were damaged.
    pub replaced: u64,
}

/// Moves files that lie in `from` to where they are served from.
pub(crate) fn place(from: &Path, names: &[String], into: &Path) -> Result<Placed, BackupError> {
    let mut placed = Placed::default();
    let mut folders = Vec::new();
    for name in names {
        let (source, target) = (from.join(name), into.join(name));
        let failed = |error| BackupError::file(&target)(error);
        match fs::symlink_metadata(&target) {
            Ok(entry) if entry.is_file() && is_equal(&source, &target).map_err(failed)? => {
                placed.kept += 1;
                continue;
            }
            Ok(_) => placed.replaced += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => placed.restored += 1,
            Err(error) => return Err(failed(error)),
        }
        let folder = target.parent().unwrap_or(into).to_owned();
        create_private(&folder).map_err(failed)?;
        match fs::rename(&source, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => across(&source, &target),
            moved => moved,
        }
        .map_err(failed)?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    for folder in folders {
        sync_folder(&folder).map_err(BackupError::file(&folder))?;
    }
    Ok(placed)
}

/// To another disk: beside the target first, so that no half file is ever there under its name.
fn across(source: &Path, target: &Path) -> io::Result<()> {
    let draft: PathBuf = target.with_extension("part");
    let moved = copy(source, &draft).and_then(|()| fs::rename(&draft, target));
    if moved.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&draft);
    }
    moved
}

fn is_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one).bytes(), BufReader::new(other).bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (ours, theirs) if ours != theirs => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_never_taken() {
        for name in ["7f/0198a2f0-7c5e-7000-8000-00000000007f", "a", "a/b/c.png"] {
            assert!(is_safe(name), "{name}");
        }
        let long = "a".repeat(101);
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/..",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".a",
            "a/.b",
            "a\\b",
            "a b",
            "a/b/c/d",
            "C:x",
            "a\0b",
            "ä",
            &long,
        ] {
            assert!(!is_safe(name), "{name:?}");
        }
    }
}
