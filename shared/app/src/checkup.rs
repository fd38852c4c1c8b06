//! The parts of a start, one by one and without any effect, for `llm-api doctor`.

use std::{path::PathBuf, time::Duration};

use llm_api_crypto::Vault;
use llm_api_domain::{Clock, ProviderId, WireFamily};
use llm_api_storage::DatabaseAddress;
use llm_api_upstream::{Auth, AuthScheme, Client, Endpoint, UpstreamConfig, UpstreamError};

use crate::{
    Config, DatabaseTarget, StartError, data_dir,
    open::{bucket, master_key, parse, parse_key, providers, upstream},
    settings::CONFIGURABLE_PROVIDERS,
};

/// Where the current encryption key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `LLM_API_ENCRYPTION_KEY`.
    Setting,
    File(PathBuf),
    /// The first start on an SQLite file makes it there.
    ToBeMade(PathBuf),
}

/// The keys that are set.
#[derive(Debug)]
pub struct KeyRing {
    pub source: KeySource,
    /// `None` when the current key is yet to be made.
    pub vault: Option<Vault>,
}

/// The address of the configured database. Nothing is made.
pub fn database_address(config: &Config) -> Result<DatabaseAddress, StartError> {
    match &config.database {
        DatabaseTarget::Sqlite(path) => Ok(DatabaseAddress::sqlite(path)),
        DatabaseTarget::Url(url) => parse(config, url),
    }
}

pub fn migration_address(config: &Config) -> Result<Option<DatabaseAddress>, StartError> {
    config.migration_database_url.as_ref().map(|url| parse(config, url)).transpose()
}

/// The keys as a start would read them; refuses weak ones. None is made.
pub fn key_ring(config: &Config) -> Result<KeyRing, StartError> {
    let file = config.data_dir.join(data_dir::KEY_FILE);
    let key = master_key(config)?;
    let old = config.encryption_keys_old.iter().map(|text| parse_key("LLM_API_ENCRYPTION_KEYS_OLD", text));
    let old = old.collect::<Result<Vec<_>, _>>()?;
    let source = match (&config.encryption_key, &key) {
        (Some(_), _) => KeySource::Setting,
        (None, Some(_)) => KeySource::File(file),
        (None, None) => KeySource::ToBeMade(file),
    };
    Ok(KeyRing { source, vault: key.map(|key| Vault::new(key, old)) })
}

/// A provider that the operator has set up, to be asked for its list of models.
#[derive(Debug)]
pub struct ProviderCheck {
    pub provider: ProviderId,
    /// The variables that hold its address and its key.
    pub address_setting: String,
    pub key_setting: String,
    endpoint: Endpoint,
    auth: Option<Auth>,
    client: Client,
    is_proxied: bool,
}

impl ProviderCheck {
    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        self.endpoint.origin_text()
    }

    /// Host and port that this machine connects to; `None` where a proxy does.
    pub fn peer(&self) -> Option<(&str, u16)> {
        let origin = self.endpoint.origin();
        (!self.is_proxied).then(|| (origin.host(), origin.port()))
    }

    /// How many models it lists.
    pub async fn ask(&self) -> Result<usize, UpstreamError> {
        let listed = self.client.models(&self.endpoint, self.provider.family(), self.auth.as_ref()).await;
        listed.map(|models| models.len())
    }
}

/// Every provider with a key of the operator's, in the order of lists, and the operator's own server at the end. The names
/// in the second value have a key but no address. `limit` bounds the wait for a connection.
pub fn provider_checks(
    config: &Config,
    clock: &Clock,
    limit: Duration,
) -> Result<(Vec<ProviderCheck>, Vec<ProviderId>), StartError> {
    let settings = providers(config)?;
    let outbound = upstream(config, clock)?;
    let is_proxied = outbound.proxy.is_some();
    let client = Client::new(&UpstreamConfig { connect_timeout: outbound.connect_timeout.min(limit), ..outbound })?;
    // Refused at a start when it cannot be used; here its address is all that is looked at.
    bucket(config, &client, clock)?;
    let (mut checks, mut nowhere) = (Vec::new(), Vec::new());
    for provider in ProviderId::ALL.into_iter().filter(|provider| provider.family() != WireFamily::Unsupported) {
        let secret = config.providers.get(&provider).and_then(|settings| settings.api_key.clone());
        if secret.is_none() && provider != ProviderId::Local {
            continue;
        }
        let auth = secret.map(|secret| Auth { scheme: AuthScheme::Key, secret });
        match settings.endpoint(provider, None)? {
            Some(endpoint) => {
                let (address_setting, key_setting) = settings_of(provider);
                let client = client.clone();
                checks.push(ProviderCheck {
                    provider,
                    address_setting,
                    key_setting,
                    endpoint,
                    auth,
                    client,
                    is_proxied,
                });
            }
            None if auth.is_some() => nowhere.push(provider),
            None => {}
        }
    }
    Ok((checks, nowhere))
}

fn settings_of(provider: ProviderId) -> (String, String) {
    let known = CONFIGURABLE_PROVIDERS.into_iter().find(|(known, ..)| *known == provider);
    let (_, address, key) = known.unwrap_or((provider, "LOCAL_BASE_URL", "LOCAL_BASE_URL"));
    (format!("LLM_API_{address}"), format!("LLM_API_{key}"))
}
