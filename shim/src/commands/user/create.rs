use std::io::{BufRead as _, IsTerminal as _};

use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_crypto::{PasswordGate, check_new_password};
use llm_api_domain::{Clock, UserId};
use llm_api_storage::{AuditContext, NewUser, OpenMode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct UserCreate {
    #[arg(long)]
    username: String,
    /// What others see; the part of the name before `@` when missing.
    #[arg(long)]
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

pub(crate) async fn run(config: &Config, arguments: UserCreate) -> Result<(), Exit> {
    let username = arguments.username.trim().to_owned();
    if username.is_empty() || username.chars().count() > 255 || username.chars().any(char::is_control) {
        return Err(Exit::usage("--username must have 1 to 255 characters, none of them a control character"));
    }
    let password = password(arguments.password_stdin)?;
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

/// Never from an argument: arguments stand in the process list.
fn password(from_stdin: bool) -> Result<SecretString, Exit> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Exit::failed)?;
        return Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Exit::usage("no terminal to ask for the password on; use --password-stdin"));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(SecretString::from).map_err(Exit::failed);
    let password = ask("Password: ")?;
    if ask("Once more: ")?.expose_secret() != password.expose_secret() {
        return Err(Exit::usage("the two passwords differ"));
    }
    Ok(password)
}
