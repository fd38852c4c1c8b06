//! Removing somebody: everything they had is gone at once, nothing of anybody else's.

use http::StatusCode;
use llm_api_domain::{JobId, UserId};
use llm_api_storage::{NewJob, TABLES};
use llm_api_testkit::{Database, HttpReply, Person, TestApp, each_db};
use serde_json::{Value, json};

use crate::{
    accounts::{invite, is_good, personal_token, register, sentence, text},
    database::OpenDatabase,
};

const STATIC_KEY: &str = "the-operators-static-key";

async fn remove(app: &TestApp, id: &str, token: &str) -> HttpReply {
    app.delete(&format!("/v1/admin/users/{id}"), token).await
}

async fn administrator_by_invite(app: &TestApp, root: &Person) -> Person {
    let (username, password) = ("ada".to_owned(), "a long and quiet afternoon".to_owned());
    let invite = invite(app, root, json!({ "grants_admin": true })).await;
    let body = json!({ "username": username, "password": password, "invite_token": invite });
    let account = register(app, body).await.json().await;
    Person { id: text(&account["id"]), username, password, token: text(&account["token"]) }
}

/// Gives somebody one of everything: a key, a conversation, a file, a token, a default, a download.
async fn furnish(app: &TestApp, person: &Person) -> String {
    app.store_key(&person.token, "openai", "sk-a-key-of-ones-own").await;
    let session = app.post("/v1/sessions", &person.token, json!({})).await.json().await;
    let session = text(&session["id"]);
    for (modality, model) in [("text", "openai:echo"), ("image", "openai:big-image")] {
        let body =
            json!({ "model": model, "modality": modality, "input": { "prompt": "A boat" }, "session_id": session });
        let reply = app.post("/v1/generate", &person.token, body).await;
        assert_eq!(reply.status, 200, "{model}");
    }
    let default = app.post("/v1/models/openai:echo/default?scope=user", &person.token, json!({})).await;
    assert_eq!(default.status, 200);
    let now = app.clock.now();
    let user: UserId = person.id.parse().expect("an id");
    let job = NewJob { id: JobId::new(now), user, model: "qwen".to_owned(), source_type: None, source_uri: None };
    app.state.auth.store.download_jobs().create(&job, now).await.expect("stored");
    let alias =
        app.http().put("/v1/users/aliases/hers").bearer(&person.token).json(json!({ "targets": ["openai:echo"] }));
    assert_eq!(alias.send().await.status, 200);
    let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "Hi" }] });
    let chat = app.http().post("/v1/chat/completions").bearer(&person.token).header("idempotency-key", "k").json(chat);
    assert!(!chat.send().await.bytes().await.is_empty());
    personal_token(app, &person.token, json!({ "name": "laptop" })).await
}

fn files(app: &TestApp) -> usize {
    let folders = std::fs::read_dir(app.data_dir().join("artifacts")).into_iter().flatten().flatten();
    folders.map(|folder| std::fs::read_dir(folder.path()).expect("a folder").count()).sum()
}

/// In how many rows of each column somebody is named, where they are named at all.
async fn named(data: &OpenDatabase, database: Database, id: &str) -> Vec<String> {
    let literal = match database {
        Database::Sqlite => format!("X'{}'", id.replace('-', "")),
        Database::Postgres => format!("'{id}'"),
    };
    let columns = TABLES.iter().flat_map(|table| {
        let columns = table.columns.iter().filter(|column| column.references == Some("users"));
        columns.map(|column| (table.name, column.name))
    });
    let counts = columns.chain([("users", "id")]).map(|(table, column)| {
        format!("SELECT '{table}.{column}', COUNT(*) FROM {table} WHERE {column} = {literal} HAVING COUNT(*) > 0")
    });
    let query = counts.collect::<Vec<_>>().join(" UNION ALL ");
    let mut lines: Vec<String> = data.query(&query).await.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

each_db! {
    async fn everything_somebody_had_goes_with_them_and_nothing_else(database: Database) {
        let data = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[data.setting()]).await;
        // Ada administrates, too: she has left traces in what is everybody's.
        let (root, bob) = (app.admin("root").await, app.person("bob").await);
        let ada = administrator_by_invite(&app, &root).await;
        let laptop = furnish(&app, &ada).await;
        furnish(&app, &bob).await;
        let global = app.post("/v1/models/openai:counts/default?scope=global", &ada.token, json!({})).await;
        assert_eq!(global.status, 200);
        let alias = app.http().put("/v1/admin/aliases/fast").bearer(&ada.token).json(json!({ "targets": ["openai:echo"] }));
        assert_eq!(alias.send().await.status, 200);
        let invited = invite(&app, &ada, json!({ "max_uses": 2 })).await;
        let cleo = json!({ "username": "cleo", "password": "a long and quiet afternoon", "invite_token": invited });
        assert_eq!(register(&app, cleo).await.status, 201);
        app.state.auth.store.recorder().flush().await;
        let of_bob = named(&data, database, &bob.id).await;
        let of_ada = named(&data, database, &ada.id).await;
        assert_eq!(of_ada.len(), 16, "the story leaves a column out: {of_ada:?}");
        assert_eq!(files(&app), 2);
        let events = data.query("SELECT COUNT(*) FROM audit_events").await;

        let reply = remove(&app, &ada.id, &root.token).await;
        assert_eq!((reply.status, reply.text().await.as_str()), (StatusCode::NO_CONTENT, ""));
        assert!(!is_good(&app, &ada.token).await && !is_good(&app, &laptop).await);
        assert_eq!(app.login("ada", &ada.password).await.status, 401);
        assert_eq!(named(&data, database, &ada.id).await, [""; 0]);
        assert_eq!(files(&app), 1);
        assert_eq!(remove(&app, &ada.id, &root.token).await.status, 404);

        // What she did stays in the trail, and her end as well.
        let before: i64 = events.trim().parse().expect("a number");
        let after: i64 = data.query("SELECT COUNT(*) FROM audit_events").await.trim().parse().expect("a number");
        assert_eq!(after, before + 2, "she was kept out, then deleted");
        let deleted = data.query("SELECT COUNT(actor_id) FROM audit_events WHERE action = 'user.deleted'").await;
        assert_eq!(deleted.trim(), "1");

        // Everybody else has what they had.
        assert_eq!(named(&data, database, &bob.id).await, of_bob);
        assert!(is_good(&app, &bob.token).await);
        let sessions = app.get("/v1/sessions", &bob.token).await.json().await;
        assert_eq!(sessions["sessions"][0]["message_count"], 2);
        let defaults = data.query("SELECT modality, model FROM default_models WHERE updated_by IS NULL").await;
        assert_eq!(defaults.trim(), "text|counts");
        let aliases = data.query("SELECT name FROM model_aliases WHERE updated_by IS NULL").await;
        assert_eq!(aliases.trim(), "fast", "everybody's stays");
        let hers = app.get("/v1/users/aliases", &bob.token).await.json().await;
        assert_eq!((hers[0]["name"].as_str(), hers[1]["name"].as_str(), hers[1]["scope"].as_str()), (Some("fast"), Some("hers"), Some("user")));
        let dora = json!({ "username": "dora", "password": "a long and quiet afternoon", "invite_token": invited });
        assert_eq!(register(&app, dora).await.status, 201, "her invite goes on");
        let invites = app.get("/v1/users/invites", &root.token).await.json().await;
        let list = invites.as_array().expect("a list");
        let hers = list.iter().find(|invite| invite["uses"] == 2).expect("the one that two have used");
        assert_eq!((list.len(), &hers["created_by"]), (2, &Value::Null));

        // The name is free, for somebody who gets nothing of hers.
        let again = app.person("ada").await;
        assert_ne!(again.id, ada.id);
        assert_eq!(app.get("/v1/users/provider-keys", &again.token).await.json().await, json!([]));
    }

    async fn only_administrators_remove_and_never_themselves(database: Database) {
        let app = TestApp::start_with(database, &[("API_KEY", STATIC_KEY)]).await;
        let (root, ada) = (app.admin("root").await, app.person("ada").await);
        for token in [ada.token.as_str(), STATIC_KEY] {
            let refused = sentence(remove(&app, &root.id, token).await, 403, "forbidden").await;
            assert_eq!(refused, "Admin privileges required");
        }
        let service = llm_api_domain::SERVICE_USER_ID.to_string();
        for id in ["nobody", "018f0000-0000-7000-8000-000000000000", &service] {
            let refused = sentence(remove(&app, id, &root.token).await, 404, "not_found").await;
            assert_eq!(refused, "User not found", "{id}");
        }
        let refused = sentence(remove(&app, &root.id, &root.token).await, 400, "bad_request").await;
        assert_eq!(refused, "You cannot delete your own account");
        assert!(is_good(&app, &root.token).await && is_good(&app, &ada.token).await);
        assert_eq!(app.http().get("/v1/models").header("x-api-key", STATIC_KEY).send().await.status, 200);
    }

    async fn a_stream_of_somebody_who_is_removed_harms_nobody(database: Database) {
        let data = OpenDatabase::new(database).await;
        let app = TestApp::start_with(database, &[data.setting()]).await;
        let (root, ada, bob) = (app.admin("root").await, app.person("ada").await, app.person("bob").await);
        for person in [&ada, &bob] {
            app.store_key(&person.token, "openai", "sk-a-key-of-ones-own").await;
        }
        let session = app.post("/v1/sessions", &ada.token, json!({})).await.json().await;
        let body = json!({
            "model": "openai:slow-stream", "modality": "text", "input": { "prompt": "Hi" }, "stream": true,
            "session_id": session["id"],
        });
        let mut running = app.post("/v1/generate", &ada.token, body).await;
        running.next_event().await.expect("a stream").expect("an event");
        assert_eq!(remove(&app, &ada.id, &root.token).await.status, 204);
        app.provider.release();
        let events = running.data().await;
        assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{events:?}");

        let chat = json!({ "model": "openai:echo", "messages": [{ "role": "user", "content": "Hi" }] });
        assert_eq!(app.post("/v1/chat/completions", &bob.token, chat).await.status, 200);
        app.state.auth.store.recorder().flush().await;
        assert_eq!(named(&data, database, &ada.id).await, [""; 0]);
        assert!(named(&data, database, &bob.id).await.contains(&"requests.user_id|1".to_owned()));
    }
}
