//! The closed-loop load client: every connection sends its next request when it has the whole answer to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::{Connection, Target};
use crate::stats::percentile;
use crate::{Failure, script};

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// The whole address, such as `http://127.0.0.1:8080/v1/chat/completions`.
    #[arg(long)]
    url: String,
    #[arg(long)]
    token: String,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    seconds: f64,
    /// Ask for streams of this many events.
    #[arg(long, value_name = "EVENTS")]
    stream: Option<u32>,
    #[arg(long, default_value = "openai:bench-model")]
    model: String,
}

/// What one connection saw; times in microseconds.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<u64>,
    first_bytes: Vec<u64>,
    errors: u64,
    reconnects: u64,
    first_error: Option<String>,
}

/// Fails when any answer was wrong: a rate of wrong answers means nothing.
pub(crate) async fn run(plan: Plan) -> Result<(), Failure> {
    let body = script::request(&plan.model, plan.stream, None);
    let target = Arc::new(Target::post(&plan.url, &plan.token, body)?);
    // The clock starts when every connection is open.
    let opened = Arc::new(Barrier::new(plan.connections + 1));
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        let connection = Connection::open(target.clone()).await?;
        let duration = Duration::try_from_secs_f64(plan.seconds)?;
        workers.spawn(work(connection, plan.stream, duration, opened.clone()));
    }
    opened.wait().await;
    let started = Instant::now();
    let mut all = Seen::default();
    while let Some(seen) = workers.join_next().await {
        all.add(seen?);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", all.summary(seconds, plan.stream));
    match all.first_error {
        Some(error) => Err(format!("{} wrong answers, the first: {error}", all.errors).into()),
        None => Ok(()),
    }
}

async fn work(mut connection: Connection, stream: Option<u32>, duration: Duration, opened: Arc<Barrier>) -> Seen {
    opened.wait().await;
    let end = Instant::now() + duration;
    let mut seen = Seen::default();
    let mut body = Vec::new();
    while Instant::now() < end {
        match connection.reopen_if_closed().await {
            Ok(reopened) => seen.reconnects += u64::from(reopened),
            Err(error) => {
                // A server that takes no connection would be asked in a tight loop for the whole time.
                seen.fail(error.to_string());
                break;
            }
        }
        seen.one(&mut connection, stream, &mut body).await;
    }
    seen
}

impl Seen {
    async fn one(&mut self, connection: &mut Connection, stream: Option<u32>, body: &mut Vec<u8>) {
        body.clear();
        let started = Instant::now();
        let mut first = None;
        let received = connection
            .exchange(|data| {
                first.get_or_insert_with(|| started.elapsed());
                body.extend_from_slice(data);
                true
            })
            .await;
        let latency = started.elapsed();
        let checked = received.map_err(|error| error.to_string()).and_then(|()| script::check(body, stream));
        match checked {
            Ok(()) => {
                self.latencies.push(micros(latency));
                self.first_bytes.extend(first.map(micros));
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.first_bytes.extend(other.first_bytes);
        self.errors += other.errors;
        self.reconnects += other.reconnects;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn summary(&mut self, seconds: f64, stream: Option<u32>) -> serde_json::Value {
        self.latencies.sort_unstable();
        self.first_bytes.sort_unstable();
        let requests = self.latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rps = requests as f64 / seconds;
        let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(&self.latencies, percent));
        json!({
            "requests": requests,
            "errors": self.errors,
            "reconnects": self.reconnects,
            "seconds": seconds,
            "rps": rps,
            "p50_us": p50,
            "p90_us": p90,
            "p99_us": p99,
            "ttfb_p50_us": percentile(&self.first_bytes, 50),
            "events_per_second": stream.map_or(0.0, |events| rps * f64::from(events)),
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
