//! One signed-in connection to Postgres. Every question is a read-only transaction of its own, so it is safe behind any
//! pooler and changes nothing.

use llm_api_domain::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqlStr,
    postgres::{PgConnectOptions, PgSslMode},
};
use uuid::Uuid;

use super::{APPLIED, CANARIES, CertificateProblem, FREEZE, FreezeFacts, MigrationState, ProbeError, RECEIPTS, words};
use crate::{DatabaseAddress, OpenError, TABLES, migrate, open, pool::Begin};

/// The roles of Supabase's Data API.
const DATA_API: [&str; 2] = ["anon", "authenticated"];
/// Ours, but not moved by a copy.
const OTHER_TABLES: [&str; 4] = ["_sqlx_migrations", "maintenance", "throttles", "transfer_receipts"];

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginProblem {
    #[error("the user name or the password is wrong")]
    Password,
    #[error("there is no such database")]
    NoDatabase,
    /// `pg_hba.conf` has no line for us, or the role may not log in.
    #[error("{0}")]
    NotAllowed(String),
    /// Supabase's pooler tells projects apart by the user name.
    #[error("the pooler knows no project by this user name")]
    NoTenant,
    #[error("the server takes no more connections: {0}")]
    TooMany(String),
    #[error("the server is starting or stopping")]
    NotYet,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("{0}")]
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInProblem {
    /// Nothing was said to the server yet, so no failed login is counted there.
    #[error(transparent)]
    Certificate(CertificateProblem),
    #[error(transparent)]
    Login(LoginProblem),
}

/// The schema that statements arrive in, and who may do what there.
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of the database, and none follows from another")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaFacts {
    /// The one that is set, or where the search path leads; `None` when that is nowhere.
    pub name: Option<String>,
    pub role: String,
    pub exists: bool,
    /// Whether the role may make a schema in this database.
    pub may_make: bool,
    pub may_use: bool,
    pub may_create: bool,
    /// Tables there by the names of ours.
    pub tables: Vec<String>,
    /// Those of them that the role cannot read and write.
    pub closed: Vec<String>,
    /// Those of them that Supabase's Data API could read or write, if it served this schema.
    pub open: Vec<String>,
    /// Of Supabase's Data API and everybody: those who may use the schema. Empty where that API is not.
    pub exposed_to: Vec<String>,
    /// Whether the database belongs to Supabase, or has roles of the same names.
    pub has_data_api: bool,
}

#[derive(Debug)]
pub struct PostgresProbe {
    conn: PgConnection,
    connect: PgConnectOptions,
    begin: SqlStr,
    schema: Option<String>,
}

impl PostgresProbe {
    /// Signs in as the address says. `schema` has been checked by [`super::is_schema_name`].
    pub async fn sign_in(address: &DatabaseAddress, schema: Option<&str>) -> Result<Self, SignInProblem> {
        let DatabaseAddress::Postgres(options) = address else { return Err(no_server()) };
        Self::connect(options.as_ref().clone(), schema).await
    }

    /// Signs in only by TLS that is checked as `verify-full` does, whatever the address says. A bad certificate is found
    /// before the server is told anything.
    pub async fn sign_in_verified(address: &DatabaseAddress, schema: Option<&str>) -> Result<Self, SignInProblem> {
        let DatabaseAddress::Postgres(options) = address else { return Err(no_server()) };
        Self::connect(options.as_ref().clone().ssl_mode(PgSslMode::VerifyFull), schema).await
    }

    async fn connect(options: PgConnectOptions, schema: Option<&str>) -> Result<Self, SignInProblem> {
        // Behind a pooler of transactions nothing may be kept prepared.
        let connect = options.statement_cache_capacity(0).disable_statement_logging();
        let conn = PgConnection::connect_with(&connect).await.map_err(|error| problem(&error))?;
        let schema = schema.map(str::to_owned);
        Ok(Self { conn, connect, begin: Begin::new(schema.as_deref()).read_only(), schema })
    }

    /// Whether a connection is a session; false behind a pooler of transactions. Takes a second connection.
    pub async fn gives_sessions(&mut self) -> Result<bool, LoginProblem> {
        let mut other = PgConnection::connect_with(&self.connect).await.map_err(|error| login_problem(&error))?;
        let shared = open::share_sessions(&mut self.conn, &mut other).await;
        // It has done its work, however it ends.
        let _ = other.close().await;
        match shared {
            Ok(shared) => Ok(!shared),
            Err(OpenError::Connect { reason, .. }) => Err(LoginProblem::Broken(reason)),
            Err(error) => Err(LoginProblem::Other(error.to_string())),
        }
    }

    async fn look<T>(
        &mut self,
        questions: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, ProbeError> {
        sqlx::raw_sql(self.begin.clone()).execute(&mut self.conn).await?;
        let found = questions(&mut self.conn).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await?;
        Ok(found?)
    }

    pub async fn schema(&mut self) -> Result<SchemaFacts, ProbeError> {
        let wanted = self.schema.clone();
        self.look(async |conn| schema_facts(conn, wanted).await).await
    }

    pub(super) async fn migrations(&mut self) -> Result<MigrationState, ProbeError> {
        self.look(async |conn| {
            let known = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").persistent(false);
            let known: bool = known.fetch_one(&mut *conn).await?;
            let applied = match known {
                true => sqlx::query_as(APPLIED).persistent(false).fetch_all(conn).await?,
                false => Vec::new(),
            };
            Ok(MigrationState::of(&applied, &migrate::POSTGRES))
        })
        .await
    }

    pub(super) async fn canaries(&mut self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ProbeError> {
        self.look(async |conn| sqlx::query_as(CANARIES).persistent(false).fetch_all(conn).await).await
    }

    pub(super) async fn freeze(&mut self) -> Result<FreezeFacts, ProbeError> {
        let found = self.look(async |conn| sqlx::query_as(FREEZE).persistent(false).fetch_one(conn).await).await;
        found.map(|(state, reason)| FreezeFacts { state, reason })
    }

    pub(super) async fn has_receipt(&mut self, receipt: Uuid) -> Result<bool, ProbeError> {
        let count = sqlx::query_scalar::<_, i64>(RECEIPTS).bind(receipt).persistent(false);
        self.look(async |conn| Ok(count.fetch_one(conn).await? > 0)).await
    }

    pub(super) async fn size(&mut self) -> Result<(String, u64), ProbeError> {
        let facts = "SELECT current_setting('server_version'), pg_database_size(current_database())";
        let (version, size): (String, i64) =
            self.look(async |conn| sqlx::query_as(facts).persistent(false).fetch_one(conn).await).await?;
        Ok((format!("PostgreSQL {version}"), u64::try_from(size).unwrap_or_default()))
    }

    pub(super) async fn now(&mut self) -> Result<Timestamp, ProbeError> {
        let now = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint";
        let now = self.look(async |conn| sqlx::query_scalar(now).persistent(false).fetch_one(conn).await).await?;
        Ok(Timestamp::from_micros(now))
    }
}

async fn schema_facts(conn: &mut PgConnection, wanted: Option<String>) -> Result<SchemaFacts, sqlx::Error> {
    let place =
        "SELECT current_schema()::text, current_user::text, has_database_privilege(current_database(), 'CREATE')";
    let place = sqlx::query_as(place).persistent(false);
    let (arrives, role, may_make): (Option<String>, String, bool) = place.fetch_one(&mut *conn).await?;
    let mut facts = SchemaFacts { name: wanted.or(arrives), role, may_make, ..SchemaFacts::default() };
    let Some(name) = facts.name.as_deref() else { return Ok(facts) };

    let rights = "SELECT has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE')
        FROM pg_namespace WHERE nspname = $1";
    let rights = sqlx::query_as(rights).bind(name).persistent(false);
    let rights: Option<(bool, bool)> = rights.fetch_optional(&mut *conn).await?;
    let Some((may_use, may_create)) = rights else { return Ok(facts) };
    (facts.exists, facts.may_use, facts.may_create) = (true, may_use, may_create);

    let roles = sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1) ORDER BY 1");
    let roles: Vec<String> = roles.bind(&DATA_API[..]).persistent(false).fetch_all(&mut *conn).await?;
    facts.has_data_api = !roles.is_empty();

    // What everybody may do, these roles may do, too.
    let tables = "SELECT c.relname::text,
            has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'),
            EXISTS (SELECT 1 FROM unnest($2::text[]) AS role
                WHERE has_table_privilege(role::name, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1";
    let tables = sqlx::query_as(tables).bind(name).bind(&roles).persistent(false);
    let tables: Vec<(String, bool, bool)> = tables.fetch_all(&mut *conn).await?;
    for (table, is_ours_to_use, is_open) in tables.into_iter().filter(|(table, ..)| is_ours(table)) {
        if !is_ours_to_use {
            facts.closed.push(table.clone());
        }
        if is_open {
            facts.open.push(table.clone());
        }
        facts.tables.push(table);
    }

    if facts.has_data_api {
        let exposed = "SELECT CASE role WHEN 'public' THEN 'PUBLIC' ELSE role END
            FROM unnest('{public}'::text[] || $2::text[]) AS role WHERE has_schema_privilege(role::name, $1, 'USAGE')";
        let exposed = sqlx::query_scalar(exposed).bind(name).bind(&roles).persistent(false);
        facts.exposed_to = exposed.fetch_all(conn).await?;
    }
    Ok(facts)
}

fn is_ours(table: &str) -> bool {
    TABLES.iter().any(|known| known.name == table) || OTHER_TABLES.contains(&table)
}

fn no_server() -> SignInProblem {
    SignInProblem::Login(LoginProblem::Other("an SQLite file has no server".to_owned()))
}

fn problem(error: &sqlx::Error) -> SignInProblem {
    match CertificateProblem::of(error) {
        Some(problem) => SignInProblem::Certificate(problem),
        None => SignInProblem::Login(login_problem(error)),
    }
}

fn login_problem(error: &sqlx::Error) -> LoginProblem {
    let sqlx::Error::Database(database) = error else {
        return LoginProblem::Broken(words(error));
    };
    let message = database.message();
    let lower = message.to_lowercase();
    match database.code().as_deref() {
        Some("28P01") => LoginProblem::Password,
        Some("3D000") => LoginProblem::NoDatabase,
        Some("28000" | "42501") => LoginProblem::NotAllowed(message.to_owned()),
        Some("53300") => LoginProblem::TooMany(message.to_owned()),
        Some("57P03") => LoginProblem::NotYet,
        // Poolers use codes of a general kind, so only their words tell.
        _ if lower.contains("password authentication failed") || lower.contains("auth failed") => {
            LoginProblem::Password
        }
        _ if lower.contains("tenant or user not found") => LoginProblem::NoTenant,
        _ if lower.contains("max clients") || lower.contains("no more connections") => {
            LoginProblem::TooMany(message.to_owned())
        }
        _ if lower.contains("no such database") || (lower.contains("database") && lower.contains("does not exist")) => {
            LoginProblem::NoDatabase
        }
        _ => LoginProblem::Other(message.to_owned()),
    }
}
