//! Rows into the target: a stream of binary COPY on Postgres, prepared inserts of many rows on SQLite.

use std::sync::Arc;

use sqlx::{
    Arguments as _, AssertSqlSafe, PgConnection, SqliteConnection, postgres::PgCopyIn, sqlite::SqliteArguments,
};

use super::{
    conn::Conn,
    row::{Cell, Row},
    tables::{Kind, Table},
};

/// The signature of binary COPY, without flags and extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &(-1_i16).to_be_bytes();
/// Sent to the server when this much has come together.
const CHUNK: usize = 256 << 10;
/// SQLite takes 32,766 parameters in a statement; more than this gains nothing.
const PARAMETERS: usize = 2048;

pub(crate) enum Writer<'c> {
    Postgres { copy: PgCopyIn<&'c mut PgConnection>, buffer: Vec<u8> },
    Sqlite(SqliteWriter<'c>),
}

pub(crate) struct SqliteWriter<'c> {
    conn: &'c mut SqliteConnection,
    table: &'static Table,
    /// Inserts `batch` rows at once; and the one that inserts one, for the rest and for wide rows.
    many: Arc<str>,
    one: Arc<str>,
    batch: usize,
    waiting: Vec<Parameters>,
    bytes: usize,
}

/// One row's values, owned as the driver wants them.
type Parameters = Vec<Parameter>;

enum Parameter {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl<'c> Writer<'c> {
    pub(crate) async fn begin(conn: &'c mut Conn, table: &'static Table) -> Result<Self, sqlx::Error> {
        match conn {
            Conn::Postgres(conn) => {
                let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name, table.column_list());
                let copy = conn.copy_in_raw(&statement).await?;
                Ok(Self::Postgres { copy, buffer: HEADER.to_vec() })
            }
            Conn::Sqlite(conn) => Ok(Self::Sqlite(SqliteWriter::new(conn, table))),
        }
    }

    pub(crate) async fn put(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres { copy, buffer } => {
                buffer.extend_from_slice(row.bytes());
                if buffer.len() >= CHUNK {
                    copy.send(buffer.as_slice()).await?;
                    buffer.clear();
                    // A row of many megabytes is no reason to keep as many.
                    buffer.shrink_to(CHUNK * 2);
                }
                Ok(())
            }
            Self::Sqlite(writer) => writer.put(row).await,
        }
    }

    pub(crate) async fn finish(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres { mut copy, mut buffer } => {
                buffer.extend_from_slice(TRAILER);
                copy.send(buffer).await?;
                copy.finish().await.map(drop)
            }
            Self::Sqlite(mut writer) => writer.flush().await,
        }
    }
}

impl<'c> SqliteWriter<'c> {
    fn new(conn: &'c mut SqliteConnection, table: &'static Table) -> Self {
        let batch = (PARAMETERS / table.columns.len()).max(1);
        let insert = |rows: usize| -> Arc<str> {
            let row = format!("({})", vec!["?"; table.columns.len()].join(", "));
            let rows = vec![row; rows].join(", ");
            format!("INSERT INTO {} ({}) VALUES {rows}", table.name, table.column_list()).into()
        };
        let (many, one) = (insert(batch), insert(1));
        Self { conn, table, many, one, batch, waiting: Vec::with_capacity(batch), bytes: 0 }
    }

    async fn put(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        self.waiting.push(parameters(self.table, row));
        self.bytes += row.bytes().len();
        if self.waiting.len() == self.batch || self.bytes >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if waiting.len() == self.batch {
            let statement = Arc::clone(&self.many);
            return self.execute(statement, waiting).await;
        }
        for row in waiting {
            let statement = Arc::clone(&self.one);
            self.execute(statement, vec![row]).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, statement: Arc<str>, rows: Vec<Parameters>) -> Result<(), sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        for parameter in rows.into_iter().flatten() {
            let added = match parameter {
                Parameter::Null => arguments.add(Option::<i64>::None),
                Parameter::Int(number) => arguments.add(number),
                Parameter::Real(number) => arguments.add(number),
                Parameter::Text(text) => arguments.add(text),
                Parameter::Blob(bytes) => arguments.add(bytes),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(AssertSqlSafe(statement), arguments).execute(&mut *self.conn).await.map(drop)
    }
}

/// Rows with findings never come here: what a cell holds fits its column.
fn parameters(table: &Table, row: &Row) -> Parameters {
    let parameter = |(place, kind): (usize, Kind)| {
        let Cell::Data(bytes) = row.cell(place) else { return Parameter::Null };
        match kind {
            Kind::Id | Kind::Bytes | Kind::Sealed => Parameter::Blob(bytes.to_vec()),
            Kind::Text | Kind::Json | Kind::Word(_) => Parameter::Text(String::from_utf8_lossy(bytes).into_owned()),
            Kind::Int => row.int(place).map_or(Parameter::Null, Parameter::Int),
            Kind::Time => row.micros(place).map_or(Parameter::Null, Parameter::Int),
            Kind::Flag => Parameter::Int(i64::from(bytes == [1])),
            Kind::Real => row.real(place).map_or(Parameter::Null, Parameter::Real),
        }
    };
    table.columns.iter().map(|column| column.kind).enumerate().map(parameter).collect()
}
