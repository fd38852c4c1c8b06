//! Asks for one chat completion, in the provider's own wire format.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method};
use llm_api_domain::{TokenUsage, WireFamily};
use secrecy::SecretString;

use crate::{
    Auth, Client, Endpoint, EventStream, UpstreamError, address,
    client::{check_json, is_event_stream},
    convert,
    request::Request,
    wire::{
        anthropic, gemini,
        openai::{Completion, CompletionError, Outline},
    },
};

/// One chat completion to ask for.
pub struct Call<'a> {
    pub endpoint: &'a Endpoint,
    /// What `body` is written in.
    pub family: WireFamily,
    /// Stands in the address where the family has it there.
    pub model: &'a str,
    pub auth: Option<&'a Auth>,
    pub body: Bytes,
    /// Whether the body asks for a stream.
    pub accept_stream: bool,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("origin", self.endpoint.origin())
            .field("family", &self.family)
            .field("model", &self.model)
            .field("body_bytes", &self.body.len())
            .field("accept_stream", &self.accept_stream)
            .finish_non_exhaustive()
    }
}

/// A successful answer.
#[derive(Debug)]
pub enum Reply {
    Stream(EventStream),
    Complete(Complete),
}

/// An answer that came whole.
pub struct Complete {
    /// What `body` is written in.
    pub family: WireFamily,
    /// The provider's own bytes.
    pub body: Bytes,
    /// The token counts in `body`.
    pub usage: Option<TokenUsage>,
    pub headers: HeaderMap,
}

impl Complete {
    /// What the body says, with the finish reason in OpenAI's words.
    ///
    /// # Errors
    /// [`UpstreamError::BadResponse`] when its first choice has no usable form.
    pub fn completion(&self) -> Result<Completion, UpstreamError> {
        completion(self.family, &self.body, None)
    }
}

impl fmt::Debug for Complete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complete")
            .field("family", &self.family)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for a chat completion. Tries up to three times, but never again once the head of an answer has come.
    pub async fn chat(&self, call: Call<'_>) -> Result<Reply, UpstreamError> {
        let Call { endpoint, family, model, auth, body, accept_stream } = call;
        let config = self.config();
        let due = self.due();
        let url = address::chat(endpoint, family, model, accept_stream, &config.azure_api_version)?;
        let body = match family {
            WireFamily::AzureOpenai if address::is_azure_v1(endpoint) => convert::with_model(body, model),
            _ => body,
        };
        let accept = if accept_stream { "text/event-stream" } else { "application/json" };
        let request = Request::new(Method::POST, url, family, auth)?.body(body).accept(accept);
        let mut response = self.ask(endpoint, &request, due).await?;
        if is_event_stream(response.headers()) {
            if !accept_stream {
                return Err(UpstreamError::bad("it is a stream although none was asked for"));
            }
            let stream = EventStream::new(response, config.max_line_bytes, config.idle_timeout, due.end);
            return Ok(Reply::Stream(stream));
        }
        check_json(response.headers())?;
        let body = self.read(&mut response, due.end).await?;
        let usage = usage(family, &body, request.secret())?;
        Ok(Reply::Complete(Complete { family, body, usage, headers: std::mem::take(response.headers_mut()) }))
    }
}

/// The token counts of a whole answer, which must be one.
fn usage(family: WireFamily, body: &[u8], secret: Option<&SecretString>) -> Result<Option<TokenUsage>, UpstreamError> {
    match family {
        // Without reading the text: it may pass through.
        WireFamily::OpenaiChat | WireFamily::AzureOpenai => {
            Outline::parse(body).map(|outline| outline.usage).map_err(|error| judge(error, body, secret))
        }
        WireFamily::AnthropicMessages | WireFamily::GoogleGemini | WireFamily::Unsupported => {
            completion(family, body, secret).map(|completion| completion.usage)
        }
    }
}

fn completion(family: WireFamily, body: &[u8], secret: Option<&SecretString>) -> Result<Completion, UpstreamError> {
    let completion = match family {
        WireFamily::OpenaiChat | WireFamily::AzureOpenai => Completion::parse(body),
        WireFamily::AnthropicMessages => anthropic::completion(body),
        WireFamily::GoogleGemini => match gemini::Answer::parse(body) {
            Ok(answer) => match answer.blocked() {
                Some(error) => return Err(error),
                None => answer.completion(),
            },
            Err(error) => Err(error),
        },
        WireFamily::Unsupported => Err(CompletionError::NoChoices),
    };
    completion.map_err(|error| judge(error, body, secret))
}

fn judge(error: CompletionError, body: &[u8], secret: Option<&SecretString>) -> UpstreamError {
    match error {
        CompletionError::Provider => UpstreamError::from_error_body(body, secret),
        CompletionError::NotJson | CompletionError::NoChoices => UpstreamError::bad(error.to_string()),
    }
}
