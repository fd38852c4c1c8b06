//! A provider that keeps what it hears to the byte and answers with fixed bytes.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";

/// Ends when dropped.
#[derive(Debug)]
pub(crate) struct RawProvider {
    base_url: String,
    heard: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for RawProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RawProvider {
    /// Answers `models` to a request for the list of models and `completion` to everything else.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the test")]
    pub(crate) async fn start(models: &'static str, completion: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("bound"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&heard);
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                let body = if request.starts_with("GET /v1/models ") { models } else { completion };
                record.lock().expect("no panic while recording").push(request);
                let reply = format!("{HEAD} {}\r\n\r\n{body}", body.len());
                // A client that has left is the test's business.
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        });
        Self { base_url, heard, server }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The body of the latest request, as it was written.
    pub(crate) fn last_body(&self) -> String {
        let heard = self.heard.lock().expect("no panic while recording");
        let (_, body) = heard.last().and_then(|request| request.split_once("\r\n\r\n")).expect("a request");
        body.to_owned()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) && stream.read_buf(&mut bytes).await.expect("a request") > 0 {}
    String::from_utf8(bytes).expect("a request in UTF-8")
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    bytes.len() >= head.len() + 4 + length.unwrap_or(0_usize)
}
