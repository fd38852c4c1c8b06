//! From a provider's events to the caller's.

use bytes::Bytes;
use llm_api_domain::{Timestamp, TokenUsage};
use llm_api_translate::{Event, StreamReader, StreamWriter, Usage};
use llm_api_upstream::{
    UpstreamError,
    convert::totals,
    sse,
    wire::{Closing, PassingStream, Seen},
};
use secrecy::SecretString;

use super::{
    CompletionCall, CompletionEvent,
    asked::{self, Asked},
};
use crate::Target;

/// What one event came to.
#[derive(Default)]
pub(super) struct Taken {
    /// Nothing where the caller reads nothing of it.
    bytes: Bytes,
    pub(super) usage: Option<TokenUsage>,
    pub(super) is_last: bool,
    /// Not meant for the caller, nor a sign of life.
    pub(super) is_hidden: bool,
}

impl Taken {
    pub(super) fn event(self) -> CompletionEvent {
        if self.bytes.is_empty() { CompletionEvent::Heartbeat } else { CompletionEvent::Events(self.bytes) }
    }
}

pub(super) enum Reader {
    Passing { stream: PassingStream, hides_usage: bool, secret: Option<SecretString> },
    Translating(Box<Translating>),
}

pub(super) struct Translating {
    reader: StreamReader,
    writer: StreamWriter,
    usage: Usage,
    has_begun: bool,
    secret: Option<SecretString>,
}

impl Reader {
    pub(super) fn new(asked: &Asked, call: &CompletionCall, target: &Target, now: Timestamp) -> Self {
        let secret = target.auth.as_ref().map(|auth| auth.secret.clone());
        let format = asked.format();
        let writer = asked
            .request
            .as_ref()
            .and_then(|request| StreamWriter::new(call.body.format(), request, asked::stamp(call, target, now)));
        match writer {
            None => Self::Passing { stream: PassingStream::new(format), hides_usage: asked.hides_usage, secret },
            Some(writer) => Self::Translating(Box::new(Translating {
                reader: StreamReader::new(format),
                writer,
                usage: Usage::default(),
                has_begun: false,
                secret,
            })),
        }
    }

    /// Reads one whole raw event.
    pub(super) fn take(&mut self, event: Bytes) -> Result<Taken, UpstreamError> {
        match self {
            Self::Passing { stream, hides_usage, secret } => {
                let Some(data) = sse::data(&event) else { return Ok(Taken { bytes: event, ..Taken::default() }) };
                match stream.look(&event, &data) {
                    Seen::Nothing => {}
                    Seen::Usage { usage, only } => {
                        let is_hidden = only && *hides_usage;
                        drop(data);
                        return Ok(Taken { bytes: event, usage: Some(usage), is_hidden, is_last: false });
                    }
                    Seen::Last { usage } => {
                        drop(data);
                        return Ok(Taken { bytes: event, usage, is_last: true, is_hidden: false });
                    }
                    Seen::NoReply => return Err(no_reply()),
                    Seen::Error(object) => return Err(UpstreamError::from_error_body(&object, secret.as_ref())),
                }
                drop(data);
                Ok(Taken { bytes: event, ..Taken::default() })
            }
            Self::Translating(translating) => match sse::data(&event) {
                None => Ok(Taken::default()),
                Some(data) => translating.take(sse::name(&event), &data),
            },
        }
    }

    /// The body ended: the last event, where that is how a reply ends.
    pub(super) fn end(&mut self) -> Option<Taken> {
        let Self::Translating(translating) = self else { return None };
        let events = translating.reader.finish();
        let taken = translating.write(events);
        taken.is_last.then_some(taken)
    }

    pub(super) fn closing(self) -> Closing {
        match self {
            Self::Passing { stream, .. } => Closing::Passing(stream),
            Self::Translating(translating) => Closing::Translated(Box::new(translating.writer)),
        }
    }
}

impl Translating {
    fn take(&mut self, name: Option<&str>, data: &[u8]) -> Result<Taken, UpstreamError> {
        let events = self
            .reader
            .read(name, data)
            .map_err(|error| UpstreamError::unreadable(error, data, self.secret.as_ref()))?;
        self.has_begun |= events.iter().any(|event| matches!(event, Event::Start { .. }));
        if !self.has_begun && events.contains(&Event::End) {
            return Err(no_reply());
        }
        Ok(self.write(events))
    }

    fn write(&mut self, events: Vec<Event>) -> Taken {
        let mut out = Vec::new();
        let mut taken = Taken::default();
        for event in events {
            if let Event::Usage(usage) = &event {
                self.usage = std::mem::take(&mut self.usage).updated(usage);
                taken.usage = Some(totals(&self.usage));
            }
            taken.is_last |= event == Event::End;
            self.writer.write(event, &mut out);
        }
        taken.bytes = out.into();
        taken
    }
}

fn no_reply() -> UpstreamError {
    UpstreamError::BadResponse { reason: "its stream has an end and nothing before it".to_owned() }
}
