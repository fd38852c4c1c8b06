//! A provider that plays bytes: whatever it is asked, it answers as the test told it last.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How long a slow provider takes for each of its pieces: its slowness is the fault.
const BEAT: Duration = Duration::from_millis(50);
/// What every question is answered that is none for a reply: lists of models, and Ollama's version.
const ABOUT: &str = r#"{"object":"list","data":[],"models":[],"has_more":false,"version":"0.9.0"}"#;

/// One step of an answer.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(Vec<u8>),
    /// Each byte in a packet of its own.
    ByteByByte(Vec<u8>),
    /// The same over and over, as fast as it is taken, until the reader has left.
    Endless(Vec<u8>),
    /// The same over and over, with pauses, until the reader has left.
    Drip(Vec<u8>),
}

/// What becomes of the connection after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Reset,
    /// It stays open until the reader closes it.
    Hold,
}

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

impl Script {
    pub(super) fn new(bytes: impl Into<Vec<u8>>, end: End) -> Self {
        Self { steps: vec![Step::Write(bytes.into())], end }
    }

    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// Ends when dropped.
#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    open: watch::Receiver<usize>,
    _server: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let script = Arc::new(Mutex::new(Script { steps: Vec::new(), end: End::Close }));
        let (count, open) = watch::channel(0);
        let played = Arc::clone(&script);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&played), count.clone()));
            }
        });
        Self { address, script, open, _server: server }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What questions for a reply are answered from now on.
    pub(super) fn play(&self, script: Script) {
        *self.script.lock().expect("no panic while scripting") = script;
    }

    /// Waits until no answer is under way any more; false when one stays open.
    pub(super) async fn is_left_alone(&mut self, patience: Duration) -> bool {
        let closed = tokio::time::timeout(patience, self.open.wait_for(|open| *open == 0)).await;
        matches!(closed, Ok(Ok(_)))
    }
}

/// Counts an answer as long as it is under way.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>, count: watch::Sender<usize>) {
    stream.set_nodelay(true).expect("a socket option");
    let Some(is_about) = read_request(&mut stream).await else { return };
    if is_about {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
        let _ = stream.write_all(format!("{head} {}\r\n\r\n{ABOUT}", ABOUT.len()).as_bytes()).await;
        return;
    }
    count.send_modify(|open| *open += 1);
    let _open = Open(count);
    let Script { steps, end } = script.lock().expect("no panic while scripting").clone();
    for step in steps {
        if play(&mut stream, step).await.is_err() {
            return;
        }
    }
    match end {
        End::Close => {}
        End::Reset => stream.set_zero_linger().expect("a socket option"),
        End::Hold => while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {},
    }
}

async fn play(stream: &mut TcpStream, step: Step) -> std::io::Result<()> {
    match step {
        Step::Write(bytes) => stream.write_all(&bytes).await,
        Step::ByteByByte(bytes) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        Step::Endless(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Step::Drip(bytes) => loop {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(BEAT).await;
        },
    }
}

/// Reads a whole request; whether it asks for something else than a reply. `None` when its sender left.
async fn read_request(stream: &mut TcpStream) -> Option<bool> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if bytes.len() >= head.len() + 4 + length.unwrap_or(0_usize) {
            return Some(head.starts_with("GET "));
        }
    }
}
