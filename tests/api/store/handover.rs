//! Two servers on one SQLite file for a while: one that ends, and its successor.

use llm_api_crypto::{PlainToken, TokenKind as Secret};
use llm_api_domain::{OnDisconnect, Scope, ScopeSet, TokenId, UserId};
use llm_api_storage::{Action, AuditContext, NewToken, OpenError, OpenMode, Store, TokenKind};
use llm_api_testkit::Database;

use super::House;

struct Token {
    user: UserId,
    id: TokenId,
    secret: PlainToken,
}

impl Token {
    async fn new(house: &House, store: &Store, user: UserId) -> Self {
        let secret = PlainToken::generate(Secret::Personal).expect("random bytes");
        let context = AuditContext::operator(house.now());
        let id = TokenId::new(context.now);
        let new = NewToken {
            id,
            user,
            kind: TokenKind::Personal,
            name: None,
            hash: secret.hash(),
            scopes: ScopeSet::new(vec![Scope::Generate]),
            expires_at: None,
            on_disconnect: OnDisconnect::Cancel,
        };
        store.tokens().create(&new, &context).await.expect("made");
        Self { user, id, secret }
    }

    async fn is_good(&self, house: &House, store: &Store) -> bool {
        store.tokens().authenticate(&self.secret.hash(), house.now()).await.expect("read").is_some()
    }

    async fn revoke(&self, house: &House, store: &Store) {
        let context = AuditContext::operator(house.now());
        assert!(store.tokens().revoke(self.user, self.id, Action::TokenRevoked, &context).await.expect("revoked"));
    }
}

#[tokio::test]
async fn nothing_is_kept_while_two_serve_and_nobody_else_gets_the_file() {
    let house = House::new(Database::Sqlite).await;
    let old = house.server().await;
    let ada = house.person(&old, "ada").await;
    let (one, other) = (Token::new(&house, &old, ada).await, Token::new(&house, &old, ada).await);
    let held =
        async || matches!(Store::open(house.options(OpenMode::Server)).await, Err(OpenError::HeldByAnother { .. }));
    // Now the old one has both in memory.
    assert!(one.is_good(&house, &old).await && other.is_good(&house, &old).await);

    old.be_beside();
    let lock = old.share_lock().expect("another handle");
    assert!(lock.is_some());
    let new = Store::succeed(house.options(OpenMode::Server), lock).await.expect("it opens beside the old one");
    assert!(one.is_good(&house, &new).await && other.is_good(&house, &new).await);
    one.revoke(&house, &new).await;
    assert!(!one.is_good(&house, &old).await);
    other.revoke(&house, &old).await;
    assert!(!other.is_good(&house, &new).await);
    assert!(held().await);

    old.close().await;
    drop(old);
    assert!(held().await);
    new.be_alone();
    let last = Token::new(&house, &new, ada).await;
    assert!(last.is_good(&house, &new).await);
    last.revoke(&house, &new).await;
    assert!(!last.is_good(&house, &new).await);
    new.close().await;
    drop(new);
    assert!(!held().await);
}

#[tokio::test]
async fn the_lock_of_another_file_is_worth_nothing() {
    let (house, elsewhere) = (House::new(Database::Sqlite).await, House::new(Database::Sqlite).await);
    let (mine, theirs) = (house.server().await, elsewhere.server().await);
    let lock = theirs.share_lock().expect("another handle");
    let taken = Store::succeed(house.options(OpenMode::Server), lock).await;
    assert!(matches!(taken, Err(OpenError::HeldByAnother { .. })));
    drop(mine);
}
