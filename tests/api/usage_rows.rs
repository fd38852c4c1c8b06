//! Looking at the usage rows behind replies.

use std::time::Duration;

use llm_api_domain::{RequestId, RequestStatus, TokenUsage, UserId};
use llm_api_storage::Request;
use llm_api_testkit::{HttpReply, Person, TestApp};

/// What the scripted provider counts.
pub(crate) const COUNTED: TokenUsage = TokenUsage {
    prompt_tokens: Some(11),
    completion_tokens: Some(7),
    total_tokens: Some(18),
    cached_tokens: None,
    reasoning_tokens: None,
};

/// No test waits longer than this for a row.
const PATIENCE: Duration = Duration::from_mins(1);

/// All rows of one person.
pub(crate) async fn rows_of(app: &TestApp, person: &Person) -> Vec<Request> {
    let user: UserId = person.id.parse().expect("an id");
    app.state.auth.store.requests().list(user, 1000).await.expect("the database answers")
}

/// The row of the request that `reply` answers; it must be there already.
pub(crate) async fn row_behind(app: &TestApp, person: &Person, reply: &HttpReply) -> Request {
    row_with(app, person, request_id(reply)).await
}

pub(crate) async fn row_with(app: &TestApp, person: &Person, id: RequestId) -> Request {
    rows_of(app, person).await.into_iter().find(|row| row.id == id).expect("a usage row")
}

pub(crate) fn request_id(reply: &HttpReply) -> RequestId {
    reply.header("x-request-id").parse().expect("an id")
}

/// Waits for the outcome of a request whose client has left: nobody is there to whom its commit could be told.
pub(crate) async fn outcome_of(app: &TestApp, person: &Person, id: RequestId) -> Request {
    let settled = async {
        loop {
            match rows_of(app, person).await.into_iter().find(|row| row.id == id) {
                Some(row) if row.status != RequestStatus::Running => return row,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("the request is settled")
}

/// Waits for the outcome of the person's only request: nobody is left to whom its commit could be told.
pub(crate) async fn outcome_of_the_only_request(app: &TestApp, person: &Person) -> Request {
    let settled = async {
        loop {
            let mut rows = rows_of(app, person).await;
            assert!(rows.len() <= 1, "{rows:?}");
            match rows.pop() {
                Some(row) if row.status != RequestStatus::Running => return row,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("the request is settled")
}
