//! Streams that stay open, to see what each costs in memory.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{Connection, Target};
use crate::{Failure, script};

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// The whole address, such as `http://127.0.0.1:8080/v1/chat/completions`.
    #[arg(long)]
    url: String,
    #[arg(long)]
    token: String,
    #[arg(long)]
    streams: usize,
    #[arg(long, default_value = "openai:bench-model")]
    model: String,
}

/// Prints `ready` when every stream has its first event; ends when standard input does, and fails when a stream ended before.
pub(crate) async fn run(plan: Plan) -> Result<(), Failure> {
    let body = script::request(&plan.model, Some(script::DEFAULT_EVENTS), Some(script::HOLD));
    let target = Arc::new(Target::post(&plan.url, &plan.token, body)?);
    let (started, mut starts) = mpsc::channel(plan.streams.max(1));
    let mut streams = JoinSet::new();
    for _ in 0..plan.streams {
        streams.spawn(stream(target.clone(), started.clone()));
    }
    for _ in 0..plan.streams {
        tokio::select! {
            _ = starts.recv() => {}
            Some(ended) = streams.join_next() => return Err(early(ended?)),
        }
    }
    println!("ready");
    let input = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        read = input => { read??; Ok(()) }
        Some(ended) = streams.join_next() => Err(early(ended?)),
    }
}

async fn stream(target: Arc<Target>, started: mpsc::Sender<()>) -> Result<(), Failure> {
    let mut connection = Connection::open(target).await?;
    let mut waiting = Some(started);
    let first_event = |data: &Bytes| {
        // Never full: the channel has room for every stream. Closed means that the run is over.
        let found = memchr::memmem::find(data, script::WORD.as_bytes()).is_some();
        !found || waiting.take().is_none_or(|started| started.try_send(()).is_ok())
    };
    connection.exchange(first_event).await
}

fn early(ended: Result<(), Failure>) -> Failure {
    match ended {
        Ok(()) => "a held stream ended by itself".into(),
        Err(error) => format!("a held stream broke: {error}").into(),
    }
}
