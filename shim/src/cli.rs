//! What the operator can type.

use std::io::IsTerminal as _;

use clap::{Args, Parser, Subcommand};
use llm_api_app::{Config, Sources, init_logging, settings_table};

use crate::{commands, exit::Exit, serve};

/// Self-hosted LLM API for a small team.
///
/// Settings are environment variables with the prefix `LLM_API`_; `llm-api config` shows them all.
#[derive(Debug, Parser)]
#[command(name = "llm-api", version, arg_required_else_help = false)]
struct Cli {
    /// Without one: serve.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Bring the database to this version, then end.
    Migrate,
    /// Accounts.
    #[command(subcommand)]
    User(User),
    /// Invites.
    #[command(subcommand)]
    Invite(Invite),
    /// Encryption keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the effective settings and where each came from; secrets only as "set".
    Config {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum User {
    /// Make an account; the password is asked for without echo.
    Create(UserCreate),
}

#[derive(Debug, Args)]
pub(crate) struct UserCreate {
    #[arg(long)]
    pub(crate) username: String,
    /// What others see; the part of the name before `@` when missing.
    #[arg(long)]
    pub(crate) display_name: Option<String>,
    /// Make an administrator.
    #[arg(long)]
    pub(crate) admin: bool,
    /// Read the password from standard input, up to the first line break.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// For programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Invite {
    /// Make an invite and print it; it is shown once.
    Create(InviteCreate),
}

#[derive(Debug, Args)]
pub(crate) struct InviteCreate {
    /// Who registers with it becomes an administrator.
    #[arg(long)]
    pub(crate) admin: bool,
    /// How many people may register with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1000))]
    pub(crate) max_uses: i64,
    /// How many days it is good for.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=365))]
    pub(crate) expires_days: i64,
    /// For programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Print a fresh `LLM_API_ENCRYPTION_KEY`.
    Generate,
}

pub(crate) async fn run() -> Result<(), Exit> {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    match command {
        Command::Openapi => return commands::openapi::run(),
        Command::Keys(Keys::Generate) => return commands::keys_generate::run(),
        Command::Config { json } => return show_config(json),
        Command::Serve | Command::Migrate | Command::User(_) | Command::Invite(_) => {}
    }
    let sources = Sources::from_process();
    let (config, warnings) = Config::load(&sources)?;
    init_logging(&config).map_err(Exit::failed)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match command {
        Command::Serve => serve::run(config, under_systemd()).await,
        Command::Migrate => commands::migrate::run(&config).await,
        Command::User(User::Create(arguments)) => commands::user_create::run(&config, arguments).await,
        Command::Invite(Invite::Create(arguments)) => commands::invite_create::run(&config, &arguments).await,
        Command::Openapi | Command::Keys(_) | Command::Config { .. } => Ok(()),
    }
}

/// systemd gives this variable to every service that it starts.
#[expect(clippy::disallowed_methods, reason = "it is no setting: settings have a prefix, and others are not kept")]
fn under_systemd() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

fn show_config(json: bool) -> Result<(), Exit> {
    let sources = Sources::from_process();
    let effective = Config::effective(&sources);
    if json {
        println!("{}", serde_json::to_string_pretty(&effective).map_err(Exit::failed)?);
    } else {
        print!("{}", settings_table(&effective));
    }
    // Shown first, so that a mistake can be seen beside its source.
    let (_, warnings) = Config::load(&sources)?;
    if std::io::stderr().is_terminal() || !json {
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
    }
    Ok(())
}
