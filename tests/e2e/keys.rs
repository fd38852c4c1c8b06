//! `keys status`, `keys rotate` and `keys verify`: another encryption key while people are served, and no key is lost.

mod many;

use llm_api_crypto::{KeyId, MasterKey, PROVIDER_KEY, SealContext, Vault};
use llm_api_domain::{Clock, CredentialType, ProviderId, ProviderKeyId, UserId};
use llm_api_storage::{
    AuditContext, KeyStatus, NewProviderKey, Rotated, Rotation, SEALED_COLUMNS, Store, Told, rotate,
};
use llm_api_testkit::{Database, ENCRYPTION_KEY, Finished, each_db};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Site, chat, sign_in, store_key};

/// Two more that are as good as the site's.
const NEW_KEY: &str = "Jh8s0RrGz5WqkTn3vYb1uXo7eLm9pAcD2fHiKjNQtE4=";
const STRANGE_KEY: &str = "w7Yd2Qx9ZbFh4KpLr8VtNc1MjGs5EuTaXo3PiBq6DfA=";

fn vault(key: &str) -> Vault {
    Vault::new(MasterKey::parse(key).expect("a strong key"), Vec::new())
}

/// As `keys status` names it.
fn id_of(key: &str) -> String {
    KeyId(vault(key).key_id()).to_string()
}

impl Site {
    /// A new encryption key, with the earlier ones that still open.
    fn change_key(&mut self, key: &str, old: &str) {
        self.set("ENCRYPTION_KEY", key);
        self.set("ENCRYPTION_KEYS_OLD", old);
    }

    /// `keys …`, with its report.
    async fn keys(&self, args: &[&str], code: i32) -> Value {
        let args: Vec<&str> = ["keys"].into_iter().chain(args.iter().copied()).chain(["--json"]).collect();
        let done = self.run(&args, "").await.expect(code);
        no_secret(&done);
        serde_json::from_str(&done.stdout).expect("JSON")
    }

    /// Puts a key for a provider into the vault, sealed with `vault`; its row's id.
    async fn seal_for(&self, store: &Store, vault: &Vault, user: UserId, provider: ProviderId, secret: &str) -> Uuid {
        let id = ProviderKeyId::new(Clock::system().now());
        put(self, store, vault, id, user, provider, secret).await;
        id.as_uuid()
    }
}

fn no_secret(done: &Finished) {
    for secret in [ENCRYPTION_KEY, NEW_KEY, STRANGE_KEY, "sk-"] {
        assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
    }
}

async fn put(
    site: &Site,
    store: &Store,
    vault: &Vault,
    id: ProviderKeyId,
    user: UserId,
    provider: ProviderId,
    secret: &str,
) {
    let origin = site.provider.origin().to_owned();
    let context = SealContext {
        purpose: PROVIDER_KEY,
        record: id.as_uuid(),
        owner: user.as_uuid(),
        provider: provider.as_str(),
        origin: &origin,
    };
    let sealed = vault.seal(&context, json!({ "api_key": secret }).to_string().as_bytes()).expect("random");
    let key = NewProviderKey {
        id,
        user,
        provider,
        credential_type: CredentialType::ApiKey,
        base_url: None,
        origin,
        sealed,
        masked_key: "sk-...xyz".to_owned(),
        status: KeyStatus::Valid,
        status_detail: None,
        checked_at: None,
    };
    store.provider_keys().put(&key, &AuditContext::operator(Clock::system().now())).await.expect("a stored key");
}

/// What a user's key for a provider is sealed as.
async fn envelope(store: &Store, user: UserId, provider: ProviderId) -> Option<Vec<u8>> {
    let key = store.provider_keys().sealed(user, provider).await.expect("an answer");
    key.map(|key| key.sealed.to_vec())
}

each_db! {
    async fn the_keys_are_counted_and_sealed_again(database: Database) {
        let mut site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        assert_eq!(site.keys(&["status"], 0).await["keys"], json!([
            { "id": id_of(ENCRYPTION_KEY), "state": "current", "provider_keys": 0, "vault_canaries": 0 },
        ]));
        let mut server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-of-ada").await;
        assert_eq!(site.keys(&["rotate"], 0).await, json!({
            "outcome": "nothing_to_do", "resealed": 0, "already_current": 1, "left": 0, "canaries_removed": 0, "unopened": [],
        }));
        server.terminate().await;

        // A server with the new key counts as one that knows it; the old one still seals most.
        site.change_key(NEW_KEY, ENCRYPTION_KEY);
        let warned = site.run(&["keys", "rotate", "--dry-run"], "").await.expect(0);
        assert!(warned.stderr.starts_with("warning: no server was started with this encryption key"), "{warned:?}");
        let server = site.start().await;
        assert_eq!(site.keys(&["status"], 0).await, json!({ "damaged": 0, "keys": [
            { "id": id_of(NEW_KEY), "state": "current", "provider_keys": 0, "vault_canaries": 1 },
            { "id": id_of(ENCRYPTION_KEY), "state": "old", "provider_keys": 1, "vault_canaries": 1 },
        ] }));
        let text = site.run(&["keys", "status"], "").await.expect(0).stdout;
        assert!(text.contains("1 value is sealed under an old key: `llm-api keys rotate`"), "{text}");
        let dry = site.keys(&["rotate", "--dry-run"], 0).await;
        assert_eq!((&dry["outcome"], &dry["resealed"]), (&json!("would_rotate"), &json!(1)));
        assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
        assert_eq!(site.keys(&["verify"], 0).await["under_old"], 2);

        // While the database is frozen, nothing is sealed again.
        site.sql("UPDATE maintenance SET state = 'frozen' WHERE id = 1").await;
        let frozen = site.run(&["keys", "rotate"], "").await.expect(1);
        assert!(frozen.stderr.ends_with("the database is frozen: run `llm-api thaw` first\n"), "{frozen:?}");
        site.sql("UPDATE maintenance SET state = 'open' WHERE id = 1").await;

        let done = site.run(&["keys", "rotate"], "").await.expect(0);
        assert_eq!(done.stdout, format!(
            "Sealed 1 value again under the current key {}; 0 values were under it before.\n\
             Removed 1 canary of keys that nothing is sealed under any more.\n", id_of(NEW_KEY)
        ));
        assert_eq!(done.stderr, "");
        // The server keeps what it has read, and learns of this at once.
        assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
        assert_eq!(site.provider.last_request().header("authorization"), "Bearer sk-of-ada");

        site.change_key(NEW_KEY, "");
        assert_eq!(site.keys(&["status"], 0).await["keys"], json!([
            { "id": id_of(NEW_KEY), "state": "current", "provider_keys": 1, "vault_canaries": 1 },
        ]));
        assert_eq!(site.keys(&["verify"], 0).await, json!({
            "checked": 2, "opened": 2, "under_current": 2, "under_old": 0, "unopened": [],
        }));
        let again = site.run(&["keys", "rotate"], "").await.expect(0).stdout;
        assert_eq!(again, format!("Nothing to do: 1 value is under the current key {}.\n", id_of(NEW_KEY)));
        assert_eq!(site.sql("SELECT COUNT(*) FROM audit_events WHERE action = 'vault.rotated'").await, ["1"]);

        // A server that was not restarted goes on sealing with the earlier key: nothing is lost, and it is told.
        let store = site.store().await;
        site.seal_for(&store, &vault(ENCRYPTION_KEY), ada_id, ProviderId::Groq, "sk-late").await;
        store.close().await;
        let status = site.run(&["keys", "status"], "").await.expect(1);
        let told = "llm-api: 1 provider key is sealed under a key that is not configured here: name it in \
                    LLM_API_ENCRYPTION_KEYS_OLD\n";
        assert_eq!(status.stderr, told);
        drop(server);
        let server = site.start().await;
        assert!(server.stderr().contains("sealed under an encryption key that is not set here"), "{}", server.stderr());
        site.change_key(NEW_KEY, ENCRYPTION_KEY);
        assert_eq!(site.keys(&["rotate"], 0).await["resealed"], 1);
        site.change_key(NEW_KEY, "");
        assert_eq!(site.keys(&["verify"], 0).await["opened"], 3);
    }

    async fn what_does_not_open_is_named_and_left(database: Database) {
        let mut site = Site::new(database).await;
        let (ada, bob) = (site.add_user("ada").await, site.add_user("bob").await);
        site.start().await.terminate().await;
        let store = site.store().await;
        let (own, strange) = (vault(ENCRYPTION_KEY), vault(STRANGE_KEY));
        site.seal_for(&store, &own, ada, ProviderId::Openai, "sk-good").await;
        let unknown = site.seal_for(&store, &strange, ada, ProviderId::Groq, "sk-unknown").await;
        let moved = site.seal_for(&store, &own, ada, ProviderId::Mistral, "sk-moved").await;
        let cut = site.seal_for(&store, &own, bob, ProviderId::Xai, "sk-cut").await;
        let hex = |id: Uuid| match database {
            Database::Sqlite => format!("x'{}'", id.simple()),
            Database::Postgres => format!("'{id}'"),
        };
        let bytes = if database == Database::Sqlite { "x'0102'" } else { "'\\x0102'" };
        site.sql(&format!("UPDATE provider_keys SET user_id = {} WHERE id = {}", hex(bob.as_uuid()), hex(moved))).await;
        site.sql(&format!("UPDATE provider_keys SET sealed = {bytes} WHERE id = {}", hex(cut))).await;
        let rows = async || {
            let mut rows = Vec::new();
            for (user, provider) in [(ada, ProviderId::Groq), (bob, ProviderId::Mistral), (bob, ProviderId::Xai)] {
                rows.push(envelope(&store, user, provider).await.expect("a row"));
            }
            rows
        };
        let before = rows().await;

        let unopened = |report: &Value| {
            let mut list = report["unopened"].as_array().expect("a list").clone();
            list.sort_by_key(|value| value["id"].to_string());
            list
        };
        let row = |id: Uuid, user: UserId, provider: &str, reason: &str| {
            json!({ "table": "provider_keys", "id": id, "user_id": user, "provider": provider, "reason": reason })
        };
        let strange_reason = format!("it is sealed under key {}, which is not configured", id_of(STRANGE_KEY));
        let mut expected = vec![
            row(unknown, ada, "groq", &strange_reason),
            row(moved, bob, "mistral", "the stored secret was sealed for another owner, provider or origin, or is damaged"),
            row(cut, bob, "xai", "the stored secret is not an envelope of this version"),
        ];
        expected.sort_by_key(|value| value["id"].to_string());
        let report = site.keys(&["verify"], 1).await;
        assert_eq!((unopened(&report), &report["opened"]), (expected.clone(), &json!(2)));

        site.change_key(NEW_KEY, ENCRYPTION_KEY);
        site.start().await.terminate().await;
        for (args, resealed) in [(&["rotate", "--dry-run"][..], 1), (&["rotate", "--batch", "1"], 1), (&["rotate"], 0)] {
            let report = site.keys(args, 1).await;
            assert_eq!((unopened(&report), &report["resealed"]), (expected.clone(), &json!(resealed)), "{args:?}");
        }
        assert_eq!(rows().await, before);
        let line = format!("provider_keys {cut} (user {bob}, xai): the stored secret is not an envelope of this version");
        let text = site.run(&["keys", "rotate"], "").await.expect(1);
        assert!(text.stdout.lines().any(|found| found == line), "{text:?}");
        assert!(text.stderr.ends_with("3 values do not open with the configured keys (left as found)\n"), "{text:?}");

        // With the key that was missing, the rest is what is damaged. Until then the old key stays needed.
        let status = site.keys(&["status"], 1).await;
        let lines = status["keys"].as_array().expect("a list").iter();
        let lines: Vec<_> = lines.map(|key| json!([key["state"], key["provider_keys"]])).collect();
        assert_eq!(lines, [json!(["current", 1]), json!(["old", 1]), json!(["not_configured", 1])]);
        assert_eq!(status["damaged"], 1);
        site.change_key(NEW_KEY, &format!("{ENCRYPTION_KEY},{STRANGE_KEY}"));
        let report = site.keys(&["rotate"], 1).await;
        assert_eq!((unopened(&report).len(), &report["resealed"]), (2, &json!(1)));
        store.close().await;
    }

    async fn what_its_owner_does_meanwhile_wins(database: Database) {
        let site = Site::new(database).await;
        let user = site.add_user("ada").await;
        let store = site.store().await;
        let old = vault(ENCRYPTION_KEY);
        // The first one does not open, so it is told after its batch was read and before that is written.
        site.seal_for(&store, &vault(STRANGE_KEY), user, ProviderId::Openai, "sk-unknown").await;
        let replaced = ProviderKeyId::from(site.seal_for(&store, &old, user, ProviderId::Groq, "sk-before").await);
        site.seal_for(&store, &old, user, ProviderId::Mistral, "sk-deleted").await;
        site.seal_for(&store, &old, user, ProviderId::Xai, "sk-quiet").await;

        let [current, earlier] = [NEW_KEY, ENCRYPTION_KEY].map(|key| MasterKey::parse(key).expect("a strong key"));
        let ring = Vault::new(current, vec![earlier]);
        let clock = Clock::system();
        let rotation = Rotation { store: &store, vault: &ring, batch: 100, dry_run: false, clock: &clock };
        let meanwhile = async {
            // Even under the same id, which no server does.
            put(&site, &store, &old, replaced, user, ProviderId::Groq, "sk-after").await;
            let context = AuditContext::operator(clock.now());
            assert!(store.provider_keys().delete(user, ProviderId::Mistral, &context).await.expect("an answer"));
            envelope(&store, user, ProviderId::Groq).await
        };
        let (mut meanwhile, mut after) = (Some(meanwhile), None);
        let mut tell = |told: Told| {
            if matches!(told, Told::Unopened(_))
                && let Some(meanwhile) = meanwhile.take()
            {
                after = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(meanwhile));
            }
        };
        let rotated = rotate(&rotation, &mut tell).await.expect("a rotation");
        // What was stored meanwhile, under the old key, is found by looking again.
        assert_eq!(rotated, Rotated { resealed: 2, unopened: 1, canaries_removed: 0, ..Rotated::default() });
        let after = after.expect("it was done meanwhile");
        assert_eq!(KeyId::of(&after), Some(KeyId(old.key_id())));
        assert!(envelope(&store, user, ProviderId::Mistral).await.is_none());
        let now = envelope(&store, user, ProviderId::Groq).await.expect("a key");
        let origin = site.provider.origin();
        let context = SealContext {
            purpose: PROVIDER_KEY, record: replaced.as_uuid(), owner: user.as_uuid(), provider: "groq", origin,
        };
        assert!(ring.open(&context, &now).expect("it opens").sealed_with_current);
        assert_eq!(now.len(), after.len(), "the text is that of the new one, which is shorter by a letter");
        store.close().await;
    }

    async fn every_column_of_bytes_is_sealed_or_known_not_to_be(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        let columns = match database {
            Database::Sqlite => "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND c.type = 'BLOB'
                 AND c.name <> 'id' AND (c.name = 'key_id' OR c.name NOT LIKE '%\\_id' ESCAPE '\\')
                 AND c.name NOT IN ('created_by', 'last_used_by', 'updated_by') ORDER BY 1",
            Database::Postgres => "SELECT (table_name || '.' || column_name) COLLATE \"C\" FROM information_schema.columns
                 WHERE table_schema = 'public' AND data_type = 'bytea' AND table_name NOT LIKE '\\_sqlx%' ORDER BY 1",
        };
        // Hashes, ids and replies. A new column of bytes belongs here, or into the registry of encrypted columns.
        let open = ["idempotency_keys.body", "idempotency_keys.fingerprint", "invite_tokens.token_hash", "throttles.key", "transfer_receipts.checksum", "user_tokens.token_hash", "vault_canaries.key_id"];
        let sealed = SEALED_COLUMNS.iter().map(|column| format!("{}.{}", column.table, column.column));
        let mut expected: Vec<String> = open.map(str::to_owned).into_iter().chain(sealed).collect();
        expected.sort();
        assert_eq!(site.sql(columns).await, expected);
    }
}

/// Word by word what the page for operators says where the key is the file in the data directory.
#[tokio::test]
async fn the_generated_key_file_is_replaced() {
    let mut site = Site::with(Database::Sqlite, &[("ENCRYPTION_KEY", "")]).await;
    site.add_user("ada").await;
    let mut server = site.start().await;
    let ada = sign_in(&server.http(), "ada").await;
    store_key(&server.http(), &ada, "sk-of-ada").await;

    let file = |name: &str| site.dir.path().join(name);
    let made = site.run(&["keys", "generate"], "").await.expect(0).stdout;
    std::fs::write(file("encryption.key.new"), &made).expect("a file");
    std::fs::rename(file("encryption.key"), file("encryption.key.old")).expect("a file");
    std::fs::rename(file("encryption.key.new"), file("encryption.key")).expect("a file");
    // The server that runs has read its key, and is not disturbed.
    assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
    let forgotten = site.run(&["keys", "rotate"], "").await.expect(78);
    assert!(forgotten.stderr.contains("is not the one this database was used with"), "{forgotten:?}");

    let old = file("encryption.key.old").display().to_string();
    site.set("ENCRYPTION_KEYS_OLD_FILE", &old);
    server.terminate().await;
    let mut server = site.start().await;
    assert_eq!(site.keys(&["rotate"], 0).await["resealed"], 1);
    assert_eq!(site.keys(&["verify"], 0).await["under_current"], 2);
    server.terminate().await;
    site.set("ENCRYPTION_KEYS_OLD_FILE", "");
    std::fs::remove_file(old).expect("a file");
    let server = site.start().await;
    assert_eq!(chat(&server.http(), &ada, "echo", false).await.status, 200);
    assert_eq!(site.provider.last_request().header("authorization"), "Bearer sk-of-ada");
}

#[tokio::test]
async fn each_explains_itself_and_refuses_odd_numbers() {
    let site = Site::new(Database::Sqlite).await;
    for command in ["status", "rotate", "verify"] {
        let help = site.run(&["keys", command, "--help"], "").await.expect(0).stdout;
        assert!(help.contains("Examples:") && help.contains("--json"), "{help}");
    }
    for batch in ["0", "1001", "many"] {
        site.run(&["keys", "rotate", "--batch", batch], "").await.expect(2);
    }
    assert_eq!(std::fs::read_dir(site.dir.path()).expect("a folder").count(), 0);
}
