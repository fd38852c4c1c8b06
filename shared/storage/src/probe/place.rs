//! Where a Postgres address leads, without its password, and whether TLS is spoken there.

use std::{fmt, io};

use sqlx::postgres::PgSslMode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{DatabaseAddress, open, pool::TRANSACTION_PORT};

/// What asks a server for TLS before anything else is said (PostgreSQL, "Message Formats", `SSLRequest`).
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The parts of a Postgres address that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPlace {
    /// A name, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    /// A socket of this machine in place of host and port.
    pub is_socket: bool,
    pub user: String,
    pub database: String,
    pub tls: TlsMode,
}

/// `sslmode`, as it is in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        })
    }
}

impl PostgresPlace {
    /// Whether the port is Supabase's for its pooler of transactions.
    pub fn is_transaction_port(&self) -> bool {
        self.port == TRANSACTION_PORT
    }
}

impl DatabaseAddress {
    /// `None` for an SQLite file.
    pub fn place(&self) -> Option<PostgresPlace> {
        let Self::Postgres(options) = self else { return None };
        let host = options.get_host();
        Some(PostgresPlace {
            host: host.to_owned(),
            port: options.get_port(),
            is_socket: options.get_socket().is_some() || host.starts_with('/'),
            user: options.get_username().to_owned(),
            database: options.get_database().unwrap_or(options.get_username()).to_owned(),
            tls: match options.get_ssl_mode() {
                PgSslMode::Disable | PgSslMode::Allow => TlsMode::Disable,
                PgSslMode::Prefer => TlsMode::Prefer,
                PgSslMode::Require => TlsMode::Require,
                PgSslMode::VerifyCa => TlsMode::VerifyCa,
                PgSslMode::VerifyFull => TlsMode::VerifyFull,
            },
        })
    }
}

/// Whether `LLM_API_DATABASE_SCHEMA` may be called that.
pub fn is_schema_name(schema: &str) -> bool {
    open::valid_schema(schema)
}

/// Asks a server whether it speaks TLS. One that answers anything else is no PostgreSQL.
pub async fn speaks_tls(mut stream: TcpStream) -> io::Result<bool> {
    stream.write_all(&TLS_REQUEST).await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "what answers there is no PostgreSQL server")),
    }
}
