//! Objects in S3-compatible storage, by addresses that carry their own signature.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;
use url::Url;

use crate::{Client, Endpoint, UpstreamError, client::Due, request::Request};

const HEAD_TIME: Duration = Duration::from_secs(30);
const TOTAL_TIME: Duration = Duration::from_mins(2);

fn due() -> Due {
    let now = Instant::now();
    Due { head: now + HEAD_TIME, end: now + TOTAL_TIME }
}

impl Client {
    /// Stores `bytes`. `endpoint` is where `url` leads; `url` is signed for this alone.
    pub async fn put_object(&self, endpoint: &Endpoint, url: Url, bytes: Bytes) -> Result<(), UpstreamError> {
        let request = Request::open(Method::PUT, url).bytes(bytes).accept("*/*");
        self.ask(endpoint, &request, due()).await.map(drop)
    }

    /// Reads an object of at most `max_body_bytes`; `None` when there is none.
    pub async fn get_object(&self, endpoint: &Endpoint, url: Url) -> Result<Option<Bytes>, UpstreamError> {
        let due = due();
        let request = Request::open(Method::GET, url).accept("*/*");
        match self.ask(endpoint, &request, due).await {
            Ok(mut response) => self.read(&mut response, due.end).await.map(Some),
            Err(UpstreamError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; nothing happens when there is none.
    pub async fn delete_object(&self, endpoint: &Endpoint, url: Url) -> Result<(), UpstreamError> {
        let request = Request::open(Method::DELETE, url).accept("*/*");
        match self.ask(endpoint, &request, due()).await {
            Ok(_) | Err(UpstreamError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
