//! `llm-api freeze` and `llm-api thaw`.

use std::{io::IsTerminal as _, time::Duration};

use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::Clock;
use llm_api_storage::{AuditContext, Freeze as Frozen, OpenMode, Store};
use tokio::time::{Instant, sleep};

use crate::exit::Exit;

/// Every process looks at most half a second after the last time, and a request has its row a second after its begin.
const SEEN_EVERYWHERE: Duration = Duration::from_millis(2500);
/// Every process looks at most half a second after the last time.
const THAW_SEEN: Duration = Duration::from_millis(700);
/// For what was asked to end: half a second until that is seen, the rest to write it down.
const LAST_WORDS: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Stop everything that writes, so that the data can be copied
///
/// From the first second on, every process answers requests that would change something with 503, the code `read_only` and
/// Retry-After; reading goes on. What runs already may end and is stored, for as long as --wait says; what runs longer is
/// then cancelled, and stored as far as it came. After that the database itself refuses every write, whoever it comes
/// from, until `llm-api thaw`. A copy made meanwhile is frozen, too.
#[derive(Debug, Args)]
#[command(after_help = FREEZE_EXAMPLES)]
pub(crate) struct Freeze {
    /// What clients are told, such as `migration`.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// How long requests that run already may take to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const FREEZE_EXAMPLES: &str = "Examples:
  llm-api freeze --reason migration
  llm-api freeze --reason 'moving to another machine' --wait 300

It works beside running servers, with the same settings and as the same system user. `GET /ready` and `llm-api doctor` tell
whether the database is frozen.";

/// Let writing go on after a freeze
///
/// It ends when every process has seen it.
#[derive(Debug, Args)]
pub(crate) struct Thaw {
    /// For programs.
    #[arg(long)]
    json: bool,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=200 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err("must have 1 to 200 characters, none of them a control character".to_owned()),
    }
}

pub(crate) async fn freeze(config: &Config, arguments: Freeze) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let done = freeze_store(&store, &clock, &arguments).await;
    store.close().await;
    let done = done?;
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({
                "frozen": true,
                "was_frozen": done.earlier.is_some(),
                "cancelled": done.cancelled,
                "unanswered": done.unanswered,
            })
        );
        return Ok(());
    }
    if let Some(earlier) = done.earlier {
        let reason = earlier.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        println!("It was frozen already, since {}{reason}.", earlier.since);
    }
    if done.cancelled > 0 {
        println!("{} requests ran longer and were cancelled; what they had is stored.", done.cancelled);
    }
    if done.unanswered > 0 {
        println!(
            "{} requests are noted as running and did not end: the process that had them is gone, or does not answer.",
            done.unanswered
        );
    }
    println!("Frozen: nothing is written to the {} database until `llm-api thaw`.", store.kind());
    Ok(())
}

struct Done {
    earlier: Option<Frozen>,
    cancelled: u64,
    unanswered: i64,
}

async fn freeze_store(store: &Store, clock: &Clock, arguments: &Freeze) -> Result<Done, Exit> {
    let freezes = store.freezes();
    let context = AuditContext::operator(clock.now());
    let earlier = freezes.drain(arguments.reason.as_deref(), &context).await.map_err(Exit::failed)?;
    let mut done = Done { earlier, cancelled: 0, unanswered: 0 };
    if done.earlier.as_ref().is_some_and(|earlier| !earlier.is_draining) {
        return Ok(done);
    }
    sleep(SEEN_EVERYWHERE).await;
    if ended(store, Duration::from_secs(arguments.wait)).await? > 0 {
        done.cancelled = freezes.cancel_running(clock.now()).await.map_err(Exit::failed)?;
        done.unanswered = ended(store, LAST_WORDS).await?;
        done.cancelled = done.cancelled.saturating_sub(done.unanswered.unsigned_abs());
    }
    match freezes.close().await.map_err(Exit::failed)? {
        true => Ok(done),
        false => Err(Exit::failed("somebody thawed the database meanwhile: nothing is frozen")),
    }
}

/// Waits until nothing runs, but not for longer; how much still does.
async fn ended(store: &Store, wait: Duration) -> Result<i64, Exit> {
    let until = Instant::now() + wait;
    let is_told = std::io::stderr().is_terminal();
    loop {
        let running = store.freezes().running().await.map_err(Exit::failed)?;
        if is_told {
            eprint!("\r\x1b[K");
        }
        if running == 0 || Instant::now() >= until {
            return Ok(running);
        }
        if is_told {
            eprint!("waiting for {running} requests to end");
        }
        sleep(LOOK_EVERY).await;
    }
}

pub(crate) async fn thaw(config: &Config, arguments: Thaw) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let thawed = store.freezes().thaw(&AuditContext::operator(clock.now())).await;
    if matches!(thawed, Ok(true)) {
        // What follows in a script meets servers that know.
        sleep(THAW_SEEN).await;
    }
    let kind = store.kind();
    store.close().await;
    let thawed = thawed.map_err(Exit::failed)?;
    match (arguments.json, thawed) {
        (true, _) => println!("{}", serde_json::json!({ "frozen": false, "was_frozen": thawed })),
        (false, true) => println!("Thawed: the {kind} database is written to again."),
        (false, false) => println!("The {kind} database was not frozen."),
    }
    Ok(())
}
