//! Reads a provider's stream for one client: events as they come, a sign of life while there is none.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use llm_api_domain::ProviderId;
use llm_api_upstream::{EventStream, Reply, UpstreamError};

use crate::{
    RelayError,
    watch::{Waited, Watch},
};

pub(crate) type PendingReply = Pin<Box<dyn Future<Output = Result<Reply, UpstreamError>> + Send>>;

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
    /// The head has not come yet.
    Pending(PendingReply),
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
    /// Starts the call and waits for the provider's head, but no longer than one heartbeat: a client that waits longer
    /// must hear something. An error until then is an error of the request as a whole.
    pub(crate) async fn start(
        provider: ProviderId,
        mut reply: PendingReply,
        mut watch: Watch,
    ) -> Result<Self, RelayError> {
        let source = match watch.wait(&mut reply).await {
            Waited::Ready(reply) => Source::open(provider, reply)?,
            Waited::Idle => Source::Pending(reply),
            Waited::Over(error) => return Err(error),
        };
        Ok(Self { provider, source, watch })
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
            Ok(Reply::Complete(_)) => {
                let reason = "it answered in one piece although a stream was asked for".to_owned();
                Err(RelayError::Upstream { provider, error: UpstreamError::BadResponse { reason } })
            }
            Err(error) => Err(RelayError::Upstream { provider, error }),
        }
    }

    /// Safe to drop half-way: nothing that was read is lost.
    async fn next(&mut self, provider: ProviderId) -> Pumped {
        if let Self::Pending(reply) = self {
            match Self::open(provider, reply.await) {
                Ok(open) => *self = open,
                Err(error) => return Pumped::Failed(error),
            }
        }
        let Self::Open(events) = self else { return Pumped::End };
        match events.next().await {
            Some(Ok(event)) => Pumped::Event(event),
            Some(Err(error)) => Pumped::Failed(RelayError::Upstream { provider, error }),
            None => Pumped::End,
        }
    }
}
