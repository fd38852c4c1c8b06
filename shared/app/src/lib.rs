//! Settings, state and the layers around every router.

mod checkup;
mod config;
mod data_dir;
mod finish;
mod import;
mod log_buffer;
mod logging;
mod open;
mod settings;
mod state;

pub use checkup::{KeyRing, KeySource, ProviderCheck, database_address, key_ring, migration_address, provider_checks};
pub use config::{
    ArtifactSettings, BucketSettings, CollectorConfig, Config, ConfigError, DatabaseTarget, Limits, LogFormat,
    LogLevel, LoggingConfig, ProviderConfig, ResponseMode, SecretArn, UpstreamSettings,
};
pub use finish::finish;
pub use import::{ImportTarget, StandIn, open_for_import};
pub use log_buffer::{LogBuffer, LogLine};
pub use logging::init_logging;
pub use open::{
    Inheritance, StartError, open, open_artifacts, open_store, open_with_vault, succeed, vault_of_settings,
};
pub use settings::{EffectiveSetting, Kind, SETTINGS, Setting, Sources, settings_table};
pub use state::{AppState, Parts};
