//! One end of a copy: where it is, how it is called, and how it is opened.

use std::path::{Path, PathBuf};

use llm_api_domain::Clock;
use percent_encoding::percent_decode_str;

use super::{
    conn::{Conn, versions},
    error::{CopyError, Side},
};
use crate::{
    DatabaseAddress, OpenError, OpenMode, OpenOptions, PoolMode, RootCert, Store,
    open::{is_legacy, legacy_file, valid_schema},
};

/// A database of ours, and the schema in it on Postgres.
#[derive(Clone, Debug)]
pub struct DatabaseEnd {
    address: DatabaseAddress,
    schema: Option<String>,
    migration_address: Option<DatabaseAddress>,
    pool_mode: PoolMode,
    label: Option<String>,
}

impl DatabaseEnd {
    pub fn new(address: DatabaseAddress, schema: Option<String>) -> Result<Self, OpenError> {
        if schema.as_deref().is_some_and(|schema| !valid_schema(schema)) {
            return Err(OpenError::Address("the schema may hold a-z, 0-9 and _ and starts with a letter".to_owned()));
        }
        Ok(Self { address, schema, migration_address: None, pool_mode: PoolMode::Auto, label: None })
    }

    /// What people and receipts read, in place of an address that says nothing to them.
    #[must_use]
    pub fn called(self, label: String) -> Self {
        Self { label: Some(label), ..self }
    }

    /// Where a target's tables are made, when its own address goes through a pooler.
    #[must_use]
    pub fn behind(self, pool_mode: PoolMode, migration_address: Option<DatabaseAddress>) -> Self {
        Self { migration_address, pool_mode, ..self }
    }

    /// Reads an address as settings take it; `?schema=` in it wins over `schema`.
    pub fn parse(
        text: &str,
        cwd: &Path,
        root_cert: Option<&RootCert>,
        schema: Option<&str>,
    ) -> Result<Self, OpenError> {
        let mut schema = schema.map(str::to_owned);
        let mut address = text.to_owned();
        if !text.starts_with("sqlite:")
            && let Some((front, query)) = text.split_once('?')
        {
            let (ours, rest): (Vec<&str>, Vec<&str>) =
                query.split('&').partition(|option| option.starts_with("schema="));
            if let Some(named) = ours.last().and_then(|option| option.strip_prefix("schema=")) {
                schema = Some(percent_decode_str(named).decode_utf8_lossy().into_owned());
            }
            address = if rest.is_empty() { front.to_owned() } else { format!("{front}?{}", rest.join("&")) };
        }
        Self::new(DatabaseAddress::parse(&address, cwd, root_cert)?, schema)
    }

    /// A line for people and receipts, without a secret.
    pub fn describe(&self) -> String {
        if let Some(label) = &self.label {
            return label.clone();
        }
        match (&self.address, &self.schema) {
            (DatabaseAddress::Postgres(_), Some(schema)) => format!("{}, schema {schema}", self.address.describe()),
            _ => self.address.describe(),
        }
    }

    /// What `--confirm-target` takes: the file's or the database's name.
    pub fn name(&self) -> String {
        match &self.address {
            DatabaseAddress::Sqlite(path) => {
                path.0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            DatabaseAddress::Postgres(options) => {
                options.get_database().unwrap_or_else(|| options.get_username()).to_owned()
            }
        }
    }

    /// The file, on SQLite.
    pub fn sqlite_file(&self) -> Option<&Path> {
        match &self.address {
            DatabaseAddress::Sqlite(path) => Some(&path.0),
            DatabaseAddress::Postgres(_) => None,
        }
    }

    /// Two names of one file; of Postgres only a connection to each can tell.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        match (self.sqlite_file(), other.sqlite_file()) {
            (Some(own), Some(other)) => real(own) == real(other),
            _ => false,
        }
    }

    /// The Python service's file is neither written nor taken for ours.
    pub(crate) async fn refuse_legacy(&self) -> Result<(), OpenError> {
        match self.sqlite_file() {
            Some(path) if path.exists() && is_legacy(path).await? => Err(legacy_file(path, false)),
            _ => Ok(()),
        }
    }

    /// A connection for reading, in one consistent snapshot, of a database at this version.
    pub(crate) async fn open_for_reading(&self, side: Side) -> Result<Conn, CopyError> {
        let mut conn = match &self.address {
            DatabaseAddress::Sqlite(path) => {
                self.refuse_legacy().await.map_err(CopyError::open(side))?;
                Conn::sqlite_reader(&path.0).await.map_err(CopyError::open(side))?
            }
            DatabaseAddress::Postgres(options) => {
                let mut conn = Conn::postgres(options).await.map_err(CopyError::open(side))?;
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                conn.begin_postgres(begin, self.schema.as_deref()).await.map_err(CopyError::open(side))?;
                conn
            }
        };
        match conn.applied(side).await? {
            applied if applied == versions() => Ok(conn),
            applied => match applied.iter().find(|version| !versions().contains(version)) {
                Some(&version) => Err(CopyError::Open { side, source: OpenError::Newer { version } }),
                None => Err(CopyError::Behind { side, command: self.migrate_command() }),
            },
        }
    }

    fn migrate_command(&self) -> String {
        match (&self.address, &self.schema) {
            (DatabaseAddress::Sqlite(path), _) => {
                format!("LLM_API_DATABASE_URL=sqlite://{} llm-api migrate", path.0.display())
            }
            (DatabaseAddress::Postgres(_), None) => "LLM_API_DATABASE_URL=(its address) llm-api migrate".to_owned(),
            (DatabaseAddress::Postgres(_), Some(schema)) => {
                format!("LLM_API_DATABASE_URL=(its address) LLM_API_DATABASE_SCHEMA={schema} llm-api migrate")
            }
        }
    }

    /// Brings the target to this version, as every start does; its lock is ours.
    pub(crate) async fn migrate(&self, clock: &Clock) -> Result<(), OpenError> {
        if let DatabaseAddress::Sqlite(path) = &self.address {
            return Conn::migrate_sqlite(&path.0).await;
        }
        let options = OpenOptions {
            address: self.address.clone(),
            migration_address: self.migration_address.clone(),
            pool_mode: self.pool_mode,
            schema: self.schema.clone(),
            max_connections: 1,
            mode: OpenMode::Tool,
            expect_receipt: None,
            clock: clock.clone(),
        };
        Store::open(options).await?.close().await;
        Ok(())
    }

    /// A connection of the target in the one transaction that writes everything.
    pub(crate) async fn open_for_writing(&self) -> Result<Conn, OpenError> {
        match &self.address {
            DatabaseAddress::Sqlite(path) => Conn::sqlite_writer(&path.0).await,
            DatabaseAddress::Postgres(options) => {
                let mut conn = Conn::postgres(options).await?;
                conn.begin_postgres("BEGIN", self.schema.as_deref()).await?;
                Ok(conn)
            }
        }
    }

    /// A connection to look at a target as it is, whatever its version; `None` where there is nothing yet.
    pub(crate) async fn peek(&self) -> Result<Option<Conn>, OpenError> {
        match &self.address {
            DatabaseAddress::Sqlite(path) if std::fs::metadata(&path.0).is_ok_and(|file| file.len() > 0) => {
                Ok(Some(Conn::sqlite_reader(&path.0).await?))
            }
            DatabaseAddress::Sqlite(_) => Ok(None),
            DatabaseAddress::Postgres(options) => {
                let mut conn = Conn::postgres(options).await?;
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                match conn.begin_postgres(begin, self.schema.as_deref()).await {
                    Ok(()) => Ok(Some(conn)),
                    // The schema is yet to be made.
                    Err(OpenError::WrongSchema { found, .. }) if found.is_empty() => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}
