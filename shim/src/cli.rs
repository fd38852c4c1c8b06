//! What the operator can type.

use clap::{Parser, Subcommand};
use llm_api_app::{Config, Sources, init_logging};

use crate::{
    commands::{
        backup, config, db, doctor, freeze, import, invite, keys, migrate, openapi, restore, smoke, user, watch,
    },
    exit::Exit,
    serve,
};

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
    User(user::User),
    /// Invites.
    #[command(subcommand)]
    Invite(invite::Invite),
    /// Encryption keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Move the data to another database, and compare two.
    #[command(subcommand)]
    Db(db::Db),
    #[command(about = import::ABOUT, long_about = import::LONG_ABOUT, after_help = import::EXAMPLES)]
    Import(import::Import),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Freeze(freeze::Freeze),
    Thaw(freeze::Thaw),
    Doctor(doctor::Doctor),
    Smoke(smoke::Smoke),
    Watch(watch::Watch),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the effective settings and where each came from; secrets only as "set".
    Config(config::Show),
}

pub(crate) async fn run() -> Result<(), Exit> {
    let command = match Cli::parse().command.unwrap_or(Command::Serve) {
        // These need no settings, and must work where those are wrong.
        Command::Openapi => return openapi::run(),
        Command::Keys(keys::Keys::Generate) => return keys::generate::run(),
        Command::Config(arguments) => return config::run(&arguments),
        Command::Doctor(arguments) => return doctor::run(arguments).await,
        Command::Smoke(arguments) => return smoke::run(arguments).await,
        Command::Watch(arguments) => return watch::run(arguments).await,
        command => command,
    };
    let (config, warnings) = Config::load(&Sources::from_process())?;
    init_logging(&config).map_err(Exit::failed)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match command {
        Command::Serve => serve::run(config, under_systemd()).await,
        Command::Migrate => migrate::run(&config).await,
        Command::User(command) => user::run(&config, command).await,
        Command::Invite(command) => invite::run(&config, command).await,
        Command::Keys(command) => keys::run(&config, command).await,
        Command::Db(command) => db::run(&config, command).await,
        Command::Import(arguments) => import::run(&config, arguments).await,
        Command::Backup(arguments) => backup::run(&config, arguments).await,
        Command::Restore(arguments) => restore::run(&config, arguments).await,
        Command::Freeze(arguments) => freeze::freeze(&config, arguments).await,
        Command::Thaw(arguments) => freeze::thaw(&config, arguments).await,
        Command::Openapi | Command::Config(_) | Command::Doctor(_) | Command::Smoke(_) | Command::Watch(_) => Ok(()),
    }
}

/// systemd gives this variable to every service that it starts.
#[expect(clippy::disallowed_methods, reason = "it is no setting: settings have a prefix, and others are not kept")]
fn under_systemd() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}
