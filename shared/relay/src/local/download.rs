//! Downloads to the operator's own server, each a job of the user who asked for it.

use std::time::Duration;

use llm_api_domain::{JobId, JobStatus, UserId};
use llm_api_storage::{Job, NewJob, StoreError};
use llm_api_upstream::Endpoint;
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{PullName, failed, progress::Progress, pulls::Pull, pulls::Running};
use crate::{Relay, RelayError};

/// The progress is written so often, and whether somebody cancelled the job elsewhere is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A leap of the progress that is written at once, in percent.
const LEAP: f64 = 5.0;
/// How long the end of a job waits before each further try to be written.
const WAITS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

const URLS_ARE_NOT_TAKEN: &str =
    "models cannot be downloaded from a URL; name one of Ollama's library or of Hugging Face by its id";

/// A download as it was asked for.
#[derive(Debug)]
pub struct DownloadCall {
    pub user: UserId,
    /// The client's own id of the model; only told again.
    pub model: String,
    /// The client's word for the source.
    pub source_type: &'static str,
    pub source: DownloadSource,
}

#[derive(Debug)]
pub enum DownloadSource {
    Pull(PullName),
    /// Any address; those are not loaded from.
    Url,
}

/// What came of it.
#[derive(Debug)]
pub enum Download {
    /// A new one, or the user's own that runs already.
    Job(Job),
    /// It runs for another user.
    RunsAlready { progress_pct: f64 },
    /// The server has the model.
    Present,
}

/// How a download came to its end.
enum End {
    Done,
    Failed(String),
    /// The row says so already.
    Cancelled,
}

/// One download at work.
struct Pulling {
    endpoint: Endpoint,
    name: PullName,
    job: NewJob,
    pull: Pull,
}

impl Relay {
    /// Begins a download; it goes on after the reply.
    pub async fn download(&self, call: DownloadCall) -> Result<Download, RelayError> {
        if self.takes_no_work() {
            return Err(RelayError::Stopping);
        }
        if self.local_endpoint().is_none() {
            return Err(RelayError::LocalDisabled);
        }
        let id = JobId::new(self.0.config.clock.now());
        let job = |source_uri| NewJob {
            id,
            user: call.user,
            model: call.model,
            source_type: Some(call.source_type.to_owned()),
            source_uri,
        };
        let name = match call.source {
            DownloadSource::Pull(name) => name,
            // An address may hold a secret, so it is not kept.
            DownloadSource::Url => return Ok(Download::Job(self.refuse_job(job(None), URLS_ARE_NOT_TAKEN).await?)),
        };
        let server = self.local_server().await?.ok_or(RelayError::LocalDisabled)?;
        if !server.is_ollama {
            return Err(RelayError::NotSupported("download"));
        }
        if server.find(name.as_str()).await?.is_some() {
            return Ok(Download::Present);
        }
        let pull = match self.0.local.pulls.begin(name.as_str(), call.user, id) {
            Ok(pull) => pull,
            Err(running) => return self.running_already(call.user, &running).await,
        };
        let job = job(Some(name.to_string()));
        self.begin_pull(Pulling { endpoint: server.endpoint, name, job, pull }).await.map(Download::Job)
    }

    /// The job is made by the task that works on it: a client that leaves in between leaves no job without work.
    async fn begin_pull(&self, pulling: Pulling) -> Result<Job, RelayError> {
        let (tell, told) = oneshot::channel();
        let relay = self.clone();
        self.0.local.work.spawn(async move {
            let config = &relay.0.config;
            let created = config.store.download_jobs().create(&pulling.job, config.clock.now()).await;
            let is_created = created.is_ok();
            // Whoever asked may have left.
            let _ = tell.send(created);
            if is_created {
                relay.pull(&pulling).await;
            }
        });
        told.await.map_err(|_| RelayError::Stopping)?.map_err(RelayError::Store)
    }

    async fn running_already(&self, user: UserId, running: &Running) -> Result<Download, RelayError> {
        if running.user == user
            && let Some(job) = self.0.config.store.download_jobs().get(user, running.job).await?
        {
            return Ok(Download::Job(job));
        }
        Ok(Download::RunsAlready { progress_pct: running.progress_pct })
    }

    /// A job that fails at once.
    async fn refuse_job(&self, job: NewJob, reason: &str) -> Result<Job, StoreError> {
        let (jobs, now) = (self.0.config.store.download_jobs(), self.0.config.clock.now());
        let created = jobs.create(&job, now).await?;
        jobs.finish(job.id, JobStatus::Failed, Some(reason), now).await?;
        Ok(Job { status: JobStatus::Failed, error: Some(reason.to_owned()), finished_at: Some(now), ..created })
    }

    /// Cancels one of the user's downloads, if it has not ended, and answers with what it is then; `None` when the user
    /// has no such job.
    pub async fn cancel_download(&self, user: UserId, id: JobId) -> Result<Option<Job>, RelayError> {
        let config = &self.0.config;
        let job = config.store.download_jobs().request_cancel(user, id, config.clock.now()).await?;
        if job.as_ref().is_some_and(|job| job.status == JobStatus::Cancelled) {
            self.0.local.pulls.cancel(id);
        }
        Ok(job)
    }

    async fn pull(&self, pulling: &Pulling) {
        let id = pulling.job.id;
        let end = tokio::select! {
            biased;
            () = pulling.pull.cancelled() => End::Cancelled,
            () = self.stopped() => End::Failed("the server stopped".to_owned()),
            end = self.follow(pulling) => end,
        };
        match end {
            End::Done => {
                // Whoever sees the job completed finds the model in the list.
                self.forget_local_list();
                tracing::info!(job_id = %id, model = %pulling.name, "a model was downloaded");
                self.end_job(id, JobStatus::Completed, None).await;
            }
            End::Failed(error) => {
                tracing::warn!(job_id = %id, model = %pulling.name, error, "a model could not be downloaded");
                self.end_job(id, JobStatus::Failed, Some(&error)).await;
            }
            End::Cancelled => tracing::info!(job_id = %id, model = %pulling.name, "a download was cancelled"),
        }
    }

    /// Reads the progress to its end. Dropping this ends the download at the server.
    async fn follow(&self, pulling: &Pulling) -> End {
        let config = &self.0.config;
        match config.store.download_jobs().start(pulling.job.id, config.clock.now()).await {
            Ok(true) => {}
            Ok(false) => return End::Cancelled,
            Err(error) => tracing::debug!(%error, "the start of a download could not be noted"),
        }
        let mut steps = match config.client.ollama_pull(&pulling.endpoint, pulling.name.as_str()).await {
            Ok(steps) => steps,
            Err(error) => return End::Failed(failed(error).to_string()),
        };
        let (mut progress, mut written) = (Progress::default(), 0.0);
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_due = tokio::select! {
                step = steps.next() => match step {
                    Some(Ok(step)) => progress.note(step) >= written + LEAP,
                    Some(Err(error)) => return End::Failed(failed(error).to_string()),
                    None => return End::Done,
                },
                _ = look.tick() => true,
            };
            if is_due {
                let news = Some(progress.percent()).filter(|percent| *percent > written);
                written = progress.percent();
                look.reset();
                if !self.goes_on(pulling, news).await {
                    return End::Cancelled;
                }
            }
        }
    }

    /// Writes the progress where there is any, and tells whether the job was not cancelled meanwhile.
    async fn goes_on(&self, pulling: &Pulling, news: Option<f64>) -> bool {
        let (jobs, id) = (self.0.config.store.download_jobs(), pulling.job.id);
        let goes_on = match news {
            Some(percent) => {
                pulling.pull.set_progress(percent);
                jobs.set_progress(id, percent).await
            }
            None => jobs.get(pulling.job.user, id).await.map(|job| job.is_some_and(|job| is_open(job.status))),
        };
        // A database that is away for a while ends no download.
        goes_on.unwrap_or(true)
    }

    /// Writes how a job has ended; tries again for a while when the database is away.
    async fn end_job(&self, id: JobId, status: JobStatus, error: Option<&str>) {
        let config = &self.0.config;
        let mut waits = WAITS.into_iter();
        while let Err(failure) = config.store.download_jobs().finish(id, status, error, config.clock.now()).await {
            let may_pass = matches!(failure, StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::ReadOnly);
            let Some(wait) = waits.next().filter(|_| may_pass) else {
                return tracing::error!(error = %failure, job_id = %id, "the end of a download could not be noted");
            };
            tokio::time::sleep(wait).await;
        }
    }
}

const fn is_open(status: JobStatus) -> bool {
    match status {
        JobStatus::Queued | JobStatus::Running => true,
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => false,
    }
}
