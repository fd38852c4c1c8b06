//! `freeze` and `thaw`: beside running servers nothing more is written, and nothing of what was promised is lost.

use llm_api_testkit::{Database, Http, HttpReply, each_db};
use serde_json::{Value, json};

use crate::support::{Site, chat, eventually, get, sign_in, store_key};

async fn new_session(http: &Http, token: &str) -> HttpReply {
    http.post("/v1/sessions").bearer(token).json(json!({})).send().await
}

/// Told everywhere in the same words, in the form of the caller's family.
async fn refused(reply: HttpReply) -> String {
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let body = reply.json().await;
    let code = body["code"].as_str().or_else(|| body["error"]["code"].as_str());
    assert_eq!(code, Some("read_only"), "{body}");
    body.to_string()
}

/// How many rows there are that a client or a server could have added to.
async fn rows(site: &Site) -> Vec<String> {
    let tables = ["users", "user_tokens", "sessions", "exchanges", "requests", "audit_events", "provider_keys"];
    let counts: Vec<String> = tables.iter().map(|table| format!("(SELECT COUNT(*) FROM {table})")).collect();
    site.sql(&format!("SELECT {}", counts.join(", "))).await
}

each_db! {
    async fn everything_can_be_read_and_nothing_changed(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        assert_eq!(new_session(&http, &ada).await.status, 201);

        let frozen = site.run(&["freeze", "--reason", "migration"], "").await.expect(0);
        assert!(frozen.stdout.contains("Frozen"), "{}", frozen.stdout);
        let before = rows(&site).await;
        let login = http.post("/v1/users/login").json(json!({ "username": "ada", "password": "never mind" })).send();
        assert!(refused(login.await).await.contains("migration"));
        refused(new_session(&http, &ada).await).await;
        refused(chat(&http, &ada, "echo", false).await).await;
        refused(chat(&http, &ada, "echo", true).await).await;
        for path in ["/v1/sessions", "/v1/users/me", "/v1/users/provider-keys", "/v1/models"] {
            assert_eq!(get(&http, &ada, path).await.status, 200, "{path}");
        }
        let ready = http.get("/ready").send().await;
        assert_eq!(ready.status, 200);
        let ready = ready.json().await;
        assert_eq!((&ready["status"], &ready["frozen"]["reason"]), (&json!("ready"), &json!("migration")), "{ready}");

        // Commands and other programs are held by the database itself.
        let invite = site.run(&["invite", "create"], "").await.expect(1);
        assert!(invite.stderr.contains("llm-api thaw"), "{}", invite.stderr);
        let statement = "UPDATE users SET display_name = 'x'";
        assert!(site.try_sql(statement).await.stderr.contains("llm-api is frozen"));
        assert_eq!(rows(&site).await, before);
        let again = site.run(&["freeze", "--json"], "").await.expect(0);
        assert_eq!(serde_json::from_str::<Value>(&again.stdout).expect("JSON")["was_frozen"], true);

        // A server that starts meanwhile serves what can be read.
        drop(server);
        let server = site.start().await;
        let http = server.http();
        assert_eq!(get(&http, &ada, "/v1/sessions").await.status, 200);
        refused(new_session(&http, &ada).await).await;

        site.run(&["thaw"], "").await.expect(0);
        eventually("the server sees it", async || (new_session(&http, &ada).await.status == 201).then_some(())).await;
        assert_eq!(http.get("/ready").send().await.json().await, json!({ "status": "ready" }));
        assert_eq!(chat(&http, &ada, "echo", false).await.status, 200);
        let actions = "SELECT action FROM audit_events WHERE action LIKE 'maintenance.%' ORDER BY created_at";
        assert_eq!(site.sql(actions).await, ["maintenance.frozen", "maintenance.thawed"]);
    }

    async fn what_runs_is_stored_to_its_end_or_as_far_as_it_came(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        let user = site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        let mut ends = chat(&http, &ada, "slow-stream", true).await;
        ends.next_event().await.expect("readable").expect("an event");

        // It waits for the stream; whoever comes meanwhile is refused.
        let freeze = site.run(&["freeze", "--reason", "migration", "--wait", "60"], "");
        let meanwhile = async {
            let told = async || (chat(&http, &ada, "echo", false).await.status == 503).then_some(());
            eventually("new requests are refused", told).await;
            site.provider.release();
            ends.text().await
        };
        let (frozen, rest) = tokio::join!(freeze, meanwhile);
        assert!(frozen.expect(0).stdout.starts_with("Frozen"), "nothing to cancel");
        assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
        let row = |model: &str| format!("SELECT status FROM requests WHERE model = '{model}'");
        assert_eq!(site.sql(&row("slow-stream")).await, ["completed"]);
        site.run(&["thaw"], "").await.expect(0);

        // One that does not end is cancelled.
        let started = async || {
            let reply = chat(&http, &ada, "stalls", true).await;
            (reply.status == 200).then_some(reply)
        };
        let mut stalls = eventually("the server sees the thaw", started).await;
        stalls.next_event().await.expect("readable").expect("an event");
        let (frozen, rest) = tokio::join!(site.run(&["freeze", "--wait", "0"], ""), stalls.text());
        let frozen = frozen.expect(0);
        assert!(frozen.stdout.starts_with("1 requests ran longer and were cancelled"), "{}", frozen.stdout);
        assert!(rest.contains("request_cancelled"), "{rest}");
        assert_eq!(site.sql(&row("stalls")).await, ["cancelled"]);
        let before = rows(&site).await;
        drop(server);
        assert_eq!(rows(&site).await, before, "nothing was waiting to be written");
        assert!(site.rows(user).await.iter().all(|row| row.finished_at.is_some()));
    }

    async fn no_write_slips_past_it(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        let writes = async || {
            let mut acknowledged = 0_usize;
            loop {
                match new_session(&http, &ada).await.status.as_u16() {
                    201 => acknowledged += 1,
                    503 => return acknowledged,
                    other => panic!("{other}"),
                }
            }
        };
        let all = async { tokio::join!(writes(), writes(), writes(), writes()) };
        let (frozen, acknowledged) = tokio::join!(site.run(&["freeze"], ""), all);
        frozen.expect(0);
        let (a, b, c, d) = acknowledged;
        let count = site.sql("SELECT COUNT(*) FROM sessions").await;
        assert_eq!(count, [(a + b + c + d).to_string()]);
        assert!(a + b + c + d > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_of_the_database_sees_it() {
    let site = Site::new(Database::Postgres).await;
    site.run(&["migrate"], "").await.expect(0);
    site.add_user("ada").await;
    let (here, there) = (site.start().await, site.start().await);
    let ada = sign_in(&here.http(), "ada").await;
    for server in [&here, &there] {
        assert_eq!(new_session(&server.http(), &ada).await.status, 201);
    }
    site.run(&["freeze"], "").await.expect(0);
    for server in [&here, &there] {
        refused(new_session(&server.http(), &ada).await).await;
        assert_eq!(get(&server.http(), &ada, "/v1/sessions").await.status, 200);
    }
    site.run(&["thaw"], "").await.expect(0);
    for server in [&here, &there] {
        let thawed = async || (new_session(&server.http(), &ada).await.status == 201).then_some(());
        eventually("the server sees the thaw", thawed).await;
    }
}
