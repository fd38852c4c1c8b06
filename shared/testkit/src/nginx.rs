//! nginx with the site that we ship.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::port::free_port;

const SITE: &str = include_str!("../../../deploy/nginx/llm-api.conf");
const SUPERVISOR: &str = include_str!("nginx.sh");
const MISSING: &str = "the tests need nginx and openssl: apt-get install -y nginx openssl";

/// What an operator changes in the site, and what a test has in its place.
const PLACES: [(&str, &str); 8] = [
    ("listen 80;", "listen 127.0.0.1:@HTTP@;"),
    ("listen [::]:80;", ""),
    ("listen 443 ssl http2;", "listen 127.0.0.1:@HTTPS@ ssl http2;"),
    ("listen [::]:443 ssl http2;", ""),
    ("/etc/letsencrypt/live/llm.example.com", "@DIR@"),
    ("/var/log/nginx", "@DIR@"),
    ("/var/www/html", "@DIR@"),
    ("llm.example.com", "localhost"),
];

/// A running nginx on 127.0.0.1, called `localhost`, with a certificate of its own.
///
/// It ends and its files go with this value, and when the test process ends, killed or not.
#[derive(Debug)]
pub struct Nginx {
    dir: PathBuf,
    https: u16,
    http: u16,
    /// Its standard input is what keeps nginx alive.
    supervisor: Child,
}

impl Nginx {
    /// In front of what listens at `upstream`, an address with its port. `changes` are further texts of the site with
    /// what stands in their place.
    pub async fn start(upstream: &str, changes: &[(&str, &str)]) -> Self {
        let mut site = SITE.to_owned();
        for (text, instead) in PLACES.into_iter().chain([("127.0.0.1:8080;", &*format!("{upstream};"))]) {
            site = replaced(&site, text, instead);
        }
        for (text, instead) in changes {
            site = replaced(&site, text, instead);
        }
        tokio::task::spawn_blocking(move || Self::spawn(&site)).await.expect("nginx")
    }

    /// Where the API is: `https://localhost:port`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.https)
    }

    /// The same without TLS.
    pub fn plain_url(&self) -> String {
        format!("http://localhost:{}", self.http)
    }

    /// The certificate to be trusted, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("fullchain.pem")
    }

    /// What `nginx -t` had to say, beside that it takes the site.
    pub fn complaints(&self) -> String {
        read(&self.dir.join("check.out"))
    }

    /// Both logs so far.
    pub fn logs(&self) -> String {
        read(&self.dir.join("llm-api.access.log")) + &read(&self.dir.join("llm-api.error.log"))
    }

    fn spawn(site: &str) -> Self {
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "nginx.sh"])
            .env("SITE", site)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C in the terminal ends the tests; then it sees its input close.
            .process_group(0)
            .spawn()
            .expect("sh");
        // From here on its end is waited for, whatever fails.
        let mut nginx = Self { dir: PathBuf::new(), https: 0, http: 0, supervisor };
        let mut stdout = BufReader::new(nginx.supervisor.stdout.take().expect("a pipe"));
        nginx.dir = PathBuf::from(line(&mut stdout));
        for _ in 0..5 {
            (nginx.https, nginx.http) = (free_port(), free_port());
            writeln!(nginx.supervisor.stdin.as_mut().expect("a pipe"), "{} {}", nginx.https, nginx.http)
                .expect("a living supervisor");
            if line(&mut stdout) == "started" {
                return nginx;
            }
        }
        panic!("nginx did not start (reason above). {MISSING}")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Its end is quick; a failed wait has nothing left to wait for.
        let _ = self.supervisor.wait();
    }
}

fn replaced(site: &str, text: &str, instead: &str) -> String {
    assert!(site.contains(text), "the site has no {text:?}");
    site.replace(text, instead)
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a pipe");
    line.trim_end().to_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
