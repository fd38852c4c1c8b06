//! Every setting this release reads, and where a value may come from.

mod dotenv;
mod effective;
mod reader;
mod registry;
mod sources;
mod yaml;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

pub use effective::{EffectiveSetting, settings_table};
pub use registry::{Kind, SETTINGS, Setting};
pub use sources::Sources;

pub(crate) use effective::effective;
pub(crate) use reader::{
    Reader, check_database_url, check_host, check_http_url, check_network, check_origin, check_proxy,
};
pub(crate) use registry::CONFIGURABLE_PROVIDERS;
pub(crate) use sources::Resolved;
