//! A session as clients read it; every optional field is there, as null when empty.

use llm_api_domain::{SessionId, SessionStatus, Timestamp};
use llm_api_storage::Session;
use serde::Serialize;
use utoipa::ToSchema;

use crate::messages::Message;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    #[schema(value_type = String)]
    id: SessionId,
    #[schema(value_type = String, example = "active")]
    status: SessionStatus,
    title: Option<String>,
    system_prompt: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    last_used_at: Timestamp,
    /// How many exchanges it has: a question and its reply count as one.
    message_count: i64,
    /// In order; only where one session is asked for.
    messages: Option<Vec<Message>>,
}

impl SessionView {
    pub(crate) fn with(mut self, messages: Vec<Message>) -> Self {
        self.messages = Some(messages);
        self
    }
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            status: session.status,
            title: session.title,
            system_prompt: session.system_prompt,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            message_count: session.exchange_count,
            messages: None,
        }
    }
}

/// A session in a list: without what may be long.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionEntry {
    #[schema(value_type = String)]
    id: SessionId,
    #[schema(value_type = String, example = "active")]
    status: SessionStatus,
    title: Option<String>,
    #[schema(value_type = String)]
    created_at: Timestamp,
    #[schema(value_type = String)]
    last_used_at: Timestamp,
    message_count: i64,
}

impl From<Session> for SessionEntry {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            status: session.status,
            title: session.title,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            message_count: session.exchange_count,
        }
    }
}
