//! Reads a provider's stream for one client: events as they come, a sign of life while there is none.

use std::time::Duration;

use bytes::Bytes;
use llm_api_domain::ProviderId;
use llm_api_upstream::{Answer, EventStream, Reply, UpstreamError};

use crate::{
    RelayError,
    watch::{Waited, Watch},
};

/// The end of the body comes with the final event, or not soon.
const DRAIN: Duration = Duration::from_millis(10);

/// What came next.
pub(crate) enum Pumped {
    /// One whole raw event.
    Event(Bytes),
    /// Nothing for as long as a heartbeat.
    Idle,
    /// The provider closed the stream in an orderly way.
    End,
    Failed(RelayError),
}

enum Source {
    Open(Box<EventStream>),
    Closed,
}

/// The provider's side of one stream. Dropping it closes the connection to the provider.
pub(crate) struct Pump {
    provider: ProviderId,
    source: Source,
    watch: Watch,
}

impl Pump {
    /// Goes on with an answer whose head has come.
    pub(crate) fn of_answer(provider: ProviderId, answer: Answer, watch: Watch) -> Result<Self, RelayError> {
        match answer {
            Answer::Stream(events) => Ok(Self { provider, source: Source::Open(Box::new(events)), watch }),
            Answer::Whole(_) => Err(not_streamed(provider)),
        }
    }

    /// Goes on with a reply whose head has come.
    pub(crate) fn open(provider: ProviderId, reply: Reply, watch: Watch) -> Result<Self, RelayError> {
        Ok(Self { provider, source: Source::open(provider, Ok(reply))?, watch })
    }

    pub(crate) async fn next(&mut self) -> Pumped {
        let provider = self.provider;
        let pumped = match self.watch.wait(self.source.next(provider)).await {
            Waited::Ready(pumped) => pumped,
            Waited::Idle => Pumped::Idle,
            Waited::Over(error) => Pumped::Failed(error),
        };
        if matches!(pumped, Pumped::End | Pumped::Failed(_)) {
            self.source = Source::Closed;
        }
        pumped
    }

    /// Reads to the end of the body after the final event: only then can the connection serve the next call.
    pub(crate) async fn drain(&mut self) {
        if let Source::Open(events) = &mut self.source {
            let _ = tokio::time::timeout(DRAIN, async { while events.next().await.is_some() {} }).await;
        }
        self.source = Source::Closed;
    }
}

impl Source {
    fn open(provider: ProviderId, reply: Result<Reply, UpstreamError>) -> Result<Self, RelayError> {
        match reply {
            Ok(Reply::Stream(events)) => Ok(Self::Open(Box::new(events))),
            Ok(Reply::Complete(_)) => Err(not_streamed(provider)),
            Err(error) => Err(RelayError::Upstream { provider, error }),
        }
    }

    /// Safe to drop half-way: nothing that was read is lost.
    async fn next(&mut self, provider: ProviderId) -> Pumped {
        let Self::Open(events) = self else { return Pumped::End };
        match events.next().await {
            Some(Ok(event)) => Pumped::Event(event),
            Some(Err(error)) => Pumped::Failed(RelayError::Upstream { provider, error }),
            None => Pumped::End,
        }
    }
}

fn not_streamed(provider: ProviderId) -> RelayError {
    let reason = "it answered in one piece although a stream was asked for".to_owned();
    RelayError::Upstream { provider, error: UpstreamError::BadResponse { reason } }
}
