//! How operators set things, and what they are told.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use llm_api_domain::ProviderId;
use llm_api_storage::RootCert;
use secrecy::{ExposeSecret, SecretString};

use super::{SETTINGS, Sources, scratch::Scratch, settings_table};
use crate::config::{Config, DatabaseTarget, LogFormat, LogLevel, ResponseMode};

/// Sources without any file behind them.
fn bare() -> Sources {
    Sources::new("/nonexistent/llm-api")
}

fn load(sources: &Sources) -> Config {
    Config::load(sources).expect("valid settings").0
}

fn warnings(sources: &Sources) -> Vec<String> {
    Config::load(sources).expect("valid settings").1
}

fn problems(sources: &Sources) -> Vec<String> {
    Config::load(sources).expect_err("invalid settings").problems().to_vec()
}

/// Where the setting came from, and its shown value.
fn shown(sources: &Sources, name: &str) -> (String, String) {
    let all = Config::effective(sources);
    let setting = all.into_iter().find(|setting| setting.name == name).expect("a known setting");
    (setting.source, setting.value)
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

#[test]
fn nothing_set_is_a_working_server_on_this_machine() {
    let (config, warnings) = Config::load(&bare()).expect("defaults are valid");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
    assert_eq!(config.data_dir, PathBuf::from("/nonexistent/llm-api/data"));
    assert!(
        matches!(&config.database, DatabaseTarget::Sqlite(file) if *file == config.data_dir.join("llm-api.db")),
        "{:?}",
        config.database
    );
    assert!(config.invite_required && config.api_key.is_none() && config.encryption_key.is_none());
    assert_eq!(config.default_model, "llama-3.1-8b-instant");
    assert_eq!(config.local_base_url.as_deref(), Some("http://127.0.0.1:11434/v1"));
    assert_eq!(config.limits.max_body_bytes, 1 << 20);
    assert_eq!(config.limits.max_generate_body_bytes, 20 << 20);
    assert_eq!(config.upstream.total_timeout, Duration::from_mins(15));
    assert_eq!(config.providers[&ProviderId::Groq].base_url.as_deref(), Some("https://api.groq.com/openai/v1"));
    assert_eq!(config.providers.len(), 12);
}

#[test]
fn the_table_has_no_doubles_and_no_blanks() {
    let names: BTreeSet<_> = SETTINGS.iter().flat_map(super::Setting::names).collect();
    let with_old_names = SETTINGS.len() + SETTINGS.iter().filter(|setting| setting.old_name.is_some()).count();
    assert_eq!(names.len(), with_old_names);
    let keys: Vec<_> = SETTINGS.iter().filter_map(|setting| setting.yaml).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    for setting in SETTINGS {
        assert!(!setting.help.is_empty() && !setting.help.contains('\n'), "{}", setting.name);
        assert!(!(setting.secret && setting.default.is_some()), "{} has a sample secret", setting.name);
    }
}

#[test]
fn environment_beats_files_beat_yaml_beats_dotenv_beats_default() {
    let folder = Scratch::new();
    let story = |sources: &Sources| {
        let config = load(sources);
        let key = exposed(config.api_key.as_ref()).map(str::to_owned);
        (key, shown(sources, "LLM_API_API_KEY").0)
    };
    let told = |key: &str, source: &str| (Some(key.to_owned()), source.to_owned());

    assert_eq!(story(&folder.sources()), (None, "default".to_owned()));
    folder.write(".env", "LLM_API_API_KEY=from-dotenv\n");
    assert_eq!(story(&folder.sources()), told("from-dotenv", ".env"));
    folder.write("config.yaml", "auth: {api_key: from-yaml}\n");
    assert_eq!(story(&folder.sources()), told("from-yaml", "config.yaml"));
    let credential = folder.write("credentials/api-key", "from-credential\n");
    let sources = folder.sources().with("CREDENTIALS_DIRECTORY", credential.parent().expect("a folder"));
    assert_eq!(story(&sources), told("from-credential", "credential api-key"));
    let sources = sources.with("LLM_API_API_KEY_FILE", folder.write("key", "from-file\n"));
    assert_eq!(story(&sources), told("from-file", "file of LLM_API_API_KEY_FILE"));
    let sources = sources.with("LLM_API_API_KEY", "from-environment");
    assert_eq!(story(&sources), told("from-environment", "environment"));
    assert_eq!(warnings(&sources), ["LLM_API_API_KEY_FILE has no effect, because LLM_API_API_KEY is set as well"]);
    // An empty value is a value: it switches off what the weaker sources say.
    let (key, _) = story(&folder.sources().with("LLM_API_API_KEY", ""));
    assert_eq!(key, None);
}

#[test]
fn files_hold_values() {
    let folder = Scratch::new();
    folder.write("secrets/url", "postgres://u:p@h/d\r\n");
    folder.write("port", "81\n");
    folder.write(".env", "LLM_API_PORT_FILE=port\nLLM_API_API_KEY_FILE=\n");
    let sources = folder.sources().with("LLM_API_DATABASE_URL_FILE", folder.path().join("secrets/url"));
    let config = load(&sources);
    let DatabaseTarget::Url(url) = &config.database else { panic!("a PostgreSQL address") };
    assert_eq!(url.expose_secret(), "postgres://u:p@h/d");
    assert_eq!(config.port, 81);
    assert!(config.api_key.is_none());

    let missing = folder.sources().with("LLM_API_API_KEY_FILE", "hunter2");
    let told = problems(&missing);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("the file that LLM_API_API_KEY_FILE names cannot be read: "), "{told:?}");
    assert!(!told[0].contains("hunter2"));
    assert_eq!(shown(&missing, "LLM_API_API_KEY").1, "not set");
}

#[test]
fn credentials_are_for_secrets_alone() {
    let folder = Scratch::new();
    folder.write("database-url", "sqlite:///srv/a.db");
    folder.write("encryption-keys-old", "one, two,");
    folder.write("port", "81");
    let config = load(&bare().with("CREDENTIALS_DIRECTORY", folder.path()));
    assert!(matches!(&config.database, DatabaseTarget::Sqlite(file) if file == Path::new("/srv/a.db")));
    let old: Vec<_> = config.encryption_keys_old.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(old, ["one", "two"]);
    assert_eq!(config.port, 8080);
}

#[test]
fn a_secret_holds_settings_between_credentials_and_files() {
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:llm-api-AbCdEf";
    let folder = Scratch::new();
    folder.write("config.yaml", "auth: {api_key: from-yaml}\n");
    let mut sources = folder.sources().with("LLM_API_SECRETS_ARN", arn).with("LLM_API_PORT", "82");
    let secret =
        [("llm_api_api_key", "hunter2"), ("LLM_API_PORT", "81"), ("LLM_API_HOST_FILE", "x"), ("password", "x")];
    sources.secret = secret.map(|(name, text)| (name.to_owned(), text.into())).to_vec();
    let (config, warnings) = Config::load(&sources).expect("valid");
    assert_eq!((exposed(config.api_key.as_ref()), config.port), (Some("hunter2"), 82));
    assert_eq!(shown(&sources, "LLM_API_API_KEY"), ("secret".to_owned(), "set".to_owned()));
    let unknown = "is not a setting of this version and has no effect";
    assert_eq!(warnings, [format!("LLM_API_HOST_FILE (secret) {unknown}"), format!("password (secret) {unknown}")]);
    assert!(!format!("{sources:?}").contains("hunter2"), "{sources:?}");
    let named = config.secrets.expect("an ARN");
    assert_eq!((named.text.as_str(), named.partition.as_str(), named.region.as_str()), (arn, "aws", "eu-central-1"));

    let almost = ["llm-api", "arn:aws:s3:::files", "arn:aws:secretsmanager:eu central:1:secret:a", &format!("{arn}:x")];
    for wrong in almost {
        let told = problems(&bare().with("LLM_API_SECRETS_ARN", wrong));
        let sentence = "LLM_API_SECRETS_ARN (environment) must be the ARN of a secret in AWS Secrets Manager, not `";
        assert!(told.len() == 1 && told[0].starts_with(sentence), "{told:?}");
    }
}

#[test]
fn names_ignore_case_and_old_names_work() {
    let folder = Scratch::new();
    folder.write(".env", "llm_api_port=81\nLlm_Api_Port=82\nLLM_API_MODEL_PATH=models\n");
    let config = load(&folder.sources());
    assert_eq!((config.port, config.data_dir), (82, folder.path().join("models")));
    let both = bare().with("LLM_API_PORT", "83").with("llm_api_port", "84").with("llm_api_model_path", "/old");
    let config = load(&both);
    assert_eq!((config.port, config.data_dir), (83, PathBuf::from("/old")));
    assert_eq!(load(&both.with("LLM_API_DATA_DIR", "/new")).data_dir, PathBuf::from("/new"));
}

#[test]
fn every_spelling_of_true_and_false_is_read_and_blanks_are_not() {
    for (spelling, value) in [("YES", true), ("t", true), ("On", true), ("0", false), ("N", false), ("oFf", false)] {
        assert_eq!(load(&bare().with("LLM_API_INVITE_REQUIRED", spelling)).invite_required, value, "{spelling}");
    }
    let told = problems(
        &bare()
            .with("LLM_API_INVITE_REQUIRED", "")
            .with("LLM_API_PORT", " ")
            .with("LLM_API_HEARTBEAT_SECONDS", "")
            .with("LLM_API_MAX_STREAMS", "0")
            .with("LLM_API_UPSTREAM_IDLE_TIMEOUT_SECONDS", "NaN")
            .with("LLM_API_UPSTREAM_TOTAL_TIMEOUT_SECONDS", "1e300")
            .with("LLM_API_LOG_LEVEL", "LOUD"),
    );
    assert_eq!(
        told,
        [
            "LLM_API_PORT (environment) must be a whole number from 0 to 65535, not ` `",
            "LLM_API_INVITE_REQUIRED (environment) must be true or false; it is empty",
            "LLM_API_LOG_LEVEL (environment) must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not `LOUD`",
            "LLM_API_UPSTREAM_IDLE_TIMEOUT_SECONDS (environment) must be a number of seconds above 0 and at most 604800, not `NaN`",
            "LLM_API_UPSTREAM_TOTAL_TIMEOUT_SECONDS (environment) must be a number of seconds above 0 and at most 604800, not `1e300`",
            "LLM_API_HEARTBEAT_SECONDS (environment) must be a number of seconds above 0 and at most 604800; it is empty",
            "LLM_API_MAX_STREAMS (environment) must be a whole number from 1 to 1000000, not `0`",
        ]
    );
    // Empty texts are as good as unset.
    let empty = bare().with("LLM_API_DEFAULT_MODEL", "").with("LLM_API_DATABASE_URL", "").with("LLM_API_HOST", "");
    let config = load(&empty);
    assert_eq!((config.default_model.as_str(), config.host.as_str()), ("llama-3.1-8b-instant", "127.0.0.1"));
    assert_eq!(shown(&empty, "LLM_API_HOST"), ("default".to_owned(), "127.0.0.1".to_owned()));
}

#[test]
fn what_has_no_effect_is_told() {
    let folder = Scratch::new();
    folder.write(".env", "LLM_API_MAX_DISK_GB=5\nOTHER_PROGRAM=1\nLLM_API_JWT_SECRET=hunter2\n");
    folder.write("config.yaml", "storage: {max_disk_gb: 7}\nauth: {local_only: on}\nconfig_file: other.yaml\n");
    let told = warnings(&folder.sources().with("llm_api_prot", "81").with("OTHER", "1"));
    assert_eq!(
        told,
        [
            "LLM_API_JWT_SECRET and LLM_API_LOCAL_ONLY are not offered: every request needs a token or the API key",
            "LLM_API_PROT (environment) is not a setting of this version and has no effect",
            "LLM_API_MAX_DISK_GB (.env) is not a setting of this version and has no effect",
            "config_file (config.yaml) is not a setting of this version and has no effect",
            "storage.max_disk_gb (config.yaml) is not a setting of this version and has no effect",
        ]
    );
    assert_eq!(warnings(&bare().with("LLM_API_LOCAL_ONLY", "false").with("LLM_API_JWT_SECRET", "")), [""; 0]);
    let elsewhere = warnings(&bare().with("LLM_API_CONFIG_FILE", "other.yaml"));
    assert_eq!(elsewhere, ["LLM_API_CONFIG_FILE names other.yaml, which does not exist"]);
}

#[test]
fn the_old_yaml_file_is_read() {
    let folder = Scratch::new();
    let yaml = "
server: {host: 0.0.0.0, port: 8081, log_level: warning}
storage: {model_path: /srv/models}
auth: {api_key: 0042}
defaults: {model: gpt-x}
providers:
  openai: {api_key: sk-o, base_url: 'http://127.0.0.1:1/v1/'}
  xai: {api_key: sk-x}
  deepseek: {api_key: ~}
  groq: {base_url: https://groq.example/v1}
persistence: {database_url: 'postgresql+psycopg://u:p@h:5432/d', database_schema: llm_api}
local: {enable_local_models: no}
trusted_proxies: [10.0.0.0/8, '::1']
max_streams: 9
";
    folder.write("other.yaml", yaml);
    let sources = folder.sources().with("LLM_API_CONFIG_FILE", "other.yaml");
    let (config, warnings) = Config::load(&sources).expect("valid");
    assert_eq!(warnings, [""; 0]);
    assert_eq!((config.host.as_str(), config.port, config.logging.level), ("0.0.0.0", 8081, LogLevel::Warning));
    assert_eq!(config.data_dir, PathBuf::from("/srv/models"));
    assert_eq!(exposed(config.api_key.as_ref()), Some("0042"));
    assert_eq!(config.default_model, "gpt-x");
    assert_eq!(config.providers[&ProviderId::Openai].base_url.as_deref(), Some("http://127.0.0.1:1/v1"));
    let key = |provider| exposed(config.providers[&provider].api_key.as_ref());
    assert_eq!(
        (key(ProviderId::Openai), key(ProviderId::Xai), key(ProviderId::Deepseek)),
        (Some("sk-o"), Some("sk-x"), None)
    );
    assert_eq!(config.providers[&ProviderId::Groq].base_url.as_deref(), Some("https://groq.example/v1"));
    let DatabaseTarget::Url(url) = &config.database else { panic!("a PostgreSQL address") };
    assert_eq!(url.expose_secret(), "postgresql+psycopg://u:p@h:5432/d");
    assert_eq!(config.database_schema.as_deref(), Some("llm_api"));
    assert_eq!(config.local_base_url, None);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.limits.max_streams, 9);
}

#[test]
fn a_broken_yaml_file_stops_the_start_without_being_quoted() {
    let folder = Scratch::new();
    folder.write("config.yaml", "auth:\n  api_key: [hunter2\n");
    let told = problems(&folder.sources());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("config.yaml is not valid YAML at line ") && !told[0].contains("hunter2"), "{told:?}");
}

#[test]
fn database_addresses_take_what_people_paste() {
    let sqlite = |text: &str| match load(&bare().with("LLM_API_DATABASE_URL", text)).database {
        DatabaseTarget::Sqlite(file) => file,
        DatabaseTarget::Url(_) => panic!("{text} is an SQLite file"),
    };
    assert_eq!(sqlite("sqlite:///srv/a.db"), PathBuf::from("/srv/a.db"));
    assert_eq!(sqlite("SQLite:a.db"), PathBuf::from("/nonexistent/llm-api/a.db"));
    assert_eq!(sqlite("sqlite:///srv/a%20b.db"), PathBuf::from("/srv/a b.db"));
    assert_eq!(sqlite("sqlite://sub/a.db"), PathBuf::from("/nonexistent/llm-api/sub/a.db"));
    for text in ["postgres://h/d", "postgresql://u:p@h/d", "postgresql+psycopg://h/d?sslmode=require"] {
        let config = load(&bare().with("LLM_API_DATABASE_URL", text).with("LLM_API_MIGRATION_DATABASE_URL", text));
        assert!(matches!(&config.database, DatabaseTarget::Url(url) if url.expose_secret() == text), "{text}");
        assert_eq!(exposed(config.migration_database_url.as_ref()), Some(text));
    }
    let shouted = load(&bare().with("LLM_API_DATABASE_URL", "POSTGRES://U@h/d")).database;
    assert!(matches!(&shouted, DatabaseTarget::Url(url) if url.expose_secret() == "postgres://U@h/d"));
    for wrong in [
        "mysql://u:hunter2@h/d",
        "postgres://",
        "hunter2",
        "sqlite:",
        "sqlite:///",
        "sqlite::memory:",
        "sqlite:///srv/hunter2.db?mode=ro",
    ] {
        let told = problems(&bare().with("LLM_API_DATABASE_URL", wrong));
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        assert!(
            told[0].starts_with("LLM_API_DATABASE_URL (environment) must ") && !told[0].contains("hunter2"),
            "{told:?}"
        );
    }
    assert_eq!(problems(&bare().with("LLM_API_MIGRATION_DATABASE_URL", "sqlite:a.db")).len(), 1);
}

#[test]
fn everything_can_be_set() {
    let config = load(
        &bare()
            .with("LLM_API_DATABASE_MAX_CONNECTIONS", "3")
            .with("LLM_API_DATABASE_ROOT_CERT", "ca.pem")
            .with("LLM_API_LOG_FORMAT", "JSON")
            .with("LLM_API_VERBOSE_LOGS", "1")
            .with("LLM_API_APP_VERSION", "1.10")
            .with("LLM_API_LOCAL_BASE_URL", "http://[::1]:8000/v1")
            .with("LLM_API_BASE_URL_ALLOW", "http://127.0.0.1:11434, https://gpu.lan:443/")
            .with("LLM_API_FIREWORKS_API_KEY", "fw")
            .with("LLM_API_UPSTREAM_PROXY", "http://me:pw@proxy:3128")
            .with("LLM_API_UPSTREAM_CONNECT_TIMEOUT_SECONDS", "0.25")
            .with("LLM_API_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "2")
            .with("LLM_API_MAX_IN_FLIGHT", "5")
            .with("LLM_API_MAX_STREAMS_PER_USER", "2")
            .with("LLM_API_TRUSTED_PROXIES", "127.0.0.1,10.1.2.3/8")
            .with("LLM_API_CORS_ORIGINS", "https://App.example.com")
            .with("LLM_API_SHUTDOWN_REQUEST_SECONDS", "0")
            .with("LLM_API_SHUTDOWN_STREAM_SECONDS", "1.5")
            .with("LLM_API_RESPONSE_MODE", "stream"),
    );
    assert_eq!(config.database_max_connections, 3);
    assert_eq!(config.database_root_cert, Some(RootCert::File("/nonexistent/llm-api/ca.pem".into())));
    let text = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let pem = load(&bare().with("LLM_API_DATABASE_ROOT_CERT", text)).database_root_cert;
    assert_eq!(pem, Some(RootCert::Pem(text.to_owned())));
    assert_eq!((config.logging.format, config.logging.verbose), (LogFormat::Json, true));
    assert_eq!(config.app_version, "1.10");
    assert_eq!(config.local_base_url.as_deref(), Some("http://[::1]:8000/v1"));
    assert_eq!(config.base_url_allow, ["http://127.0.0.1:11434", "https://gpu.lan"]);
    assert_eq!(exposed(config.providers[&ProviderId::Fireworks].api_key.as_ref()), Some("fw"));
    assert_eq!(exposed(config.upstream.proxy.as_ref()), Some("http://me:pw@proxy:3128"));
    assert_eq!(config.upstream.connect_timeout, Duration::from_millis(250));
    assert_eq!(config.upstream.first_byte_timeout, Duration::from_secs(2));
    assert_eq!((config.limits.max_in_flight, config.limits.max_streams_per_user), (5, 2));
    let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "10.0.0.0/8"]);
    assert_eq!(config.cors_origins, ["https://app.example.com"]);
    assert_eq!((config.shutdown_request, config.shutdown_stream), (Duration::ZERO, Duration::from_millis(1500)));
    assert_eq!(config.response_mode, ResponseMode::Stream);
}

#[test]
fn large_images_are_kept_here_or_in_a_bucket() {
    let here = load(&bare()).artifacts;
    assert!(here.bucket.is_none());
    assert_eq!(here.link_life, Duration::from_hours(1));
    assert_eq!((here.inline_threshold_bytes, here.max_total_bytes), (256 << 10, 1 << 30));
    let named = bare().with("LLM_API_ARTIFACT_BUCKET", "files");
    assert!(load(&named).artifacts.bucket.is_none(), "a name alone changes nothing");

    let keys = "LLM_API_ARTIFACT_S3_ACCESS_KEY_ID and LLM_API_ARTIFACT_S3_SECRET_ACCESS_KEY";
    let needs = |missing| [format!("LLM_API_ARTIFACT_STORE is s3, which needs {missing}")];
    assert_eq!(problems(&bare().with("LLM_API_ARTIFACT_STORE", "S3")), needs("LLM_API_ARTIFACT_BUCKET"));
    let s3 = named.with("LLM_API_ARTIFACT_STORE", "s3");
    assert_eq!(problems(&s3), needs(keys));
    let half = s3.clone().with("LLM_API_ARTIFACT_S3_ACCESS_KEY_ID", "id");
    let lambda = |sources: Sources| {
        let keys = sources.with("AWS_ACCESS_KEY_ID", "ASIA").with("AWS_SECRET_ACCESS_KEY", "hunter2");
        keys.with("AWS_SESSION_TOKEN", "hunter3").with("AWS_REGION", "eu-central-1")
    };
    assert_eq!(problems(&lambda(half.clone())), needs(keys), "half of ours and half of theirs is no credential");

    let bucket = load(&lambda(s3.clone())).artifacts.bucket.expect("a bucket");
    assert_eq!((bucket.name.as_str(), bucket.endpoint, bucket.region.as_str()), ("files", None, "eu-central-1"));
    assert_eq!(bucket.access_key_id, "ASIA");
    assert_eq!(exposed(Some(&bucket.secret_access_key)), Some("hunter2"));
    assert_eq!(exposed(bucket.session_token.as_ref()), Some("hunter3"));

    let own = half.with("LLM_API_ARTIFACT_S3_SECRET_ACCESS_KEY", "hunter4");
    let own = own.with("LLM_API_ARTIFACT_S3_ENDPOINT", "http://127.0.0.1:9000/");
    let own = own.with("LLM_API_ARTIFACT_S3_REGION", "auto");
    let bucket = load(&lambda(own)).artifacts.bucket.expect("a bucket");
    assert_eq!((bucket.endpoint.as_deref(), bucket.region.as_str()), (Some("http://127.0.0.1:9000"), "auto"));
    assert_eq!((bucket.access_key_id.as_str(), bucket.session_token.is_none()), ("id", true));
    assert!(!format!("{bucket:?}").contains("hunter"), "{bucket:?}");

    let wrong = bare().with("LLM_API_ARTIFACT_STORE", "disk").with("LLM_API_ARTIFACT_MAX_TOTAL_MB", "0");
    assert_eq!(
        problems(&wrong),
        [
            "LLM_API_ARTIFACT_STORE (environment) must be local or s3, not `disk`",
            "LLM_API_ARTIFACT_MAX_TOTAL_MB (environment) must be a whole number from 1 to 1073741824, not `0`",
        ]
    );
}

#[test]
fn secrets_are_never_shown() {
    let secret = SETTINGS.iter().filter(|setting| setting.secret);
    let mut sources = bare().with("LLM_API_UPSTREAM_PROXY", "http://me:hunter2@proxy:3128");
    for setting in secret.clone() {
        let value = match setting.name {
            "OTLP_HEADERS" => "authorization=hunter2",
            name if name.contains("DATABASE") => "postgres://u:hunter2@h/d",
            _ => "hunter2",
        };
        sources = sources.with(setting.variable(), value);
    }
    let effective = Config::effective(&sources);
    assert_eq!(effective.iter().filter(|setting| setting.value == "set").count(), secret.count());
    assert_eq!(shown(&sources, "LLM_API_UPSTREAM_PROXY").1, "http://***@proxy:3128");
    let table = settings_table(&effective);
    assert!(table.contains("LLM_API_PORT ") && table.lines().count() == SETTINGS.len(), "{table}");
    let json = serde_json::to_string(&effective).expect("serializes");
    let texts = [format!("{:?}", load(&sources)), format!("{sources:?}"), format!("{effective:?}"), table, json];
    assert!(texts.iter().all(|text| !text.contains("hunter2")), "{texts:?}");

    let wrong = sources
        .with("LLM_API_DATABASE_URL", "mysql://u:hunter2@h/d")
        .with("LLM_API_OPENAI_BASE_URL", "https://me:hunter2@api.example/v1")
        .with("LLM_API_LOCAL_BASE_URL", "https://api.example/v1?key=hunter2")
        .with("LLM_API_UPSTREAM_PROXY", "socks5://me:hunter2@proxy")
        .with("LLM_API_CORS_ORIGINS", "https://me:hunter2@app.example")
        .with("LLM_API_OTLP_HEADERS", "authorization: hunter2");
    let error = Config::load(&wrong).expect_err("six problems");
    assert_eq!(error.problems().len(), 6, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_by_name() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let told = problems(&bare().with("LLM_API_HOST", OsString::from_vec(vec![0xff])));
    assert_eq!(told, ["LLM_API_HOST (environment) is not UTF-8"]);
}
