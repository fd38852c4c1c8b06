//! The temporary cluster: a database each, passwords and TLS checked for real, nothing left behind.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use llm_api_testkit::{Cluster, Tls};

fn psql(url: &str, sql: &str) -> Output {
    Command::new("psql").args(["-qAtX", url, "-c", sql]).env_remove("PGPASSWORD").output().unwrap()
}

fn answer(url: &str, sql: &str) -> String {
    let output = psql(url, sql);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let cluster = Cluster::shared().await;
    let (one, two) = (cluster.create_database().await, cluster.create_database().await);
    assert_ne!(one.name, two.name);
    assert_eq!(answer(&one.url, "CREATE TABLE t (x int); SELECT current_database()"), one.name);
    assert_eq!(answer(&two.url, "SELECT count(*) FROM pg_tables WHERE tablename = 't'"), "0");
    assert_eq!(answer(&one.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "f");
    assert_eq!(answer(&cluster.admin_url(&one.name), "SELECT current_user"), "postgres");
}

#[tokio::test]
async fn tls_is_as_asked_and_verified_against_the_authority() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(answer(&cluster.url(&database.name, Tls::Off), encrypted), "f");
    assert_eq!(answer(&cluster.url(&database.name, Tls::Require), encrypted), "t");
    let verified = cluster.url(&database.name, Tls::VerifyFull);
    assert_eq!(answer(&verified, encrypted), "t");
    let other_name = format!("{}&hostaddr=127.0.0.1", verified.replace("127.0.0.1", "elsewhere.test"));
    let refused = psql(&other_name, "SELECT 1");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not match host name"), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let refused = psql(&database.url.replace(cluster.password(), "wrong"), "SELECT 1");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("password authentication failed"));
}

#[tokio::test]
#[should_panic(expected = "a statement that works")]
async fn a_statement_that_fails_fails_the_test() {
    Cluster::shared().await.admin("SELECT nothing_of_this_name".to_owned()).await;
}

#[tokio::test]
async fn the_server_and_its_files_go_when_the_test_process_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::holds_a_cluster", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let dir = lines.find_map(|line| line.split_once("cluster in ").map(|(_, dir)| dir.to_owned())).unwrap();
    assert!(Path::new(&dir).is_dir());
    child.kill().unwrap();
    child.wait().unwrap();

    let killed = Instant::now();
    while Path::new(&dir).exists() {
        assert!(killed.elapsed() < Duration::from_secs(20), "{dir} is still there");
        tokio::task::yield_now().await;
    }
}

/// The process that the test above kills.
#[tokio::test]
#[ignore = "waits for ever by design"]
async fn holds_a_cluster() {
    let cluster = Cluster::shared().await;
    println!("cluster in {}", cluster.dir().display());
    std::io::stdin().lines().next();
}
