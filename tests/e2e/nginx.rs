//! The site that we ship, in a real nginx in front of the real server; curl is the client, over HTTP/1.1 and HTTP/2.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use llm_api_testkit::{Database, Finished, Nginx, Server, run};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{PASSWORD, Site, eventually, get, question, sign_in, store_key};

const VERSIONS: [&str; 2] = ["--http1.1", "--http2"];

/// A server with nginx in front of it, and an administrator.
struct Front {
    site: Site,
    server: Server,
    nginx: Nginx,
    token: String,
}

impl Front {
    async fn new() -> Self {
        let site = Site::with(Database::Sqlite, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
        let args = ["user", "create", "--username", "ada", "--admin", "--password-stdin"];
        site.run(&args, &format!("{PASSWORD}\n")).await.expect(0);
        let server = site.start().await;
        let token = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &token, "sk-good").await;
        let nginx = Nginx::start(authority(&server), &[]).await;
        Self { site, server, nginx, token }
    }

    async fn ask(&self, arguments: &[&str], path: &str) -> Reply {
        let bearer = format!("Authorization: Bearer {}", self.token);
        curl(&self.nginx, &[&["-H", &bearer], arguments].concat(), path).await
    }

    /// A body of so many bytes.
    async fn upload(&self, arguments: &[&str], path: &str, bytes: usize) -> Reply {
        let file = self.site.dir.path().join(format!("body-{bytes}"));
        std::fs::write(&file, vec![b' '; bytes]).expect("a file");
        let data = format!("@{}", file.display());
        let json = "Content-Type: application/json";
        self.ask(&[&["-H", json, "--data-binary", &data], arguments].concat(), path).await
    }

    async fn addresses(&self, action: &str) -> Vec<String> {
        self.site.sql(&format!("SELECT address FROM audit_events WHERE action = '{action}' ORDER BY rowid")).await
    }
}

fn authority(server: &Server) -> &str {
    server.base_url().strip_prefix("http://").expect("an address")
}

#[derive(Debug)]
struct Reply {
    status: u16,
    /// `1.1` or `2`.
    version: String,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }

    /// All values of a header.
    fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// Both forms of an error body at once, since nginx does not know whose client asks.
    fn assert_error(&self, status: u16, code: &str) {
        let body = self.json();
        assert_eq!(
            (self.status, &body["code"], &body["error"]["code"]),
            (status, &json!(code), &json!(code)),
            "{self:?}"
        );
        assert_eq!(body["detail"], body["error"]["message"]);
        assert_eq!(self.header("x-request-id"), [body["request_id"].as_str().expect("an id")]);
        assert_eq!(self.header("content-type"), ["application/json"]);
        for name in ["strict-transport-security", "x-content-type-options"] {
            assert_eq!(self.header(name).len(), 1, "{name}: {}", self.head);
        }
    }
}

/// One request to its end. A path without its own origin goes to the API.
async fn curl(nginx: &Nginx, arguments: &[&str], path: &str) -> Reply {
    let url = if path.starts_with("http") { path.to_owned() } else { nginx.url() + path };
    let certificate = nginx.certificate().display().to_string();
    // The head goes to standard error, so that the body is not searched for its beginning.
    let fixed = ["-qsS", "--max-time", "60", "--cacert", &certificate, "-D", "/dev/stderr", "--path-as-is"];
    let format = ["-w", "\n%{http_code} %{http_version}", &url];
    let asked = run(Path::new("curl"), &std::env::temp_dir(), &[&fixed, arguments, &format].concat(), &[], "").await;
    let Finished { stdout, stderr, .. } = asked.expect(0);
    let (body, figures) = stdout.rsplit_once('\n').expect("the figures");
    let (status, version) = figures.split_once(' ').expect("two figures");
    Reply {
        status: status.parse().expect("a status"),
        version: version.to_owned(),
        head: stderr,
        body: body.to_owned(),
    }
}

/// A stream that is read while it comes. curl ends with this value: the client leaves.
struct Stream {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Stream {
    fn open(front: &Front, version: &str) -> Self {
        let mut body = question("openai:slow-stream");
        body["stream"] = true.into();
        let mut child = Command::new("curl")
            .args(["-qsSN", version, "--max-time", "60", "--json", &body.to_string(), "--cacert"])
            .arg(front.nginx.certificate())
            .args(["-H", &format!("Authorization: Bearer {}", front.token)])
            .arg(front.nginx.url() + "/v1/chat/completions")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("curl");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// The next event's data; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        while let Some(line) = self.lines.next_line().await.expect("a stream") {
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(data.to_owned());
            }
        }
        assert!(self.child.wait().await.expect("curl").success());
        None
    }
}

/// Listens where nginx expects the server, reads one request after another, and answers none: it closes the connection
/// or keeps it open.
async fn broken_server(closes: bool) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a bound listener").to_string();
    let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
    #[expect(clippy::disallowed_methods, reason = "a test owns its tasks")]
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut piece = [0; 4096];
            let count = match stream.read(&mut piece).await {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                Err(error) => panic!("{error}"),
            };
            let line = String::from_utf8_lossy(&piece[..count]).lines().next().unwrap_or_default().to_owned();
            if seen.send(line).is_err() {
                return;
            }
            if closes {
                let _ = stream.shutdown().await;
            } else {
                open.push(stream);
            }
        }
    });
    (address, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_come_through_unchanged_and_events_at_once() {
    let front = Front::new().await;
    // A newer nginx would rather have HTTP/2 in another directive.
    let complaints = front.nginx.complaints();
    let complaints: Vec<_> = complaints.lines().filter(|line| !line.contains("http2")).collect();
    assert_eq!(complaints, [""; 0]);
    for (argument, version) in VERSIONS.into_iter().zip(["1.1", "2"]) {
        let direct = get(&front.server.http(), &front.token, "/v1/users/me").await;
        let reply = front.ask(&[argument], "/v1/users/me").await;
        assert_eq!((reply.status, reply.version.as_str()), (200, version));
        for name in ["x-content-type-options", "x-frame-options", "content-security-policy", "cache-control"] {
            assert_eq!(reply.header(name), [direct.header(name)], "{name}");
        }
        assert_eq!(reply.header("strict-transport-security").len(), 1);
        assert_eq!(reply.header("server"), ["nginx"]);
        assert_eq!(reply.json(), direct.json().await);

        let mut stream = Stream::open(&front, argument);
        // The provider holds back everything after the first word until it is told.
        let first = stream.next().await.expect("an event");
        assert!(first.contains("chat.completion.chunk"), "{first}");
        front.site.provider.release();
        let mut last = first;
        while let Some(event) = stream.next().await {
            last = event;
        }
        assert_eq!(last, "[DONE]");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_the_call_to_the_provider() {
    let front = Front::new().await;
    for version in VERSIONS {
        let mut stream = Stream::open(&front, version);
        stream.next().await.expect("an event");
        drop(stream);
        front.site.provider.wait_until_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_its_own_address_and_cannot_write_another() {
    let front = Front::new().await;
    let knock = async |from: &str, number: usize| {
        let lie = format!("X-Forwarded-For: 198.51.100.{number}");
        let other_lie = format!("Forwarded: for=198.51.100.{number}");
        // Too long to be hashed: only the address counts.
        let body = json!({ "username": format!("nobody-{number}"), "password": "x".repeat(1100) }).to_string();
        let arguments = ["--interface", from, "-H", &lie, "-H", "X-Real-IP: 198.51.100.1", "-H", &other_lie];
        curl(&front.nginx, &[&arguments[..], &["--json", &body]].concat(), "/v1/users/login").await.status
    };
    for number in 0..10 {
        assert_eq!(knock("127.0.0.2", number).await, 401);
    }
    assert_eq!(knock("127.0.0.2", 10).await, 429);
    assert_eq!(knock("127.0.0.3", 11).await, 401);

    let before = front.addresses("user.logged_in").await.len();
    let body = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let arguments = ["--interface", "127.0.0.4", "-H", "X-Forwarded-For: 198.51.100.9", "--json", &body];
    assert_eq!(curl(&front.nginx, &arguments, "/v1/users/login").await.status, 200);
    assert_eq!(front.addresses("user.logged_in").await[before..], ["127.0.0.4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_end_where_ours_do() {
    const MIB: usize = 1024 * 1024;
    let front = Front::new().await;
    for version in VERSIONS {
        for (path, limit) in [
            ("/v1/users/login", MIB),
            ("/v1/sessions/1/regenerate", MIB),
            ("/v1/sessions/1/generate", 20 * MIB),
            ("/v1/generate", 20 * MIB),
            ("/v1/chat/completions", 20 * MIB),
        ] {
            front.upload(&[version], path, limit + 1).await.assert_error(413, "payload_too_large");
            // The server answers, after it has read the whole.
            let taken = front.upload(&[version], path, limit).await;
            assert!([400, 404, 422].contains(&taken.status), "{path}: {taken:?}");
            assert_eq!(taken.header("x-request-id")[0].len(), 36);
        }
    }
    // Without a length that could be looked at beforehand.
    let chunked = ["--http1.1", "-H", "Transfer-Encoding: chunked"];
    front.upload(&chunked, "/v1/users/login", MIB + 1).await.assert_error(413, "payload_too_large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_and_secrets_stay_on_the_machine() {
    let front = Front::new().await;
    assert_eq!(get(&front.server.http(), &front.token, "/metrics").await.status, 200);
    for path in ["/metrics", "//metrics", "/metrics/", "/metrics?x=1", "/%6detrics", "/./metrics", "/v1/../metrics"] {
        let reply = front.ask(&[], path).await;
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("not_found")), "{path}");
        assert!(!reply.body.contains("# TYPE"), "{path}");
    }

    let plain = curl(&front.nginx, &["-H", "Authorization: Bearer x"], &front.nginx.plain_url()).await;
    assert_eq!((plain.status, &plain.json()["code"]), (403, &json!("https_required")));

    let signed = "/v1/artifacts/0b7e1a52-6d0f-4e4b-9a53-2f1f3c1d9e77?expires=1&signature=open-sesame";
    assert_eq!(front.ask(&[], signed).await.status, 404);
    let Front { site, mut server, nginx, token } = front;
    server.kill9().await;
    let bearer = format!("Authorization: Bearer {token}");
    for version in VERSIONS {
        let gone = curl(&nginx, &[version, "-H", &bearer], "/v1/users/me").await;
        gone.assert_error(502, "server_unavailable");
        assert_eq!(gone.header("retry-after"), ["1"]);
        curl(&nginx, &[version, "-H", &bearer], signed).await.assert_error(502, "server_unavailable");
    }
    // The last line is written after the last byte was sent.
    let is_complete =
        |logs: &String| logs.matches("/v1/artifacts/").count() == 3 && logs.contains("Connection refused");
    let logs = eventually("the log's last line", async || Some(nginx.logs()).filter(is_complete)).await;
    for secret in [token.as_str(), "open-sesame", "Bearer"] {
        assert!(!logs.contains(secret), "{logs}");
    }
    drop(site);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_is_never_sent_again() {
    let (address, mut requests) = broken_server(true).await;
    let nginx = Nginx::start(&address, &[]).await;
    for path in ["/v1/users/login", "/v1/generate"] {
        curl(&nginx, &["--json", "{}"], path).await.assert_error(502, "server_unavailable");
        assert_eq!(requests.recv().await.as_deref(), Some(&*format!("POST {path} HTTP/1.1")));
    }
    assert!(requests.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_an_error_in_time() {
    let (address, mut requests) = broken_server(false).await;
    // The waits are the only difference.
    let nginx = Nginx::start(&address, &[("150s", "1s"), ("960s", "1s")]).await;
    for path in ["/v1/users/login", "/v1/generate"] {
        curl(&nginx, &["--json", "{}"], path).await.assert_error(504, "server_timeout");
        assert_eq!(requests.recv().await.as_deref(), Some(&*format!("POST {path} HTTP/1.1")));
    }
    assert!(requests.is_empty());
}
