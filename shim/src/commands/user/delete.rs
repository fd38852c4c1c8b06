use clap::Args;
use llm_api_app::{Config, open_artifacts, open_store};
use llm_api_domain::Clock;
use llm_api_storage::{AccountChange, AuditContext, OpenMode, Store, User};

use super::{find, quoted};
use crate::exit::Exit;

/// Remove a person with everything they have, for good
///
/// Tokens, provider keys, sessions with all that was said, generated files, usage, defaults of their own: nothing of it
/// comes back, so make a backup first. What only names them stays and names nobody: the audit trail, invites they made or
/// used, defaults for everybody. The last active administrator is refused. To keep somebody out and lose nothing, use
/// `user disable`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserDelete {
    /// Whom, by the name they sign in with.
    #[arg(long, value_name = "NAME")]
    username: String,
    /// The same name once more: nothing is asked.
    #[arg(long, value_name = "NAME")]
    confirm: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user delete --username bob --confirm bob";

pub(crate) async fn run(config: &Config, arguments: &UserDelete) -> Result<(), Exit> {
    if arguments.confirm != arguments.username {
        return Err(Exit::usage("--confirm must repeat the name that --username says"));
    }
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let done = delete(config, &store, &arguments.username, &clock).await;
    store.close().await;
    let user = done?;
    if arguments.json {
        println!("{}", serde_json::json!({ "id": user.id, "username": user.username, "deleted": true }));
    } else {
        println!("Removed {} with everything they had.", quoted(&user.username));
    }
    Ok(())
}

async fn delete(config: &Config, store: &Store, name: &str, clock: &Clock) -> Result<User, Exit> {
    let user = find(store, name).await?;
    let artifacts = open_artifacts(config, store, clock)?;
    let context = AuditContext::operator(clock.now());
    match artifacts.remove_owner(user.id, &context).await.map_err(Exit::failed)? {
        AccountChange::Done => Ok(user),
        AccountChange::Unknown => Err(Exit::failed(format!("{} was removed meanwhile", quoted(&user.username)))),
        AccountChange::LastAdmin => Err(Exit::failed(format!(
            "{} is the last active administrator: make another one first",
            quoted(&user.username)
        ))),
    }
}
