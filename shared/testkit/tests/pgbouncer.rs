//! The pooler: what a client leaves in its session meets the next one, or does not, as the mode says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::process::{Command, Output};

use llm_api_testkit::{Cluster, Pooler, Pooling, Tls};

fn psql(url: &str, sql: &str) -> Output {
    Command::new("psql").args(["-qAtX", url, "-c", sql]).env_remove("PGPASSWORD").output().unwrap()
}

fn answer(url: &str, sql: &str) -> String {
    let output = psql(url, sql);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn left_behind(pooling: Pooling) -> String {
    let database = Cluster::shared().await.create_database().await;
    let pooler = Pooler::start(pooling, 1, &[]).await;
    let url = pooler.url(&database.name, Tls::VerifyFull);
    assert_eq!(answer(&url, "SELECT current_database()"), database.name);
    answer(&url, "SET test.word = 'spoken'");
    answer(&url, "SELECT current_setting('test.word', true)")
}

#[tokio::test]
async fn a_session_is_swept_after_use() {
    assert_eq!(left_behind(Pooling::Session).await, "");
}

#[tokio::test]
async fn a_transaction_leaves_its_settings_to_the_next_client() {
    assert_eq!(left_behind(Pooling::Transaction).await, "spoken");
}

#[tokio::test]
async fn passwords_are_checked_and_the_end_is_an_end() {
    let database = Cluster::shared().await.create_database().await;
    let pooler = Pooler::start(Pooling::Session, 1, &[("odd", "a\"b'c\\d e")]).await;
    let url = pooler.url(&database.name, Tls::Off);
    assert_eq!(answer(&url, "SELECT 1"), "1");
    let refused = psql(&url.replace(Cluster::shared().await.password(), "wrong"), "SELECT 1");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SASL authentication failed"), "{refused:?}");
    drop(pooler);
    assert!(String::from_utf8_lossy(&psql(&url, "SELECT 1").stderr).contains("Connection refused"));
}
