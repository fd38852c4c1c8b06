//! Work that goes on when its client has left.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::ApiError;

/// Keeps track of it, so that a stopping server can wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Background {
    tasks: TaskTracker,
    most: usize,
    /// A body may be dropped where no runtime is entered.
    runtime: Handle,
}

impl Background {
    /// To be called inside the runtime that is to do the work. More than `most` requests at once are refused: whoever
    /// leaves no longer counts as one in flight.
    pub fn of_this_runtime(most: usize) -> Self {
        Self { tasks: TaskTracker::new(), most, runtime: Handle::current() }
    }

    /// Waits until nothing goes on any more.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does `work` to its end, also when nobody waits for it any more.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        if self.tasks.len() >= self.most {
            let message = "The server has as many requests to bring to their end as it can take";
            return Err(ApiError::overloaded(message, Duration::from_secs(1)));
        }
        let work = work.in_current_span();
        self.tasks.spawn_on(work, &self.runtime).await.map_err(ApiError::internal)
    }

    /// The same body, which is read to its end also when nobody reads it any more.
    pub(crate) fn outlasting(&self, body: Body) -> Body {
        Body::new(Outlasting { body: Some(body), background: self.clone() })
    }
}

struct Outlasting {
    /// `None` when it has ended.
    body: Option<Body>,
    background: Background,
}

impl fmt::Debug for Outlasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlasting").field("has_ended", &self.body.is_none()).finish_non_exhaustive()
    }
}

impl HttpBody for Outlasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Outlasting {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
        self.background.tasks.spawn_on(rest.in_current_span(), &self.background.runtime);
    }
}
