//! Whether the settings are there, strong, and fit together.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt as _, path::Path};

use llm_api_app::{KeyRing, KeySource, ProviderCheck, database_address, key_ring, migration_address, provider_checks};
use llm_api_domain::ProviderId;
use llm_api_storage::{DatabaseAddress, is_schema_name};
use rustix::{fs::Access, process::geteuid};
use secrecy::ExposeSecret as _;

use super::{Run, data::hex};

/// Shorter static keys can be tried out.
const SHORT_KEY: usize = 16;
const GOOD_KEY: usize = 32;

/// What later checks need; `None` for what cannot be used.
pub(super) struct Found {
    pub(super) keys: Option<KeyRing>,
    pub(super) address: Option<DatabaseAddress>,
    pub(super) migration_address: Option<DatabaseAddress>,
    pub(super) providers: Option<(Vec<ProviderCheck>, Vec<ProviderId>)>,
}

pub(super) fn check(run: &mut Run<'_>) -> Found {
    let providers = match provider_checks(run.config, &run.clock, run.limit) {
        Ok(providers) => {
            run.report.ok("settings", "every value can be read");
            Some(providers)
        }
        Err(error) => {
            run.report.settings_fail("settings", error, "");
            None
        }
    };
    let keys = encryption_key(run);
    api_key(run);
    data_directory(run);
    if run.config.invite_required {
        run.report.ok("invites", "registration needs one");
    } else {
        run.report.warn("invites", "anybody who reaches the server can register", "set LLM_API_INVITE_REQUIRED=true");
    }
    listening_address(run);
    let (address, migration_address) = addresses(run);
    Found { keys, address, migration_address, providers }
}

fn encryption_key(run: &mut Run<'_>) -> Option<KeyRing> {
    const CHECK: &str = "encryption-key";
    let keys = match key_ring(run.config) {
        Ok(keys) => keys,
        Err(error) => {
            run.report.settings_fail(CHECK, error, "");
            return None;
        }
    };
    let id = keys.vault.as_ref().map(|vault| hex(&vault.key_id())).unwrap_or_default();
    let former = match run.config.encryption_keys_old.len() {
        0 => String::new(),
        former => format!(", and {former} former that only open"),
    };
    match &keys.source {
        KeySource::Setting => run.report.ok(CHECK, format!("LLM_API_ENCRYPTION_KEY is set, id {id}{former}")),
        KeySource::ToBeMade(path) => {
            run.report.ok(CHECK, format!("there is none yet: the first start makes {}", path.display()));
        }
        KeySource::File(path) => match open_to_others(path) {
            true => run.report.warn(CHECK, others_may_read(path), &format!("chmod 600 {}", path.display())),
            false => run.report.ok(CHECK, format!("in {}, id {id}{former}", path.display())),
        },
    }
    Some(keys)
}

fn api_key(run: &mut Run<'_>) {
    const CHECK: &str = "api-key";
    const REMEDY: &str = "make one with `openssl rand -base64 32`";
    let Some(key) = &run.config.api_key else {
        run.report.ok(CHECK, "none is set, so there is no service account");
        return;
    };
    match key.expose_secret().chars().count() {
        ..SHORT_KEY => {
            let detail = format!("LLM_API_API_KEY has fewer than {SHORT_KEY} characters and can be guessed");
            run.report.settings_fail(CHECK, detail, REMEDY);
        }
        SHORT_KEY..GOOD_KEY => {
            run.report.warn(CHECK, format!("LLM_API_API_KEY has fewer than {GOOD_KEY} characters"), REMEDY);
        }
        _ => run.report.ok(CHECK, format!("LLM_API_API_KEY has {GOOD_KEY} characters or more")),
    }
}

fn data_directory(run: &mut Run<'_>) {
    const CHECK: &str = "data-directory";
    let path = &run.config.data_dir;
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            return run.report.settings_fail(CHECK, format!("{shown} is no folder"), "set LLM_API_DATA_DIR to one");
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return run.report.ok(CHECK, format!("{shown} is not there yet: the first start makes it"));
        }
        Err(error) => {
            return run.report.settings_fail(CHECK, format!("{shown}: {error}"), "run this as the user of the server");
        }
    };
    let (owner, us) = (found.uid(), geteuid().as_raw());
    if rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let detail = format!("{shown} belongs to user {owner}, and user {us} cannot write there");
        run.report.settings_fail(CHECK, detail, "run this as the user of the server, or set LLM_API_DATA_DIR");
    } else if found.mode() & 0o077 != 0 {
        run.report.warn(CHECK, others_may_read(path), &format!("chmod 700 {shown}"));
    } else if owner != us {
        let detail = format!("{shown} belongs to user {owner}, and this runs as user {us}");
        run.report.warn(CHECK, detail, "run the commands as the user of the server, or files change hands");
    } else {
        run.report.ok(CHECK, format!("{shown} is private"));
    }
}

fn listening_address(run: &mut Run<'_>) {
    const CHECK: &str = "listening-address";
    let host = &run.config.host;
    let is_here = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if is_here {
        run.report.ok(CHECK, format!("{host}, this machine only"));
    } else if run.config.trusted_proxies.is_empty() {
        run.report.warn(
            CHECK,
            format!("{host} is open to other machines, without TLS: passwords and tokens can be read on the way"),
            "put a proxy with TLS in front, and name it in LLM_API_TRUSTED_PROXIES; or set LLM_API_HOST=127.0.0.1",
        );
    } else {
        run.report.ok(CHECK, format!("{host}, with trusted proxies in front"));
    }
}

/// The database's, and the one for migrations.
fn addresses(run: &mut Run<'_>) -> (Option<DatabaseAddress>, Option<DatabaseAddress>) {
    const CHECK: &str = "database-address";
    let address = match database_address(run.config) {
        Ok(address) => Some(address),
        Err(error) => {
            run.report.settings_fail(CHECK, error, "");
            None
        }
    };
    let migration = match migration_address(run.config) {
        Ok(migration) => migration,
        Err(error) => {
            run.report.settings_fail(CHECK, error.to_string().replace("LLM_API_DATABASE_URL", MIGRATION), "");
            None
        }
    };
    let Some(address) = address else { return (None, migration) };
    let place = address.place();
    if place.is_some() && run.config.database_schema.as_deref().is_some_and(|schema| !is_schema_name(schema)) {
        let detail = "LLM_API_DATABASE_SCHEMA may hold a-z, 0-9 and _ and starts with a letter";
        run.report.settings_fail(CHECK, detail, "");
        return (None, migration);
    }
    match migration.as_ref().map(|migration| (migration.describe(), migration.place())) {
        Some((_, None)) => run.report.settings_fail(CHECK, format!("{MIGRATION} must be a Postgres address"), ""),
        Some((shown, Some(place))) if place.is_transaction_port() => run.report.warn(
            CHECK,
            format!("{MIGRATION} is {shown}, a pooler of transactions, and migrations need sessions"),
            "give it the direct or the session address",
        ),
        _ => {}
    }
    run.report.ok(CHECK, address.describe());
    (Some(address), migration)
}

const MIGRATION: &str = "LLM_API_MIGRATION_DATABASE_URL";

pub(super) fn open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0)
}

pub(super) fn others_may_read(path: &Path) -> String {
    format!("other users of this machine may read {}", path.display())
}
