//! On the way to a PostgreSQL server: each step that can fail, told as itself and in time.

use std::time::{Duration, Instant};

use llm_api_testkit::{Cluster, Database, FakeProvider, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Diagnosis;
use crate::support::{Site, another_authority};

const STEPS: [&str; 11] =
    ["host", "tcp", "tls", "login", "pooler", "schema", "migrations", "vault", "freeze", "clock", "database"];

async fn site() -> (Site, String) {
    let site = Site::new(Database::Postgres).await;
    let name = site.database.as_ref().expect("a database").name.clone();
    (site, name)
}

/// Nothing behind a failed step is tried, and everything before it is good.
#[track_caller]
fn fails_at(found: &Diagnosis, step: &str) {
    let place = STEPS.iter().position(|known| *known == step).expect("a step");
    assert_eq!(found.all("fail"), [step], "{found:#?}");
    assert_eq!(found.all("skip"), STEPS[place + 1..], "{found:#?}");
    let before = found.statuses();
    assert!(STEPS[..place].iter().all(|step| matches!(before[step], "ok" | "warn")), "{found:#?}");
    let because = format!("{step} failed | ");
    assert_eq!(found.told(STEPS[place + 1], "skip"), because);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_missing_database_are_told_apart() {
    let (mut site, name) = site().await;
    let cluster = Cluster::shared().await;
    let url = cluster.url(&name, Tls::Off);
    site.set("DATABASE_URL", &url.replace(cluster.password(), "hunter2"));
    let found = Diagnosis::of(&site, 1).await;
    fails_at(&found, "login");
    let told = found.told("login", "fail");
    assert!(told.contains("the user name or the password is wrong") && told.contains("@ as %40"), "{told}");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:#?}");

    site.set("DATABASE_URL", &cluster.url("nothing_of_this_name", Tls::Require));
    let found = Diagnosis::of(&site, 1).await;
    fails_at(&found, "login");
    assert!(found.told("login", "fail").contains("CREATE DATABASE \"nothing_of_this_name\""), "{found:#?}");

    cluster
        .admin(format!(
            "REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; CREATE ROLE out_of_{name} LOGIN PASSWORD 'hunter2'"
        ))
        .await;
    site.set("DATABASE_URL", &url.replace("app:", &format!("out_of_{name}:")).replace(cluster.password(), "hunter2"));
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("login", "fail").contains("permission denied for database"), "{found:#?}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let (mut site, name) = site().await;
    let cluster = Cluster::shared().await;
    let role = format!("counted_{name}");
    cluster.admin(format!("CREATE ROLE {role} LOGIN PASSWORD 'right'")).await;
    for tls in [Tls::Off, Tls::Require, Tls::VerifyFull] {
        let url = cluster.url(&name, tls).replace("app:", &format!("{role}:")).replace(cluster.password(), "wrong");
        site.set("DATABASE_URL", &url);
        fails_at(&Diagnosis::of(&site, 1).await, "login");
    }
    let log = std::fs::read_to_string(cluster.dir().join("log")).expect("the server's log");
    let refusals = log.lines().filter(|line| line.contains(&format!("authentication failed for user \"{role}\"")));
    assert_eq!(refusals.count(), 3);
}

#[tokio::test]
async fn a_host_that_is_not_there_and_a_port_that_is_closed_are_told_apart() {
    let (mut site, _) = site().await;
    site.set("DATABASE_URL", "postgres://app:hunter2@nothing.invalid/x");
    let found = Diagnosis::of(&site, 1).await;
    fails_at(&found, "host");
    let told = found.told("host", "fail");
    assert!(told.starts_with("nothing.invalid has no address") && told.contains("@ as %40"), "{told}");

    let closed = FakeProvider::start().await.port();
    site.set("DATABASE_URL", &format!("postgres://app:hunter2@127.0.0.1:{closed}/x"));
    let found = Diagnosis::of(&site, 1).await;
    fails_at(&found, "tcp");
    let told = found.told("tcp", "fail");
    assert!(told.starts_with(&format!("nothing listens on 127.0.0.1:{closed}")), "{told}");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:#?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (mut site, _) = site().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    // A provider as well: connections are taken by the system, and nobody answers.
    site.set("DATABASE_URL", &format!("postgres://app:hunter2@127.0.0.1:{port}/x?sslmode=require"));
    site.set("OPENAI_BASE_URL", &format!("http://127.0.0.1:{port}/v1"));
    site.set("OPENAI_API_KEY", super::GOOD_KEY);
    let begun = Instant::now();
    let found = Diagnosis::with(&site, &["doctor", "--json", "--timeout", "1"], 1).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(found.all("fail"), ["tls", "provider-openai"], "{found:#?}");
    assert!(found.told("tls", "fail").starts_with("no answer within 1 s"), "{found:#?}");
    assert!(found.told("provider-openai", "fail").contains("did not answer in time"), "{found:#?}");
}

#[tokio::test]
async fn certificates_are_judged_as_verify_full_would() {
    let (mut site, name) = site().await;
    let cluster = Cluster::shared().await;
    site.set("DATABASE_URL", &cluster.url(&name, Tls::VerifyFull));
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("tls", "ok").starts_with("sslmode=verify-full, and the certificate is good"), "{found:#?}");

    let require = cluster.url(&name, Tls::Require);
    site.set("DATABASE_URL", &require);
    let found = Diagnosis::of(&site, 0).await;
    let told = found.told("tls", "warn");
    assert!(told.contains("this one would not pass") && told.contains("LLM_API_DATABASE_ROOT_CERT"), "{told}");
    site.set("DATABASE_ROOT_CERT", &cluster.ca_path().display().to_string());
    let found = Diagnosis::of(&site, 0).await;
    assert!(found.told("tls", "warn").contains("this one would pass | set sslmode=verify-full"), "{found:#?}");

    let wrong = another_authority(&site.dir).await;
    site.set("DATABASE_ROOT_CERT", &wrong);
    site.set("DATABASE_URL", &require.replace("sslmode=require", "sslmode=verify-full"));
    let found = Diagnosis::of(&site, 1).await;
    fails_at(&found, "tls");
    assert!(found.told("tls", "fail").contains("not signed by an authority that is known here"), "{found:#?}");
    site.set("DATABASE_ROOT_CERT", "/nowhere/ca.crt");
    let found = Diagnosis::of(&site, 1).await;
    assert!(found.told("tls", "fail").contains("the file with the root certificate cannot be read"), "{found:#?}");
}

#[tokio::test]
async fn a_server_without_tls_and_one_that_is_no_postgres_are_told_apart() {
    for (answer, expected) in
        [(&b"N"[..], "the server speaks no TLS, and sslmode=require asks for it"), (b"H", "no PostgreSQL server")]
    {
        let (mut site, _) = site().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        site.set("DATABASE_URL", &format!("postgres://app:hunter2@127.0.0.1:{port}/x?sslmode=require"));
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.expect("eight bytes");
            stream.write_all(answer).await.expect("a client");
            // Nothing else is asked of it.
            std::future::pending::<()>().await;
        };
        let found = tokio::select! {
            () = serve => unreachable!("it serves for ever"),
            found = Diagnosis::of(&site, 1) => found,
        };
        fails_at(&found, "tls");
        assert!(found.told("tls", "fail").contains(expected), "{found:#?}");
    }
}
