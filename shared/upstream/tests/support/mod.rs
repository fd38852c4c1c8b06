//! A provider that does exactly what a test tells it, byte by byte, on a free port.
#![expect(clippy::disallowed_methods, reason = "the server runs beside the test")]
#![allow(dead_code, reason = "each test file uses another part of it")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use llm_api_upstream::Endpoint;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};

/// One step of a connection.
#[derive(Clone)]
pub(crate) enum Step {
    /// Reads one whole request and records it.
    Read,
    Write(Vec<u8>),
    /// Goes on when the test calls `release`.
    Wait,
    /// Reads until the client closes, and reports it.
    UntilClosed,
    /// Closes with a TCP reset.
    Reset,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    gate: Arc<Semaphore>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl Server {
    /// The n-th connection follows the n-th script; a further one is closed at once. A script's end closes.
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (requests, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<usize>>::default());
        let gate = Arc::new(Semaphore::new(0));
        let (report, closed) = mpsc::unbounded_channel();
        let (seen, counted, opened) = (requests.clone(), connections.clone(), gate.clone());
        tokio::spawn(async move {
            let mut scripts = scripts.into_iter();
            while let Ok((socket, _)) = listener.accept().await {
                *counted.lock().expect("unpoisoned") += 1;
                let script = scripts.next().unwrap_or_default();
                tokio::spawn(follow(socket, script, seen.clone(), opened.clone(), report.clone()));
            }
        });
        Self { address, requests, connections, gate, closed }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint_at("/v1")
    }

    pub(crate) fn endpoint_at(&self, path: &str) -> Endpoint {
        Endpoint::operator(&format!("http://{}{path}", self.address)).expect("a valid address")
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("unpoisoned").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().expect("unpoisoned")
    }

    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) async fn client_closed(&mut self) {
        self.closed.recv().await.expect("the server runs");
    }
}

async fn follow(
    mut socket: TcpStream,
    script: Vec<Step>,
    seen: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
    closed: mpsc::UnboundedSender<()>,
) {
    for step in script {
        match step {
            Step::Read => match read_request(&mut socket).await {
                Some(request) => seen.lock().expect("unpoisoned").push(request),
                None => return,
            },
            // The client may have left already.
            Step::Write(bytes) => drop(socket.write_all(&bytes).await),
            Step::Wait => gate.acquire().await.expect("open").forget(),
            Step::UntilClosed => {
                while matches!(socket.read(&mut [0; 1024]).await, Ok(1..)) {}
                let _ = closed.send(());
            }
            Step::Reset => {
                socket.set_zero_linger().expect("a socket option");
                return;
            }
        }
    }
}

/// One request with its body; `None` when the client closed before it was whole.
async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

/// A whole answer with a declared length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Step {
    Step::Write(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

pub(crate) fn json(status: &str, body: &str) -> Step {
    answer(status, "content-type: application/json\r\n", body)
}

/// The head of a chunked event stream.
pub(crate) fn stream_head() -> Step {
    Step::Write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

pub(crate) fn chunk(data: &str) -> Step {
    Step::Write(format!("{:x}\r\n{data}\r\n", data.len()).into_bytes())
}

pub(crate) fn last_chunk() -> Step {
    Step::Write(b"0\r\n\r\n".to_vec())
}
