//! Work that outlives the request it came from: loads and downloads.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Relay;

/// How long a stopping process waits for what is still to be noted.
const LAST_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Work {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Work {
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }
}

impl Relay {
    /// Ends loads and downloads, waits until their ends are noted, and sends the last telemetry. The store is to be closed after this.
    pub async fn close(&self) {
        let work = &self.0.local.work;
        work.stopping.cancel();
        work.tasks.close();
        if timeout(LAST_WAIT, work.tasks.wait()).await.is_err() {
            tracing::error!(tasks = work.tasks.len(), "not every load or download could be ended in order");
        }
        self.telemetry().flush().await;
    }

    /// Waits until the process is about to stop.
    pub(super) async fn stopped(&self) {
        let mut stop = self.0.config.stop.clone();
        tokio::select! {
            () = self.0.local.work.stopping.cancelled() => {}
            Ok(_) = stop.wait_for(|stop| *stop) => {}
        }
    }

    pub(super) fn takes_no_work(&self) -> bool {
        self.is_stopping() || self.0.local.work.stopping.is_cancelled()
    }
}
