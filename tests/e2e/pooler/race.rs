//! Many clients on few connections: every answer is for the one who asked.

use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use futures_util::future::join_all;
use llm_api_domain::{Clock, ProviderId, RequestId, RequestStatus, SessionId, Timestamp, TokenUsage, UserId};
use llm_api_storage::{
    AuditContext, DatabaseAddress, NewSession, NewUser, OpenError, OpenMode, OpenOptions, PoolMode, ProfileChange,
    RequestRecord, Store, StoreError,
};
use llm_api_testkit::{Cluster, Pooler, Pooling, TempDir, Tls, run};

const CLIENTS: usize = 8;
const SERVERS: u32 = 2;
/// Of each client; seven pieces of work each.
const ROUNDS: usize = 25;
const SCHEMA: &str = "llm_api";

/// A database by way of a pooler of transactions, with its direct address.
struct Narrow {
    database: String,
    direct: String,
    pooler: Pooler,
    dir: TempDir,
}

impl Narrow {
    async fn new() -> Self {
        let database = Cluster::shared().await.create_database().await;
        let pooler = Pooler::start(Pooling::Transaction, SERVERS, &[]).await;
        Self { database: database.name, direct: database.url, pooler, dir: TempDir::new() }
    }

    async fn open(&self, pool_mode: PoolMode, max_connections: u32) -> Result<Store, OpenError> {
        let address = |text: &str| DatabaseAddress::parse(text, Path::new("/"), None).expect("a good address");
        let options = OpenOptions {
            address: address(&self.pooler.url(&self.database, Tls::Off)),
            migration_address: Some(address(&self.direct)),
            pool_mode,
            schema: Some(SCHEMA.to_owned()),
            max_connections,
            mode: OpenMode::Tool,
            expect_receipt: None,
            clock: Clock::system(),
        };
        Store::open(options).await
    }

    /// Somebody else's statements by way of the same pooler, one after the other; the rows of the last.
    async fn somebody_says(&self, statements: &str) -> Vec<String> {
        let url = self.pooler.url(&self.database, Tls::Off);
        let done = run(Path::new("psql"), self.dir.path(), &["-qAtX", &url, "-c", statements], &[], "").await.expect(0);
        done.stdout.lines().map(str::to_owned).collect()
    }
}

/// One of many users, on a store of its own as if in a process of its own.
struct Client {
    store: Store,
    name: String,
    id: UserId,
}

/// What came of the work of one client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    right: usize,
    wrong: Vec<String>,
    errors: Vec<String>,
}

impl Score {
    fn note(&mut self, what: &str, answer: Result<bool, StoreError>) {
        match answer {
            Ok(true) => self.right += 1,
            Ok(false) => self.wrong.push(what.to_owned()),
            Err(error) => self.errors.push(format!("{what}: {error:?}")),
        }
    }
}

fn now() -> Timestamp {
    Clock::system().now()
}

impl Client {
    async fn new(store: Store, number: usize) -> Self {
        let (name, context) = (format!("client-{number}"), AuditContext::operator(now()));
        let id = UserId::new(context.now);
        let password_hash = format!("none of {name}");
        let user = NewUser { id, username: name.clone(), password_hash, display_name: None, is_admin: false };
        assert!(store.users().create(&user, &context).await.expect("made"));
        Self { store, name, id }
    }

    async fn work(&self, rounds: usize) -> Score {
        let mut score = Score::default();
        for round in 1..=rounds {
            score.note("login", self.login().await);
            score.note("profile", self.profile().await);
            score.note("change", self.change(round).await);
            score.note("create", self.create().await);
            score.note("sessions", self.sessions(round).await);
            score.note("record", self.record().await);
            score.note("requests", self.requests(round).await);
        }
        score
    }

    async fn login(&self) -> Result<bool, StoreError> {
        let found = self.store.users().find_for_login(&self.name).await?;
        Ok(found.is_some_and(|found| found.password_hash == Some(format!("none of {}", self.name))))
    }

    async fn profile(&self) -> Result<bool, StoreError> {
        let found = self.store.users().profile(self.id).await?;
        Ok(found.is_some_and(|found| found.user.username == self.name))
    }

    async fn change(&self, round: usize) -> Result<bool, StoreError> {
        let wanted = Some(format!("{} {round}", self.name));
        let change = ProfileChange { preferred_model: wanted.clone(), ..ProfileChange::default() };
        let changed = self.store.users().update_profile(self.id, &change, &AuditContext::operator(now())).await?;
        Ok(changed.is_some_and(|profile| profile.preferred_model == wanted))
    }

    async fn create(&self) -> Result<bool, StoreError> {
        let (user, title) = (self.id, Some(self.name.clone()));
        let new = NewSession { id: SessionId::new(now()), user, title, system_prompt: None };
        let made = self.store.sessions().create(&new, now()).await?;
        let found = self.store.sessions().get(user, made.id).await?;
        Ok(found.is_some_and(|found| found.title.as_ref() == Some(&self.name)))
    }

    async fn sessions(&self, round: usize) -> Result<bool, StoreError> {
        let found = self.store.sessions().list(self.id, 1000, 0).await?;
        Ok(found.len() == round && found.iter().all(|session| session.title.as_ref() == Some(&self.name)))
    }

    async fn record(&self) -> Result<bool, StoreError> {
        self.store.recorder().settle(completed(self.id, &self.name)).await.map(|()| true)
    }

    async fn requests(&self, round: usize) -> Result<bool, StoreError> {
        let found = self.store.requests().list(self.id, 1000).await?;
        Ok(found.len() == round && found.iter().all(|request| request.model == self.name))
    }
}

fn completed(user: UserId, model: &str) -> RequestRecord {
    let now = now();
    RequestRecord {
        id: RequestId::new(now),
        user,
        token: None,
        endpoint: "generate",
        provider: ProviderId::Openai,
        model: model.to_owned(),
        streamed: false,
        status: RequestStatus::Completed,
        error_code: None,
        fallback_reason: None,
        session: None,
        usage: TokenUsage::default(),
        started_at: now,
        first_byte_at: None,
        finished_at: Some(now),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_for_the_one_who_asked() {
    let narrow = Narrow::new().await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::new(narrow.open(PoolMode::Transaction, 2).await.expect("open"), number).await);
    }
    // A neighbour who leaves in the sessions what he can, and has tables of our names.
    narrow.somebody_says("CREATE SCHEMA theirs").await;
    for table in ["users", "sessions", "requests", "audit_events"] {
        narrow.somebody_says(&format!("CREATE TABLE theirs.{table} (LIKE {SCHEMA}.{table} INCLUDING ALL)")).await;
    }
    let neighbour = async {
        for _ in 0..20 {
            // Not a short `statement_timeout`: it holds for the very message that says another.
            let left = "SET search_path TO theirs; SET default_transaction_read_only TO on;
                SET default_transaction_isolation TO serializable";
            narrow.somebody_says(left).await;
        }
    };
    let (scores, ()) = tokio::join!(join_all(clients.iter().map(|client| client.work(ROUNDS))), neighbour);
    let perfect = Score { right: ROUNDS * 7, ..Score::default() };
    assert!(scores.iter().all(|score| *score == perfect), "{scores:#?}");
    join_all(clients.iter().map(|client| client.store.close())).await;
    // It was he who worked in these sessions, too, and we left nothing in them.
    assert_eq!(narrow.somebody_says("SHOW search_path").await, ["theirs"]);
    assert_eq!(narrow.somebody_says("SELECT count(*) FROM pg_prepared_statements").await, ["0"]);
    let rows = "SELECT (SELECT count(*) FROM theirs.users), (SELECT count(*) FROM theirs.requests)";
    assert_eq!(narrow.somebody_says(rows).await, ["0|0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_pooler_of_transactions_is_never_taken_for_sessions() {
    let narrow = Narrow::new().await;
    narrow.open(PoolMode::Transaction, 1).await.expect("open").close().await;
    for _ in 0..3 {
        for opened in join_all((0..CLIENTS).map(|_| narrow.open(PoolMode::Session, 2))).await {
            let error = opened.expect_err("these are no sessions");
            assert!(matches!(error, OpenError::TransactionPooler { .. }), "{error:?}");
        }
    }
    // Nothing was said that would change the sessions of others.
    let settings = "SELECT current_setting('search_path'), current_setting('statement_timeout')";
    assert_eq!(narrow.somebody_says(settings).await, ["\"$user\", public|0"]);
    let left = "SELECT (SELECT count(*) FROM pg_prepared_statements), \
        (SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
         WHERE locktype = 'advisory' AND d.datname = current_database())";
    assert_eq!(narrow.somebody_says(left).await, ["0|0"]);
}

/// Does `work`, but drops it when it has been polled so many times.
async fn given_up_after<T>(polls: u32, work: impl Future<Output = T>) {
    let mut work = Box::pin(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 || work.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Clients leave at every point of a write; what others write after them is there all the same.
async fn left_in_the_middle(pool_mode: PoolMode) {
    let mut narrow = Narrow::new().await;
    if pool_mode == PoolMode::Session {
        narrow.pooler = Pooler::start(Pooling::Session, 20, &[]).await;
    }
    // One connection: who comes next gets the one that was left.
    let client = Client::new(narrow.open(pool_mode, 1).await.expect("open"), 0).await;
    let beside = narrow.open(pool_mode, 1).await.expect("open");
    for written in 1..=12_usize {
        let polls = u32::try_from(written).expect("few");
        given_up_after(polls, client.create()).await;
        client.store.recorder().settle(completed(client.id, "echo")).await.expect("written");
        let seen = beside.requests().list(client.id, 1000).await.expect("read");
        assert_eq!(seen.len(), written, "after {polls} polls");
    }
    beside.close().await;
    client.store.close().await;
}

#[tokio::test]
async fn a_client_who_leaves_takes_nobody_along_with_sessions() {
    left_in_the_middle(PoolMode::Session).await;
}

#[tokio::test]
async fn a_client_who_leaves_takes_nobody_along_with_transactions() {
    left_in_the_middle(PoolMode::Transaction).await;
}
