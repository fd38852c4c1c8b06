//! What a newcomer sees on a server without users: where it is, and how to become its administrator.

use std::{net::SocketAddr, time::Duration};

use llm_api_app::{AppState, DatabaseTarget};
use llm_api_crypto::{PlainToken, TokenKind};
use llm_api_storage::{AuditContext, Invites, NewInvite, StoreError};

use crate::exit::Exit;

const INVITE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Prints the welcome when nobody has an account yet.
pub(crate) async fn greet(state: &AppState, address: SocketAddr, under_systemd: bool) -> Result<(), Exit> {
    let store = &state.auth.store;
    if store.users().any_person().await.map_err(Exit::failed)? {
        return Ok(());
    }
    if under_systemd {
        // Standard output is the journal there: no place for a secret.
        println!("Nobody has an account yet: make the first one with `llm-api user create --username NAME --admin`.");
        return Ok(());
    }
    let secret = PlainToken::generate(TokenKind::Invite).map_err(Exit::failed)?;
    let context = AuditContext::operator(state.auth.clock.now());
    let invite = NewInvite {
        id: Invites::FIRST_ADMIN.into(),
        hash: secret.hash(),
        created_by: None,
        grants_admin: true,
        max_uses: 1,
        expires_at: context.now + INVITE_LIFE,
    };
    let is_ours = match store.invites().renew_first_admin(&invite, &context).await {
        Err(StoreError::ReadOnly) => return Ok(()),
        renewed => renewed.map_err(Exit::failed)?,
    };
    let invite = is_ours.then_some(secret.expose());
    println!("{}", text(&state.config.data_dir.display().to_string(), &state.config.database, address, invite));
    Ok(())
}

fn text(data_dir: &str, database: &DatabaseTarget, address: SocketAddr, invite: Option<&str>) -> String {
    let url = format!("http://{address}");
    let data = match database {
        DatabaseTarget::Sqlite(path) => format!("{} (keys: {data_dir})", path.display()),
        DatabaseTarget::Url(_) => "the database in LLM_API_DATABASE_URL".to_owned(),
    };
    let next = match invite {
        Some(invite) => format!(
            "Become its administrator with this invite, good once and for 24 hours:\n\n  \
             curl {url}/v1/users/register -H 'content-type: application/json' \\\n    \
             -d '{{\"username\":\"me\",\"password\":\"CHANGE-ME-12-or-more\",\"invite_token\":\"{invite}\"}}'\n\n\
             The reply holds your token."
        ),
        None => "Another process has just printed an invite for the first administrator; \
                 `llm-api invite create --admin` makes a new one."
            .to_owned(),
    };
    format!(
        "\nWelcome to llm-api.\n\n  \
         Listening on  {url}\n  \
         Data in       {data}\n\n\
         {next}\n"
    )
}
