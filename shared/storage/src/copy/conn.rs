//! One connection of either driver, in a transaction, and rows out of it in their common form.

use std::{fs::OpenOptions, path::Path, time::Duration};

use futures_util::{TryStreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Decode, Executor as _, PgConnection, Row as _, Sqlite,
    SqliteConnection, TypeInfo as _, ValueRef as _,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use uuid::Uuid;

use super::{
    error::{CopyError, Side},
    outflow::Outflow,
    row::Row,
    tables::{Kind, Table},
};
use crate::{
    OpenError, migrate,
    open::{file_error, private, sqlite_options},
};

const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Runs `$body` for the driver in use.
macro_rules! each {
    ($conn:expr, $name:ident => $body:expr) => {
        match $conn {
            Conn::Sqlite($name) => $body,
            Conn::Postgres(boxed) => {
                let $name = &mut **boxed;
                $body
            }
        }
    };
}

pub(crate) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

/// The migrations of this program, the same on both databases.
pub(crate) fn versions() -> Vec<i64> {
    migrate::versions()
}

/// Statements are made of names in `tables.rs` and of schemas that were checked; values are always parameters.
pub(crate) fn sql(text: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(text)
}

impl Conn {
    /// A read transaction sees one state of the file, whatever a server writes meanwhile.
    pub(crate) async fn sqlite_reader(path: &Path) -> Result<Self, OpenError> {
        std::fs::metadata(path).map_err(file_error(path))?;
        // A table takes its time, which is no news. Nothing is set that could write: a backup is in another journal mode than a server's file.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(30))
            .disable_statement_logging();
        let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
        // `BEGIN` alone takes no snapshot: the first read does.
        conn.execute(sqlx::raw_sql("BEGIN; SELECT COUNT(*) FROM sqlite_master;")).await.map_err(OpenError::Prepare)?;
        Ok(Self::Sqlite(conn))
    }

    pub(crate) async fn migrate_sqlite(path: &Path) -> Result<(), OpenError> {
        let mut file = OpenOptions::new();
        file.write(true).create(true).truncate(false);
        private(&mut file);
        file.open(path).map_err(file_error(path))?;
        let mut conn = SqliteConnection::connect_with(&sqlite_options(path)).await.map_err(OpenError::Prepare)?;
        let migrated = migrate::sqlite(&mut conn).await;
        conn.close().await.map_err(OpenError::Prepare)?;
        migrated
    }

    pub(crate) async fn sqlite_writer(path: &Path) -> Result<Self, OpenError> {
        let options = sqlite_options(path).disable_statement_logging();
        let mut conn = SqliteConnection::connect_with(&options).await.map_err(OpenError::Prepare)?;
        conn.execute(sqlx::raw_sql("BEGIN IMMEDIATE")).await.map_err(OpenError::Prepare)?;
        Ok(Self::Sqlite(conn))
    }

    pub(crate) async fn postgres(options: &PgConnectOptions) -> Result<Self, OpenError> {
        let options = options.clone().statement_cache_capacity(0).disable_statement_logging();
        let connecting = tokio::time::timeout(CONNECT_TIME, PgConnection::connect_with(&options)).await;
        let late = || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 10 seconds"));
        let conn = connecting.unwrap_or_else(|_| Err(late())).map_err(migrate::connect_error)?;
        Ok(Self::Postgres(Box::new(conn)))
    }

    /// Everything that a session would set is set in the transaction: behind a pooler there is no session.
    pub(crate) async fn begin_postgres(&mut self, begin: &str, schema: Option<&str>) -> Result<(), OpenError> {
        let mut statements = format!(
            "{begin}; SET LOCAL statement_timeout TO 0; SET LOCAL idle_in_transaction_session_timeout TO 0; \
             SET LOCAL lock_timeout TO 10000"
        );
        if let Some(schema) = schema {
            statements.push_str("; SET LOCAL search_path TO \"");
            statements.push_str(schema);
            statements.push('"');
        }
        self.run(statements).await.map_err(OpenError::Prepare)?;
        if let Some(wanted) = schema {
            let found = self.texts("SELECT COALESCE(current_schema()::text, '')".to_owned()).await;
            let found = found.map_err(OpenError::Prepare)?.pop().unwrap_or_default();
            if found != wanted {
                return Err(OpenError::WrongSchema { wanted: wanted.to_owned(), found });
            }
        }
        Ok(())
    }

    /// Statements without parameters and without rows.
    pub(crate) async fn run(&mut self, statements: String) -> Result<(), sqlx::Error> {
        let statements = sqlx::raw_sql(sql(statements));
        match self {
            Self::Sqlite(conn) => conn.execute(statements).await.map(drop),
            Self::Postgres(conn) => conn.execute(statements).await.map(drop),
        }
    }

    pub(crate) async fn texts(&mut self, query: String) -> Result<Vec<String>, sqlx::Error> {
        each!(self, conn => sqlx::query_scalar(sql(query)).persistent(false).fetch_all(conn).await)
    }

    /// The first column of the first row, an integer; `id` is the parameter where there is one.
    pub(crate) async fn number(&mut self, query: String, id: Option<Uuid>) -> Result<i64, sqlx::Error> {
        each!(self, conn => {
            let query = sqlx::query_scalar(sql(query)).persistent(false);
            match id {
                Some(id) => query.bind(id).fetch_one(conn).await,
                None => query.fetch_one(conn).await,
            }
        })
    }

    /// The migrations that the database has; none on an empty one.
    pub(crate) async fn applied(&mut self, side: Side) -> Result<Vec<i64>, CopyError> {
        let table = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
            Self::Postgres(_) => "SELECT 'known' WHERE to_regclass('_sqlx_migrations') IS NOT NULL",
        };
        if self.texts(table.to_owned()).await.map_err(CopyError::of(side, None))?.is_empty() {
            return Ok(Vec::new());
        }
        let query = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version".to_owned();
        each!(self, conn => sqlx::query_scalar(sql(query)).persistent(false).fetch_all(conn).await)
            .map_err(CopyError::of(side, None))
    }

    /// All tables there are, ours and others'.
    pub(crate) async fn tables(&mut self) -> Result<Vec<String>, sqlx::Error> {
        let query = match self {
            Self::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Self::Postgres(_) => {
                "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"
            }
        };
        self.texts(query.to_owned()).await
    }

    /// The table's rows in the order of its key, or those of them that `condition` (on `c`) names.
    pub(crate) fn rows(&mut self, table: &'static Table, condition: Option<&str>) -> Rows<'_> {
        let order: Vec<String> = table.key.iter().map(|&place| self.order(table, place)).collect();
        let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let query =
            format!("SELECT {} FROM {} c{condition} ORDER BY {}", table.column_list(), table.name, order.join(", "));
        let stream = match self {
            Self::Sqlite(conn) => Stream::Sqlite(sqlx::query(sql(query)).persistent(false).fetch(conn)),
            Self::Postgres(conn) => Stream::Postgres(Outflow::new(conn, &query, table.columns.len())),
        };
        Rows { table, stream }
    }

    fn order(&self, table: &Table, place: usize) -> String {
        let column = table.columns[place];
        match (self, column.kind) {
            // The database's own order of texts is that of some language.
            (Self::Postgres(_), Kind::Text) => format!("{} COLLATE \"C\"", column.name),
            _ => column.name.to_owned(),
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT".to_owned()).await?;
        self.close().await;
        Ok(())
    }

    /// Gives up what was not committed.
    pub(crate) async fn close(self) {
        // Whatever the other side makes of it, nothing was committed that should not be.
        let _ = match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres(conn) => conn.close().await,
        };
    }
}

/// Rows that arrive one by one.
pub(crate) struct Rows<'c> {
    table: &'static Table,
    stream: Stream<'c>,
}

enum Stream<'c> {
    Sqlite(BoxStream<'c, Result<SqliteRow, sqlx::Error>>),
    Postgres(Outflow<'c>),
}

impl Rows<'_> {
    /// Reads the next row into `row`; false at the end.
    pub(crate) async fn next(&mut self, row: &mut Row) -> Result<bool, sqlx::Error> {
        match &mut self.stream {
            Stream::Sqlite(stream) => match stream.try_next().await? {
                Some(read) => from_sqlite(self.table, &read, row).map(|()| true),
                None => Ok(false),
            },
            Stream::Postgres(rows) => rows.next(row).await,
        }
    }
}

fn from_sqlite(table: &Table, read: &SqliteRow, row: &mut Row) -> Result<(), sqlx::Error> {
    row.begin(table.columns.len());
    for (place, column) in table.columns.iter().enumerate() {
        let value = read.try_get_raw(place)?;
        if value.is_null() {
            row.null();
            continue;
        }
        let class = Class::of(value.type_info().name());
        match class {
            Class::Integer => {
                let number = <i64 as Decode<Sqlite>>::decode(value).map_err(sqlx::Error::Decode)?;
                match (column.kind, number) {
                    (Kind::Int, _) => row.data(&number.to_be_bytes()),
                    (Kind::Time, _) => row.time(number),
                    (Kind::Flag, 0 | 1) => row.data(&[u8::from(number == 1)]),
                    (Kind::Flag, _) => row.odd("is neither 0 nor 1", &number.to_be_bytes()),
                    _ => row.odd("is an integer", &number.to_be_bytes()),
                }
            }
            Class::Real => {
                let number = <f64 as Decode<Sqlite>>::decode(value).map_err(sqlx::Error::Decode)?;
                match column.kind {
                    // SQLite does not keep the sign of a zero.
                    Kind::Real => row.data(&(number + 0.0).to_be_bytes()),
                    _ => row.odd("is a floating-point number", &number.to_be_bytes()),
                }
            }
            Class::Text | Class::Blob => {
                let bytes = <&[u8] as Decode<Sqlite>>::decode(value).map_err(sqlx::Error::Decode)?;
                match (column.kind, class) {
                    (Kind::Text | Kind::Json | Kind::Word(_), Class::Text)
                    | (Kind::Id | Kind::Bytes | Kind::Sealed, Class::Blob) => row.data(bytes),
                    (_, Class::Text) => row.odd("is text", bytes),
                    _ => row.odd("is a blob", bytes),
                }
            }
        }
    }
    Ok(())
}

/// SQLite's classes of values: any of them may stand in any column that somebody bent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Integer,
    Real,
    Text,
    Blob,
}

impl Class {
    fn of(name: &str) -> Self {
        match name {
            "INTEGER" => Self::Integer,
            "REAL" => Self::Real,
            "TEXT" => Self::Text,
            _ => Self::Blob,
        }
    }
}
