//! The settings as types: read once at start, refused as a whole when any is wrong.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use llm_api_domain::ProviderId;
use llm_api_storage::{KeptAtMost, PoolMode, RootCert};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use uuid::Uuid;

use crate::settings::{
    self, CONFIGURABLE_PROVIDERS, EffectiveSetting, Reader, Resolved, Sources, check_database_url, check_host,
    check_http_url, check_network, check_origin, check_proxy,
};

/// tokio's semaphores and every machine's memory end far below this.
const MOST_AT_ONCE: u64 = 1_000_000;
const MOST_BODY_BYTES: u64 = 1 << 30;
/// A gigabyte in kilobytes, and a petabyte in megabytes: more is a mistake.
const MOST_KILOBYTES: u64 = 1 << 20;
const MOST_MEGABYTES: u64 = 1 << 30;
/// What PostgreSQL itself takes at most.
const MOST_CONNECTIONS: u64 = 262_143;

/// Everything the process was told. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// An IP address (IPv6 without brackets) or a host name.
    pub host: String,
    /// 0 takes a free port.
    pub port: u16,
    /// Absolute. Not created yet.
    pub data_dir: PathBuf,
    pub database: DatabaseTarget,
    pub database_schema: Option<String>,
    /// PostgreSQL address for migrations, where `database` goes through a pooler.
    pub migration_database_url: Option<SecretString>,
    /// What the PostgreSQL address gives.
    pub database_pool_mode: PoolMode,
    /// The receipt of the copy that the database must be.
    pub expect_receipt: Option<Uuid>,
    pub database_max_connections: u32,
    pub database_root_cert: Option<RootCert>,
    /// As written; what a good key is, the vault decides.
    pub encryption_key: Option<SecretString>,
    pub encryption_keys_old: Vec<SecretString>,
    /// The static key of the service account.
    pub api_key: Option<SecretString>,
    pub invite_required: bool,
    pub logging: LoggingConfig,
    /// Whether `/metrics` answers.
    pub metrics_enabled: bool,
    pub collector: CollectorConfig,
    /// What `/version` answers.
    pub app_version: String,
    pub default_model: String,
    pub default_image_model: String,
    pub artifacts: ArtifactSettings,
    /// How long an idle session is kept; `None` for ever.
    pub session_retention: Option<Duration>,
    /// What links in replies begin with; without closing slash.
    pub public_url: Option<String>,
    pub azure_api_version: String,
    /// Where models are searched for.
    pub hub_base_url: String,
    /// `None` where local models are switched off. Without closing slash.
    pub local_base_url: Option<String>,
    /// Origins that users' endpoints may name although they are private or plain http, in ASCII serialization.
    pub base_url_allow: Vec<String>,
    pub providers: BTreeMap<ProviderId, ProviderConfig>,
    pub upstream: UpstreamSettings,
    pub limits: Limits,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// In ASCII serialization; empty switches CORS off.
    pub cors_origins: Vec<String>,
    /// How long requests may take to end at shutdown.
    pub shutdown_request: Duration,
    /// How long streams may take to end at shutdown.
    pub shutdown_stream: Duration,
    /// How a Lambda function answers; the server always streams.
    pub response_mode: ResponseMode,
    /// Where a Lambda function finds further settings; the server does not look.
    pub secrets: Option<SecretArn>,
}

/// A secret of AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretArn {
    /// Whole, as it was written.
    pub text: String,
    /// `aws`, or `aws-cn` in China.
    pub partition: String,
    pub region: String,
}

/// Which database holds our tables.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// An absolute path.
    Sqlite(PathBuf),
    /// A PostgreSQL address; its scheme is `postgres`, `postgresql` or `postgresql+psycopg`.
    Url(SecretString),
}

impl Default for DatabaseTarget {
    fn default() -> Self {
        Self::Sqlite(PathBuf::new())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoggingConfig {
    pub level: LogLevel,
    pub format: LogFormat,
    /// DEBUG everywhere, the libraries included.
    pub verbose: bool,
}

/// The old service's level names; CRITICAL is ERROR here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    #[default]
    Auto,
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    #[default]
    Buffered,
    Stream,
}

/// One provider's place, and the key of users who stored none.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Without closing slash; `None` where each user names their own.
    pub base_url: Option<String>,
    pub api_key: Option<SecretString>,
}

/// Who is told of requests by OpenTelemetry's protocol.
#[derive(Clone, Debug)]
pub struct CollectorConfig {
    /// Without closing slash; `None` tells nobody.
    pub endpoint: Option<String>,
    /// Marked as sensitive, so `Debug` shows no value.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// From 0 to 1.
    pub sample_ratio: f64,
}

/// How long providers may take, and the way to them.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// May hold a user name and password.
    pub proxy: Option<SecretString>,
    pub connect_timeout: Duration,
    pub first_byte_timeout: Duration,
    pub idle_timeout: Duration,
    pub total_timeout: Duration,
    pub heartbeat: Duration,
}

/// Where images go that are too large for a reply, and for how long.
#[derive(Clone, Debug)]
pub struct ArtifactSettings {
    /// `None` keeps them in the data directory.
    pub bucket: Option<BucketSettings>,
    pub link_life: Duration,
    pub inline_threshold_bytes: u64,
    pub max_total_bytes: u64,
}

/// A bucket of S3-compatible storage, and the credentials for it.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    pub name: String,
    /// Without closing slash; `None` is Amazon's.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Of temporary credentials.
    pub session_token: Option<SecretString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_in_flight: usize,
    pub max_streams: usize,
    pub max_streams_per_user: usize,
    pub max_body_bytes: usize,
    pub max_generate_body_bytes: usize,
    pub kept_of_user: KeptAtMost,
}

/// Everything that is wrong with the settings: a sentence each, without any secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl Config {
    /// Reads and checks all settings; the second value are warnings for the log.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        let resolved = Resolved::read(sources);
        let mut reader = Reader::new(&resolved);
        let config = Self::read(&mut reader, sources);
        if reader.problems.is_empty() {
            Ok((config, resolved.warnings))
        } else {
            Err(ConfigError { problems: reader.problems })
        }
    }

    /// What each setting is and where it came from, valid or not. Files that cannot be read count as `not set`.
    pub fn effective(sources: &Sources) -> Vec<EffectiveSetting> {
        settings::effective(sources)
    }

    fn read(reader: &mut Reader<'_>, sources: &Sources) -> Self {
        let data_dir = sources.absolute(&reader.text("DATA_DIR"));
        let local_base_url = reader.required("LOCAL_BASE_URL", check_http_url);
        Self {
            host: reader.required("HOST", check_host),
            port: reader.whole("PORT", 0..=u64::from(u16::MAX)),
            database: reader
                .optional("DATABASE_URL", |text| database_target(text, sources))
                .unwrap_or_else(|| DatabaseTarget::Sqlite(data_dir.join("llm-api.db"))),
            data_dir,
            database_schema: reader.optional("DATABASE_SCHEMA", owned),
            migration_database_url: reader.optional("MIGRATION_DATABASE_URL", check_database_url),
            database_pool_mode: reader.required("DATABASE_POOL_MODE", pool_mode),
            expect_receipt: reader.optional("EXPECT_RECEIPT", receipt),
            database_max_connections: reader.whole("DATABASE_MAX_CONNECTIONS", 1..=MOST_CONNECTIONS),
            database_root_cert: reader.optional("DATABASE_ROOT_CERT", |text| Ok(RootCert::parse(text, &sources.cwd))),
            encryption_key: reader.secret("ENCRYPTION_KEY"),
            encryption_keys_old: reader.list("ENCRYPTION_KEYS_OLD", |text| Ok(text.into())),
            api_key: reader.secret("API_KEY"),
            invite_required: reader.flag("INVITE_REQUIRED"),
            logging: LoggingConfig::read(reader),
            metrics_enabled: reader.flag("METRICS_ENABLED"),
            collector: CollectorConfig::read(reader),
            app_version: reader.text("APP_VERSION"),
            default_model: reader.text("DEFAULT_MODEL"),
            default_image_model: reader.text("DEFAULT_IMAGE_MODEL"),
            artifacts: ArtifactSettings::read(reader, sources),
            session_retention: reader.optional("SESSION_RETENTION_MINUTES", retention).flatten(),
            public_url: reader.optional("PUBLIC_URL", check_http_url),
            azure_api_version: reader.text("AZURE_OPENAI_API_VERSION"),
            hub_base_url: reader.required("HF_HUB_URL", check_http_url),
            local_base_url: reader.flag("ENABLE_LOCAL_MODELS").then_some(local_base_url),
            base_url_allow: reader.list("BASE_URL_ALLOW", check_origin),
            providers: providers(reader),
            upstream: UpstreamSettings::read(reader),
            limits: Limits::read(reader),
            trusted_proxies: reader.list("TRUSTED_PROXIES", check_network),
            cors_origins: reader.list("CORS_ORIGINS", check_origin),
            shutdown_request: reader.seconds_or_none("SHUTDOWN_REQUEST_SECONDS"),
            shutdown_stream: reader.seconds_or_none("SHUTDOWN_STREAM_SECONDS"),
            response_mode: reader.required("RESPONSE_MODE", |text| match text.to_ascii_lowercase().as_str() {
                "buffered" => Ok(ResponseMode::Buffered),
                "stream" => Ok(ResponseMode::Stream),
                _ => Err("must be buffered or stream".to_owned()),
            }),
            secrets: reader.optional("SECRETS_ARN", secret_arn),
        }
    }
}

impl LoggingConfig {
    fn read(reader: &mut Reader<'_>) -> Self {
        let level = |text: &str| match text.to_ascii_uppercase().as_str() {
            "DEBUG" => Ok(LogLevel::Debug),
            "INFO" => Ok(LogLevel::Info),
            "WARNING" | "WARN" => Ok(LogLevel::Warning),
            "ERROR" | "CRITICAL" => Ok(LogLevel::Error),
            _ => Err("must be DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned()),
        };
        let format = |text: &str| match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(LogFormat::Auto),
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be auto, human or json".to_owned()),
        };
        Self {
            level: reader.required("LOG_LEVEL", level),
            format: reader.required("LOG_FORMAT", format),
            verbose: reader.flag("VERBOSE_LOGS"),
        }
    }
}

impl CollectorConfig {
    fn read(reader: &mut Reader<'_>) -> Self {
        let ratio = |text: &str| {
            let ratio = text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or_else(|| "must be a number from 0 to 1".to_owned())
        };
        Self {
            endpoint: reader.optional("OTLP_ENDPOINT", check_http_url),
            headers: reader.list("OTLP_HEADERS", header),
            sample_ratio: reader.required("TRACE_SAMPLE_RATIO", ratio),
        }
    }
}

impl UpstreamSettings {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            proxy: reader.optional("UPSTREAM_PROXY", check_proxy),
            connect_timeout: reader.seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS"),
            first_byte_timeout: reader.seconds("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS"),
            idle_timeout: reader.seconds("UPSTREAM_IDLE_TIMEOUT_SECONDS"),
            total_timeout: reader.seconds("UPSTREAM_TOTAL_TIMEOUT_SECONDS"),
            heartbeat: reader.seconds("HEARTBEAT_SECONDS"),
        }
    }
}

impl ArtifactSettings {
    fn read(reader: &mut Reader<'_>, sources: &Sources) -> Self {
        let in_bucket = reader.required("ARTIFACT_STORE", |text| match text.to_ascii_lowercase().as_str() {
            "local" => Ok(false),
            "s3" => Ok(true),
            _ => Err("must be local or s3".to_owned()),
        });
        let bucket = BucketSettings::read(reader, sources);
        let bucket = match bucket {
            Ok(bucket) => Some(bucket).filter(|_| in_bucket),
            Err(missing) => {
                if in_bucket {
                    reader.problems.push(format!("LLM_API_ARTIFACT_STORE is s3, which needs {missing}"));
                }
                None
            }
        };
        Self {
            bucket,
            link_life: reader.seconds("ARTIFACT_EXPIRY_SECS"),
            inline_threshold_bytes: reader.whole::<u64>("ARTIFACT_INLINE_THRESHOLD_KB", 0..=MOST_KILOBYTES) << 10,
            max_total_bytes: reader.whole::<u64>("ARTIFACT_MAX_TOTAL_MB", 1..=MOST_MEGABYTES) << 20,
        }
    }
}

impl BucketSettings {
    /// Or the settings that are missing.
    fn read(reader: &mut Reader<'_>, sources: &Sources) -> Result<Self, &'static str> {
        let aws = |name| sources.aws(name).map(str::to_owned);
        let name = reader.optional("ARTIFACT_BUCKET", owned);
        let endpoint = reader.optional("ARTIFACT_S3_ENDPOINT", check_http_url);
        let region = reader.optional("ARTIFACT_S3_REGION", owned).or_else(|| aws("AWS_REGION"));
        let key = reader.optional("ARTIFACT_S3_ACCESS_KEY_ID", owned);
        let secret = reader.secret("ARTIFACT_S3_SECRET_ACCESS_KEY");
        let (key, secret, session_token) = match (key, secret) {
            // All three belong together: a token of AWS's makes no sense with a key of our settings.
            (None, None) => {
                let secret = |name| aws(name).map(SecretString::from);
                (aws("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY"), secret("AWS_SESSION_TOKEN"))
            }
            (key, secret) => (key, secret, None),
        };
        let keys = "LLM_API_ARTIFACT_S3_ACCESS_KEY_ID and LLM_API_ARTIFACT_S3_SECRET_ACCESS_KEY";
        Ok(Self {
            name: name.ok_or("LLM_API_ARTIFACT_BUCKET")?,
            endpoint,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            access_key_id: key.ok_or(keys)?,
            secret_access_key: secret.ok_or(keys)?,
            session_token,
        })
    }
}

impl Limits {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            max_in_flight: reader.whole("MAX_IN_FLIGHT", 1..=MOST_AT_ONCE),
            max_streams: reader.whole("MAX_STREAMS", 1..=MOST_AT_ONCE),
            max_streams_per_user: reader.whole("MAX_STREAMS_PER_USER", 1..=MOST_AT_ONCE),
            max_body_bytes: reader.whole("MAX_BODY_BYTES", 1..=MOST_BODY_BYTES),
            max_generate_body_bytes: reader.whole("MAX_GENERATE_BODY_BYTES", 1..=MOST_BODY_BYTES),
            kept_of_user: KeptAtMost {
                replies: reader.whole("IDEMPOTENCY_MAX_KEYS_PER_USER", 1..=MOST_AT_ONCE),
                bytes: reader.whole::<u64>("IDEMPOTENCY_MAX_MB_PER_USER", 1..=MOST_MEGABYTES) << 20,
            },
        }
    }
}

fn providers(reader: &mut Reader<'_>) -> BTreeMap<ProviderId, ProviderConfig> {
    let read = |(provider, base_url, api_key): (ProviderId, &str, &str)| {
        let base_url = reader.optional(base_url, check_http_url);
        let api_key = reader.secret(api_key);
        (provider, ProviderConfig { base_url, api_key })
    };
    CONFIGURABLE_PROVIDERS.into_iter().map(read).collect()
}

fn receipt(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "must be the id of a receipt, as `llm-api db copy` printed it".to_owned())
}

fn pool_mode(text: &str) -> Result<PoolMode, String> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(PoolMode::Auto),
        "session" => Ok(PoolMode::Session),
        "transaction" => Ok(PoolMode::Transaction),
        _ => Err("must be auto, session or transaction".to_owned()),
    }
}

/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>`
fn secret_arn(text: &str) -> Result<SecretArn, String> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match text.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "secretsmanager", region, account, "secret", name]
            if [partition, region, account].into_iter().all(plain) && !name.is_empty() =>
        {
            let (partition, region) = (partition.to_owned(), region.to_owned());
            Ok(SecretArn { text: text.to_owned(), partition, region })
        }
        _ => Err("must be the ARN of a secret in AWS Secrets Manager".to_owned()),
    }
}

/// `name=value`. What is wrong is told without the value.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "must list headers as name=value, such as authorization=Bearer abc".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Minutes; 0 or less keeps sessions for ever.
fn retention(text: &str) -> Result<Option<Duration>, String> {
    let minutes: i64 = text.parse().map_err(|_| "must be a whole number of minutes".to_owned())?;
    Ok(u64::try_from(minutes).ok().filter(|minutes| *minutes > 0).map(|minutes| Duration::from_secs(minutes * 60)))
}

/// `sqlite:///absolute`, `sqlite:relative`, `sqlite://relative`, or a PostgreSQL address.
fn database_target(text: &str, sources: &Sources) -> Result<DatabaseTarget, String> {
    match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sqlite") => {
            let path = sqlite_path(rest.strip_prefix("//").unwrap_or(rest))?;
            let path = percent_decode_str(path).decode_utf8_lossy();
            Ok(DatabaseTarget::Sqlite(sources.absolute(&path)))
        }
        _ => match check_database_url(text) {
            Ok(url) => Ok(DatabaseTarget::Url(url)),
            Err(wrong) => Err(format!("{wrong}, or sqlite: for a file")),
        },
    }
}

fn sqlite_path(path: &str) -> Result<&str, String> {
    if path.contains('?') {
        return Err("must give the SQLite file alone, without a `?` part".to_owned());
    }
    // A folder cannot be the file, and SQLite's `:memory:` would lose everything at exit.
    if path.ends_with('/') || path.starts_with(':') || Path::new(path).file_name().is_none() {
        return Err("must name an SQLite file, such as sqlite:///var/lib/llm-api/llm-api.db".to_owned());
    }
    Ok(path)
}

#[expect(clippy::unnecessary_wraps, reason = "the reader asks for a check, and any text will do")]
fn owned(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}
