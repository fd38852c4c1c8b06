//! A loopback HTTP/1.1 server: what the fakes of this crate are made of.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) type Body = UnsyncBoxBody<Bytes, Reset>;

/// As a body's error: the connection is reset there.
#[derive(Debug)]
pub(crate) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script says to reset here")
    }
}

impl std::error::Error for Reset {}

/// A running server; it and its connections end when this is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a free port, so that the address is known before the first request.
pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free loopback port")
}

pub(crate) fn serve<H, F>(listener: TcpListener, handler: H) -> Loopback
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let address = listener.local_addr().expect("a bound listener");
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, handler.clone()));
            while connections.try_join_next().is_some() {}
        }
    });
    Loopback { address, task }
}

async fn connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // Without it small pieces would be held back and merged.
    stream.set_nodelay(true).expect("a TCP option");
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = Pin::new(&mut connection).await
        && error.is_user()
    {
        // Closing with a zero linger time sends RST instead of FIN.
        let stream = connection.into_parts().io.into_inner();
        stream.set_zero_linger().expect("a TCP option");
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn pieces(stream: impl Stream<Item = Result<Bytes, Reset>> + Send + 'static) -> Body {
    use futures_util::StreamExt as _;
    StreamBody::new(stream.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
