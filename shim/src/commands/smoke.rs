//! `llm-api smoke`: asks a live deployment as its users do. Needs neither its settings nor its database.

mod account;
mod answer;
mod basics;
mod cleanup;
mod frozen;
mod generation;
mod keys;
mod models;
mod report;
mod run;
mod sessions;

use std::{
    io::{BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use llm_api_upstream::PlainClient;
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use report::{Report, skipped};
use run::Run;

/// Try a live deployment, as its users would, and remove what that made
///
/// It asks over HTTP alone, from anywhere, and prints a line for each step: health, ready, version; registering with an
/// invite, login, profile, tokens; storing, listing and deleting a provider key; sessions; models and defaults; generating
/// text, plain and streamed, in the native format, in a session and in OpenAI's format. With an administrator's token (or
/// an invite) all of that happens in an account of its own, `smoke-…`, which is removed at the end, also after a failure
/// or Ctrl-C. With another token the steps that fit run as that account, and the rest is skipped; without any, only the
/// public ones.
///
/// To generate it uses the key of --provider-key-file, else what the server offers: the operator's keys or local models.
///
/// While the deployment is frozen (`llm-api freeze`), it checks that reading works and that writes of each kind are refused
/// as they should be.
///
/// Ends with 0 when nothing failed, else with 1. A token, an invite and a key are read from files or standard input: an
/// argument stands in the process list.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Smoke {
    /// Where it is, such as `https://llm.example.com`; a path, such as `/api`, stands before every path asked for.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with the token to come with: an administrator's for all steps.
    #[arg(long, value_name = "FILE", conflicts_with = "token_stdin")]
    token_file: Option<PathBuf>,
    /// Read that token from standard input, up to the first line break.
    #[arg(long)]
    token_stdin: bool,
    /// A file with an invite to register with, in place of one that the administrator's token makes. Without such a token
    /// the account stays, and the last lines say how to remove it.
    #[arg(long, value_name = "FILE")]
    invite_file: Option<PathBuf>,
    /// Generate with this provider, such as `openai`, `anthropic` or `local`.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// A file with a key for that provider. It is stored for the run, and deleted.
    #[arg(long, value_name = "FILE", requires = "provider")]
    provider_key_file: Option<PathBuf>,
    /// The address of that provider, where it has none of its own: `custom`, `azure`.
    #[arg(long, value_name = "URL", requires = "provider_key_file")]
    endpoint: Option<String>,
    /// Generate with this model; the default model, or else a cheap one, when missing.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Do not generate. Without this, having nothing to generate with is a failure.
    #[arg(long)]
    without_generation: bool,
    /// How long one request may take, whole streams included.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// For programs: one object at the end.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api smoke --url http://127.0.0.1:8080
  llm-api smoke --url https://llm.example.com --token-file admin.token
  printf '%s' \"$ADMIN_TOKEN\" | llm-api smoke --url https://llm.example.com --token-stdin --json
  llm-api smoke --url https://llm.example.com --token-file admin.token --provider openai --provider-key-file openai.key
  llm-api smoke --url https://llm.example.com --invite-file invite.txt --provider local --model local:qwen3:4b
  llm-api smoke --url https://llm.example.com --token-file admin.token --without-generation

A token of your own: sign in with `POST /v1/users/login`, or make one with `POST /v1/users/tokens`. An invite: `llm-api invite
create`.";

/// What the run needs of the arguments, read.
struct Options {
    token: Option<SecretString>,
    invite: Option<SecretString>,
    provider: Option<String>,
    key: Option<SecretString>,
    endpoint: Option<String>,
    model: Option<String>,
    generates: bool,
}

pub(crate) async fn run(arguments: Smoke) -> Result<(), Exit> {
    let client = PlainClient::new(&arguments.url, Duration::from_secs(arguments.timeout))
        .map_err(|error| Exit::usage(format!("--url: {error}")))?;
    let file = |path: &Option<PathBuf>| path.as_deref().map(secret).transpose();
    let options = Options {
        token: if arguments.token_stdin { Some(secret_of_stdin()?) } else { file(&arguments.token_file)? },
        invite: file(&arguments.invite_file)?,
        provider: arguments.provider,
        key: file(&arguments.provider_key_file)?,
        endpoint: arguments.endpoint,
        model: arguments.model,
        generates: !arguments.without_generation,
    };
    if client.is_readable_on_the_way() {
        eprintln!("warning: --url has no TLS: tokens and passwords can be read on the way");
    }
    let mut run = Run::new(client, options, Report::new(arguments.json)).map_err(Exit::failed)?;
    let stopped = tokio::select! {
        () = steps(&mut run) => false,
        stopped = interrupted() => stopped.map(|()| true).map_err(Exit::failed)?,
    };
    if stopped {
        eprintln!("stopped; removing what was made (stop once more to leave it)");
        run.report.stopped();
    }
    tokio::select! {
        () = cleanup::remove(&mut run) => {}
        stopped = interrupted() => {
            stopped.map_err(Exit::failed)?;
            run.report.stopped();
        }
    }
    let left = run.made.describe(&run.name);
    run.report.left(&left);
    run.report.end(run.client.base_url())
}

/// The whole checklist. What it has made so far is known to `run` whenever it is dropped.
async fn steps(run: &mut Run) {
    if !basics::run(run).await {
        return;
    }
    if run.frozen {
        return frozen::run(run).await;
    }
    if run.options.token.is_none() && run.options.invite.is_none() {
        let reason = "needs a token (--token-file, --token-stdin) or an invite (--invite-file)";
        run.report.tell::<()>("everything behind a sign-in", Instant::now(), skipped(reason));
        return;
    }
    account::run(run).await;
    keys::store(run).await;
    let session = sessions::create(run).await;
    let model = models::run(run).await;
    let exchanges = match &model {
        Some(model) => generation::run(run, model, session.as_deref()).await,
        None => 0,
    };
    sessions::read(run, session.as_deref(), exchanges).await;
}

/// Ctrl-C, or what a supervisor sends in its place.
pub(super) async fn interrupted() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped,
        _ = terminated.recv() => Ok(()),
    }
}

pub(super) fn secret(path: &Path) -> Result<SecretString, Exit> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Exit::failed(format!("cannot read {}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(Exit::usage(format!("{} is empty", path.display()))),
        text => Ok(SecretString::from(text)),
    }
}

pub(super) fn secret_of_stdin() -> Result<SecretString, Exit> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Exit::usage("--token-stdin reads a pipe: a terminal would show the token"));
    }
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(Exit::failed)?;
    match line.trim() {
        "" => Err(Exit::usage("no token came from standard input")),
        token => Ok(SecretString::from(token)),
    }
}
