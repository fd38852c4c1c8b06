//! The scripted provider: every answer is made before the first request.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{Failure, script};

/// The parts of a request that the script looks at.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    stream: bool,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    user: Option<String>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Every answer, ready to be sent.
#[derive(Debug)]
struct Script {
    completion: Bytes,
    models: Bytes,
    delta: Bytes,
    finish: Bytes,
    finish_with_usage: Bytes,
}

impl Script {
    fn new() -> Self {
        let (finish, usage) = (script::finish(), script::usage_event());
        Self {
            completion: script::completion(),
            models: script::models(),
            delta: script::delta(),
            finish_with_usage: [&finish, &usage, script::DONE.as_bytes()].concat().into(),
            finish: [&finish, script::DONE.as_bytes()].concat().into(),
        }
    }

    fn answer(&self, asked: &Asked) -> Response<Answer> {
        if !asked.stream {
            return respond("application/json", Answer::Whole(Some(self.completion.clone())));
        }
        let held = asked.user.as_deref() == Some(script::HOLD);
        let usage = asked.stream_options.as_ref().is_some_and(|options| options.include_usage);
        let events = asked.max_completion_tokens.or(asked.max_tokens).unwrap_or(script::DEFAULT_EVENTS);
        let end = if usage { &self.finish_with_usage } else { &self.finish };
        let stream = Events {
            delta: self.delta.clone(),
            left: if held { 1 } else { events },
            end: if held { End::Never } else { End::With(end.clone()) },
            sent: false,
        };
        respond("text/event-stream", Answer::Stream(stream))
    }
}

/// The body of an answer.
#[derive(Debug)]
enum Answer {
    Whole(Option<Bytes>),
    Stream(Events),
}

#[derive(Debug)]
struct Events {
    delta: Bytes,
    left: u32,
    end: End,
    /// An event was given out and not yet written.
    sent: bool,
}

#[derive(Debug)]
enum End {
    With(Bytes),
    Sent,
    /// The client ends this one by leaving.
    Never,
}

impl Events {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Being pending for one turn makes hyper write what it has: one event, one write, as a model would.
        if std::mem::take(&mut self.sent) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.sent = true;
            return Poll::Ready(Some(self.delta.clone()));
        }
        match std::mem::replace(&mut self.end, End::Sent) {
            End::With(last) => Poll::Ready(Some(last)),
            End::Sent => Poll::Ready(None),
            End::Never => {
                self.end = End::Never;
                Poll::Pending
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Stream(events) => events.poll_next(context),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Stream(Events { left: 0, end: End::Sent, .. }))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Serve on `port` of 127.0.0.1 until the process is ended.
pub(crate) async fn serve(port: u16) -> Result<(), Failure> {
    accept(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?).await
}

async fn accept(listener: TcpListener) -> Result<(), Failure> {
    let script = Arc::new(Script::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let script = script.clone();
        let service = service_fn(move |request| handle(script.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        #[expect(clippy::disallowed_methods, reason = "a connection ends with its client, and this is no Lambda")]
        tokio::spawn(async move {
            // A client that leaves in the middle of a stream is how a held stream ends.
            drop(connection.await);
        });
    }
}

async fn handle(script: Arc<Script>, request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    if request.method() == Method::GET && request.uri().path() == "/v1/models" {
        return Ok(respond("application/json", Answer::Whole(Some(script.models.clone()))));
    }
    if request.method() != Method::POST || request.uri().path() != "/v1/chat/completions" {
        return Ok(refuse(StatusCode::NOT_FOUND, "no such path"));
    }
    let body = request.into_body().collect().await?.to_bytes();
    Ok(match serde_json::from_slice(&body) {
        Ok(asked) => script.answer(&asked),
        Err(_) => refuse(StatusCode::BAD_REQUEST, "not a chat completion request"),
    })
}

fn respond(content_type: &'static str, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refuse(status: StatusCode, text: &'static str) -> Response<Answer> {
    let mut response = respond("text/plain", Answer::Whole(Some(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::client::{Connection, Target};

    /// The pieces of two answers over one connection to a provider of its own.
    async fn ask_twice(body: Bytes) -> [Vec<u8>; 2] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
        let asking = async {
            let target = Arc::new(Target::post(&url, "token", body).unwrap());
            let mut connection = Connection::open(target).await.unwrap();
            let mut answers = [Vec::new(), Vec::new()];
            for answer in &mut answers {
                assert!(!connection.reopen_if_closed().await.unwrap());
                let piece = |data: &Bytes| {
                    answer.extend_from_slice(data);
                    true
                };
                connection.exchange(piece).await.unwrap();
            }
            answers
        };
        tokio::select! {
            answers = asking => answers,
            ended = accept(listener) => panic!("the provider ended: {ended:?}"),
        }
    }

    #[tokio::test]
    async fn the_client_gets_what_the_script_says() {
        for stream in [None, Some(0), Some(1), Some(50)] {
            for answer in ask_twice(script::request("m", stream, None)).await {
                assert_eq!(script::check(&answer, stream), Ok(()));
            }
        }
    }

    #[tokio::test]
    async fn usage_comes_only_when_asked_for() {
        let with = r#"{"stream":true,"max_tokens":2,"stream_options":{"include_usage":true}}"#;
        let without = r#"{"stream":true,"max_tokens":2}"#;
        for (body, expected) in [(with, true), (without, false)] {
            for answer in ask_twice(Bytes::from(body)).await {
                assert_eq!(script::check(&answer, Some(2)), Ok(()));
                assert_eq!(memchr::memmem::find(&answer, b"total_tokens").is_some(), expected);
            }
        }
    }

    #[tokio::test]
    async fn a_held_stream_stays_open_after_its_first_event() {
        let asked = serde_json::from_slice(&script::request("m", Some(9), Some(script::HOLD))).unwrap();
        let mut body = Script::new().answer(&asked).into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), script::delta());
        // Pending once because the event is being written, and then for good.
        assert!(body.frame().now_or_never().is_none());
        assert!(body.frame().now_or_never().is_none());
    }
}
