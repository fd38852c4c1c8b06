//! PostgreSQL by way of PgBouncer, as Supabase and others give it: one schema of a database that belongs to others, a
//! role that owns nothing else, and no more connections than they please.

mod copy;
mod race;

use llm_api_testkit::{Cluster, Database, ENCRYPTION_KEY, FakeProvider, Pooler, Pooling, Server};
use serde_json::{Value, json};

use crate::support::{Site, chat, eventually, get, sign_in, store_key};

/// Needs quoting in every place that it comes by.
const ODD_PASSWORD: &str = "p@ss:w/o#r?d%&=+ []\"'\\";
const ODD_PASSWORD_IN_ADDRESS: &str = "p%40ss%3Aw%2Fo%23r%3Fd%25%26%3D%2B%20%5B%5D%22%27%5C";

const NOT_NAMED: &str = "LLM_API_DATABASE_URL leads to a pooler that gives each transaction another session: set \
    LLM_API_DATABASE_POOL_MODE=transaction, or use the direct or the session address\n";

/// An installation in a corner of somebody else's database.
struct Tenant {
    site: Site,
    pooler: Pooler,
    role: String,
}

impl Tenant {
    async fn new(pooling: Pooling, servers: u32) -> Self {
        let mut site = Site::new(Database::Postgres).await;
        let role = format!("tenant_of_{}", name(&site));
        let password = ODD_PASSWORD.replace('\'', "''");
        Cluster::shared().await.admin(format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'")).await;
        Cluster::shared().await.admin(format!("GRANT {role} TO app")).await;
        // The same names as ours, down to the table of migrations.
        site.sql(&format!(
            "CREATE SCHEMA llm_api AUTHORIZATION {role};
             CREATE TABLE public.users (id int PRIMARY KEY, email text);
             CREATE TABLE public.sessions (id int PRIMARY KEY, data text);
             CREATE TABLE public.requests (id int PRIMARY KEY, path text);
             CREATE TABLE public._sqlx_migrations (version bigint PRIMARY KEY);
             INSERT INTO public.users VALUES (1, 'theirs@example.com');
             INSERT INTO public.sessions VALUES (1, 'theirs');
             INSERT INTO public._sqlx_migrations VALUES (20250101000000);
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
        let pooler = Pooler::start(pooling, servers, &[(&role, ODD_PASSWORD)]).await;
        site.set("DATABASE_SCHEMA", "llm_api");
        let tenant = Self { site, pooler, role };
        let address = tenant.address(tenant.pooler.port()).await;
        tenant.with("DATABASE_URL", &address)
    }

    /// The address at a port of this machine, with TLS that is verified.
    async fn address(&self, port: u16) -> String {
        let (role, database) = (&self.role, name(&self.site));
        let authority = Cluster::shared().await.ca_path();
        format!(
            "postgresql://{role}:{ODD_PASSWORD_IN_ADDRESS}@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={}",
            authority.display()
        )
    }

    fn with(mut self, setting: &str, value: &str) -> Self {
        self.site.set(setting, value);
        self
    }

    /// What belongs to the others.
    async fn theirs(&self) -> Vec<String> {
        let rows = "SELECT * FROM (SELECT 'user', id::text, email FROM public.users
                UNION ALL SELECT 'session', id::text, data FROM public.sessions
                UNION ALL SELECT 'request', id::text, path FROM public.requests
                UNION ALL SELECT 'migration', version::text, '' FROM public._sqlx_migrations
                UNION ALL SELECT 'table', relname, '' FROM pg_class WHERE relnamespace = 'public'::regnamespace
                    AND relkind = 'r') AS everything ORDER BY 1, 2";
        self.site.sql(rows).await
    }
}

fn name(site: &Site) -> String {
    site.database.as_ref().expect("a database").name.clone()
}

/// From the account to the cancelled stream, with two servers.
async fn a_whole_stay(tenant: &Tenant) {
    let site = &tenant.site;
    let theirs = tenant.theirs().await;
    site.add_user("ada").await;
    site.add_user("bob").await;
    let (mut here, there) = (site.start().await, site.start().await);
    assert_eq!(here.http().get("/ready").send().await.status, 200);
    let (ada, bob) = (sign_in(&here.http(), "ada").await, sign_in(&there.http(), "bob").await);
    store_key(&here.http(), &ada, "sk-good").await;

    let answer = chat(&there.http(), &ada, "echo", false).await.json().await;
    assert_eq!(answer["choices"][0]["message"]["content"], "You said: Hello there, how are you?", "{answer}");
    let events = chat(&here.http(), &ada, "echo", true).await.data().await;
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{events:?}");

    let session = here.http().post("/v1/sessions").bearer(&ada).json(json!({})).send().await.json().await;
    let session = format!("/v1/sessions/{}", session["id"].as_str().unwrap_or_else(|| panic!("{session}")));
    for (server, stream) in [(&here, false), (&there, true)] {
        let body = json!({ "modality": "text", "model": "openai:echo", "input": { "prompt": "Hi" }, "stream": stream });
        let reply = server.http().post(&format!("{session}/generate")).bearer(&ada).json(body).send().await;
        let (status, text) = (reply.status.as_u16(), reply.text().await);
        assert!(status == 200 && text.contains("\"total_tokens\":18"), "{status} {text}");
    }
    let seen = get(&there.http(), &ada, &session).await.json().await;
    let said: Vec<&str> = seen["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(said, ["Hi", "You said: Hi", "Hi", "You said: Hi"]);
    assert_eq!(get(&here.http(), &bob, &session).await.status, 404);

    cancel_elsewhere(site, &here, &there, &ada).await;
    // A revoked token is out at once, also where it was just used.
    let out = here.http().post("/v1/users/logout").bearer(&bob).send().await;
    assert!(out.status.is_success(), "{}", out.status);
    assert_eq!(get(&there.http(), &bob, "/v1/users/me").await.status, 401);
    assert!(here.terminate().await.success());

    let rows = "SELECT status, count(*) FROM llm_api.requests GROUP BY 1 ORDER BY 1";
    assert_eq!(site.sql(rows).await, ["cancelled|1", "completed|4"]);
    assert_eq!(tenant.theirs().await, theirs);
}

/// A stream that runs in one server is ended through the other.
async fn cancel_elsewhere(site: &Site, here: &Server, there: &Server, token: &str) {
    let body =
        json!({ "modality": "text", "model": "openai:slow-stream", "input": { "prompt": "Go on" }, "stream": true });
    let mut reply = here.http().post("/v1/generate").bearer(token).json(body).send().await;
    let selected = reply.next_event().await.expect("readable").expect("an event");
    let selected: Value = serde_json::from_str(selected.trim().trim_start_matches("data: ")).expect("JSON");
    let path = format!("/v1/requests/{}", selected["request_id"].as_str().unwrap_or_else(|| panic!("{selected}")));
    eventually("its row is there", async || {
        let status = get(&there.http(), token, &format!("{path}/status")).await.json().await;
        (status["status"] == "running").then_some(())
    })
    .await;
    let cancelled = there.http().post(&format!("{path}/cancel")).bearer(token).send().await.json().await;
    assert_eq!(cancelled["cancelled"], true, "{cancelled}");
    let rest = reply.text().await;
    assert!(rest.contains("request_cancelled") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    site.provider.wait_until_closed().await;
}

async fn another_encryption_key(tenant: Tenant) {
    let tenant = tenant.with("ENCRYPTION_KEY", "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=");
    let tenant = tenant.with("ENCRYPTION_KEYS_OLD", ENCRYPTION_KEY);
    let rotated = tenant.site.run(&["keys", "rotate"], "").await.expect(0);
    assert!(rotated.stdout.starts_with("Sealed 1 value again"), "{rotated:?}");
    let tenant = tenant.with("ENCRYPTION_KEYS_OLD", "");
    tenant.site.run(&["keys", "verify"], "").await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_behind_a_pooler_of_sessions() {
    // Nobody says what it is: it takes no settings while connecting, and is found to give sessions.
    let tenant = Tenant::new(Pooling::Session, 20).await;
    tenant.site.run(&["migrate"], "").await.expect(0);
    a_whole_stay(&tenant).await;
    another_encryption_key(tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_behind_a_pooler_of_transactions() {
    let tenant = Tenant::new(Pooling::Transaction, 2).await.with("DATABASE_POOL_MODE", "transaction");
    for command in ["migrate", "serve"] {
        let refused = tenant.site.run(&[command], "").await.expect(78);
        assert!(
            refused.stderr.contains("behind") && refused.stderr.contains("LLM_API_MIGRATION_DATABASE_URL"),
            "{refused:?}"
        );
    }
    let direct = tenant.address(Cluster::shared().await.port()).await;
    let tenant = tenant.with("MIGRATION_DATABASE_URL", &direct);
    tenant.site.run(&["migrate"], "").await.expect(0);

    // It is only asked when there is something to do: from many places it cannot even be reached.
    let nobody = FakeProvider::start().await.port();
    let unreachable = tenant.address(nobody).await;
    let tenant = tenant.with("MIGRATION_DATABASE_URL", &unreachable);
    a_whole_stay(&tenant).await;
    another_encryption_key(tenant).await;
}

#[tokio::test]
async fn a_pooler_of_transactions_that_nobody_named_is_refused() {
    let mut tenant = Tenant::new(Pooling::Transaction, 5).await;
    let theirs = tenant.theirs().await;
    for command in ["migrate", "serve"] {
        let refused = tenant.site.run(&[command], "").await.expect(78);
        assert_eq!(refused.stderr, format!("llm-api: {NOT_NAMED}"));
    }
    // Nor is it good for migrations.
    let pooler = tenant.address(tenant.pooler.port()).await;
    let direct = tenant.address(Cluster::shared().await.port()).await;
    tenant.site.set("MIGRATION_DATABASE_URL", &pooler);
    for (address, mode) in [(&direct, "auto"), (&pooler, "transaction")] {
        tenant.site.set("DATABASE_URL", address);
        tenant.site.set("DATABASE_POOL_MODE", mode);
        let refused = tenant.site.run(&["serve"], "").await.expect(78);
        let sentence = "LLM_API_MIGRATION_DATABASE_URL leads to a pooler that gives each transaction another session";
        assert!(refused.stderr.contains(sentence) && !refused.stderr.contains("p%40ss"), "{refused:?}");
    }
    assert_eq!(tenant.theirs().await, theirs);
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'llm_api'::regnamespace";
    assert_eq!(tenant.site.sql(made).await, ["0"]);
}

#[tokio::test]
async fn a_schema_that_the_role_may_not_use_is_told() {
    let tenant = Tenant::new(Pooling::Transaction, 2).await.with("DATABASE_POOL_MODE", "transaction");
    let direct = tenant.address(Cluster::shared().await.port()).await;
    let mut tenant = tenant.with("MIGRATION_DATABASE_URL", &direct);
    tenant.site.run(&["migrate"], "").await.expect(0);
    tenant.site.sql("ALTER SCHEMA llm_api OWNER TO app").await;
    for address in [tenant.address(tenant.pooler.port()).await, direct] {
        tenant.site.set("DATABASE_URL", &address);
        let refused = tenant.site.run(&["serve"], "").await.expect(78);
        assert!(refused.stderr.contains("GRANT USAGE, CREATE ON SCHEMA \"llm_api\""), "{refused:?}");
        tenant.site.set("DATABASE_POOL_MODE", "auto");
    }
}
