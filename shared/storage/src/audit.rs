//! The audit trail: written in the transaction of the change it tells of.

use std::net::IpAddr;

use llm_api_domain::{RequestId, Timestamp, UserId};

/// What happened. The names are stored: never rename one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Registered,
    LoggedIn,
    LoggedOut,
    PasswordChanged,
    UserCreated,
    UserUpdated,
    TokenCreated,
    TokenRevoked,
    InviteCreated,
    InviteRevoked,
    ProviderKeyStored,
    ProviderKeyDeleted,
    UserEnabled,
    UserDisabled,
    UserDeleted,
    DefaultModelSet,
    ModelAliasSet,
    ModelAliasDeleted,
    DataImported,
    Frozen,
    Thawed,
    VaultRotated,
}

impl Action {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "user.registered",
            Self::LoggedIn => "user.logged_in",
            Self::LoggedOut => "user.logged_out",
            Self::PasswordChanged => "user.password_changed",
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::TokenCreated => "token.created",
            Self::TokenRevoked => "token.revoked",
            Self::InviteCreated => "invite.created",
            Self::InviteRevoked => "invite.revoked",
            Self::ProviderKeyStored => "provider_key.stored",
            Self::ProviderKeyDeleted => "provider_key.deleted",
            Self::UserEnabled => "user.enabled",
            Self::UserDisabled => "user.disabled",
            Self::UserDeleted => "user.deleted",
            Self::DefaultModelSet => "default_model.set",
            Self::ModelAliasSet => "model_alias.set",
            Self::ModelAliasDeleted => "model_alias.deleted",
            Self::DataImported => "data.imported",
            Self::Frozen => "maintenance.frozen",
            Self::Thawed => "maintenance.thawed",
            Self::VaultRotated => "vault.rotated",
        }
    }
}

/// When, by whom and through which request a change is made.
#[derive(Clone, Copy, Debug)]
pub struct AuditContext {
    pub now: Timestamp,
    /// `None` for the operator at the command line and for people who are not signed in yet.
    pub actor: Option<UserId>,
    pub address: Option<IpAddr>,
    pub request: Option<RequestId>,
}

impl AuditContext {
    /// For commands of the operator.
    pub const fn operator(now: Timestamp) -> Self {
        Self { now, actor: None, address: None, request: None }
    }

    /// The same context with `actor` as the one who acts.
    #[must_use]
    pub const fn by(self, actor: UserId) -> Self {
        Self { actor: Some(actor), ..self }
    }
}

/// Adds the event inside the body of a write.
macro_rules! audit {
    ($db:ident, $context:expr, $action:expr, $target:expr) => {{
        let context: &$crate::AuditContext = $context;
        let query = sqlx::query(
            "INSERT INTO audit_events (id, created_at, actor_id, action, target_id, address, request_id, succeeded)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(llm_api_domain::AuditEventId::new(context.now).as_uuid())
        .bind($crate::dialect::DbTime(context.now))
        .bind(context.actor.map(llm_api_domain::UserId::as_uuid))
        .bind($action.as_str())
        .bind(Option::<uuid::Uuid>::from($target))
        .bind(context.address.map(|address| address.to_string()))
        .bind(context.request.map(llm_api_domain::RequestId::as_uuid))
        .bind(true);
        $db.execute(query).await?
    }};
}
pub(crate) use audit;
