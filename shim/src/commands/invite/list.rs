use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_domain::{Clock, Timestamp};
use llm_api_storage::{Invite, OpenMode};
use serde_json::{Value, json};

use crate::{commands::user::second, exit::Exit};

/// Show the last 1,000 invites, newest first
///
/// The id is what `invite revoke` takes; the invites themselves are not stored and cannot be shown again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InviteList {
    /// For programs: an array.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api invite list
  llm-api invite list --json | jq -r '.[] | select(.state == \"open\") | .id'";

pub(crate) async fn run(config: &Config, arguments: &InviteList) -> Result<(), Exit> {
    let clock = Clock::system();
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let invites = store.invites().list().await;
    store.close().await;
    let (invites, now) = (invites.map_err(Exit::failed)?, clock.now());
    if arguments.json {
        println!("{}", invites.iter().map(|invite| row(invite, now)).collect::<Value>());
        return Ok(());
    }
    println!("{:<36}  {:<7}  {:>9}  {:<5}  {:<20}  ends", "id", "state", "uses", "for", "made");
    for invite in &invites {
        let role = if invite.grants_admin { "admin" } else { "user" };
        let uses = format!("{}/{}", invite.uses, invite.max_uses);
        let (made, ends) = (second(invite.created_at), second(invite.expires_at));
        println!("{}  {:<7}  {uses:>9}  {role:<5}  {made:<20}  {ends}", invite.id, state(invite, now));
    }
    Ok(())
}

fn state(invite: &Invite, now: Timestamp) -> &'static str {
    if invite.revoked_at.is_some() {
        "revoked"
    } else if invite.uses >= invite.max_uses {
        "used"
    } else if invite.expires_at <= now {
        "expired"
    } else {
        "open"
    }
}

fn row(invite: &Invite, now: Timestamp) -> Value {
    json!({
        "id": invite.id,
        "state": state(invite, now),
        "grants_admin": invite.grants_admin,
        "max_uses": invite.max_uses,
        "uses": invite.uses,
        "created_by": invite.created_by,
        "used_by": invite.last_used_by,
        "created_at": invite.created_at,
        "expires_at": invite.expires_at,
        "revoked_at": invite.revoked_at,
    })
}
