//! What the operator can type.

use std::{io::IsTerminal as _, path::PathBuf};

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
    /// Move the data to another database, and compare two.
    #[command(subcommand)]
    Db(Db),
    /// Bring over the data of the Python service.
    ///
    /// Its file is only read. Every row is brought over, brought over with a change that is told, or left out with a
    /// reason; all of it in one transaction. Password hashes and tokens keep working, and provider keys are opened with
    /// the old key and sealed with the new one. Running it again brings only what is not there yet. On SQLite the server
    /// must not run meanwhile.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
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

#[derive(Debug, Subcommand)]
enum Db {
    /// Copy everything into another database, or nothing.
    ///
    /// First every row of the source is checked: what the target could not hold is told with table and id, and nothing
    /// is written. Then, in one transaction: the target is emptied, filled, read again and compared, and gets a receipt.
    /// When anything fails, the target is as before. A server may run on the source; stop or freeze it before the last
    /// copy. Where the target has it all already, that is said and nothing is done.
    #[command(after_help = DB_EXAMPLES)]
    Copy(DbCopy),
    /// Compare two databases row by row; changes neither.
    ///
    /// Ends with 1 when they differ, and names the rows that do.
    Verify(DbVerify),
}

const DB_EXAMPLES: &str = "Examples:
  llm-api db copy --source configured --target postgres://app@db.example.com/llm --dry-run
  llm-api db copy --source sqlite:///var/lib/llm-api/llm-api.db --target 'postgres://app@db.example.com/llm?schema=llm_api'
  llm-api db copy --source configured --target sqlite:///var/lib/llm-api/back.db

A password in an address stands in the process list: leave it out, and set PGPASSWORD or use ~/.pgpass.";

#[derive(Debug, Args)]
pub(crate) struct DbEnds {
    /// `sqlite:///file`, `postgres://user@host/database`, or `configured` for the database of the settings. On Postgres
    /// `?schema=NAME` names the schema, else it is `LLM_API_DATABASE_SCHEMA`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: String,
    /// The same for the other side. Made and migrated by `copy` when needed.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) target: String,
    /// For programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DbCopy {
    #[command(flatten)]
    pub(crate) ends: DbEnds,
    /// Check the source and look at the target, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete our rows in a target that holds data; other applications' tables are never touched.
    #[arg(long)]
    pub(crate) truncate_target: bool,
    /// The name of the database or the file that --truncate-target may empty.
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm_target: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DbVerify {
    #[command(flatten)]
    pub(crate) ends: DbEnds,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The database of the Python service.
    #[arg(long, value_name = "FILE")]
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) key: LegacyKey,
    /// Who gets the sessions, which had no owner; the first administrator when missing.
    #[arg(long, value_name = "NAME")]
    pub(crate) session_owner: Option<String>,
    /// Say what would happen, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the whole report into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct LegacyKey {
    /// A file that holds the text of the old `ENCRYPTION_KEY`.
    #[arg(long, value_name = "FILE")]
    pub(crate) legacy_passphrase_file: Option<PathBuf>,
    /// The old `.llm_api_enc.key`, where no `ENCRYPTION_KEY` was set.
    #[arg(long, value_name = "FILE")]
    pub(crate) legacy_key_file: Option<PathBuf>,
}

const IMPORT_EXAMPLES: &str = "Examples:
  llm-api import --source models/llm_api.db --legacy-key-file models/.llm_api_enc.key --dry-run
  llm-api import --source models/llm_api.db --legacy-passphrase-file old-key.txt --session-owner ada --report import.json";

pub(crate) async fn run() -> Result<(), Exit> {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    match command {
        Command::Openapi => return commands::openapi::run(),
        Command::Keys(Keys::Generate) => return commands::keys_generate::run(),
        Command::Config { json } => return show_config(json),
        Command::Serve
        | Command::Migrate
        | Command::User(_)
        | Command::Invite(_)
        | Command::Db(_)
        | Command::Import(_) => {}
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
        Command::Db(Db::Copy(arguments)) => commands::db::copy(&config, arguments).await,
        Command::Db(Db::Verify(arguments)) => commands::db::verify(&config, &arguments.ends).await,
        Command::Invite(Invite::Create(arguments)) => commands::invite_create::run(&config, &arguments).await,
        Command::Import(arguments) => commands::import::run(&config, arguments).await,
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
