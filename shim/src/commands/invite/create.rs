use std::time::Duration;

use clap::Args;
use llm_api_app::{Config, open_store};
use llm_api_crypto::{PlainToken, TokenKind};
use llm_api_domain::{Clock, InviteId};
use llm_api_storage::{AuditContext, NewInvite, OpenMode};

use crate::exit::Exit;

/// Make an invite and print it; it is shown once
///
/// Who holds it may register by `POST /v1/users/register`. Only its hash is stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InviteCreate {
    /// Who registers with it becomes an administrator.
    #[arg(long)]
    admin: bool,
    /// How many people may register with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1000))]
    max_uses: i64,
    /// How many days it is good for.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=365))]
    expires_days: i64,
    /// For programs.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  llm-api invite create
  llm-api invite create --max-uses 10 --expires-days 30
  llm-api invite create --admin --json | jq -r .invite_token";

pub(crate) async fn run(config: &Config, arguments: &InviteCreate) -> Result<(), Exit> {
    let clock = Clock::system();
    let context = AuditContext::operator(clock.now());
    let secret = PlainToken::generate(TokenKind::Invite).map_err(Exit::failed)?;
    let invite = NewInvite {
        id: InviteId::new(context.now),
        hash: secret.hash(),
        created_by: None,
        grants_admin: arguments.admin,
        max_uses: arguments.max_uses,
        expires_at: context.now + Duration::from_secs(arguments.expires_days.unsigned_abs() * 24 * 3600),
    };
    let store = open_store(config, OpenMode::Tool, &clock).await?;
    let created = store.invites().create(&invite, &context).await;
    store.close().await;
    created.map_err(Exit::failed)?;
    if arguments.json {
        let reply = serde_json::json!({
            "id": invite.id,
            "invite_token": secret.expose(),
            "grants_admin": invite.grants_admin,
            "max_uses": invite.max_uses,
            "expires_at": invite.expires_at,
        });
        println!("{reply}");
    } else {
        println!("{}", secret.expose());
    }
    Ok(())
}
