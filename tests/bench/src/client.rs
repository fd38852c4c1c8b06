//! One HTTP/1.1 connection that is driven by the task that uses it: no second task, no channel between two.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{Failure, script};

/// Where requests go and what each one is.
#[derive(Debug)]
pub(crate) struct Target {
    address: String,
    request: Request<Full<Bytes>>,
}

impl Target {
    /// A `GET` of `url`, which must be plain HTTP.
    pub(crate) fn get(url: &str) -> Result<Self, Failure> {
        let uri: Uri = url.parse()?;
        let address = match uri.authority() {
            Some(authority) if uri.scheme_str() == Some("http") => {
                format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80))
            }
            _ => return Err(format!("{url} is not an http:// address").into()),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path).header(header::HOST, &address).body(Full::default())?;
        Ok(Self { address, request })
    }

    /// A `POST` of JSON to `url` with a bearer token.
    pub(crate) fn post(url: &str, token: &str, body: Bytes) -> Result<Self, Failure> {
        let mut target = Self::get(url)?;
        let request = &mut target.request;
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Full::new(body);
        Ok(target)
    }
}

type Sender = http1::SendRequest<Full<Bytes>>;
type Driver = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// An open connection to a target.
#[derive(Debug)]
pub(crate) struct Connection {
    target: Arc<Target>,
    sender: Sender,
    driver: Option<Driver>,
}

impl Connection {
    pub(crate) async fn open(target: Arc<Target>) -> Result<Self, Failure> {
        let stream = TcpStream::connect(&target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { target, sender, driver: Some(driver) })
    }

    /// Open again when the server has closed; true when it had.
    pub(crate) async fn reopen_if_closed(&mut self) -> Result<bool, Failure> {
        let sender = &mut self.sender;
        let open = drive(&mut self.driver, async { sender.ready().await.is_ok() }).await;
        if !open || self.driver.is_none() {
            *self = Self::open(self.target.clone()).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Send the target's request and hand every piece of the answer to `piece`, which ends the exchange by returning false.
    pub(crate) async fn exchange(&mut self, mut piece: impl FnMut(&Bytes) -> bool) -> Result<(), Failure> {
        let response = self.sender.send_request(self.target.request.clone());
        drive(&mut self.driver, async {
            let response = response.await?;
            let status = response.status();
            let mut body = response.into_body();
            if status != StatusCode::OK {
                return Err(refusal(status, body).await);
            }
            while let Some(frame) = body.frame().await {
                if frame?.data_ref().is_some_and(|data| !piece(data)) {
                    break;
                }
            }
            Ok(())
        })
        .await
    }
}

async fn refusal(status: StatusCode, body: Incoming) -> Failure {
    match body.collect().await {
        Ok(body) => format!("status {status}: {}", script::start_of(&body.to_bytes())).into(),
        Err(error) => format!("status {status}, then {error}").into(),
    }
}

/// Run `work` and the connection it needs together; the connection ends for good when the server closes it.
async fn drive<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let work = pin!(work);
    let Some(open) = driver else { return work.await };
    match select(work, open).await {
        Either::Left((done, _)) => done,
        // What was received before the end still waits in the channel, and so does the error.
        Either::Right((_, work)) => {
            *driver = None;
            work.await
        }
    }
}
