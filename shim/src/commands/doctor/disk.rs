//! The room that is left for files.

use std::path::{Path, PathBuf};

use llm_api_app::DatabaseTarget;

use super::Run;

const CHECK: &str = "disk";
const LITTLE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 100 << 20;

pub(super) fn check(run: &mut Run<'_>) {
    let mut folders = vec![run.config.data_dir.clone()];
    if let DatabaseTarget::Sqlite(file) = &run.config.database
        && let Some(folder) = file.parent()
        && folder != run.config.data_dir
    {
        folders.push(folder.to_owned());
    }
    for folder in folders {
        room(run, &existing(&folder));
    }
}

/// The folder, or the one that it will be made in.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder).to_owned()
}

fn room(run: &mut Run<'_>, folder: &Path) {
    let shown = folder.display();
    let free = match rustix::fs::statvfs(folder) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return run.report.fail(CHECK, format!("{shown}: {error}"), "check the path"),
    };
    let detail = format!("{} free in {shown}", bytes(free));
    match free {
        ..TOO_LITTLE => run.report.fail(CHECK, detail, "make room: writes are refused when it is full"),
        TOO_LITTLE..LITTLE => run.report.warn(CHECK, detail, "make room before it is full"),
        _ => run.report.ok(CHECK, detail),
    }
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn bytes(count: u64) -> String {
    match count {
        ..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
