use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::{OpenMode, Store, User};
use serde_json::{Value, json};

use super::shown;
use crate::exit::Exit;

/// Read at once.
const PAGE: i64 = 1000;

/// Show all accounts, newest first
///
/// Names, roles, who is disabled, when they were made and when they last signed in. The account `service` of
/// `LLM_API_API_KEY` is no person and not shown.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserList {
    /// For programs: an array.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user list
  llm-api user list --json | jq -r '.[] | select(.is_admin) | .username'";

pub(crate) async fn run(config: &Config, arguments: &UserList) -> Result<(), Exit> {
    let store = open_store(config, OpenMode::Tool, &Clock::system()).await?;
    let users = all(&store).await;
    store.close().await;
    let users = users?;
    if arguments.json {
        println!("{}", users.iter().map(row).collect::<Value>());
    } else {
        print_table(&users);
    }
    Ok(())
}

async fn all(store: &Store) -> Result<Vec<User>, Exit> {
    let mut users = Vec::new();
    loop {
        let from = i64::try_from(users.len()).map_err(Exit::failed)?;
        let page = store.users().list(PAGE, from).await.map_err(Exit::failed)?;
        if page.is_empty() {
            return Ok(users);
        }
        users.extend(page);
    }
}

fn row(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "is_admin": user.is_admin,
        "is_active": user.is_active,
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
    })
}

fn print_table(users: &[User]) {
    let names: Vec<String> = users.iter().map(|user| shown(&user.username)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("name".len());
    println!("{:<width$}  {:<5}  {:<8}  {:<20}  last sign-in", "name", "role", "state", "made");
    for (user, name) in users.iter().zip(&names) {
        let role = if user.is_admin { "admin" } else { "user" };
        let state = if user.is_active { "active" } else { "disabled" };
        let last = user.last_login_at.map_or_else(|| "never".to_owned(), second);
        println!("{name:<width$}  {role:<5}  {state:<8}  {:<20}  {last}", second(user.created_at));
    }
}

/// To the second: `2026-11-22T13:26:38Z`.
pub(crate) fn second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}
