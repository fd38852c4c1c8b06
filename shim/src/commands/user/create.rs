use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_crypto::{PasswordGate, check_new_password};
use llm_api_domain::{Clock, UserId, check_username};
use llm_api_storage::{AuditContext, NewUser, OpenMode};
use secrecy::ExposeSecret as _;

use super::password::new_password;
use crate::exit::Exit;

/// Make an account; the password is asked for without echo
///
/// It works beside a running server, with the same settings and as the same system user. The password must have at least
/// 12 characters and must not be a common one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserCreate {
    /// What the person signs in with: 1 to 255 characters. It cannot be changed later.
    #[arg(long, value_name = "NAME")]
    username: String,
    /// What others see; the part of the name before `@` when missing.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// Make an administrator.
    #[arg(long)]
    admin: bool,
    /// Read the password from standard input, up to the first line break.
    #[arg(long)]
    password_stdin: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user create --username ada --admin
  printf '%s\\n' \"$PASSWORD\" | llm-api user create --username bob@example.org --display-name Bob --password-stdin";

pub(crate) async fn run(config: &Config, arguments: UserCreate) -> Result<(), Exit> {
    let username = arguments.username.trim().to_owned();
    check_username(&username)
        .map_err(|_| Exit::usage("--username must have 1 to 255 characters, none of them a control character"))?;
    let password = new_password(arguments.password_stdin)?;
    check_new_password(&username, password.expose_secret()).map_err(Exit::usage)?;

    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let context = AuditContext::operator(clock.now());
    let default_name = username.split('@').next().unwrap_or_default().to_owned();
    let user = NewUser {
        id: UserId::new(context.now),
        password_hash: PasswordGate::default().hash(&password).await.map_err(Exit::failed)?,
        display_name: Some(arguments.display_name.unwrap_or(default_name)),
        username,
        is_admin: arguments.admin,
    };
    let created = store.users().create(&user, &context).await;
    store.close().await;
    if !created.map_err(Exit::failed)? {
        return Err(Exit::failed(format!("the name \"{}\" is taken", user.username)));
    }
    if arguments.json {
        println!("{}", serde_json::json!({ "id": user.id, "username": user.username, "is_admin": user.is_admin }));
    } else {
        let kind = if user.is_admin { "administrator" } else { "user" };
        println!("Created the {kind} {}.", user.username);
    }
    Ok(())
}
