//! PgBouncer in front of the temporary cluster.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use crate::port::free_port;
use crate::postgres::{Cluster, Tls, as_server_user};

const SUPERVISOR: &str = include_str!("pgbouncer.sh");
const MISSING: &str = "the tests need PgBouncer: apt-get install -y pgbouncer";

/// What the pooler gives its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// A connection of the server for as long as the client stays.
    Session,
    /// A connection of the server for one transaction.
    Transaction,
}

/// A running pooler on 127.0.0.1: SCRAM, and TLS by the cluster's certificate.
///
/// It ends and its files go with this value, and when the test process ends, killed or not.
#[derive(Debug)]
pub struct Pooler {
    cluster: &'static Cluster,
    port: u16,
    /// Its standard input is what keeps the pooler alive.
    supervisor: Child,
}

impl Pooler {
    /// At most `servers` connections to each database. `roles` are further ones beside `app`, with their passwords.
    pub async fn start(pooling: Pooling, servers: u32, roles: &[(&str, &str)]) -> Self {
        let cluster = Cluster::shared().await;
        let mut users = user("app", cluster.password());
        for (name, password) in roles {
            users += &user(name, password);
        }
        let work = move || Self::spawn(cluster, pooling, servers, &users);
        tokio::task::spawn_blocking(work).await.expect("a pooler")
    }

    /// The address of a database for the role `app`, by way of the pooler.
    pub fn url(&self, database: &str, tls: Tls) -> String {
        self.cluster.url_at(self.port, database, tls)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn spawn(cluster: &'static Cluster, pooling: Pooling, servers: u32, users: &str) -> Self {
        let mode = match pooling {
            Pooling::Session => "session",
            Pooling::Transaction => "transaction",
        };
        let supervisor = as_server_user("sh")
            .args(["-c", SUPERVISOR, "pgbouncer.sh", mode, &servers.to_string(), &cluster.port().to_string()])
            .arg(cluster.dir())
            .env("USERS", users)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh, and setpriv for root");
        // From here on its end is waited for, whatever fails.
        let mut pooler = Self { cluster, port: 0, supervisor };
        let mut stdout = BufReader::new(pooler.supervisor.stdout.take().expect("a pipe"));
        for _ in 0..5 {
            pooler.port = free_port();
            writeln!(pooler.supervisor.stdin.as_mut().expect("a pipe"), "{}", pooler.port)
                .expect("a living supervisor");
            if line(&mut stdout) == "started" {
                return pooler;
            }
        }
        panic!("PgBouncer did not start (reason above). {MISSING}")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Its end is quick; a failed wait has nothing left to wait for.
        let _ = self.supervisor.wait();
    }
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a pipe");
    line.trim_end().to_owned()
}

/// A line of PgBouncer's list of users.
fn user(name: &str, password: &str) -> String {
    let quoted = |text: &str| text.replace('"', "\"\"");
    let mut line = String::new();
    writeln!(line, "\"{}\" \"{}\"", quoted(name), quoted(password)).expect("a string takes all");
    line
}
