use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::{Clock, InviteId};
use llm_api_storage::{AuditContext, OpenMode};

use crate::exit::Exit;

/// Make an invite useless, at once
///
/// Whoever registered with it before keeps their account.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InviteRevoke {
    /// As `invite list` shows it.
    #[arg(long, value_name = "ID")]
    id: InviteId,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api invite revoke --id 01a2036f-f562-720f-8fc2-ee13e274c23e";

pub(crate) async fn run(config: &Config, arguments: &InviteRevoke) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let revoked = store.invites().revoke(arguments.id, &AuditContext::operator(clock.now())).await;
    store.close().await;
    if !revoked.map_err(Exit::failed)? {
        return Err(Exit::failed(format!("there is no invite {}; `llm-api invite list` shows all", arguments.id)));
    }
    if arguments.json {
        println!("{}", serde_json::json!({ "id": arguments.id, "revoked": true }));
    } else {
        println!("Revoked {}.", arguments.id);
    }
    Ok(())
}
