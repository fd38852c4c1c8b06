//! In a corner of somebody else's PostgreSQL: rights, neighbours, poolers, and Supabase's Data API.

use llm_api_testkit::{Cluster, Database, Pooler, Pooling, Tls};

use super::Diagnosis;
use crate::support::Site;

/// A role that owns nothing, in a database that is not its own.
async fn tenant() -> (Site, String) {
    let mut site = Site::new(Database::Postgres).await;
    let name = site.database.as_ref().expect("a database").name.clone();
    let role = format!("tenant_of_{name}");
    let cluster = Cluster::shared().await;
    cluster.admin(format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", cluster.password())).await;
    site.set("DATABASE_SCHEMA", "llm_api");
    site.set("DATABASE_URL", &cluster.url(&name, Tls::Off).replace("app:", &format!("{role}:")));
    (site, role)
}

#[tokio::test]
async fn a_schema_that_is_not_there_or_may_not_be_used_is_told_with_the_sql() {
    let (site, role) = tenant().await;
    let found = Diagnosis::of(&site, 1).await;
    let told = found.told("schema", "fail");
    assert!(told.contains(&format!("run `CREATE SCHEMA \"llm_api\" AUTHORIZATION \"{role}\"`")), "{told}");
    assert_eq!(found.all("skip"), ["migrations", "vault", "freeze", "clock", "database"]);

    site.sql("CREATE SCHEMA llm_api").await;
    let found = Diagnosis::of(&site, 1).await;
    let grant = format!("run `GRANT USAGE, CREATE ON SCHEMA \"llm_api\" TO \"{role}\"`");
    assert!(found.told("schema", "fail").contains(&grant), "{found:#?}");
    site.sql(&format!("GRANT USAGE ON SCHEMA llm_api TO {role}")).await;
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("schema", "fail").contains("has no CREATE right"), "{found:#?}");

    site.sql("CREATE TABLE llm_api.users (id INT)").await;
    site.sql(&format!("GRANT CREATE ON SCHEMA llm_api TO {role}")).await;
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("schema", "fail").contains("tables of another application by the names of ours: users"));
    site.sql("DROP TABLE llm_api.users").await;
    site.run(&["migrate"], "").await.expect(0);
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("schema", "ok").contains("USAGE and CREATE"), "{found:#?}");

    Cluster::shared().await.admin(format!("GRANT {role} TO app")).await;
    site.sql("ALTER TABLE llm_api.users OWNER TO app").await;
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("schema", "fail").contains("may not read and write users"), "{found:#?}");
}

#[tokio::test]
async fn what_supabase_would_show_to_everybody_is_a_warning() {
    let (mut site, role) = tenant().await;
    let make =
        "DO $$ BEGIN CREATE ROLE anon; CREATE ROLE authenticated; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    Cluster::shared().await.admin(make.to_owned()).await;
    site.sql(&format!("CREATE SCHEMA llm_api; GRANT ALL ON SCHEMA llm_api TO {role}")).await;
    site.run(&["migrate"], "").await.expect(0);
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("data-api", "ok").contains("may not use \"llm_api\""), "{found:#?}");

    site.sql("GRANT USAGE ON SCHEMA llm_api TO anon").await;
    let found = Diagnosis::of(&site, 0).await;
    let told = found.told("data-api", "warn");
    assert!(told.starts_with("anon may use \"llm_api\""), "{told}");
    assert!(told.contains("REVOKE ALL ON SCHEMA \"llm_api\" FROM PUBLIC, anon, authenticated"), "{told}");

    // In `public` that is how Supabase comes.
    let app = site.database.as_ref().expect("a database").url.clone();
    site.set("DATABASE_URL", &app);
    site.set("DATABASE_SCHEMA", "public");
    let name = site.database.as_ref().expect("a database").name.clone();
    Cluster::shared().await.admin(format!("ALTER DATABASE {name} OWNER TO app")).await;
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("data-api", "warn").contains("set LLM_API_DATABASE_SCHEMA=llm_api"), "{found:#?}");
    site.run(&["migrate"], "").await.expect(0);
    site.sql("GRANT SELECT ON users, provider_keys TO anon").await;
    let told = Diagnosis::of(&site, 0).await.told("data-api", "warn");
    assert!(told.contains("run `REVOKE ALL ON provider_keys, users FROM PUBLIC, anon, authenticated`"), "{told}");
}

#[tokio::test]
async fn poolers_are_compared_with_what_is_set() {
    let mut site = Site::new(Database::Postgres).await;
    let name = site.database.as_ref().expect("a database").name.clone();
    let direct = Cluster::shared().await.url(&name, Tls::Off);
    site.run(&["migrate"], "").await.expect(0);

    let sessions = Pooler::start(Pooling::Session, 5, &[]).await;
    site.set("DATABASE_URL", &sessions.url(&name, Tls::Require));
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("pooler", "ok").contains("gives sessions"), "{found:#?}");

    let transactions = Pooler::start(Pooling::Transaction, 2, &[]).await;
    site.set("DATABASE_URL", &transactions.url(&name, Tls::Require));
    let found = Diagnosis::of(&site, 1).await;
    assert_eq!(found.all("fail"), ["pooler"], "{found:#?}");
    assert!(found.told("pooler", "fail").contains("set LLM_API_DATABASE_POOL_MODE=transaction"), "{found:#?}");
    site.set("DATABASE_POOL_MODE", "transaction");
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("pooler", "ok").contains("gives transactions"), "{found:#?}");

    // Behind, there is only one way: and it must lead somewhere.
    let newest = site.sql("SELECT max(version) FROM _sqlx_migrations").await.remove(0);
    site.sql(&format!("DELETE FROM _sqlx_migrations WHERE version = {newest}")).await;
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("migrations", "fail").contains("set LLM_API_MIGRATION_DATABASE_URL"), "{found:#?}");
    site.set("MIGRATION_DATABASE_URL", &direct.replace(Cluster::shared().await.password(), "hunter2"));
    let found = Diagnosis::of(&site, 1).await;
    let told = found.told("migrations", "fail");
    assert!(told.contains("LLM_API_MIGRATION_DATABASE_URL: the user name or the password is wrong"), "{told}");
    site.set("MIGRATION_DATABASE_URL", &direct);
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("migrations", "warn").contains("`llm-api migrate`"), "{found:#?}");

    site.set("DATABASE_URL", &direct);
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("pooler", "warn").contains("set LLM_API_DATABASE_POOL_MODE=session"), "{found:#?}");
}
