use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::Clock;
use llm_api_storage::{AuditContext, OpenMode, Store, User};

use super::{find, quoted};
use crate::exit::Exit;

/// Let a disabled person in again, with everything they had
///
/// Their tokens work again at once, unless those have expired or were revoked.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UserEnable {
    /// Whom, by the name they sign in with.
    #[arg(long, value_name = "NAME")]
    username: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api user enable --username bob";

pub(crate) async fn run(config: &Config, arguments: &UserEnable) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let done = enable(&store, &arguments.username, &AuditContext::operator(clock.now())).await;
    store.close().await;
    let user = done?;
    if arguments.json {
        println!("{}", serde_json::json!({ "id": user.id, "username": user.username, "is_active": true }));
    } else {
        println!("Enabled {}.", quoted(&user.username));
    }
    Ok(())
}

async fn enable(store: &Store, name: &str, context: &AuditContext) -> Result<User, Exit> {
    let user = find(store, name).await?;
    match store.users().set_active(user.id, true, context).await.map_err(Exit::failed)? {
        true => Ok(user),
        false => Err(Exit::failed(format!("{} was removed meanwhile", quoted(&user.username)))),
    }
}
