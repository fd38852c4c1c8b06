//! Ten thousand keys change their encryption key under load, killed half-way.

use std::{cell::Cell, fmt::Write as _, process::Stdio};

use llm_api_crypto::{PROVIDER_KEY, SealContext, Vault};
use llm_api_domain::UserId;
use llm_api_storage::{Bound, Store};
use llm_api_testkit::{Database, ENCRYPTION_KEY, Http, each_db, target_binary};
use serde_json::json;
use tokio::process::Command;
use uuid::Uuid;

use super::{NEW_KEY, vault};
use crate::{
    db_copy::Place,
    support::{Site, chat, eventually, sign_in, store_key},
};

const KEYS: u32 = 10_000;
const PROVIDERS: [&str; 10] =
    ["openai", "anthropic", "google", "xai", "deepseek", "groq", "openrouter", "mistral", "together", "fireworks"];

/// Statements of the database's own language for many rows.
struct Script {
    database: Database,
    origin: String,
    vault: Vault,
    users: String,
    keys: String,
}

impl Script {
    fn id(&self, id: Uuid) -> String {
        match self.database {
            Database::Sqlite => format!("x'{}'", id.simple()),
            Database::Postgres => format!("'{id}'"),
        }
    }

    fn row(rows: &mut String, values: &str) {
        let before = if rows.is_empty() { "" } else { ",\n" };
        let _ = write!(rows, "{before}({values})");
    }

    fn user(&mut self, id: Uuid, name: &str) {
        let (no, yes, time) = match self.database {
            Database::Sqlite => ("0", "1", "0"),
            Database::Postgres => ("false", "true", "now()"),
        };
        let values = format!("{}, '{name}', 'person', '{{}}', {no}, {yes}, {time}", self.id(id));
        Self::row(&mut self.users, &values);
    }

    fn key(&mut self, id: Uuid, user: Uuid, provider: &str, secret: &str) {
        let context = SealContext { purpose: PROVIDER_KEY, record: id, owner: user, provider, origin: &self.origin };
        let text = json!({ "api_key": secret }).to_string();
        let sealed = self.vault.seal(&context, text.as_bytes()).expect("random");
        let hex = sealed.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let (bytes, time) = match self.database {
            Database::Sqlite => (format!("x'{hex}'"), "0"),
            Database::Postgres => (format!("'\\x{hex}'"), "now()"),
        };
        let values = format!(
            "{}, {}, '{provider}', 'api_key', '{}', {bytes}, '***', 'valid', {time}, {time}",
            self.id(id),
            self.id(user),
            self.origin
        );
        Self::row(&mut self.keys, &values);
    }

    fn text(&self) -> String {
        format!(
            "INSERT INTO users (id, username, kind, preferences, is_admin, is_active, created_at) VALUES\n{};\n\
             INSERT INTO provider_keys (id, user_id, provider, credential_type, origin, sealed, masked_key, status, \
             created_at, updated_at) VALUES\n{};\nSELECT 1",
            self.users, self.keys
        )
    }
}

/// Keys of a thousand people, spread over all ids, and one of `bob`'s that comes last of all.
async fn fill(site: &Site, database: Database, bob: UserId) {
    let mut script = Script {
        database,
        origin: site.provider.origin().to_owned(),
        vault: vault(ENCRYPTION_KEY),
        users: String::new(),
        keys: String::new(),
    };
    // An odd number steps through all of them.
    let id = |kind: u128, number: u32| {
        let number = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Uuid::from_u128(number.wrapping_add(kind))
    };
    for number in 0..KEYS {
        let (person, provider) = (number / 10, PROVIDERS[(number % 10) as usize]);
        let user = id(1, person);
        if number % 10 == 0 {
            script.user(user, &format!("person-{person}"));
        }
        script.key(id(2, number + 1), user, provider, &format!("sk-number-{number}"));
    }
    script.key(Uuid::max(), bob.as_uuid(), "openai", "sk-of-bob");
    let place = Place {
        address: site.database.as_ref().map(|database| database.url.clone()).unwrap_or_default(),
        name: String::new(),
        file: site.database.is_none().then(|| site.dir.path().join("llm-api.db")),
    };
    place.sql(&script.text()).await;
}

/// How many are sealed under this key, the canary left out.
async fn sealed_under(store: &Store, key: &str) -> u64 {
    let id = vault(key).key_id();
    let counts = store.sealed().by_key().await.expect("counts");
    let rows = counts.iter().filter(|count| matches!(count.column.bound, Bound::Row { .. }));
    rows.filter(|count| count.key.is_some_and(|key| key.0 == id)).map(|count| count.values).sum()
}

/// Asks with one person's key until it is told to stop; how often.
async fn ask(http: &Http, token: &str, stop: &Cell<bool>) -> u32 {
    let mut asked = 0;
    while !stop.get() {
        let reply = chat(http, token, "echo", asked % 2 == 1).await;
        assert_eq!(reply.status, 200);
        assert!(reply.text().await.contains("said"));
        asked += 1;
    }
    asked
}

/// Replaces a key over and over, as its owner; the last one.
async fn replace(http: &Http, token: &str, stop: &Cell<bool>) -> String {
    let mut key = String::new();
    for number in 0.. {
        if stop.get() {
            break;
        }
        key = format!("sk-of-carol-{number}");
        store_key(http, token, &key).await;
    }
    key
}

/// Kills a rotation once it has done some of its work: thousands of small transactions are still to come then.
async fn rotate_half(site: &Site, store: &Store) {
    let mut rotation = Command::new(target_binary("llm-api"))
        .args(["keys", "rotate", "--batch", "2"])
        .env_clear()
        .envs(site.envs())
        .current_dir(site.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the command");
    eventually("some keys are sealed again", async || (sealed_under(store, NEW_KEY).await >= 500).then_some(())).await;
    rotation.kill().await.expect("it was still at work");
}

each_db! {
    async fn ten_thousand_keys_are_sealed_again_under_load_in_spite_of_a_kill(database: Database) {
        let mut site = Site::new(database).await;
        site.add_user("ada").await;
        let bob = site.add_user("bob").await;
        site.add_user("carol").await;
        let mut server = site.start().await;
        let [ada, carol] = [sign_in(&server.http(), "ada").await, sign_in(&server.http(), "carol").await];
        let bob_token = sign_in(&server.http(), "bob").await;
        store_key(&server.http(), &ada, "sk-of-ada").await;
        server.terminate().await;
        fill(&site, database, bob).await;

        site.change_key(NEW_KEY, ENCRYPTION_KEY);
        let mut server = site.start().await;
        let (http, store) = (server.http(), site.store().await);
        assert_eq!(sealed_under(&store, ENCRYPTION_KEY).await, u64::from(KEYS) + 2);
        let stop = Cell::new(false);
        let rotation = async {
            rotate_half(&site, &store).await;
            let done = sealed_under(&store, NEW_KEY).await;
            let rest = sealed_under(&store, ENCRYPTION_KEY).await;
            assert!(done < u64::from(KEYS) && rest > 0, "{done} and {rest}");
            // Two at once share the rest.
            let (first, second) = tokio::join!(site.keys(&["rotate"], 0), site.keys(&["rotate", "--batch", "70"], 0));
            let resealed = |report: &serde_json::Value| report["resealed"].as_u64().expect("a number");
            // The batch that was cut off may have been committed since.
            let shared = resealed(&first) + resealed(&second);
            assert!(shared <= rest && rest <= shared + 2, "{first} {second} of {rest}");
            stop.set(true);
        };
        let (by_ada, by_bob, of_carol, ()) = tokio::join!(
            ask(&http, &ada, &stop), ask(&http, &bob_token, &stop), replace(&http, &carol, &stop), rotation
        );
        assert!(by_ada > 10 && by_bob > 10 && !of_carol.is_empty(), "{by_ada} {by_bob} {of_carol}");
        store.close().await;
        server.terminate().await;

        site.change_key(NEW_KEY, "");
        let verified = site.keys(&["verify"], 0).await;
        // Ada's, Bob's, Carol's and the canary.
        assert_eq!(verified["under_current"], KEYS + 4, "{verified}");
        let status = site.keys(&["status"], 0).await;
        assert_eq!(status["keys"].as_array().map(Vec::len), Some(1), "{status}");
        let server = site.start().await;
        for (token, key) in [(&ada, "sk-of-ada"), (&bob_token, "sk-of-bob"), (&carol, of_carol.as_str())] {
            assert_eq!(chat(&server.http(), token, "echo", false).await.status, 200);
            assert_eq!(site.provider.last_request().header("authorization"), format!("Bearer {key}"));
        }
        assert!(!server.stderr().contains("sealed under"), "{}", server.stderr());
    }
}
