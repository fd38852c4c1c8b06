//! PostgreSQL as operators run it: several servers, schemas, certificates, and strange passwords.

use std::path::Path;

use futures_util::future::join_all;
use llm_api_testkit::{Cluster, Database, FakeProvider, Server, Tls};

use crate::{
    db_copy::rounds,
    support::{Site, another_authority, eventually, get, sign_in},
};

/// The last migration of an older version: what came later adds to tables with rows.
const OLDER: i64 = 5;

async fn site() -> Site {
    Site::new(Database::Postgres).await
}

fn name(site: &Site) -> String {
    site.database.as_ref().expect("a database").name.clone()
}

async fn admin(statement: String) -> Vec<String> {
    Cluster::shared().await.admin(statement).await
}

#[tokio::test]
async fn four_servers_that_start_at_once_on_an_empty_database_all_come_up() {
    for _ in 0..rounds(1) {
        four_at_once(site().await).await;
    }
}

/// As when a supervisor starts all of them after an upgrade.
#[tokio::test]
async fn four_servers_that_start_at_once_on_an_older_schema_all_come_up() {
    for _ in 0..rounds(1) {
        let site = site().await;
        make_older(&site).await;
        four_at_once(site).await;
    }
}

/// Makes the tables as that version had them, and notes it as the driver does.
async fn make_older(site: &Site) {
    let current = self::site().await;
    current.run(&["migrate"], "").await.expect(0);
    let applied = format!(
        "SELECT format('INSERT INTO _sqlx_migrations VALUES (%s, %L, now(), true, %L, 0)', version, description, checksum)
         FROM _sqlx_migrations WHERE version <= {OLDER} ORDER BY version"
    );
    site.sql(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL,
         execution_time BIGINT NOT NULL)",
    )
    .await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let older = files.iter().zip(1..=OLDER);
    for ((file, _), noted) in older.zip(current.sql(&applied).await) {
        site.sql(&std::fs::read_to_string(file).expect("a migration")).await;
        site.sql(&noted).await;
    }
}

async fn four_at_once(site: Site) {
    let servers = join_all((0..4).map(|_| site.start())).await;
    // One of them has the invite; all of them saw the same empty server.
    let greeted = || {
        let stdout: String = servers.iter().map(Server::stdout).collect();
        let all = stdout.matches("Welcome to llm-api.").count() == 4;
        all.then(|| assert!(stdout.contains("\"invite_token\":\"lai_"), "{stdout}"))
    };
    eventually("all of them say welcome", async || greeted()).await;
    site.add_user("ada").await;
    for server in &servers {
        let token = sign_in(&server.http(), "ada").await;
        for other in &servers {
            assert_eq!(get(&other.http(), &token, "/v1/users/me").await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_schema_is_made_and_shares_nothing_with_its_neighbours() {
    let mut site = site().await;
    for schema in ["team_a", "team_b"] {
        site.set("DATABASE_SCHEMA", schema);
        site.add_user(&format!("ada_of_{schema}")).await;
        let server = site.start().await;
        sign_in(&server.http(), &format!("ada_of_{schema}")).await;
    }
    let tables = "SELECT DISTINCT table_schema FROM information_schema.tables \
        WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    assert_eq!(site.sql(tables).await, ["team_a", "team_b"]);
    let users = |schema: &str| format!("SELECT username FROM {schema}.users WHERE kind = 'person'");
    assert_eq!(site.sql(&users("team_a")).await, ["ada_of_team_a"]);
    assert_eq!(site.sql(&users("team_b")).await, ["ada_of_team_b"]);

    site.set("DATABASE_SCHEMA", "Robert'); DROP TABLE users;--");
    let refused = site.run(&["migrate"], "").await.expect(78);
    assert!(refused.stderr.contains("LLM_API_DATABASE_SCHEMA may hold a-z, 0-9 and _"), "{refused:?}");
}

#[tokio::test]
async fn the_certificate_is_checked_when_asked_for() {
    let cluster = Cluster::shared().await;
    let mut site = site().await;
    let name = name(&site);
    site.set("DATABASE_URL", &cluster.url(&name, Tls::VerifyFull));
    let server = site.start().await;
    assert_eq!(server.http().get("/ready").send().await.status, 200);
    let sessions = format!(
        "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
         WHERE a.datname = '{name}' AND a.application_name = 'llm-api'"
    );
    assert_eq!(admin(sessions).await, ["t"]);
    drop(server);

    // The same authority by its own setting.
    let plain = format!("{}?sslmode=verify-full", cluster.url(&name, Tls::Off).split('?').next().expect("an address"));
    site.set("DATABASE_URL", &plain);
    site.set("DATABASE_ROOT_CERT", &cluster.ca_path().display().to_string());
    site.run(&["migrate"], "").await.expect(0);
    // And by its text, as functions have it.
    let text = |file: &Path| std::fs::read_to_string(file).expect("a certificate");
    site.set("DATABASE_ROOT_CERT", &text(&cluster.ca_path()));
    site.run(&["migrate"], "").await.expect(0);

    let wrong = another_authority(&site.dir).await;
    for certificate in [&wrong, &text(Path::new(&wrong))] {
        site.set("DATABASE_ROOT_CERT", certificate);
        let refused = site.run(&["migrate"], "").await.expect(1);
        assert!(
            refused.stderr.starts_with("llm-api: cannot connect to the database: invalid peer certificate"),
            "{refused:?}"
        );
    }
    let refused = site.run(&["migrate"], "").await.expect(1);
    assert!(!refused.stderr.contains(cluster.password()), "{refused:?}");
    site.set("DATABASE_URL", &format!("{plain}&sslrootcert={wrong}"));
    site.run(&["migrate"], "").await.expect(1);
}

#[tokio::test]
async fn a_password_with_odd_characters_works_when_it_is_percent_encoded() {
    let mut site = site().await;
    let name = name(&site);
    let port = Cluster::shared().await.port();
    admin(format!("CREATE ROLE odd_{name} LOGIN PASSWORD 'p@ss:w/o#r?d%&=+ é[]'")).await;
    admin(format!("ALTER DATABASE {name} OWNER TO odd_{name}")).await;
    let address = |password: &str| format!("postgres://odd_{name}:{password}@127.0.0.1:{port}/{name}?sslmode=disable");

    site.set("DATABASE_URL", &address("p%40ss%3Aw%2Fo%23r%3Fd%25%26%3D%2B%20%C3%A9%5B%5D"));
    let server = site.start().await;
    assert_eq!(server.http().get("/ready").send().await.status, 200);

    // As it is, it is no address; the sentence says what to write, and shows none of it.
    site.set("DATABASE_URL", &address("p@ss:w/o#r?d%&=+ é[]"));
    let refused = site.run(&["migrate"], "").await.expect(78);
    assert!(refused.stderr.contains("write @ as %40") && !refused.stderr.contains("ss:w"), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_is_down_at_start_is_a_failure_that_a_supervisor_tries_again() {
    let mut site = site().await;
    // A closed port is what a stopped database looks like.
    let port = FakeProvider::start().await.port();
    site.set("DATABASE_URL", &format!("postgres://app:hunter2@127.0.0.1:{port}/x?sslmode=disable"));
    let refused = site.run(&["serve"], "").await.expect(1);
    assert!(refused.stderr.starts_with("llm-api: cannot connect to the database: "), "{refused:?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
}
