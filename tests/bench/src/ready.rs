//! How long a server took from its start to its first good answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Failure;
use crate::client::{Connection, Target};

/// A server that needs longer than this does not start at all.
const LIMIT: Duration = Duration::from_secs(30);
/// Short beside any start time, long enough not to starve the server's own work.
const PAUSE: Duration = Duration::from_micros(250);

#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[arg(long)]
    url: String,
    /// Start of the server, in microseconds since 1970 (`${EPOCHREALTIME/[.,]/}` of bash).
    #[arg(long)]
    since: u64,
}

pub(crate) async fn run(plan: Plan) -> Result<(), Failure> {
    let target = Arc::new(Target::get(&plan.url)?);
    let asked = tokio::time::Instant::now();
    while let Err(error) = ask(target.clone()).await {
        if asked.elapsed() > LIMIT {
            return Err(format!("{} did not answer: {error}", plan.url).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    #[expect(clippy::disallowed_methods, reason = "the start was read from the same clock by the shell")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    println!("{}", u64::try_from(now.as_micros())?.saturating_sub(plan.since));
    Ok(())
}

async fn ask(target: Arc<Target>) -> Result<(), Failure> {
    Connection::open(target).await?.exchange(|_| true).await
}
