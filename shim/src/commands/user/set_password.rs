use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_crypto::{PasswordGate, check_new_password};
use llm_api_domain::Clock;
use llm_api_storage::{AuditContext, OpenMode, Store, User};
use secrecy::{ExposeSecret as _, SecretString};

use super::{find, password::new_password, quoted};
use crate::exit::Exit;

/// Give a person a new password; it is asked for without echo
///
/// For somebody who has forgotten theirs, or whose imported account has none. Every login of theirs ends at once; personal
/// tokens go on. The same rules hold as for a new account: at least 12 characters, not a common password, not the name.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserSetPassword {
    /// Whose, by the name they sign in with.
    #[arg(long, value_name = "NAME")]
    username: String,
    /// Read the password from standard input, up to the first line break.
    #[arg(long)]
    password_stdin: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user set-password --username ada
  printf '%s\\n' \"$PASSWORD\" | llm-api user set-password --username ada --password-stdin";

pub(crate) async fn run(config: &Config, arguments: &UserSetPassword) -> Result<(), Exit> {
    let password = new_password(arguments.password_stdin)?;
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let done = set_password(&store, &arguments.username, &password, &clock).await;
    store.close().await;
    let user = done?;
    if arguments.json {
        println!("{}", serde_json::json!({ "id": user.id, "username": user.username, "changed": true }));
    } else {
        println!(
            "{} has a new password. Every login of theirs has ended; personal tokens go on.",
            quoted(&user.username)
        );
    }
    if !user.is_active {
        eprintln!("warning: the account is disabled; `llm-api user enable` lets them in");
    }
    Ok(())
}

async fn set_password(store: &Store, name: &str, password: &SecretString, clock: &Clock) -> Result<User, Exit> {
    let user = find(store, name).await?;
    check_new_password(&user.username, password.expose_secret()).map_err(Exit::usage)?;
    let hash = PasswordGate::default().hash(password).await.map_err(Exit::failed)?;
    let context = AuditContext::operator(clock.now());
    match store.users().set_password(user.id, &hash, &context).await.map_err(Exit::failed)? {
        true => Ok(user),
        false => Err(Exit::failed(format!("{} was removed meanwhile", quoted(&user.username)))),
    }
}
