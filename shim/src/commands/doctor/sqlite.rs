//! The SQLite file: whether it is there, whose it is, and who holds it.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use llm_api_storage::{DatabaseAddress, DatabaseProbe, OpenError, SqliteProbe};
use rustix::{fs::Access, process::geteuid};

use super::{Run, data, settings};

const CHECK: &str = "file";

pub(super) async fn check(run: &mut Run<'_>, address: &DatabaseAddress) -> Option<DatabaseProbe> {
    let DatabaseAddress::Sqlite(path) = address else { return None };
    let path = &path.0;
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            missing(run, path).await;
            return None;
        }
        Err(error) => {
            let detail = format!("{}: {error}", path.display());
            run.report.fail(CHECK, detail, "run this as the user of the server");
            skip(run, "the file cannot be opened");
            return None;
        }
    };
    let probe = match run.within(SqliteProbe::open(path)).await {
        Some(Ok(probe)) => probe,
        refused => {
            refusal(run, path, refused.and_then(Result::err));
            skip(run, "the file cannot be opened");
            return None;
        }
    };
    let us = geteuid().as_raw();
    let shown = path.display();
    if rustix::fs::access(path, Access::WRITE_OK).is_err() {
        let detail = format!("{shown} belongs to user {}, and user {us} cannot write it", found.uid());
        run.report.fail(CHECK, detail, "run this as the user of the server");
    } else if settings::open_to_others(path) {
        run.report.warn(CHECK, settings::others_may_read(path), &format!("chmod 600 {shown}*"));
    } else {
        run.report.ok(CHECK, format!("{shown} is private"));
    }
    match SqliteProbe::is_held(path) {
        Ok(true) => run.report.ok("lock", "a server or another command holds the file"),
        Ok(false) => run.report.ok("lock", "nobody holds the file"),
        Err(error) => run.report.fail("lock", error, &format!("check the file {shown}.lock")),
    }
    Some(DatabaseProbe::Sqlite(probe))
}

async fn missing(run: &mut Run<'_>, path: &Path) {
    match run.within(SqliteProbe::refuse_legacy_beside(path)).await {
        Some(Ok(())) => {
            run.report.ok(CHECK, format!("{} is not there yet: the first start makes it", path.display()));
            skip(run, "there is no database yet");
        }
        refused => {
            refusal(run, path, refused.and_then(Result::err));
            skip(run, "there is no database yet");
        }
    }
}

fn refusal(run: &mut Run<'_>, path: &Path, error: Option<OpenError>) {
    match error {
        // The sentence says what to do.
        Some(error @ OpenError::LegacyFile { .. }) => run.report.settings_fail(CHECK, error, ""),
        Some(error) => {
            run.report.fail(CHECK, format!("{}: {error}", path.display()), "restore a backup, or name another file");
        }
        None => {
            let detail = run.no_answer();
            run.report.fail(CHECK, detail, "check the disk that it is on");
        }
    }
}

fn skip(run: &mut Run<'_>, because: &str) {
    for step in data::STEPS.into_iter().filter(|step| *step != data::CLOCK) {
        run.report.skip(step, because);
    }
}
