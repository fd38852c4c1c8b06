//! Making a backup: one state of the database as an SQLite file, read to its last row, then sealed with the generated
//! files or published as it is.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use llm_api_crypto::{STREAM_MAGIC, Vault};
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::{
    Age, CopyError, CopyJob, DatabaseAddress, DatabaseEnd, Finding, Progress, SnapshotFile, check_database,
    copy_database, snapshot,
};

use super::{
    BackupError, Manifest, archive,
    archive::SQLITE_MAGIC,
    blocking, content_of, files,
    manifest::{ArtifactContent, FORMAT, TableContent},
    workplace::{Draft, Workplace, create_file, shown},
};

/// What a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything, sealed.
    Archive,
    /// The database alone, readable by whoever has the file.
    Sqlite,
}

/// What to back up, and where to.
pub struct BackupJob<'j> {
    pub source: DatabaseEnd,
    pub data_dir: PathBuf,
    pub output: PathBuf,
    pub form: Form,
    pub overwrite: bool,
    /// Whether generated files go into an archive.
    pub artifacts: bool,
    /// Seals an archive. With it every provider key is opened once.
    pub vault: Option<Vault>,
    /// Of this program.
    pub version: String,
    pub clock: Clock,
    pub progress: &'j (dyn Fn(Progress) + Send + Sync),
}

impl std::fmt::Debug for BackupJob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupJob").field("source", &self.source).field("output", &self.output).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct BackupReport {
    pub output: PathBuf,
    pub form: Form,
    /// Of the file.
    pub bytes: u64,
    pub manifest: Manifest,
    /// Rows that a restore would refuse; they are in the backup as they are.
    pub findings: Vec<Finding>,
    /// How many provider keys were opened; `None` without a vault or for an older database.
    pub keys_opened: Option<u64>,
}

/// Makes a backup, or leaves nothing behind. A server may run on the source.
pub async fn back_up(job: &BackupJob<'_>) -> Result<BackupReport, BackupError> {
    if matches!(job.form, Form::Archive) && job.vault.is_none() {
        return Err(BackupError::NoKeyToSeal);
    }
    refuse_to_replace(job)?;
    let draft = Draft::new(&job.output, job.overwrite)?;
    // What is readable is never beside an archive: its folder may be another machine's disk.
    let work = match job.form {
        Form::Archive => Some(Workplace::new(&job.data_dir)?),
        Form::Sqlite => None,
    };
    let database = work.as_ref().map_or_else(|| draft.path(), |work| work.join(archive::DATABASE));
    let made_at = job.clock.now();
    let snapshot = take_snapshot(job, &database).await?;
    let (tables, findings, keys_opened) = read(job, &snapshot, &database).await?;
    let wanted = snapshot.artifact_files().await?;
    let mut content = ArtifactContent { in_bucket: wanted.in_bucket, ..ArtifactContent::default() };
    let all = wanted.local.len() as u64;
    let mut names = Vec::new();
    if let Some(work) = work.as_ref().filter(|_| job.artifacts) {
        let (from, into) = (job.data_dir.join(files::FOLDER), work.join(files::FOLDER));
        names = blocking(move || files::collect(&from, wanted.local, &into)).await?;
        content.files = names.len() as u64;
        content.bytes = names.iter().map(|(_, size)| size).sum();
    }
    content.missing = all - content.files;
    let manifest = manifest(job, made_at, snapshot.migration(), tables, content);
    match (&job.vault, &work) {
        (Some(vault), Some(work)) => seal(vault, &manifest, &database, work.join(files::FOLDER), names, &draft).await?,
        _ => File::open(&database).and_then(|file| file.sync_all()).map_err(BackupError::file(&database))?,
    }
    let bytes = fs::metadata(draft.path()).map_err(BackupError::file(&job.output))?.len();
    let output = draft.publish()?;
    Ok(BackupReport { output, form: job.form, bytes, manifest, findings, keys_opened })
}

/// A backup that took the place of the database would be the last one; of a key, the last that opens.
fn refuse_to_replace(job: &BackupJob<'_>) -> Result<(), BackupError> {
    let refused = |reason| Err(BackupError::Output { path: shown(&job.output), reason });
    // A name that is not there yet can be none of these, and a folder is told later.
    let Ok(output) = fs::canonicalize(&job.output) else { return Ok(()) };
    if output.is_dir() {
        return Ok(());
    }
    let real = |path: &Path| fs::canonicalize(path).is_ok_and(|path| path == output);
    let database = job.source.sqlite_file().unwrap_or(Path::new(""));
    let beside = ["", "-wal", "-shm", ".lock"].map(|suffix| PathBuf::from(format!("{}{suffix}", database.display())));
    if beside.iter().any(|file| real(file)) {
        return refused("it is the database itself");
    }
    let start = archive::start(&job.output).map_err(BackupError::file(&job.output))?;
    let is_backup = start.is_empty() || start.starts_with(STREAM_MAGIC) || start.starts_with(SQLITE_MAGIC);
    if job.overwrite && !is_backup {
        return refused("what is there is no backup, and is not replaced");
    }
    Ok(())
}

/// One state of the source as a single file.
async fn take_snapshot(job: &BackupJob<'_>, into: &Path) -> Result<SnapshotFile, BackupError> {
    // Made by us rather than by SQLite, so that it is private from its first byte.
    create_file(into).map_err(BackupError::file(into))?;
    if let Some(file) = job.source.sqlite_file() {
        snapshot(file, into).await?;
    } else {
        let copy = CopyJob {
            source: job.source.clone(),
            target: DatabaseEnd::new(DatabaseAddress::sqlite(into), None)?.called("a backup".to_owned()),
            dry_run: false,
            truncate: false,
            confirmed: None,
            // A key that does not open is no reason to have no backup.
            vault: None,
            clock: job.clock.clone(),
            progress: job.progress,
        };
        copy_database(&copy).await?;
    }
    let snapshot = SnapshotFile::open(into).await?;
    let snapshot = snapshot.ok_or_else(|| BackupError::Content {
        path: job.source.describe(),
        reason: "there are no tables of llm-api in it yet".to_owned(),
    })?;
    snapshot.settle().await?;
    Ok(snapshot)
}

type Tables = (Vec<TableContent>, Vec<Finding>, Option<u64>);

/// What is in the snapshot, and whether it will come back.
async fn read(job: &BackupJob<'_>, snapshot: &SnapshotFile, database: &Path) -> Result<Tables, BackupError> {
    match snapshot.age() {
        Age::Same => {
            let end = DatabaseEnd::new(DatabaseAddress::sqlite(database), None)?;
            let checked = check_database(&end, job.vault.as_ref(), job.progress).await?;
            // Sealed with a key that opens nothing in it, it would be of no use to who has the right one.
            if checked.is_wrong_key && job.form == Form::Archive {
                return Err(CopyError::WrongKey.into());
            }
            Ok((content_of(&checked.tables), checked.findings, checked.keys_opened))
        }
        Age::Older => {
            let rows = snapshot.count().await?.into_iter();
            let tables = rows.map(|(table, rows)| TableContent { table: table.to_owned(), rows, sha256: None });
            Ok((tables.collect(), Vec::new(), None))
        }
        Age::Newer => {
            let what = format!("migration {}", snapshot.migration());
            Err(BackupError::Newer { path: job.source.describe(), what })
        }
    }
}

fn manifest(
    job: &BackupJob<'_>,
    made_at: Timestamp,
    migration: i64,
    tables: Vec<TableContent>,
    artifacts: ArtifactContent,
) -> Manifest {
    let source = if job.source.sqlite_file().is_some() { "sqlite" } else { "postgres" };
    Manifest {
        format: FORMAT,
        version: job.version.clone(),
        made_at,
        source: source.to_owned(),
        migration,
        tables,
        artifacts,
    }
}

async fn seal(
    vault: &Vault,
    manifest: &Manifest,
    database: &Path,
    folder: PathBuf,
    names: Vec<(String, u64)>,
    draft: &Draft,
) -> Result<(), BackupError> {
    let (vault, manifest, database, path) = (vault.clone(), manifest.clone(), database.to_owned(), draft.path());
    let target = draft.target().to_owned();
    blocking(move || {
        let written =
            create_file(&path).and_then(|out| archive::write(out, &vault, &manifest, &database, &folder, &names));
        written.map_err(BackupError::file(&target))
    })
    .await
}
