//! What stands in the database, whichever it is.

use std::fmt::Write as _;

use llm_api_storage::{DatabaseAddress, DatabaseProbe, MigrationState, PostgresProbe, ProbeError, SignInProblem};

use super::{
    Run,
    disk::bytes,
    postgres::{expects_transactions, login_remedy},
    report::Status,
    settings::Found,
};

/// Skipped together when the database cannot be asked.
pub(super) const STEPS: [&str; 5] = ["migrations", "vault", "freeze", CLOCK, "database"];
/// A file has none of its own.
pub(super) const CLOCK: &str = "clock";

/// In microseconds.
const SKEW_TO_WARN: u64 = 5_000_000;
const SKEW_TO_FAIL: u64 = 60_000_000;

pub(super) async fn check(run: &mut Run<'_>, probe: Option<DatabaseProbe>, found: &Found) {
    let Some(mut probe) = probe else { return };
    match ask(run, "migrations", async { probe.migrations().await }).await {
        None => {
            for step in ["vault", "freeze"] {
                run.report.skip(step, "migrations could not be read");
            }
        }
        Some(MigrationState::Empty) => {
            run.report.ok("migrations", "no table yet: the first start, or `llm-api migrate`, makes them");
            run.report.skip("vault", "there is no table yet");
            run.report.skip("freeze", "there is no table yet");
        }
        Some(state) => {
            let is_known = migrations(run, &state, found).await;
            if is_known {
                vault(run, &mut probe, found).await;
            } else {
                run.report.skip("vault", "the tables are not this version's");
            }
            match state {
                MigrationState::Current { .. } => freeze(run, &mut probe).await,
                _ => run.report.skip("freeze", "the tables are not this version's"),
            }
        }
    }
    clock(run, &mut probe).await;
    if let Some((name, size)) = ask(run, "database", async { probe.size().await }).await {
        whole(run, probe, &name, size).await;
    }
}

/// Tells when there is no answer.
async fn ask<T>(run: &mut Run<'_>, check: &str, question: impl Future<Output = Result<T, ProbeError>>) -> Option<T> {
    if run.is_database_silent {
        run.report.skip(check, "the database gave no answer before");
        return None;
    }
    match run.within(question).await {
        Some(Ok(answer)) => Some(answer),
        Some(Err(error)) => {
            run.report.fail(check, error, "look into the database's log");
            None
        }
        None => {
            // The connection is still busy with this question.
            run.is_database_silent = true;
            let detail = run.no_answer();
            run.report.fail(check, detail, "look for locks and load on the database");
            None
        }
    }
}

/// Whether the tables that this version looks at are those of ours.
async fn migrations(run: &mut Run<'_>, state: &MigrationState, found: &Found) -> bool {
    const CHECK: &str = "migrations";
    match state {
        MigrationState::Empty => {}
        MigrationState::Current { version } => run.report.ok(CHECK, format!("current, {version:04}")),
        MigrationState::Behind { missing } => behind(run, missing, found).await,
        MigrationState::Unknown { version } => run.report.fail(
            CHECK,
            format!("the database was written by a newer llm-api, or by another application (migration {version})"),
            "install that version, restore a backup, or set LLM_API_DATABASE_SCHEMA to a schema of our own",
        ),
        MigrationState::Changed { version } => run.report.fail(
            CHECK,
            format!("migration {version} in the database is not the one this llm-api was built with"),
            "install the version that made it, or restore a backup",
        ),
        MigrationState::Unfinished { version } => {
            run.report.fail(CHECK, format!("migration {version} began and did not end"), "restore a backup");
        }
    }
    matches!(state, MigrationState::Current { .. } | MigrationState::Behind { .. })
}

async fn behind(run: &mut Run<'_>, missing: &[String], found: &Found) {
    const CHECK: &str = "migrations";
    let detail = format!("behind by {}", missing.join(", "));
    let place = found.address.as_ref().and_then(DatabaseAddress::place);
    let by_transactions = place.is_some_and(|place| expects_transactions(run.config.database_pool_mode, &place));
    let Some(address) = &found.migration_address else {
        if by_transactions {
            let remedy =
                "set LLM_API_MIGRATION_DATABASE_URL to the direct or the session address, and run `llm-api migrate`";
            run.report.fail(CHECK, format!("{detail}; a pooler of transactions cannot migrate"), remedy);
        } else {
            run.report.warn(CHECK, detail, "run `llm-api migrate`, or start the server");
        }
        return;
    };
    // It is only looked at when it is needed: from many places it cannot even be reached.
    let Some(place) = address.place() else { return };
    let signed_in = run.within(PostgresProbe::sign_in(address, run.config.database_schema.as_deref())).await;
    let problem = match signed_in {
        Some(Ok(_)) => {
            return run.report.warn(
                CHECK,
                detail,
                "run `llm-api migrate`, which LLM_API_MIGRATION_DATABASE_URL leads to",
            );
        }
        Some(Err(SignInProblem::Login(problem))) => (problem.to_string(), login_remedy(&problem, &place)),
        Some(Err(SignInProblem::Certificate(problem))) => (problem.to_string(), "check its certificate".to_owned()),
        None => (run.no_answer(), "use an address that can be reached from here".to_owned()),
    };
    run.report.fail(CHECK, format!("{detail}; LLM_API_MIGRATION_DATABASE_URL: {}", problem.0), &problem.1);
}

async fn vault(run: &mut Run<'_>, probe: &mut DatabaseProbe, found: &Found) {
    const CHECK: &str = "vault";
    let Some(keys) = &found.keys else {
        return run.report.skip(CHECK, "encryption-key failed");
    };
    let Some(canaries) = ask(run, CHECK, async { probe.canaries().await }).await else { return };
    if canaries.is_empty() {
        return run.report.ok(CHECK, "nothing is sealed yet");
    }
    let Some(vault) = &keys.vault else {
        let detail = format!("the encryption key that this database needs (id {}) is not there", ids(canaries.iter()));
        let remedy = "restore encryption.key in the data directory from your backup, or set LLM_API_ENCRYPTION_KEY";
        return run.report.fail(CHECK, detail, remedy);
    };
    let current = vault.key_id();
    let (opened, shut): (Vec<_>, Vec<_>) = canaries.iter().partition(|(_, sealed)| vault.open_canary(sealed).is_ok());
    if opened.is_empty() {
        let detail = format!(
            "the encryption key (id {}) is not the one this database was used with (id {})",
            hex(&current),
            ids(canaries.iter())
        );
        let remedy = "set LLM_API_ENCRYPTION_KEY (or restore encryption.key) to the earlier key, or name that one in \
                      LLM_API_ENCRYPTION_KEYS_OLD";
        run.report.fail(CHECK, detail, remedy);
    } else if !shut.is_empty() {
        let detail = format!("a key that was used earlier is not set here (id {})", ids(shut.into_iter()));
        let remedy = "name it in LLM_API_ENCRYPTION_KEYS_OLD; `llm-api keys status` tells what it sealed";
        run.report.warn(CHECK, detail, remedy);
    } else if opened.iter().any(|(id, _)| *id == current) {
        run.report.ok(CHECK, format!("the encryption key opens it (id {})", hex(&current)));
    } else {
        let detail =
            format!("a former key opens it (id {}); the current one has sealed nothing yet", ids(opened.into_iter()));
        run.report.ok(CHECK, detail);
    }
}

async fn freeze(run: &mut Run<'_>, probe: &mut DatabaseProbe) {
    const CHECK: &str = "freeze";
    if let Some(freeze) = ask(run, CHECK, async { probe.freeze().await }).await {
        let reason = freeze.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        match freeze.state.as_str() {
            "open" => run.report.ok(CHECK, "not frozen"),
            state => run.report.warn(
                CHECK,
                format!("the database is {state}{reason}, and refuses what would change it"),
                "`llm-api thaw` ends that",
            ),
        }
    }
    let Some(receipt) = run.config.expect_receipt else { return };
    match ask(run, "receipt", async { probe.has_receipt(receipt).await }).await {
        Some(true) => run.report.ok("receipt", format!("the database has the receipt {receipt}")),
        Some(false) => run.report.fail(
            "receipt",
            format!("the database does not have the receipt {receipt} that LLM_API_EXPECT_RECEIPT names"),
            "check LLM_API_DATABASE_URL and LLM_API_DATABASE_SCHEMA, or unset LLM_API_EXPECT_RECEIPT",
        ),
        None => {}
    }
}

async fn clock(run: &mut Run<'_>, probe: &mut DatabaseProbe) {
    const CHECK: &str = CLOCK;
    let clock = run.clock.clone();
    let Some(Some(skew)) = ask(run, CHECK, async { probe.clock_skew(&clock).await }).await else { return };
    let (status, detail) = judge_clock(skew);
    let remedy = if status == Status::Ok { "" } else { "let both take their time from NTP (`timedatectl`)" };
    run.report.tell(status, CHECK, detail, remedy);
}

/// By how many microseconds the server is ahead.
fn judge_clock(skew: i64) -> (Status, String) {
    let seconds = skew.unsigned_abs().div_ceil(1_000_000);
    let direction = if skew > 0 { "behind" } else { "ahead of" };
    let detail = format!("this machine's clock is {seconds} s {direction} the database server's");
    match skew.unsigned_abs() {
        skew if skew > SKEW_TO_FAIL => (Status::Fail, detail),
        skew if skew > SKEW_TO_WARN => (Status::Warn, detail),
        _ => (Status::Ok, "this machine and the database server agree".to_owned()),
    }
}

/// Comes last: a check of a large file that is given up keeps the connection busy.
async fn whole(run: &mut Run<'_>, probe: DatabaseProbe, name: &str, size: u64) {
    const CHECK: &str = "database";
    let facts = format!("{name}, {}", bytes(size));
    let DatabaseProbe::Sqlite(mut probe) = probe else {
        return run.report.ok(CHECK, facts);
    };
    if !probe.has_write_ahead_log().unwrap_or(false) {
        let remedy = "nothing is wrong with a restored copy: the next start turns it on";
        run.report.warn(CHECK, format!("{facts}: the file has no write-ahead log"), remedy);
    }
    match run.within(probe.quick_check()).await {
        Some(Ok(problems)) if problems.is_empty() => {
            run.report.ok(CHECK, format!("{facts}, quick_check finds it sound"));
        }
        Some(Ok(problems)) => {
            run.report.fail(
                CHECK,
                format!("{facts}: the file is damaged: {}", problems.join("; ")),
                "restore a backup",
            );
        }
        Some(Err(error)) => run.report.fail(CHECK, format!("{facts}: {error}"), "restore a backup"),
        None => {
            let detail = format!("{facts}, quick_check has not ended within {} s", run.limit.as_secs());
            run.report.warn(CHECK, detail, "give it longer with --timeout");
        }
    }
}

fn ids<'c>(canaries: impl Iterator<Item = &'c (Vec<u8>, Vec<u8>)>) -> String {
    canaries.map(|(id, _)| hex(id)).collect::<Vec<_>>().join(", ")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes all.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_seconds_are_a_warning_and_a_minute_is_a_failure() {
        let clock = |seconds: i64| judge_clock(seconds * 1_000_000);
        assert_eq!(clock(5).0, Status::Ok);
        assert_eq!(clock(-6), (Status::Warn, "this machine's clock is 6 s ahead of the database server's".to_owned()));
        assert_eq!(clock(60).0, Status::Warn);
        assert_eq!(clock(61), (Status::Fail, "this machine's clock is 61 s behind the database server's".to_owned()));
    }

    #[test]
    fn key_ids_are_shown_in_hex() {
        assert_eq!(hex(&[0x0a, 0xff, 0x00, 0x1b]), "0aff001b");
    }
}
