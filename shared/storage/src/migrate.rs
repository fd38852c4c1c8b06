//! Brings the tables to this version, or says why not.

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, SqliteConnection,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use crate::OpenError;

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Serialises the making of the schema and the migrations among processes that start at once. Any constant will do.
const MIGRATION_LOCK: i64 = 0x6c6c_6d61_7069;

pub(crate) async fn sqlite(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    SQLITE.run(conn).await.map_err(explain)
}

/// Makes the schema when it is missing and migrates, over a connection of its own.
pub(crate) async fn postgres(options: &PgConnectOptions, schema: Option<&str>) -> Result<(), OpenError> {
    let mut conn = connect(options).await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut conn)
        .await
        .map_err(OpenError::Prepare)?;
    if let Some(schema) = schema {
        ensure_schema(&mut conn, schema, options.get_username()).await?;
    }
    let migrated = POSTGRES.run(&mut conn).await.map_err(explain);
    // Closing the connection gives the lock back.
    conn.close().await.map_err(OpenError::Prepare)?;
    migrated
}

pub(crate) async fn check_sqlite(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    check(conn, &SQLITE).await
}

pub(crate) async fn check_postgres(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut conn = connect(options).await?;
    let checked = check(&mut conn, &POSTGRES).await;
    conn.close().await.map_err(OpenError::Prepare)?;
    checked
}

/// Whether the database is exactly at the version of this program; changes nothing.
async fn check<C: Migrate>(conn: &mut C, migrator: &Migrator) -> Result<(), OpenError> {
    // The table of migrations is missing on an empty database: that is "behind", whatever words the driver has for it.
    let applied = conn.list_applied_migrations("_sqlx_migrations").await.map_err(|_| OpenError::Behind)?;
    if let Some(newer) = applied.iter().find(|applied| !migrator.version_exists(applied.version)) {
        return Err(OpenError::Newer { version: newer.version });
    }
    if applied.len() < migrator.iter().count() {
        return Err(OpenError::Behind);
    }
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    PgConnection::connect_with(options).await.map_err(connect_error)
}

pub(crate) fn connect_error(source: sqlx::Error) -> OpenError {
    let reason = match &source {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("28P01" | "28000") => "the user name or the password is wrong".to_owned(),
            Some("3D000") => "there is no such database".to_owned(),
            _ => database.message().to_owned(),
        },
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        _ => "the connection failed".to_owned(),
    };
    OpenError::Connect { reason, source }
}

async fn ensure_schema(conn: &mut PgConnection, schema: &str, role: &str) -> Result<(), OpenError> {
    let known: Option<(i32,)> = sqlx::query_as("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_optional(&mut *conn)
        .await
        .map_err(OpenError::Prepare)?;
    if known.is_some() {
        return Ok(());
    }
    // An identifier cannot be a parameter; `valid_schema` let only [a-z_][a-z0-9_]* through.
    let statement = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
    sqlx::query(statement).execute(conn).await.map_err(|error| match &error {
        sqlx::Error::Database(database) if database.code().as_deref() == Some("42501") => {
            OpenError::SchemaMissing { schema: schema.to_owned(), role: role.to_owned() }
        }
        _ => OpenError::Prepare(error),
    })?;
    Ok(())
}

fn explain(error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => OpenError::Newer { version },
        MigrateError::VersionMismatch(version) => OpenError::Changed { version },
        other => OpenError::Migrate(other),
    }
}
