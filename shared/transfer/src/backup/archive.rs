//! The archive: a tar of manifest, database and generated files, compressed, then sealed. Written and read as a stream.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use llm_api_crypto::{StreamError, Vault};
use tar::{Builder, Entry, EntryType, Header};

use super::{
    BackupError, Manifest, files,
    manifest::FORMAT,
    workplace::{create_file, create_private},
};

/// What the sealing of archives is derived for.
const PURPOSE: &str = "backup";

const MANIFEST: &str = "manifest.json";
pub(crate) const DATABASE: &str = "database.sqlite";

/// What an SQLite file begins with.
pub(crate) const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Far more than any manifest has.
const MANIFEST_BYTES: u64 = 16 << 20;

/// Writes an archive and makes it last.
pub(crate) fn write(
    out: File,
    vault: &Vault,
    manifest: &Manifest,
    database: &Path,
    folder: &Path,
    names: &[(String, u64)],
) -> io::Result<()> {
    let sealed = vault.seal_stream(PURPOSE, out)?;
    let mut tar = Builder::new(GzEncoder::new(sealed, Compression::fast()));
    let about = serde_json::to_vec_pretty(manifest)?;
    let made_at = u64::try_from(manifest.made_at.as_secs()).unwrap_or_default();
    add(&mut tar, MANIFEST, about.len() as u64, made_at, about.as_slice())?;
    let file = File::open(database)?;
    add(&mut tar, DATABASE, file.metadata()?.len(), made_at, file)?;
    for (name, size) in names {
        add(&mut tar, &format!("{}/{name}", files::FOLDER), *size, made_at, File::open(folder.join(name))?)?;
    }
    let mut out = tar.into_inner()?.finish()?.finish()?;
    out.flush()?;
    out.sync_all()
}

fn add(tar: &mut Builder<impl Write>, name: &str, size: u64, made_at: u64, mut data: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(made_at);
    let mut exact = data.by_ref().take(size);
    tar.append_data(&mut header, name, &mut exact)?;
    // The header has promised so many bytes.
    if exact.limit() > 0 || data.read(&mut [0])? > 0 {
        return Err(io::Error::other(format!("{name} changed while it was read")));
    }
    Ok(())
}

/// What came out of an archive.
#[derive(Debug)]
pub(crate) struct Extracted {
    pub(crate) manifest: Manifest,
    /// Of the generated files.
    pub(crate) names: Vec<String>,
}

/// Reads an archive to its verified end. The database goes into `into`, and so do the generated files if `keep_files`;
/// what it wrote before an error is for nothing.
pub(crate) fn extract(path: &Path, vault: &Vault, into: &Path, keep_files: bool) -> Result<Extracted, BackupError> {
    let failed = |error| damaged_or(path, error);
    let opened = vault.open_stream(PURPOSE, File::open(path).map_err(failed)?).map_err(failed)?;
    let mut tar = tar::Archive::new(GzDecoder::new(opened));
    let mut entries = tar.entries().map_err(failed)?;
    let mut next = || entries.next().transpose().map_err(failed);
    let content =
        |reason: &str| BackupError::Content { path: super::workplace::shown(path), reason: reason.to_owned() };

    let first = next()?.ok_or_else(|| content("it is empty"))?;
    let manifest = read_manifest(path, first)?;
    let second = next()?
        .filter(|entry| name(entry).as_deref() == Some(DATABASE))
        .ok_or_else(|| content("it has no database"))?;
    unpack(second, &into.join(DATABASE)).map_err(failed)?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    let prefix = format!("{}/", files::FOLDER);
    while let Some(mut entry) = next()? {
        let name = name(&entry).and_then(|name| name.strip_prefix(&prefix).map(str::to_owned));
        let Some(name) = name.filter(|name| files::is_safe(name)) else {
            return Err(content("it holds an entry that is none of ours"));
        };
        bytes += entry.size();
        if keep_files {
            let target = into.join(files::FOLDER).join(&name);
            create_private(target.parent().unwrap_or(into)).map_err(failed)?;
            unpack(entry, &target).map_err(failed)?;
        } else {
            io::copy(&mut entry, &mut io::sink()).map_err(failed)?;
        }
        names.push(name);
    }
    // What is authentic so far may still have lost its end.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    io::copy(&mut rest.into_inner(), &mut io::sink()).map_err(failed)?;
    if (names.len() as u64, bytes) != (manifest.artifacts.files, manifest.artifacts.bytes) {
        return Err(content("it does not hold the files that it names"));
    }
    Ok(Extracted { manifest, names })
}

fn read_manifest(path: &Path, entry: Entry<'_, impl Read>) -> Result<Manifest, BackupError> {
    let content = |reason: String| BackupError::Content { path: super::workplace::shown(path), reason };
    if name(&entry).as_deref() != Some(MANIFEST) {
        return Err(content("it does not begin with a manifest".to_owned()));
    }
    let mut text = Vec::new();
    entry.take(MANIFEST_BYTES).read_to_end(&mut text).map_err(|error| damaged_or(path, error))?;
    let about: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| content(format!("its manifest cannot be read: {error}")))?;
    // Before anything else in it: the rest of a newer one may have another form.
    if about["format"].as_u64().is_some_and(|format| format > u64::from(FORMAT)) {
        return Err(BackupError::Newer {
            path: super::workplace::shown(path),
            what: format!("format {}", about["format"]),
        });
    }
    serde_json::from_value(about).map_err(|error| content(format!("its manifest cannot be read: {error}")))
}

/// The name of a regular file; nothing else is ever taken out of an archive.
fn name(entry: &Entry<'_, impl Read>) -> Option<String> {
    let is_file = entry.header().entry_type() == EntryType::Regular;
    is_file.then(|| String::from_utf8(entry.path_bytes().into_owned()).ok()).flatten()
}

fn unpack(mut entry: Entry<'_, impl Read>, target: &Path) -> io::Result<()> {
    let mut file = create_file(target)?;
    if io::copy(&mut entry, &mut file)? != entry.size() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.sync_all()
}

fn damaged_or(path: &Path, error: io::Error) -> BackupError {
    let path = super::workplace::shown(path);
    match StreamError::of(&error) {
        Some(reason) => BackupError::Sealed { path, reason },
        None => BackupError::File { path, source: error },
    }
}

/// The first bytes of a file, or fewer.
pub(crate) fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    fs::File::open(path)?.take(64).read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests;
