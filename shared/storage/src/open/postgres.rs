//! Opening a pool of connections to Postgres, whatever stands in between.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _, SqlSafeStr as _, SqlStr,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{OpenMode, OpenOptions, expect, prepare_error};
use crate::{
    DatabaseAddress, OpenError,
    address::{ACQUIRE_TIMEOUT, STATEMENT_TIMEOUT},
    db::PostgresDb,
    error::{MIGRATION_SETTING, SETTING},
    migrate,
    pool::{Begin, PostgresPool, TRANSACTION_PORT},
};

/// Looks at two connections, each of which misses a busy pooler with one chance in four at worst.
const LOOKS: usize = 10;

pub(super) async fn open(address: &PgConnectOptions, options: &OpenOptions) -> Result<PostgresPool, OpenError> {
    let schema = options.schema.as_deref();
    if schema.is_some_and(|schema| !valid_schema(schema)) {
        return Err(OpenError::Address(
            "LLM_API_DATABASE_SCHEMA may hold a-z, 0-9 and _ and starts with a letter".to_owned(),
        ));
    }
    let migration = match &options.migration_address {
        Some(DatabaseAddress::Postgres(migration)) => Some(migration.as_ref()),
        Some(DatabaseAddress::Sqlite(_)) => {
            return Err(OpenError::Address("LLM_API_MIGRATION_DATABASE_URL must be a Postgres address".to_owned()));
        }
        None => None,
    };
    if options.pool_mode.is_transaction(address.get_port()) {
        open_transactions(address, migration, options).await
    } else {
        open_sessions(address, migration, options).await
    }
}

/// Lower-case identifiers only: everything else would need quoting in other people's tools, and could be an injection.
pub(crate) fn valid_schema(schema: &str) -> bool {
    let mut bytes = schema.bytes();
    schema.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Statements stay prepared, and settings are given once for each connection.
async fn open_sessions(
    address: &PgConnectOptions,
    migration: Option<&PgConnectOptions>,
    options: &OpenOptions,
) -> Result<PostgresPool, OpenError> {
    let schema = options.schema.as_deref();
    let mut session = Session::open(address, schema, SETTING).await?;
    if let Some(receipt) = options.expect_receipt {
        expect::session(&mut session.conn, receipt).await?;
    }
    let (connect, settings) = (session.connect, session.settings);
    if options.mode == OpenMode::Function {
        migrate::check_postgres(session.conn).await?;
    } else {
        let (conn, role) = match migration {
            Some(migration) => (migration_session(migration, schema).await?, migration.get_username()),
            None => (for_migrations(session.conn, schema).await?, address.get_username()),
        };
        migrate::postgres(conn, schema, role).await?;
    }
    let mut pool = pool_options(options);
    if let Some(settings) = settings {
        pool = pool.after_connect(move |conn, _| {
            let settings = settings.clone();
            Box::pin(async move { sqlx::raw_sql(settings).execute(conn).await.map(drop) })
        });
    }
    let pool = PostgresPool::of_sessions(connect_pool(pool, connect).await?);
    arrives_in(&mut pool.reader().await.map_err(prepare_error)?, schema).await?;
    Ok(pool)
}

/// Nothing outlives a transaction: no statement, no setting, no lock.
async fn open_transactions(
    address: &PgConnectOptions,
    migration: Option<&PgConnectOptions>,
    options: &OpenOptions,
) -> Result<PostgresPool, OpenError> {
    let schema = options.schema.as_deref();
    let connect = address.clone().statement_cache_capacity(0);
    let pool = connect_pool(pool_options(options), connect).await?;
    let pool = PostgresPool::of_transactions(pool, Begin::new(schema));
    if let Some(receipt) = options.expect_receipt {
        expect::transaction(&mut pool.reader().await.map_err(prepare_error)?, receipt).await?;
    }
    match (is_current(&pool, schema).await, migration) {
        (Err(OpenError::Behind), Some(migration)) if options.mode != OpenMode::Function => {
            let conn = migration_session(migration, schema).await?;
            migrate::postgres(conn, schema, migration.get_username()).await?;
            // The migrations may have gone to another database.
            is_current(&pool, schema).await?;
        }
        (Err(OpenError::Behind), None) if options.mode != OpenMode::Function => return Err(OpenError::BehindPooler),
        (checked, _) => checked?,
    }
    Ok(pool)
}

async fn is_current(pool: &PostgresPool, schema: Option<&str>) -> Result<(), OpenError> {
    let mut db = pool.reader().await.map_err(prepare_error)?;
    match arrives_in(&mut db, schema).await {
        Err(OpenError::WrongSchema { .. }) if !exists(&mut db, schema).await? => Err(OpenError::Behind),
        Err(error) => Err(error),
        Ok(()) => migrate::check_in_transaction(&mut db).await,
    }
}

/// Refuses when statements would meet the tables of somebody else.
async fn arrives_in(db: &mut PostgresDb, schema: Option<&str>) -> Result<(), OpenError> {
    let Some(wanted) = schema else { return Ok(()) };
    let found = db.scalar(sqlx::query_scalar("SELECT current_schema()::text")).await.map_err(OpenError::Prepare)?;
    migrate::is_schema(found.flatten(), wanted)
}

async fn exists(db: &mut PostgresDb, schema: Option<&str>) -> Result<bool, OpenError> {
    let known = sqlx::query_scalar::<_, i32>("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
    Ok(db.scalar(known).await.map_err(OpenError::Prepare)?.is_some())
}

fn pool_options(options: &OpenOptions) -> PgPoolOptions {
    let pool: PgPoolOptions = PoolOptions::new();
    pool.max_connections(options.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // A connection that has just been used is alive; one that rested may have been cut by a restart or a firewall.
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > Duration::from_secs(2) {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
}

async fn connect_pool(pool: PgPoolOptions, connect: PgConnectOptions) -> Result<PgPool, OpenError> {
    pool.connect_with(connect).await.map_err(migrate::connect_error)
}

async fn migration_session(address: &PgConnectOptions, schema: Option<&str>) -> Result<PgConnection, OpenError> {
    if address.get_port() == TRANSACTION_PORT {
        return Err(OpenError::TransactionPooler { setting: MIGRATION_SETTING });
    }
    for_migrations(Session::open(address, schema, MIGRATION_SETTING).await?.conn, schema).await
}

/// A migration may take longer than a request's statement.
async fn for_migrations(mut conn: PgConnection, schema: Option<&str>) -> Result<PgConnection, OpenError> {
    sqlx::raw_sql(set(schema, Duration::ZERO)).execute(&mut conn).await.map_err(OpenError::Prepare)?;
    Ok(conn)
}

/// A connection that has proved to be a session, and how all others are made.
struct Session {
    conn: PgConnection,
    connect: PgConnectOptions,
    /// To be said on each new connection, where a pooler takes no settings while connecting.
    settings: Option<SqlStr>,
}

impl Session {
    async fn open(address: &PgConnectOptions, schema: Option<&str>, setting: &'static str) -> Result<Self, OpenError> {
        let timeout = STATEMENT_TIMEOUT.as_millis().to_string();
        let mut connect = address.clone().options([("statement_timeout", timeout.as_str())]);
        if let Some(schema) = schema {
            connect = connect.options([("search_path", schema)]);
        }
        let (pair, mut settings) = match connect_two(&connect).await {
            Err(error) if refuses_settings(&error) => {
                connect = address.clone();
                (connect_two(&connect).await, Some(set(schema, STATEMENT_TIMEOUT)))
            }
            pair => (pair, None),
        };
        let (mut conn, mut other) = pair.map_err(migrate::connect_error)?;
        if share_sessions(&mut conn, &mut other).await? {
            return Err(OpenError::TransactionPooler { setting });
        }
        other.close().await.map_err(OpenError::Prepare)?;
        // Before now this would have changed a session of somebody else.
        if settings.is_none() && !has_settings(&mut conn, schema, &timeout).await.map_err(OpenError::Prepare)? {
            settings = Some(set(schema, STATEMENT_TIMEOUT));
        }
        if let Some(settings) = &settings {
            sqlx::raw_sql(settings.clone()).execute(&mut conn).await.map_err(OpenError::Prepare)?;
        }
        Ok(Self { conn, connect, settings })
    }
}

async fn connect_two(options: &PgConnectOptions) -> Result<(PgConnection, PgConnection), sqlx::Error> {
    tokio::try_join!(PgConnection::connect_with(options), PgConnection::connect_with(options))
}

/// PgBouncer's words, which come with the general code of a protocol violation.
fn refuses_settings(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

fn set(schema: Option<&str>, statement_timeout: Duration) -> SqlStr {
    let path = schema.map(|schema| format!("SET search_path TO \"{schema}\"; ")).unwrap_or_default();
    // `valid_schema` let only [a-z_][a-z0-9_]* through.
    AssertSqlSafe(format!("{path}SET statement_timeout TO {}", statement_timeout.as_millis())).into_sql_str()
}

/// A pooler may take settings and drop them.
async fn has_settings(conn: &mut PgConnection, schema: Option<&str>, timeout: &str) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT setting, current_setting('search_path') FROM pg_settings WHERE name = 'statement_timeout'",
    );
    let row = row.fetch_one(conn).await?;
    let (found, path): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(found == timeout && schema.is_none_or(|schema| schema == path))
}

/// Whether the two are fed from a common stock of sessions, as by a pooler in transaction mode.
///
/// An idle one shows it at once: it gives each statement the next session, or both clients the one that was used last. A
/// busy one gives what is free, which is the same as before by chance, and so it takes more looks. Nothing is said that
/// outlives its statement in another client's session, and none is held while another is waited for.
pub(crate) async fn share_sessions(one: &mut PgConnection, other: &mut PgConnection) -> Result<bool, OpenError> {
    let looks = async {
        let mine = session_of(one).await?;
        if session_of(one).await? != mine {
            return Ok(true);
        }
        let theirs = session_of(other).await?;
        if theirs == mine {
            return Ok(true);
        }
        for _ in 0..LOOKS {
            if tokio::try_join!(session_of(one), session_of(other))? != (mine, theirs) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    // Some poolers let a client wait for long instead of refusing it.
    let looked = timeout(ACQUIRE_TIMEOUT, looks).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    looked.map_err(|source| match source {
        sqlx::Error::PoolTimedOut => {
            OpenError::Connect { reason: "a second connection gets no answer".to_owned(), source }
        }
        source => migrate::connect_error(source),
    })
}

/// The server process behind a connection at this moment; by the simple protocol, which any pooler keeps together.
async fn session_of(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(conn).await?.try_get(0)
}
