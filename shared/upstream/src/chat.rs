//! Asks a provider for one reply.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};
use llm_api_domain::WireFamily;
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    Api, Auth, Client, Endpoint, EventStream, UpstreamError, address,
    client::check_json,
    convert::{self, Completion},
    framing::Framing,
    request::Request,
};

/// One thing to ask for.
pub struct Call<'a> {
    pub endpoint: &'a Endpoint,
    /// How the provider is addressed, and how it knows us.
    pub family: WireFamily,
    /// What `body` is written in.
    pub api: Api,
    /// Stands in the address where the family has it there.
    pub model: &'a str,
    pub auth: Option<&'a Auth>,
    pub body: Bytes,
    /// Whether the body asks for a stream.
    pub accept_stream: bool,
    /// Headers of the caller's that the provider is to see, such as those of betas.
    pub pass_on: Option<&'a HeaderMap>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("origin", self.endpoint.origin())
            .field("api", &self.api)
            .field("model", &self.model)
            .field("body_bytes", &self.body.len())
            .field("accept_stream", &self.accept_stream)
            .finish_non_exhaustive()
    }
}

/// A successful answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a request, and it is read at once")]
pub enum Reply {
    Stream(EventStream),
    Complete(Completion),
}

/// A successful answer, as it came.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a request, and it is read at once")]
pub enum Answer {
    Stream(EventStream),
    Whole(Whole),
}

/// An answer in one piece, not yet read.
pub struct Whole {
    pub headers: HeaderMap,
    /// The provider's own bytes.
    pub body: Bytes,
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for a reply. Tries up to three times, but never again once the head of an answer has come.
    pub async fn chat(&self, call: Call<'_>) -> Result<Reply, UpstreamError> {
        let Api::Reply(format) = call.api else { return Err(UpstreamError::not_callable()) };
        let secret = call.auth.map(|auth| &auth.secret);
        match self.exchange(call).await? {
            Answer::Stream(stream) => Ok(Reply::Stream(stream)),
            Answer::Whole(whole) => Completion::read(format, &whole.body, secret).map(Reply::Complete),
        }
    }

    /// Asks, and reads nothing of the answer but its framing. Tries up to three times, but never again once the head of
    /// an answer has come.
    pub async fn exchange(&self, call: Call<'_>) -> Result<Answer, UpstreamError> {
        let Call { endpoint, family, api, model, auth, body, accept_stream, pass_on } = call;
        let config = self.config();
        let due = self.due();
        let url = address::of(endpoint, family, api, model, accept_stream, &config.azure_api_version)?;
        let body = match family {
            WireFamily::AzureOpenai if endpoint.is_azure_v1() => convert::with_model(body, model),
            _ => body,
        };
        let accept = match (accept_stream, family) {
            (false, _) => "application/json",
            (true, WireFamily::AmazonBedrock) => "application/vnd.amazon.eventstream",
            (true, _) => "text/event-stream",
        };
        let request = Request::new(Method::POST, url, family, auth)?.body(body).accept(accept).passing_on(pass_on);
        let mut response = self.ask(endpoint, &request, due).await?;
        if let Some(framing) = Framing::of(response.headers(), config.max_line_bytes) {
            if !accept_stream {
                return Err(UpstreamError::bad("it is a stream although none was asked for"));
            }
            let stream = EventStream::new(response, framing, config.idle_timeout, due.end);
            return Ok(Answer::Stream(stream));
        }
        check_json(response.headers())?;
        let body = self.read(&mut response, due.end).await?;
        if accept_stream {
            return Err(unstreamed(&body, auth.map(|auth| &auth.secret)));
        }
        Ok(Answer::Whole(Whole { headers: std::mem::take(response.headers_mut()), body }))
    }
}

/// What a body in one piece means where a stream was asked for: the provider's own error where it is one.
fn unstreamed(body: &[u8], secret: Option<&SecretString>) -> UpstreamError {
    let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let is_error = |said: &Value| said.get("error").is_some_and(|error| !error.is_null());
    match &said {
        Value::Array(items) if items.iter().any(is_error) => UpstreamError::from_error_body(body, secret),
        // Amazon's has a message, and no answer beside it.
        Value::Object(members) if is_error(&said) || (members.len() <= 2 && members.contains_key("message")) => {
            UpstreamError::from_error_body(body, secret)
        }
        _ => UpstreamError::bad("it came in one piece although a stream was asked for"),
    }
}
