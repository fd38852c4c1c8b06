//! The table of all settings: documentation, `llm-api config` and the reader all start here.

use llm_api_domain::ProviderId;

/// What all variable names start with.
pub(crate) const PREFIX: &str = "LLM_API_";

/// How an empty value is read: a text falls back to its default, anything else refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// `true/false/1/0/yes/no/on/off/t/f/y/n`, in any case.
    Flag,
    /// A whole number of 0 or more.
    Whole,
    /// Seconds, fractions allowed.
    Seconds,
}

/// One setting. Its variable is [`Setting::variable`]; appended `_FILE` names a file that holds the value.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Without the prefix `LLM_API_`.
    pub name: &'static str,
    /// A name of the Python service that is still read.
    pub old_name: Option<&'static str>,
    pub kind: Kind,
    /// Never shown; may also come from a systemd credential.
    pub secret: bool,
    pub default: Option<&'static str>,
    /// One line for people.
    pub help: &'static str,
    /// Its place in the YAML file, beside its own name in lower case at the top level.
    pub yaml: Option<&'static str>,
}

impl Setting {
    /// The environment variable, such as `LLM_API_PORT`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// Its own name, then its old one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.old_name)
    }

    /// The name of its systemd credential, such as `database-url`.
    pub(crate) fn credential(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    const fn new(kind: Kind, name: &'static str, default: Option<&'static str>, help: &'static str) -> Self {
        Self { name, old_name: None, kind, secret: false, default, help, yaml: None }
    }

    const fn yaml(mut self, key: &'static str) -> Self {
        self.yaml = Some(key);
        self
    }

    const fn formerly(mut self, name: &'static str) -> Self {
        self.old_name = Some(name);
        self
    }
}

const fn text(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting::new(Kind::Text, name, Some(default), help)
}

const fn optional(name: &'static str, help: &'static str) -> Setting {
    Setting::new(Kind::Text, name, None, help)
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    let mut setting = Setting::new(Kind::Text, name, None, help);
    setting.secret = true;
    setting
}

const fn flag(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting::new(Kind::Flag, name, Some(default), help)
}

const fn whole(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting::new(Kind::Whole, name, Some(default), help)
}

const fn seconds(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting::new(Kind::Seconds, name, Some(default), help)
}

const fn base_url(name: &'static str, provider: ProviderId, yaml: &'static str) -> Setting {
    Setting::new(Kind::Text, name, provider.default_base_url(), "Where this provider's API lives").yaml(yaml)
}

const fn fallback_key(name: &'static str, yaml: &'static str) -> Setting {
    secret(name, "Key for users who stored none of their own for this provider").yaml(yaml)
}

/// The providers that the operator can set up, with the names of their address and key.
pub(crate) const CONFIGURABLE_PROVIDERS: [(ProviderId, &str, &str); 12] = [
    (ProviderId::Openai, "OPENAI_BASE_URL", "OPENAI_API_KEY"),
    (ProviderId::Anthropic, "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
    (ProviderId::Google, "GOOGLE_BASE_URL", "GOOGLE_API_KEY"),
    (ProviderId::Azure, "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"),
    (ProviderId::Xai, "XAI_BASE_URL", "XAI_API_KEY"),
    (ProviderId::Deepseek, "DEEPSEEK_BASE_URL", "DEEPSEEK_API_KEY"),
    (ProviderId::Groq, "GROQ_BASE_URL", "GROQ_API_KEY"),
    (ProviderId::Huggingface, "HF_BASE_URL", "HF_TOKEN"),
    (ProviderId::Openrouter, "OPENROUTER_BASE_URL", "OPENROUTER_API_KEY"),
    (ProviderId::Mistral, "MISTRAL_BASE_URL", "MISTRAL_API_KEY"),
    (ProviderId::Together, "TOGETHER_BASE_URL", "TOGETHER_API_KEY"),
    (ProviderId::Fireworks, "FIREWORKS_BASE_URL", "FIREWORKS_API_KEY"),
];

pub(crate) const CONFIG_FILE: Setting = text("CONFIG_FILE", "config.yaml", "YAML file to read");

/// Every setting this release reads, in the order that lists show them.
pub const SETTINGS: &[Setting] = &[
    text("HOST", "127.0.0.1", "Address to listen on").yaml("server.host"),
    whole("PORT", "8080", "Port to listen on; 0 takes a free one").yaml("server.port"),
    text("DATA_DIR", "./data", "Folder of the SQLite file and the generated key file")
        .formerly("MODEL_PATH")
        .yaml("storage.model_path"),
    secret("DATABASE_URL", "sqlite: or postgres:// address; none is SQLite in the data folder")
        .yaml("persistence.database_url"),
    optional("DATABASE_SCHEMA", "PostgreSQL schema that holds the tables").yaml("persistence.database_schema"),
    secret("MIGRATION_DATABASE_URL", "Direct or session address for migrations, where DATABASE_URL is a pooler"),
    optional("EXPECT_RECEIPT", "Receipt of db copy that the database must have, else the start is refused"),
    text("DATABASE_POOL_MODE", "auto", "session, transaction, or auto: transaction on port 6543, else session"),
    whole("DATABASE_MAX_CONNECTIONS", "10", "Most database connections of this process"),
    optional("DATABASE_ROOT_CERT", "PEM, or its file, to check the database server's certificate with (sslrootcert)"),
    secret("ENCRYPTION_KEY", "Key of the vault: 32 bytes in base64, base64url or hex"),
    secret("ENCRYPTION_KEYS_OLD", "Former keys of the vault, separated by commas; they only decrypt"),
    secret("API_KEY", "Static key of the service account; none when empty").yaml("auth.api_key"),
    flag("INVITE_REQUIRED", "true", "Whether registration needs an invite"),
    text("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL").yaml("server.log_level"),
    text("LOG_FORMAT", "auto", "human, json, or auto: human on a terminal"),
    flag("VERBOSE_LOGS", "false", "DEBUG everywhere, the libraries included"),
    flag("METRICS_ENABLED", "true", "Whether /metrics answers"),
    optional("OTLP_ENDPOINT", "OpenTelemetry collector, such as http://127.0.0.1:4318; none when not set"),
    secret("OTLP_HEADERS", "Headers for that collector: name=value, separated by commas"),
    text("TRACE_SAMPLE_RATIO", "1.0", "Share of the requests that are traced, from 0 to 1"),
    text("APP_VERSION", env!("CARGO_PKG_VERSION"), "What /version answers"),
    CONFIG_FILE,
    text("DEFAULT_MODEL", "llama-3.1-8b-instant", "Text model of requests that name none").yaml("defaults.model"),
    text("DEFAULT_IMAGE_MODEL", "stabilityai/sdxl-turbo", "Image model of requests that name none"),
    text("ARTIFACT_STORE", "local", "Where large images are kept: local, in the data folder, or s3")
        .yaml("artifacts.store"),
    optional("ARTIFACT_BUCKET", "Bucket of the S3-compatible storage").yaml("artifacts.bucket"),
    optional("ARTIFACT_S3_ENDPOINT", "Address of that storage; Amazon's when not set"),
    optional("ARTIFACT_S3_REGION", "Region of the bucket; AWS_REGION or us-east-1 when not set"),
    optional("ARTIFACT_S3_ACCESS_KEY_ID", "Access key for the bucket; the AWS_ variables' when not set"),
    secret("ARTIFACT_S3_SECRET_ACCESS_KEY", "Secret of that access key"),
    seconds("ARTIFACT_EXPIRY_SECS", "3600", "How long a link to a large image is good").yaml("artifacts.expiry_secs"),
    whole("ARTIFACT_INLINE_THRESHOLD_KB", "256", "Images larger than this become files with links"),
    whole("ARTIFACT_MAX_TOTAL_MB", "1024", "Most that these files may take together; the oldest make room"),
    text("SESSION_RETENTION_MINUTES", "0", "Sessions idle for longer are deleted; 0 keeps them for ever"),
    optional("PUBLIC_URL", "What links in replies begin with; else the address that the client called"),
    text("LOCAL_BASE_URL", "http://127.0.0.1:11434/v1", "The operator's own OpenAI-compatible server"),
    flag("ENABLE_LOCAL_MODELS", "true", "Whether local: models are offered").yaml("local.enable_local_models"),
    optional("BASE_URL_ALLOW", "Origins that stored endpoints may name although they are private or plain http"),
    base_url("OPENAI_BASE_URL", ProviderId::Openai, "providers.openai.base_url"),
    fallback_key("OPENAI_API_KEY", "providers.openai.api_key"),
    base_url("ANTHROPIC_BASE_URL", ProviderId::Anthropic, "providers.anthropic.base_url"),
    fallback_key("ANTHROPIC_API_KEY", "providers.anthropic.api_key"),
    base_url("GOOGLE_BASE_URL", ProviderId::Google, "providers.google.base_url"),
    fallback_key("GOOGLE_API_KEY", "providers.google.api_key"),
    optional("AZURE_OPENAI_ENDPOINT", "Your Azure OpenAI resource, such as https://name.openai.azure.com")
        .yaml("providers.azure.endpoint"),
    fallback_key("AZURE_OPENAI_API_KEY", "providers.azure.api_key"),
    text("AZURE_OPENAI_API_VERSION", "2024-10-21", "Version of Azure's API").yaml("providers.azure.api_version"),
    base_url("XAI_BASE_URL", ProviderId::Xai, "providers.xai.base_url"),
    fallback_key("XAI_API_KEY", "providers.xai.api_key"),
    base_url("DEEPSEEK_BASE_URL", ProviderId::Deepseek, "providers.deepseek.base_url"),
    fallback_key("DEEPSEEK_API_KEY", "providers.deepseek.api_key"),
    base_url("GROQ_BASE_URL", ProviderId::Groq, "providers.groq.base_url"),
    fallback_key("GROQ_API_KEY", "providers.groq.api_key"),
    base_url("HF_BASE_URL", ProviderId::Huggingface, "providers.huggingface.base_url"),
    fallback_key("HF_TOKEN", "providers.huggingface.api_key"),
    text("HF_HUB_URL", "https://huggingface.co", "Where models are searched for"),
    base_url("OPENROUTER_BASE_URL", ProviderId::Openrouter, "providers.openrouter.base_url"),
    fallback_key("OPENROUTER_API_KEY", "providers.openrouter.api_key"),
    base_url("MISTRAL_BASE_URL", ProviderId::Mistral, "providers.mistral.base_url"),
    fallback_key("MISTRAL_API_KEY", "providers.mistral.api_key"),
    base_url("TOGETHER_BASE_URL", ProviderId::Together, "providers.together.base_url"),
    fallback_key("TOGETHER_API_KEY", "providers.together.api_key"),
    base_url("FIREWORKS_BASE_URL", ProviderId::Fireworks, "providers.fireworks.base_url"),
    fallback_key("FIREWORKS_API_KEY", "providers.fireworks.api_key"),
    optional("UPSTREAM_PROXY", "http or https proxy for calls to providers"),
    seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "5", "Longest wait for a connection to a provider"),
    seconds("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "120", "Longest wait for a provider's first byte"),
    seconds("UPSTREAM_IDLE_TIMEOUT_SECONDS", "120", "Longest pause between bytes of a provider"),
    seconds("UPSTREAM_TOTAL_TIMEOUT_SECONDS", "900", "Longest call to a provider"),
    seconds("HEARTBEAT_SECONDS", "15", "Time between comments on a silent stream"),
    whole("MAX_IN_FLIGHT", "512", "Most requests at once"),
    whole("MAX_STREAMS", "256", "Most streams at once"),
    whole("MAX_STREAMS_PER_USER", "8", "Most streams of one user at once"),
    whole("MAX_BODY_BYTES", "1048576", "Largest request body"),
    whole("MAX_GENERATE_BODY_BYTES", "20971520", "Largest request body where text is generated"),
    whole(
        "IDEMPOTENCY_MAX_KEYS_PER_USER",
        "10000",
        "Most replies of one user kept for a day; the oldest are forgotten",
    ),
    whole("IDEMPOTENCY_MAX_MB_PER_USER", "64", "Most that these replies may take; the oldest cannot be given again"),
    optional("TRUSTED_PROXIES", "Addresses or CIDR ranges whose X-Forwarded-For is believed"),
    optional("CORS_ORIGINS", "Origins whose pages may call, with any header; none when empty"),
    seconds("SHUTDOWN_REQUEST_SECONDS", "10", "Time that requests have to end at shutdown"),
    seconds("SHUTDOWN_STREAM_SECONDS", "50", "Time that streams have to end at shutdown"),
    text("RESPONSE_MODE", "buffered", "buffered or stream; read on AWS Lambda only"),
    optional("SECRETS_ARN", "Secret of AWS Secrets Manager that holds further settings; read on AWS Lambda only"),
];

/// Settings of the Python service that are refused on purpose; having one set is worth a warning of its own.
pub(crate) const JWT_SECRET: Setting = secret("JWT_SECRET", "Not offered").yaml("auth.jwt_secret");
pub(crate) const LOCAL_ONLY: Setting = flag("LOCAL_ONLY", "false", "Not offered").yaml("auth.local_only");

pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Whether `name` (upper case, without the prefix) is read in any form.
pub(crate) fn is_known(name: &str) -> bool {
    is_known_value(name) || name.strip_suffix("_FILE").is_some_and(is_known_value)
}

/// The same for a place that holds values and names no files.
pub(crate) fn is_known_value(name: &str) -> bool {
    all().any(|setting| setting.names().any(|known| known == name))
}

/// Whether the YAML key (dotted, lower case) is read.
pub(crate) fn is_known_yaml(key: &str) -> bool {
    all().any(|setting| setting.yaml == Some(key) || (setting.name != CONFIG_FILE.name && own_yaml_key(setting) == key))
}

/// The key that every setting has at the top level of the YAML file.
pub(crate) fn own_yaml_key(setting: &Setting) -> String {
    setting.name.to_ascii_lowercase()
}

fn all() -> impl Iterator<Item = &'static Setting> {
    const NOT_OFFERED: &[Setting] = &[JWT_SECRET, LOCAL_ONLY];
    SETTINGS.iter().chain(NOT_OFFERED)
}
