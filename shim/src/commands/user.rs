//! `llm-api user …`

mod create;
mod delete;
mod disable;
mod enable;
mod list;
mod password;
mod set_password;

use clap::Subcommand;
use llm_api_app::Config;
use llm_api_storage::{Store, User as Account};

pub(crate) use list::second;

use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    Create(create::UserCreate),
    List(list::UserList),
    Disable(disable::UserDisable),
    Enable(enable::UserEnable),
    SetPassword(set_password::UserSetPassword),
    Delete(delete::UserDelete),
}

pub(crate) async fn run(config: &Config, command: User) -> Result<(), Exit> {
    match command {
        User::Create(arguments) => create::run(config, arguments).await,
        User::List(arguments) => list::run(config, &arguments).await,
        User::Disable(arguments) => disable::run(config, &arguments).await,
        User::Enable(arguments) => enable::run(config, &arguments).await,
        User::SetPassword(arguments) => set_password::run(config, &arguments).await,
        User::Delete(arguments) => delete::run(config, &arguments).await,
    }
}

/// The person of exactly that name; imported names may have blanks around them.
async fn find(store: &Store, name: &str) -> Result<Account, Exit> {
    for name in [name, name.trim()] {
        if let Some(found) = store.users().find_for_login(name).await.map_err(Exit::failed)? {
            return Ok(found.user);
        }
    }
    Err(Exit::failed(format!("there is no user {}; `llm-api user list` shows all", quoted(name))))
}

/// A name as a terminal may show it: imported ones may hold what it would obey.
fn quoted(name: &str) -> String {
    format!("\"{}\"", shown(name))
}

fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
