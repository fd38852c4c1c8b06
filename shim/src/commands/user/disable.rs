use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::Clock;
use llm_api_storage::{AccountChange, AuditContext, OpenMode, Store};

use super::{find, quoted};
use crate::exit::Exit;

/// Keep a person out; what they have stays
///
/// Their tokens stop at once, in every running server, and they cannot sign in; `user enable` brings everything back as
/// it was. The last active administrator is refused.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserDisable {
    /// Whom, by the name they sign in with.
    #[arg(long, value_name = "NAME")]
    username: String,
    /// Also the last active administrator.
    #[arg(long)]
    force: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user disable --username bob
  llm-api user disable --username root --force";

pub(crate) async fn run(config: &Config, arguments: &UserDisable) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let done = disable(&store, arguments, &AuditContext::operator(clock.now())).await;
    store.close().await;
    let (id, name) = done?;
    if arguments.json {
        println!("{}", serde_json::json!({ "id": id, "username": name, "is_active": false }));
    } else {
        println!("Disabled {}: no token of theirs works any more, and they cannot sign in.", quoted(&name));
    }
    Ok(())
}

async fn disable(store: &Store, arguments: &UserDisable, context: &AuditContext) -> Result<(String, String), Exit> {
    let user = find(store, &arguments.username).await?;
    match store.users().disable(user.id, arguments.force, context).await.map_err(Exit::failed)? {
        AccountChange::Done => Ok((user.id.to_string(), user.username)),
        AccountChange::Unknown => Err(Exit::failed(format!("{} was removed meanwhile", quoted(&user.username)))),
        AccountChange::LastAdmin => Err(Exit::failed(format!(
            "{} is the last active administrator: make another one first, or add --force",
            quoted(&user.username)
        ))),
    }
}
