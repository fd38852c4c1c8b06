//! Opening the database for `llm-api import`. A dry run makes nothing: no file, no schema, no key.

use std::path::PathBuf;

use llm_api_crypto::{MasterKey, Vault};
use llm_api_domain::{Clock, SessionId};
use llm_api_relay::ProviderSettings;
use llm_api_storage::{DatabaseAddress, OpenError, OpenMode, OpenOptions, PoolMode, Store};

use crate::{
    Config, DatabaseTarget, StartError, data_dir,
    open::{known_vault, master_key, open_store, parse, providers, vault},
};

/// The database that rows are brought into, and what the credentials among them need.
#[derive(Debug)]
pub struct ImportTarget {
    pub store: Store,
    pub vault: Vault,
    pub providers: ProviderSettings,
    /// There when the configured database is not: an empty one takes its place, and goes with this.
    pub stand_in: Option<StandIn>,
}

/// A folder for a database that lasts as long as a dry run.
#[derive(Debug)]
pub struct StandIn(PathBuf);

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the folder of the dry run could not be removed");
        }
    }
}

/// Opens what the settings name, as an import needs it.
pub async fn open_for_import(config: &Config, clock: &Clock, dry_run: bool) -> Result<ImportTarget, StartError> {
    let providers = providers(config)?;
    let key = master_key(config)?;
    if !dry_run {
        let store = open_store(config, OpenMode::Import, clock).await?;
        let vault = vault(config, key, &store, clock, OpenMode::Import).await?;
        return Ok(ImportTarget { store, vault, providers, stand_in: None });
    }
    if is_missing(config)? {
        return stand_in(providers, clock).await;
    }
    // It looks, and never migrates.
    let store = match open_store(config, OpenMode::Function, clock).await {
        Ok(store) => store,
        Err(StartError::Open(OpenError::Behind)) => return stand_in(providers, clock).await,
        Err(error) => return Err(error),
    };
    let canaries = store.vault_canaries().list().await?;
    let vault = match known_vault(config, key, &canaries)? {
        Some(vault) => vault,
        None => throw_away()?,
    };
    Ok(ImportTarget { store, vault, providers, stand_in: None })
}

fn is_missing(config: &Config) -> Result<bool, StartError> {
    Ok(match &config.database {
        DatabaseTarget::Sqlite(path) => !path.exists(),
        DatabaseTarget::Url(url) => match parse(config, url)? {
            DatabaseAddress::Sqlite(path) => !path.0.exists(),
            DatabaseAddress::Postgres(_) => false,
        },
    })
}

async fn stand_in(providers: ProviderSettings, clock: &Clock) -> Result<ImportTarget, StartError> {
    let folder = std::env::temp_dir().join(format!("llm-api-dry-run-{}", SessionId::new(clock.now())));
    data_dir::create(&folder)?;
    let folder = StandIn(folder);
    let options = OpenOptions {
        address: DatabaseAddress::sqlite(folder.0.join("llm-api.db")),
        migration_address: None,
        pool_mode: PoolMode::default(),
        schema: None,
        max_connections: 1,
        mode: OpenMode::Import,
        expect_receipt: None,
        clock: clock.clone(),
    };
    let store = Store::open(options).await?;
    Ok(ImportTarget { store, vault: throw_away()?, providers, stand_in: Some(folder) })
}

fn throw_away() -> Result<Vault, StartError> {
    Ok(Vault::new(MasterKey::generate().map_err(|_| StartError::Random)?, Vec::new()))
}
