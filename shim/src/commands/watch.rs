mod figures;
mod line;
mod server;

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use http::StatusCode;
use llm_api_domain::Clock;
use llm_api_upstream::{PlainClient, PlainError, PlainReply};
use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};

use super::smoke::{interrupted, secret, secret_of_stdin};
use crate::exit::Exit;
use figures::Figures;
use line::{Line, Readiness, Watched};

/// A deployment that takes longer to say that it is ready is not.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const LINES_BETWEEN_HEADERS: u64 = 20;

/// Watch a live deployment: one line every two seconds, with what is unusual marked
///
/// It asks `/ready` and `/metrics` over HTTP, from anywhere. A line tells the time (UTC), whether the deployment is ready or
/// frozen and how long that answer took, and what the last 15 seconds brought: requests to models that ended, how many of
/// them failed or were answered by another model, their mean time, and the providers that were asked. These figures are
/// those of all servers on one database, which write them every five seconds. Of the server that answered alone are
/// those of all its answers, whatever was asked: the shares with status 4xx and 5xx, the time that 95 of 100 did not
/// exceed until their answer began (p95), the requests in flight and the open streams; they are left out when another
/// process answers than before. A `!` begins a line with something unusual, and its end says what. A deployment that
/// does not answer is a line, too, and is asked again.
///
/// `/metrics` wants the token of an administrator, or the static key (`LLM_API_API_KEY`), in a file or on standard input:
/// an argument stands in the process list. Without one, or where metrics are off, the rest is told.
///
/// Ctrl-C, or --count, ends it with 0.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  llm-api watch --url https://llm.example.com --token-file admin.token
  llm-api watch --url http://127.0.0.1:8080 --interval 10
  llm-api watch --url https://llm.example.com --token-file admin.token --json | jq -c 'select(.unusual != [])'
  llm-api watch --url https://llm.example.com --count 1")]
pub(crate) struct Watch {
    /// Where it is, such as `https://llm.example.com`.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with an administrator's token, for the figures.
    #[arg(long, value_name = "FILE", conflicts_with = "token_stdin")]
    token_file: Option<PathBuf>,
    /// Read that token from standard input, up to the first line break.
    #[arg(long)]
    token_stdin: bool,
    /// Time between two lines.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// End after so many lines.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// One JSON object in each line, for programs.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Watch) -> Result<(), Exit> {
    let client =
        PlainClient::new(&arguments.url, LONGEST_WAIT).map_err(|error| Exit::usage(format!("--url: {error}")))?;
    let token = match &arguments.token_file {
        _ if arguments.token_stdin => Some(secret_of_stdin()?),
        Some(path) => Some(secret(path)?),
        None => None,
    };
    if token.is_some() && client.is_readable_on_the_way() {
        eprintln!("warning: --url has no TLS: the token can be read on the way");
    }
    tokio::select! {
        ended = lines(&arguments, &client, token.as_ref()) => ended,
        stopped = interrupted() => stopped.map_err(Exit::failed),
    }
}

async fn lines(arguments: &Watch, client: &PlainClient, token: Option<&SecretString>) -> Result<(), Exit> {
    let (clock, mut watched) = (Clock::system(), Watched::default());
    let mut ticks = interval(Duration::from_secs(arguments.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = None;
    for number in 0..arguments.count.unwrap_or(u64::MAX) {
        ticks.tick().await;
        let now = clock.now();
        let (readiness, figures) = tokio::join!(ready(client), metrics(client, token));
        // Said when it changes, and not in every line.
        let why = figures.as_ref().err().filter(|_| readiness.answers()).cloned();
        if why != trouble {
            if let Some(why) = &why {
                eprintln!("no figures: {why}");
            }
            trouble = why;
        }
        let line = watched.line(now, readiness, figures.ok().map(|figures| (Instant::now(), figures)));
        if !tell(arguments, number, &line) {
            // Nobody reads any more, as with `| head`.
            return Ok(());
        }
    }
    Ok(())
}

fn tell(arguments: &Watch, number: u64, line: &Line) -> bool {
    let mut stdout = std::io::stdout().lock();
    let is_header_due = !arguments.json && stdout.is_terminal() && number.is_multiple_of(LINES_BETWEEN_HEADERS);
    let header = if is_header_due { writeln!(stdout, "{}", line::HEADER) } else { Ok(()) };
    let told = match arguments.json {
        true => writeln!(stdout, "{}", line.json()),
        false => writeln!(stdout, "{line}"),
    };
    header.and(told).and_then(|()| stdout.flush()).is_ok()
}

async fn ready(client: &PlainClient) -> Readiness {
    let asked = Instant::now();
    let reply = client.get("/ready").send().await;
    let took = asked.elapsed();
    match reply {
        Err(error) => Readiness::Unreachable(error.to_string()),
        Ok(reply) => told(&reply, took),
    }
}

fn told(reply: &PlainReply, took: Duration) -> Readiness {
    let body = reply.json();
    match (reply.status, body["status"].as_str()) {
        (StatusCode::OK, Some("ready")) => match body.get("frozen").filter(|frozen| !frozen.is_null()) {
            Some(frozen) => Readiness::Frozen { took, reason: frozen["reason"].as_str().map(str::to_owned) },
            None => Readiness::Ready(took),
        },
        (StatusCode::SERVICE_UNAVAILABLE, Some("not_ready")) => Readiness::NotReady(took),
        // A proxy in front, most of the time.
        (status, _) => Readiness::Other { took, status: status.as_u16() },
    }
}

/// Or why there are none.
async fn metrics(client: &PlainClient, token: Option<&SecretString>) -> Result<Figures, String> {
    let request = client.get("/metrics");
    let request = match token {
        Some(token) => request.bearer(token),
        None => request,
    };
    let reply = request.send().await.map_err(|error: PlainError| error.to_string())?;
    match reply.status {
        StatusCode::OK => Figures::parse(&reply.text()).ok_or_else(|| "/metrics has none of ours".to_owned()),
        StatusCode::UNAUTHORIZED if token.is_none() => {
            Err("/metrics needs an administrator's token (--token-file)".to_owned())
        }
        StatusCode::UNAUTHORIZED => Err("/metrics does not take this token".to_owned()),
        StatusCode::FORBIDDEN => Err("/metrics needs the token of an administrator".to_owned()),
        // nginx, as we ship it, keeps them to its own machine.
        StatusCode::NOT_FOUND => {
            Err("metrics are switched off there (LLM_API_METRICS_ENABLED), or not passed on by a proxy".to_owned())
        }
        status => Err(format!("/metrics answers {}", status.as_u16())),
    }
}
