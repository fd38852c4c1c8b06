//! The way back: opens a backup in a private place, checks it, brings it to this version, and copies it in one transaction.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use llm_api_crypto::{STREAM_MAGIC, Vault, stream_key_id};
use llm_api_domain::Clock;
use llm_api_storage::{
    Age, Checked, CopyError, CopyJob, CopyReport, DatabaseAddress, DatabaseEnd, Progress, SnapshotError, SnapshotFile,
    check_database, copy_database,
};

use super::{
    BackupError, Form, Manifest, Placed, archive,
    archive::SQLITE_MAGIC,
    blocking, content_of, files,
    workplace::{Workplace, create_file, create_private, shown},
};

/// What to bring back, and into what.
pub struct RestoreJob<'j> {
    pub from: PathBuf,
    pub target: DatabaseEnd,
    pub data_dir: PathBuf,
    /// Delete what the target holds; `confirmed` must then be its name.
    pub truncate: bool,
    pub confirmed: Option<String>,
    /// Opens an archive. With it every provider key is opened once.
    pub vault: Option<Vault>,
    pub clock: Clock,
    pub progress: &'j (dyn Fn(Progress) + Send + Sync),
}

impl std::fmt::Debug for RestoreJob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreJob").field("from", &self.from).field("target", &self.target).finish_non_exhaustive()
    }
}

/// What a backup is and says about itself.
#[derive(Clone, Debug)]
pub struct Content {
    pub form: Form,
    /// `None` for a plain file.
    pub manifest: Option<Manifest>,
    /// The newest migration of the database in it.
    pub migration: i64,
    /// Whether it is of an older version, and was brought to this one.
    pub migrated: bool,
    /// Generated files that its database names and that are not in it.
    pub missing_artifacts: u64,
}

#[derive(Clone, Debug)]
pub struct RestoreReport {
    pub content: Content,
    pub copy: CopyReport,
    pub artifacts: Placed,
}

/// A backup, unpacked in a private place that goes with this.
struct Opened {
    work: Workplace,
    database: PathBuf,
    content: Content,
    /// Of the generated files.
    names: Vec<String>,
}

/// Opens everything in a backup and checks every row; touches nothing else. Findings do not fail it.
pub async fn verify_backup(job: &RestoreJob<'_>) -> Result<(Content, Checked), BackupError> {
    // A folder that is not there is not made.
    let folder = if job.data_dir.is_dir() { job.data_dir.clone() } else { std::env::temp_dir() };
    let opened = open(job, &folder, false).await?;
    let end = DatabaseEnd::new(DatabaseAddress::sqlite(&opened.database), None)?;
    let checked = check_database(&end, job.vault.as_ref(), job.progress).await?;
    if checked.is_wrong_key {
        return Err(CopyError::WrongKey.into());
    }
    if let Some(manifest) = opened.content.manifest.as_ref().filter(|_| !opened.content.migrated) {
        let found = content_of(&checked.tables);
        if let Some(table) = manifest.tables.iter().find(|table| table.sha256.is_some() && !found.contains(table)) {
            let reason = format!("table {} is not as it was when the backup was made", table.table);
            return Err(BackupError::Content { path: shown(&job.from), reason });
        }
    }
    Ok((opened.content.clone(), checked))
}

/// Brings everything back, or leaves the database as it was.
pub async fn restore(job: &RestoreJob<'_>) -> Result<RestoreReport, BackupError> {
    let opened = open(job, &job.data_dir, true).await?;
    if let Some(folder) = job.target.sqlite_file().and_then(Path::parent) {
        create_private(folder).map_err(BackupError::file(folder))?;
    }
    let copy = CopyJob {
        source: DatabaseEnd::new(DatabaseAddress::sqlite(&opened.database), None)?.called(label(job, &opened.content)),
        target: job.target.clone(),
        dry_run: false,
        truncate: job.truncate,
        confirmed: job.confirmed.clone(),
        vault: job.vault.clone(),
        clock: job.clock.clone(),
        progress: job.progress,
    };
    let copied = copy_database(&copy).await?;
    // After the rows, which name them: where this is cut off, running it again goes on.
    let (from, into) = (opened.work.join(files::FOLDER), job.data_dir.join(files::FOLDER));
    let (names, content) = (opened.names, opened.content);
    let artifacts = blocking(move || files::place(&from, &names, &into)).await?;
    Ok(RestoreReport { content, copy: copied, artifacts })
}

/// For the receipt.
fn label(job: &RestoreJob<'_>, content: &Content) -> String {
    let made = content.manifest.as_ref().map(|manifest| format!(" of {}", manifest.made_at)).unwrap_or_default();
    format!("backup {}{made}", job.from.display())
}

async fn open(job: &RestoreJob<'_>, folder: &Path, keep_files: bool) -> Result<Opened, BackupError> {
    let (path, failed) = (shown(&job.from), BackupError::file(&job.from));
    let start = archive::start(&job.from).map_err(&failed)?;
    let (form, work) = if start.starts_with(STREAM_MAGIC) {
        (Form::Archive, Workplace::new(folder)?)
    } else if start.starts_with(SQLITE_MAGIC) {
        (Form::Sqlite, Workplace::new(folder)?)
    } else {
        return Err(BackupError::NotABackup { path });
    };
    let database = work.join(archive::DATABASE);
    let (mut manifest, mut names) = (None, Vec::new());
    match (form, job.vault.clone()) {
        (Form::Archive, Some(vault)) => {
            let (from, into) = (job.from.clone(), work.join(""));
            let extracted = blocking(move || archive::extract(&from, &vault, &into, keep_files)).await?;
            (manifest, names) = (Some(extracted.manifest), extracted.names);
        }
        (Form::Archive, None) => {
            let id = stream_key_id(&start).map(u32::from_be_bytes).unwrap_or_default();
            let id = format!("{id:08x}");
            return Err(BackupError::NoKeyToOpen { path, id });
        }
        (Form::Sqlite, _) => {
            let (from, into) = (job.from.clone(), database.clone());
            blocking(move || copy_plain(&from, &into)).await?;
        }
    }
    let (snapshot, migrated) = prepare(&job.from, &database).await?;
    let wanted = snapshot.artifact_files().await?.local.len() as u64;
    let missing_artifacts = wanted.saturating_sub(names.len() as u64);
    let content = Content { form, manifest, migration: snapshot.migration(), migrated, missing_artifacts };
    Ok(Opened { work, database, content, names })
}

/// A plain file is never opened itself: not even for reading does SQLite leave its folder alone.
fn copy_plain(from: &Path, into: &Path) -> Result<(), BackupError> {
    let log = PathBuf::from(format!("{}-wal", from.display()));
    match fs::metadata(&log) {
        Ok(log) if log.len() > 0 => return Err(BackupError::InUse { path: shown(from) }),
        _ => {}
    }
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut create_file(into)?));
    copied.map(drop).map_err(BackupError::file(from))
}

/// Makes sure that the database is whole and ours, and brings it to this version.
async fn prepare(from: &Path, database: &Path) -> Result<(SnapshotFile, bool), BackupError> {
    let path = shown(from);
    let unreadable =
        |error: SnapshotError| BackupError::Damaged { path: shown(from), problems: vec![error.to_string()] };
    if SnapshotFile::is_legacy(database).await.map_err(unreadable)? {
        return Err(BackupError::Legacy { path });
    }
    let Some(mut snapshot) = SnapshotFile::open(database).await.map_err(unreadable)? else {
        return Err(BackupError::NotABackup { path });
    };
    if snapshot.age() == Age::Newer {
        return Err(BackupError::Newer { path, what: format!("migration {}", snapshot.migration()) });
    }
    let problems = snapshot.check_integrity().await.map_err(unreadable)?;
    if !problems.is_empty() {
        return Err(BackupError::Damaged { path, problems });
    }
    let is_older = snapshot.age() == Age::Older;
    // Also where nothing is to be done: it finds a history that is not ours.
    snapshot.migrate().await?;
    Ok((snapshot, is_older))
}
