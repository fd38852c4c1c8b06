//! Brings the tables to this version, or says why not.

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, SqliteConnection,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::{OpenError, db::PostgresDb};

pub(crate) static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Serialises the making of the schema and the migrations among processes that start at once. Any constant will do.
const MIGRATION_LOCK: i64 = 0x6c6c_6d61_7069;

const UNDEFINED_TABLE: &str = "42P01";

/// The migrations of this program, the same on both databases.
pub(crate) fn versions() -> Vec<i64> {
    SQLITE.iter().map(|migration| migration.version).collect()
}

pub(crate) async fn sqlite(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    SQLITE.run(conn).await.map_err(explain)
}

/// Makes the schema when it is missing and migrates, over a session of its own.
pub(crate) async fn postgres(mut conn: PgConnection, schema: Option<&str>, role: &str) -> Result<(), OpenError> {
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut conn)
        .await
        .map_err(OpenError::Prepare)?;
    if let Some(schema) = schema {
        ensure_schema(&mut conn, schema, role).await?;
        let found = sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut conn).await;
        is_schema(found.map_err(OpenError::Prepare)?, schema)?;
    }
    let migrated = POSTGRES.run(&mut conn).await.map_err(explain);
    // Closing the connection gives the lock back.
    conn.close().await.map_err(OpenError::Prepare)?;
    migrated
}

pub(crate) async fn check_sqlite(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    check(conn, &SQLITE).await
}

pub(crate) async fn check_postgres(mut conn: PgConnection) -> Result<(), OpenError> {
    let checked = check(&mut conn, &POSTGRES).await;
    conn.close().await.map_err(OpenError::Prepare)?;
    checked
}

/// The same in one transaction, which is all that some poolers give.
pub(crate) async fn check_in_transaction(db: &mut PostgresDb) -> Result<(), OpenError> {
    match db.all(sqlx::query_as("SELECT version FROM _sqlx_migrations")).await {
        Ok(applied) => compare(&applied.into_iter().map(|(version,)| version).collect::<Vec<_>>(), &POSTGRES),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Err(OpenError::Behind),
        Err(error) => Err(OpenError::Prepare(error)),
    }
}

/// Whether this is where statements arrive; `found` is nothing where the role may not use the schema.
pub(crate) fn is_schema(found: Option<String>, wanted: &str) -> Result<(), OpenError> {
    if found.as_deref() == Some(wanted) {
        return Ok(());
    }
    Err(OpenError::WrongSchema { wanted: wanted.to_owned(), found: found.unwrap_or_else(|| "(none)".to_owned()) })
}

/// Whether the database is exactly at the version of this program; changes nothing.
async fn check<C: Migrate>(conn: &mut C, migrator: &Migrator) -> Result<(), OpenError> {
    // The table of migrations is missing on an empty database: that is "behind", whatever words the driver has for it.
    let applied = conn.list_applied_migrations("_sqlx_migrations").await.map_err(|_| OpenError::Behind)?;
    compare(&applied.iter().map(|applied| applied.version).collect::<Vec<_>>(), migrator)
}

fn compare(applied: &[i64], migrator: &Migrator) -> Result<(), OpenError> {
    if let Some(newer) = applied.iter().find(|version| !migrator.version_exists(**version)) {
        return Err(OpenError::Newer { version: *newer });
    }
    if applied.len() < migrator.iter().count() {
        return Err(OpenError::Behind);
    }
    Ok(())
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
