//! From settings to a running state. Every refusal is one sentence for the operator.

use std::{fs::File, io, path::Path, sync::Arc};

use llm_api_artifacts::{Artifacts, ArtifactsConfig, Bucket, BucketConfig};
use llm_api_crypto::{KeyId, MasterKey, PasswordGate, TokenHash, Vault};
use llm_api_domain::{Clock, ProviderId};
use llm_api_relay::{Defaults, ProviderSettings, Relay, RelayConfig, ServerKey, StreamLimits};
use llm_api_storage::{Bound, DatabaseAddress, OpenError, OpenMode, OpenOptions, Store, StoreError};
use llm_api_telemetry::{CollectorError, CollectorSettings, Telemetry};
use llm_api_upstream::{Client, ClientError, EndpointError, Origin, UpstreamConfig};
use llm_api_web::{AuthState, Background, Throttles};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use url::Url;

use crate::{AppState, CollectorConfig, Config, ConfigError, DatabaseTarget, Parts, data_dir};

/// Why the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0}")]
    Key(String),
    #[error("{path}: {source}")]
    DataDir {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("a setting holds an address that cannot be used: {0}")]
    Endpoint(#[from] EndpointError),
    #[error("the bucket of LLM_API_ARTIFACT_BUCKET cannot be used: {0}")]
    Bucket(String),
    #[error("the collector of LLM_API_OTLP_ENDPOINT cannot be used: {0}")]
    Collector(#[from] CollectorError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the database failed while starting: {0}")]
    Store(#[from] StoreError),
    #[error("the operating system gave no random bytes")]
    Random,
}

impl StartError {
    /// 75: try again later, or another server holds the file. 78: a setting must change. 1: anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(OpenError::HeldByAnother { .. }) => 75,
            Self::Open(error) if error.is_transient() => 1,
            Self::Config(_)
            | Self::Open(_)
            | Self::Key(_)
            | Self::DataDir { .. }
            | Self::Endpoint(_)
            | Self::Bucket(_)
            | Self::Collector(_) => 78,
            Self::Client(_) | Self::Store(_) | Self::Random => 1,
        }
    }
}

/// Opens the database that the settings name.
pub async fn open_store(config: &Config, mode: OpenMode, clock: &Clock) -> Result<Store, StartError> {
    Ok(Store::open(options(config, mode, clock)?).await?)
}

fn options(config: &Config, mode: OpenMode, clock: &Clock) -> Result<OpenOptions, StartError> {
    Ok(OpenOptions {
        address: address(config)?,
        migration_address: match &config.migration_database_url {
            Some(url) => Some(parse(config, url)?),
            None => None,
        },
        pool_mode: config.database_pool_mode,
        schema: config.database_schema.clone(),
        max_connections: config.database_max_connections,
        mode,
        expect_receipt: config.expect_receipt,
        clock: clock.clone(),
    })
}

fn address(config: &Config) -> Result<DatabaseAddress, StartError> {
    match &config.database {
        DatabaseTarget::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                data_dir::create(folder)?;
            }
            Ok(DatabaseAddress::sqlite(path))
        }
        DatabaseTarget::Url(url) => parse(config, url),
    }
}

pub(crate) fn parse(config: &Config, url: &SecretString) -> Result<DatabaseAddress, StartError> {
    Ok(DatabaseAddress::parse(url.expose_secret(), &config.data_dir, config.database_root_cert.as_ref())?)
}

/// Opens everything. `stop` turns true when running streams must end.
pub async fn open(
    config: Arc<Config>,
    mode: OpenMode,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> Result<AppState, StartError> {
    open_after(config, mode, clock, stop, None).await
}

/// What a server leaves to its successor while both are alive.
#[derive(Debug)]
pub struct Inheritance {
    /// The lock on its SQLite file.
    pub lock: Option<File>,
}

/// The same for the server that takes over from one that still runs (see [`Store::succeed`]).
pub async fn succeed(
    config: Arc<Config>,
    clock: Clock,
    stop: watch::Receiver<bool>,
    inheritance: Inheritance,
) -> Result<AppState, StartError> {
    open_after(config, OpenMode::Server, clock, stop, Some(inheritance)).await
}

async fn open_after(
    config: Arc<Config>,
    mode: OpenMode,
    clock: Clock,
    stop: watch::Receiver<bool>,
    inheritance: Option<Inheritance>,
) -> Result<AppState, StartError> {
    // Before the database: what cannot work with these settings must not touch any data.
    let providers = providers(&config)?;
    let client = Client::new(&upstream(&config, &clock)?)?;
    let telemetry = Telemetry::new(&clock, collector(&config).as_ref())?;
    let bucket = bucket(&config, &client, &clock)?;
    let key = master_key(&config)?;
    let store = match inheritance {
        None => open_store(&config, mode, &clock).await?,
        Some(Inheritance { lock }) => Store::succeed(options(&config, mode, &clock)?, lock).await?,
    };
    let vault = vault(&config, key, &store, &clock, mode).await?;
    let artifacts = artifacts(&config, &store, bucket, &vault, &clock);
    let throttles = Throttles::new(&store, vault.signer("throttle"));
    let limits = StreamLimits::new(config.limits.max_streams, config.limits.max_streams_per_user);
    let relay = Relay::new(RelayConfig {
        store: store.clone(),
        vault,
        client,
        clock: clock.clone(),
        providers,
        limits,
        artifacts,
        defaults: Defaults { text: config.default_model.clone(), image: config.default_image_model.clone() },
        heartbeat: config.upstream.heartbeat,
        telemetry,
        stop,
    });
    let static_key = config.api_key.as_ref().map(|key| TokenHash::of(key.expose_secret()));
    Ok(AppState::new(Parts {
        auth: Arc::new(AuthState { store, clock, static_key }),
        relay,
        passwords: PasswordGate::default(),
        throttles,
        background: Background::of_this_runtime(config.limits.max_in_flight),
        config,
    }))
}

fn collector(config: &Config) -> Option<CollectorSettings> {
    let CollectorConfig { endpoint, headers, sample_ratio } = &config.collector;
    Some(CollectorSettings {
        endpoint: endpoint.clone()?,
        headers: headers.clone(),
        sample_ratio: *sample_ratio,
        version: config.app_version.clone(),
    })
}

fn artifacts(config: &Config, store: &Store, bucket: Option<Bucket>, vault: &Vault, clock: &Clock) -> Artifacts {
    Artifacts::new(ArtifactsConfig {
        store: store.clone(),
        folder: config.data_dir.join("artifacts"),
        bucket,
        signer: vault.signer("artifact-link"),
        link_life: config.artifacts.link_life,
        max_total_bytes: config.artifacts.max_total_bytes,
        inline_threshold_bytes: config.artifacts.inline_threshold_bytes,
        clock: clock.clone(),
    })
}

/// The keeper of generated files for commands that delete some. It makes no links that anybody takes.
pub fn open_artifacts(config: &Config, store: &Store, clock: &Clock) -> Result<Artifacts, StartError> {
    let client = Client::new(&upstream(config, clock)?)?;
    let bucket = bucket(config, &client, clock)?;
    let vault = Vault::new(MasterKey::generate().map_err(|_| StartError::Random)?, Vec::new());
    Ok(artifacts(config, store, bucket, &vault, clock))
}

pub(crate) fn providers(config: &Config) -> Result<ProviderSettings, StartError> {
    let base_urls: Vec<(ProviderId, String)> = config
        .providers
        .iter()
        .filter_map(|(provider, settings)| Some((*provider, settings.base_url.clone()?)))
        .collect();
    let server_keys = config.providers.iter().filter_map(|(provider, settings)| {
        settings.api_key.clone().map(|secret| ServerKey { provider: *provider, secret })
    });
    let allow = config.base_url_allow.iter().map(|origin| Origin::parse(origin)).collect::<Result<Vec<_>, _>>()?;
    Ok(ProviderSettings::new(&base_urls, config.local_base_url.as_deref(), server_keys.collect(), allow)?)
}

pub(crate) fn bucket(config: &Config, client: &Client, clock: &Clock) -> Result<Option<Bucket>, StartError> {
    let Some(settings) = &config.artifacts.bucket else { return Ok(None) };
    let bucket = BucketConfig {
        name: settings.name.clone(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        access_key_id: settings.access_key_id.clone(),
        secret_access_key: settings.secret_access_key.clone(),
        session_token: settings.session_token.clone(),
    };
    let bucket = Bucket::new(&bucket, client.clone(), clock.clone());
    bucket.map(Some).map_err(|error| StartError::Bucket(error.to_string()))
}

pub(crate) fn upstream(config: &Config, clock: &Clock) -> Result<UpstreamConfig, StartError> {
    let settings = &config.upstream;
    let proxy = settings.proxy.as_ref().map(|proxy| Url::parse(proxy.expose_secret())).transpose();
    Ok(UpstreamConfig {
        connect_timeout: settings.connect_timeout,
        first_byte_timeout: settings.first_byte_timeout,
        idle_timeout: settings.idle_timeout,
        total_timeout: settings.total_timeout,
        azure_api_version: config.azure_api_version.clone(),
        proxy: proxy.map_err(|_| StartError::Key("LLM_API_UPSTREAM_PROXY is no URL".to_owned()))?,
        clock: clock.clone(),
        ..UpstreamConfig::default()
    })
}

/// The encryption key from the settings, or on SQLite the one in the data directory; `None` when none was made yet.
pub(crate) fn master_key(config: &Config) -> Result<Option<MasterKey>, StartError> {
    let Some(text) = &config.encryption_key else {
        return match &config.database {
            DatabaseTarget::Sqlite(_) => data_dir::encryption_key(&config.data_dir),
            // Two processes on one database must agree on the key, so none can make it up.
            DatabaseTarget::Url(_) => Err(StartError::Key(
                "LLM_API_ENCRYPTION_KEY must be set with Postgres; `llm-api keys generate` prints one".to_owned(),
            )),
        };
    };
    let key = parse_key("LLM_API_ENCRYPTION_KEY", text)?;
    if config.api_key.as_ref().is_some_and(|api_key| key.equals_text(api_key.expose_secret())) {
        return Err(StartError::Key("LLM_API_ENCRYPTION_KEY must not be the same as LLM_API_API_KEY".to_owned()));
    }
    Ok(Some(key))
}

pub(crate) fn parse_key(setting: &str, text: &SecretString) -> Result<MasterKey, StartError> {
    MasterKey::parse(text.expose_secret()).map_err(|reason| StartError::Key(format!("{setting}: {reason}")))
}

/// The vault of the keys that are set, or else of the key file in `folder`; `None` where there is neither. Nothing is
/// made, and no database is asked.
pub fn vault_of_settings(config: &Config, folder: Option<&Path>) -> Result<Option<Vault>, StartError> {
    let key = match (&config.encryption_key, folder) {
        (Some(text), _) => Some(parse_key("LLM_API_ENCRYPTION_KEY", text)?),
        (None, Some(folder)) => data_dir::encryption_key(folder)?,
        (None, None) => None,
    };
    key.map(|key| ring(config, key)).transpose()
}

fn ring(config: &Config, key: MasterKey) -> Result<Vault, StartError> {
    let old = config.encryption_keys_old.iter().map(|text| parse_key("LLM_API_ENCRYPTION_KEYS_OLD", text));
    Ok(Vault::new(key, old.collect::<Result<Vec<_>, _>>()?))
}

/// The database and its vault, for commands of the operator: a wrong or lost key is refused as at a start, but none is
/// made. No vault: there is no key yet, and nothing that needs one.
pub async fn open_with_vault(config: &Config, clock: &Clock) -> Result<(Store, Option<Vault>), StartError> {
    // Before the database, as in `open`.
    let key = master_key(config)?;
    let store = open_store(config, OpenMode::Tool, clock).await?;
    let vault = known_vault(config, key, &store.vault_canaries().list().await?)?;
    Ok((store, vault))
}

/// Builds the vault and makes sure that it is the one this database was written with.
pub(crate) async fn vault(
    config: &Config,
    key: Option<MasterKey>,
    store: &Store,
    clock: &Clock,
    mode: OpenMode,
) -> Result<Vault, StartError> {
    let canaries = store.vault_canaries().list().await?;
    let vault = match known_vault(config, key, &canaries)? {
        Some(vault) => vault,
        None => ring(config, data_dir::make_encryption_key(&config.data_dir)?)?,
    };
    // A function starts often, and so counts only where something is amiss.
    if mode != OpenMode::Function || canaries.iter().any(|(_, sealed)| vault.open_canary(sealed).is_err()) {
        warn_of_missing_keys(store, &vault).await?;
    }
    let current = vault.key_id();
    if !canaries.iter().any(|(id, _)| *id == current) {
        let sealed = vault.seal_canary().map_err(|_| StartError::Random)?;
        match store.vault_canaries().put(&current, &sealed, clock.now()).await {
            // Nothing can be sealed now; a start after the thaw puts it.
            Ok(()) | Err(StoreError::ReadOnly) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(vault)
}

/// `None` where there is no key, and nothing was ever sealed.
pub(crate) fn known_vault(
    config: &Config,
    key: Option<MasterKey>,
    canaries: &[(Vec<u8>, Vec<u8>)],
) -> Result<Option<Vault>, StartError> {
    let Some(key) = key else {
        if canaries.is_empty() {
            return Ok(None);
        }
        let path = config.data_dir.join(data_dir::KEY_FILE);
        let remedy = "restore it from your backup, or set LLM_API_ENCRYPTION_KEY";
        return Err(StartError::Key(format!("{} is missing, and this database needs it: {remedy}", path.display())));
    };
    let vault = ring(config, key)?;
    if !canaries.is_empty() && !canaries.iter().any(|(_, sealed)| vault.open_canary(sealed).is_ok()) {
        return Err(StartError::Key(
            "the encryption key is not the one this database was used with: set LLM_API_ENCRYPTION_KEY (or restore \
             encryption.key) to the earlier key, or name that one in LLM_API_ENCRYPTION_KEYS_OLD"
                .to_owned(),
        ));
    }
    Ok(Some(vault))
}

/// By what is sealed, not by canaries: a server with earlier settings may have sealed after a rotation.
async fn warn_of_missing_keys(store: &Store, vault: &Vault) -> Result<(), StartError> {
    let known = |key: KeyId| key.0 == vault.key_id() || vault.old_key_ids().contains(&key);
    for count in store.sealed().by_key().await? {
        if let (Bound::Row { .. }, Some(key)) = (count.column.bound, count.key)
            && !known(key)
        {
            let (table, values) = (count.column.table, count.values);
            tracing::warn!(
                %key, table, values,
                "sealed under an encryption key that is not set here, and cannot be used: name it in LLM_API_ENCRYPTION_KEYS_OLD"
            );
        }
    }
    Ok(())
}
