//! One temporary PostgreSQL cluster per test process, one database per test.

use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::port::free_port;
use crate::temp::random_hex;

const SUPERVISOR: &str = include_str!("postgres.sh");
const MISSING: &str =
    "the tests need PostgreSQL's server programs (and openssl): apt-get install -y postgresql openssl";
/// Printed by psql after every statement of ours.
const DONE: &str = "-- done --";

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// Encrypted, with a certificate that nobody looks at.
    Require,
    /// Encrypted and verified against [`Cluster::ca_path`], host name included.
    VerifyFull,
}

/// A running server: SCRAM passwords, TLS by its own authority, on 127.0.0.1 and on a socket in its folder.
///
/// It ends and its files go when the test process ends, killed or not.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    port: u16,
    password: String,
    databases: AtomicU32,
    psql: Mutex<Psql>,
    /// Its standard input is what keeps the server alive.
    _supervisor: Supervisor,
}

/// An empty database of its own for one test, owned by the role `app`, which is no superuser.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    pub name: String,
    /// Without TLS, which tests of anything else do not pay for.
    pub url: String,
}

impl Cluster {
    /// The cluster of this process, started by the first call.
    pub async fn shared() -> &'static Self {
        CLUSTER
            .get_or_init(|| async { tokio::task::spawn_blocking(Self::start).await.expect("a PostgreSQL cluster") })
            .await
    }

    /// Makes a database in well under a second.
    pub async fn create_database(&'static self) -> TestDatabase {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        self.admin(format!("CREATE DATABASE {name} OWNER app")).await;
        TestDatabase { url: self.url(&name, Tls::Off), name }
    }

    /// Runs one statement as the superuser, in the database `postgres`; answers the rows, columns parted by `|`.
    pub async fn admin(&'static self, sql: String) -> Vec<String> {
        // A statement that failed leaves the session as usable as before.
        let work = move || self.psql.lock().unwrap_or_else(PoisonError::into_inner).run(&sql);
        tokio::task::spawn_blocking(work).await.expect("a statement that works")
    }

    /// The address of a database for the role `app`.
    pub fn url(&self, database: &str, tls: Tls) -> String {
        self.url_at(self.port, database, tls)
    }

    /// The same at another port, by which the server can be reached, too.
    pub(crate) fn url_at(&self, port: u16, database: &str, tls: Tls) -> String {
        let rest = format!("app:{}@127.0.0.1:{port}/{database}", self.password);
        match tls {
            Tls::Off => format!("postgres://{rest}?sslmode=disable"),
            Tls::Require => format!("postgres://{rest}?sslmode=require"),
            Tls::VerifyFull => {
                format!("postgres://{rest}?sslmode=verify-full&sslrootcert={}", self.ca_path().display())
            }
        }
    }

    /// The address of a database for the superuser.
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}?sslmode=disable", self.password, self.port)
    }

    /// The authority's certificate, in PEM.
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of `app` and of `postgres`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The folder that goes when the server ends.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn start() -> Self {
        let bin = server_programs();
        let password = random_hex();
        let mut supervisor = Supervisor::spawn(&bin, &password);
        let dir = PathBuf::from(supervisor.expect("initialised "));
        let port = supervisor.start_server();
        let mut psql = Psql::spawn(&bin, port, &password);
        psql.run(&format!("CREATE ROLE app LOGIN PASSWORD '{password}'"));
        Self { dir, port, password, databases: AtomicU32::new(0), psql: Mutex::new(psql), _supervisor: supervisor }
    }
}

/// The folder of `initdb` and its companions: the newest installed, or what the PATH has.
fn server_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.max_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .map(|entry| entry.path().join("bin"))
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("initdb").is_file())
        .expect(MISSING)
}

#[derive(Debug)]
struct Supervisor {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Supervisor {
    fn spawn(bin: &Path, password: &str) -> Self {
        let mut child = as_server_user("sh")
            .args(["-c", SUPERVISOR, "postgres.sh"])
            .arg(bin)
            .env("PGPASSWORD", password)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh, and setpriv for root");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { _child: child, stdin, stdout }
    }

    fn expect(&mut self, prefix: &str) -> String {
        let line = self.line();
        line.strip_prefix(prefix)
            .unwrap_or_else(|| panic!("PostgreSQL did not start (reason above): {line:?}"))
            .to_owned()
    }

    fn start_server(&mut self) -> u16 {
        for _ in 0..5 {
            let port = free_port();
            writeln!(self.stdin, "{port}").expect("a living supervisor");
            if self.line() == "started" {
                return port;
            }
        }
        panic!("PostgreSQL did not start (reason above)")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a pipe");
        line.trim_end().to_owned()
    }
}

/// A program as the user who runs the servers: they refuse to run as root. A Ctrl-C in the terminal does not reach it,
/// and ends the tests; then it sees its input close.
pub(crate) fn as_server_user(program: &str) -> Command {
    use std::os::unix::process::CommandExt as _;

    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.process_group(0);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// One long-running superuser session: a new process and login for each statement would take longer than the statement.
#[derive(Debug)]
struct Psql {
    _child: Child,
    stdin: ChildStdin,
    output: BufReader<PipeReader>,
}

impl Psql {
    fn spawn(bin: &Path, port: u16, password: &str) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut child = Command::new(bin.join("psql"))
            .args(["-qAtX", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres", "-p", &port.to_string()])
            .env("PGPASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn()
            .expect(MISSING);
        Self { stdin: child.stdin.take().expect("a pipe"), _child: child, output: BufReader::new(reader) }
    }

    fn run(&mut self, sql: &str) -> Vec<String> {
        writeln!(self.stdin, "{sql};\n\\echo {DONE}").expect("a living psql");
        let mut rows = Vec::new();
        let mut finished = false;
        for line in self.output.by_ref().lines() {
            let line = line.expect("a pipe");
            finished = line == DONE;
            if finished {
                break;
            }
            rows.push(line);
        }
        let failed = !finished || rows.iter().any(|row| row.contains("ERROR:") || row.contains("FATAL:"));
        assert!(!failed, "{sql}: {rows:?}");
        rows
    }
}
