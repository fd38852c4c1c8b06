//! `LLM_API_DATABASE_URL` as people paste it. Checked here, because the driver ignores the scheme and drops options
//! that it does not know.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::OpenError;

/// The file of an SQLite database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlitePath(pub PathBuf);

/// What a database server's certificate is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// A PEM file.
    File(PathBuf),
    /// PEM itself, for functions: they have no disk that an operator could put a file on.
    Pem(String),
}

impl RootCert {
    /// PEM, or the path of a file that counts from `cwd`.
    pub fn parse(text: &str, cwd: &Path) -> Self {
        match text.trim_start().starts_with("-----BEGIN ") {
            true => Self::Pem(text.to_owned()),
            false => Self::File(cwd.join(text)),
        }
    }
}

/// Where the data lives. `Debug` shows no password.
#[derive(Clone)]
pub enum DatabaseAddress {
    Sqlite(SqlitePath),
    Postgres(Box<PgConnectOptions>),
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl DatabaseAddress {
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(SqlitePath(path.into()))
    }

    /// Reads `sqlite:///abs/path`, `sqlite:relative`, `postgres://`, `postgresql://` or `postgresql+psycopg://`.
    /// A relative SQLite path counts from `cwd`; `root_cert` is for `sslmode=verify-…` when the address names no
    /// file. Errors never contain the address: it holds a password.
    pub fn parse(text: &str, cwd: &Path, root_cert: Option<&RootCert>) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(address_error("it has no scheme; expected postgres://… or sqlite:///…"));
        };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path == ":memory:" {
                    return Err(address_error("it names no file; expected sqlite:///path/to/file"));
                }
                let path = percent_decode_str(path).decode_utf8_lossy();
                Ok(Self::sqlite(cwd.join(path.as_ref())))
            }
            "postgres" | "postgresql" => postgres(rest, root_cert),
            driver if driver.starts_with("postgresql+") || driver.starts_with("postgres+") => postgres(rest, root_cert),
            _ => Err(address_error("unknown scheme; expected postgres://, postgresql:// or sqlite://")),
        }
    }

    /// A line for people and logs, without a secret.
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("SQLite at {}", path.0.display()),
            Self::Postgres(options) => {
                let (host, port) = (options.get_host(), options.get_port());
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                format!("Postgres at {host}:{port}, database {}", options.get_database().unwrap_or("(default)"))
            }
        }
    }
}

fn address_error(reason: &str) -> OpenError {
    OpenError::Address(reason.to_owned())
}

fn postgres(rest: &str, root_cert: Option<&RootCert>) -> Result<DatabaseAddress, OpenError> {
    let url = Url::parse(&format!("postgres:{rest}")).map_err(|_| unparsable(rest))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    if host.is_empty() && !url.query_pairs().any(|(key, _)| key == "host") {
        return Err(address_error("it names no host"));
    }
    // A raw `?` or `/` in a password shifts the host: the driver would look up half a password in DNS.
    let is_cut_short = url.password().is_none() && url.query().is_some_and(|query| query.contains('@'));
    if url.path().contains('@') || url.fragment().is_some() || is_cut_short {
        return Err(reserved_character());
    }
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| matches!(key.as_ref(), "ssl" | "pgbouncer" | "schema")) {
        return Err(OpenError::Address(format!(
            "option `{key}` is not known; use sslmode=…, LLM_API_DATABASE_SCHEMA and LLM_API_DATABASE_POOL_MODE"
        )));
    }
    let mode = url.query_pairs().find(|(key, _)| key == "sslmode" || key == "ssl-mode");
    let mode = mode
        .map(|(_, mode)| PgSslMode::from_str(&mode))
        .transpose()
        .map_err(|_| address_error("sslmode must be disable, prefer, require, verify-ca or verify-full"))?
        // The driver's default would fall back to plain text when the server says so.
        .or_else(|| (!is_local(&host)).then_some(PgSslMode::Require));
    let mut options = PgConnectOptions::from_str(url.as_str()).map_err(|_| unparsable(rest))?;
    // The driver would look the brackets up in DNS.
    if let Some(bare) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        options = options.host(bare);
    }
    if let Some(mode) = mode {
        options = options.ssl_mode(mode);
    }
    if !url.query_pairs().any(|(key, _)| key == "sslrootcert" || key == "ssl-root-cert") {
        options = match root_cert {
            Some(RootCert::File(path)) => options.ssl_root_cert(path),
            Some(RootCert::Pem(text)) => options.ssl_root_cert_from_pem(text.clone().into_bytes()),
            None => options,
        };
    }
    // Stock PgBouncer refuses the start-up parameter that the driver would send.
    options = options.extra_float_digits(None).application_name("llm-api");
    Ok(DatabaseAddress::Postgres(Box::new(options)))
}

fn is_local(host: &str) -> bool {
    host.is_empty() || host.starts_with('/') || matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "::1")
}

fn unparsable(rest: &str) -> OpenError {
    let authority = rest.trim_start_matches('/');
    if authority.matches('@').count() > 1
        || authority.split('@').next().is_some_and(|user| user.contains(['#', '/', '?', '[']))
    {
        return reserved_character();
    }
    address_error("it cannot be read; expected postgres://user:password@host:5432/database")
}

fn reserved_character() -> OpenError {
    address_error(
        "the password seems to hold a reserved character; write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F",
    )
}

/// How long a statement may run on Postgres, and how long to wait for a free connection, on both.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DatabaseAddress, OpenError> {
        DatabaseAddress::parse(text, Path::new("/data"), None)
    }

    fn options(text: &str) -> PgConnectOptions {
        match parse(text).expect("a good address") {
            DatabaseAddress::Postgres(options) => *options,
            DatabaseAddress::Sqlite(_) => panic!("expected Postgres"),
        }
    }

    #[test]
    fn takes_what_people_paste() {
        for scheme in ["postgres", "postgresql", "postgresql+psycopg"] {
            let options = options(&format!("{scheme}://app:p%40ss@db.example.com:6000/main"));
            assert_eq!((options.get_host(), options.get_port()), ("db.example.com", 6000));
            assert_eq!(options.get_database(), Some("main"));
        }
        assert_eq!(options("postgres://a:b@[2001:db8::1]:6000/x").get_host(), "2001:db8::1");
        assert!(
            matches!(parse("sqlite:///var/x.db"), Ok(DatabaseAddress::Sqlite(path)) if path.0 == Path::new("/var/x.db"))
        );
        assert!(matches!(parse("sqlite:x.db"), Ok(DatabaseAddress::Sqlite(path)) if path.0 == Path::new("/data/x.db")));
    }

    #[test]
    fn remote_hosts_get_tls_and_the_address_may_say_otherwise() {
        assert!(matches!(options("postgres://a:b@db.example.com/x").get_ssl_mode(), PgSslMode::Require));
        assert!(matches!(options("postgres://a:b@localhost/x").get_ssl_mode(), PgSslMode::Prefer));
        let full = options("postgres://a:b@db.example.com/x?sslmode=verify-full");
        assert!(matches!(full.get_ssl_mode(), PgSslMode::VerifyFull));
    }

    #[test]
    fn a_bad_address_is_explained_without_its_password() {
        let cases = [
            ("mysql://a:s3cret@h/x", "unknown scheme"),
            ("s3cret", "no scheme"),
            ("postgres://a:s3cret#x@h/x", "reserved character"),
            ("postgres://a:s3cret/x@h/x", "reserved character"),
            ("postgres://a:12?s3cret@h/x", "reserved character"),
            ("postgres://a:12/s3cret@h/x", "reserved character"),
            ("postgres://a:s3cret@h/x?ssl=require", "`ssl`"),
            ("postgres://a:s3cret@h/x?sslmode=maybe", "sslmode must be"),
            ("postgres://a:s3cret@h:6543/x?pgbouncer=true", "LLM_API_DATABASE_POOL_MODE"),
            ("sqlite://", "names no file"),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
