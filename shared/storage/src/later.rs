//! Work that outlives the request it came from. [`Store::close`](crate::Store::close) waits for it.

use std::time::Duration;

use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

/// How long a stopping process waits for what is still to be written.
const LAST_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Later {
    tasks: TaskTracker,
    /// A drop guard may run where no runtime is entered.
    runtime: Handle,
}

impl Later {
    /// To be called inside the runtime that is to do the work.
    pub(crate) fn new() -> Self {
        Self { tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(work, &self.runtime);
    }

    pub(crate) async fn finish(&self) {
        self.tasks.close();
        if timeout(LAST_WAIT, self.tasks.wait()).await.is_err() {
            tracing::error!(exchanges = self.tasks.len(), "not everything could be written before the end");
        }
    }
}
