//! The store by itself, without a server in front of it: what handlers rely on and no endpoint shows.

mod aliases;
mod defaults;
mod exchanges;
mod files;
mod handover;
mod hot_path;
mod people;
mod requests;
mod sessions;
mod statistics;

use std::{path::Path, time::Duration};

use llm_api_domain::{Clock, SessionId, Timestamp, UserId};
use llm_api_storage::{
    AuditContext, DatabaseAddress, NewSession, NewUser, OpenMode, OpenOptions, PoolMode, Session, Store,
};
use llm_api_testkit::Database;

use crate::database::OpenDatabase;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// A database of its own that several processes may open, under a hand-moved clock.
struct House {
    database: OpenDatabase,
    clock: Clock,
}

impl House {
    async fn new(database: Database) -> Self {
        // The begin of a quarter of an hour.
        let start = Timestamp::from_micros(1_795_348_800_000_000);
        Self { database: OpenDatabase::new(database).await, clock: Clock::manual(start) }
    }

    /// What a server has.
    async fn server(&self) -> Store {
        self.open(OpenMode::Server).await
    }

    /// Another process beside the server.
    async fn beside(&self) -> Store {
        self.open(OpenMode::Tool).await
    }

    async fn open(&self, mode: OpenMode) -> Store {
        Store::open(self.options(mode)).await.expect("the database opens")
    }

    fn options(&self, mode: OpenMode) -> OpenOptions {
        let address = DatabaseAddress::parse(self.database.setting().1, Path::new("/"), None).expect("a good address");
        let clock = self.clock.clone();
        let (migration_address, pool_mode, schema) = (None, PoolMode::Auto, None);
        let (max_connections, expect_receipt) = (3, None);
        OpenOptions { address, migration_address, pool_mode, schema, max_connections, mode, expect_receipt, clock }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    fn later(&self, seconds: u64) -> Timestamp {
        self.clock.advance(Duration::from_secs(seconds));
        self.now()
    }

    async fn person(&self, store: &Store, username: &str) -> UserId {
        let context = AuditContext::operator(self.now());
        let id = UserId::new(context.now);
        let user = NewUser {
            id,
            username: username.to_owned(),
            password_hash: "none that fits".to_owned(),
            display_name: None,
            is_admin: false,
        };
        assert!(store.users().create(&user, &context).await.expect("the database answers"));
        id
    }

    async fn session(&self, store: &Store, user: UserId, title: Option<&str>) -> Session {
        let now = self.now();
        let new = NewSession { id: SessionId::new(now), user, title: title.map(str::to_owned), system_prompt: None };
        store.sessions().create(&new, now).await.expect("the database answers")
    }
}
