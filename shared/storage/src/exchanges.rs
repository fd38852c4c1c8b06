//! What was asked and answered in a session, turn by turn.

use std::{error::Error as _, time::Duration};

use llm_api_domain::{ExchangeId, ExchangeStatus, Modality, RequestId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    dialect::{DbTime, storable},
    error::is_unique_violation,
};

/// How long what is written later waits before each further try.
pub(crate) const WAITS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// An exchange to be stored. `input`, `output` and `state_tokens` are JSON text, kept byte for byte.
#[derive(Clone, Debug)]
pub struct NewExchange {
    pub id: ExchangeId,
    pub user: UserId,
    pub session: SessionId,
    pub request: RequestId,
    pub modality: Modality,
    pub provider: String,
    pub model: String,
    pub prompt: Option<String>,
    /// `{"images":[…],"mesh":…}`.
    pub input: Option<String>,
    pub reply: Option<String>,
    /// `{"images":[…],"mesh":…,"artifacts":[…]}`.
    pub output: Option<String>,
    pub status: ExchangeStatus,
    pub finish_reason: Option<String>,
    pub error_code: Option<String>,
    /// `None` leaves the session's as they are.
    pub state_tokens: Option<String>,
    /// What an untitled session is called from now on.
    pub title_when_untitled: Option<String>,
    /// The exchange whose place this one takes.
    pub replaces: Option<ExchangeId>,
    pub created_at: Timestamp,
}

/// A stored exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub id: ExchangeId,
    pub sequence: i64,
    pub request: RequestId,
    pub modality: Modality,
    pub provider: String,
    pub model: String,
    pub prompt: Option<String>,
    pub input: Option<String>,
    pub reply: Option<String>,
    pub output: Option<String>,
    pub status: ExchangeStatus,
    pub finish_reason: Option<String>,
    pub error_code: Option<String>,
    pub state_tokens: Option<String>,
    pub created_at: Timestamp,
}

/// An exchange as the next request needs it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredTurn {
    pub sequence: i64,
    pub prompt: Option<String>,
    pub reply: Option<String>,
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Stored,
    /// The session was deleted meanwhile, or is not the user's.
    SessionGone,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    sequence: i64,
    request_id: Uuid,
    modality: String,
    provider: String,
    model: String,
    status: String,
    finish_reason: Option<String>,
    error_code: Option<String>,
    #[sqlx(try_from = "DbTime")]
    created_at: Timestamp,
    prompt: Option<String>,
    reply: Option<String>,
    state_tokens: Option<String>,
    input: Option<String>,
    output: Option<String>,
}

impl TryFrom<Row> for Exchange {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            sequence: row.sequence,
            request: row.request_id.into(),
            modality: Modality::from_text(&row.modality)
                .ok_or_else(|| StoreError::corrupt("exchanges", "modality", "unknown modality"))?,
            provider: row.provider,
            model: row.model,
            prompt: row.prompt,
            input: row.input,
            reply: row.reply,
            output: row.output,
            status: ExchangeStatus::from_text(&row.status)
                .ok_or_else(|| StoreError::corrupt("exchanges", "status", "unknown status"))?,
            finish_reason: row.finish_reason,
            error_code: row.error_code,
            state_tokens: row.state_tokens,
            created_at: row.created_at,
        })
    }
}

macro_rules! select_exchange {
    ($rest:literal) => {
        concat!(
            "SELECT id, sequence, request_id, modality, provider, model, status, finish_reason, error_code, created_at,
                prompt, reply, state_tokens, input, output
             FROM exchanges WHERE session_id = $1 AND user_id = $2 ",
            $rest
        )
    };
}

/// Takes `$more` further numbers in the session and notes its use: the last number, or `None` when the session is gone.
/// It also locks the session's row, so that the exchanges of one session are written one after the other.
macro_rules! advance_session {
    ($db:ident, $exchange:expr, $more:expr) => {{
        let exchange: &NewExchange = $exchange;
        let more: i64 = $more;
        let query = sqlx::query_scalar::<_, i64>(
            "UPDATE sessions SET last_sequence = last_sequence + $1, exchange_count = exchange_count + $1,
                last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END,
                state_tokens = COALESCE($3, state_tokens), title = COALESCE(title, $4)
             WHERE id = $5 AND user_id = $6 RETURNING last_sequence",
        )
        .bind(more)
        .bind(DbTime(exchange.created_at))
        .bind(exchange.state_tokens.as_deref())
        .bind(exchange.title_when_untitled.as_deref().map(storable))
        .bind(exchange.session.as_uuid())
        .bind(exchange.user.as_uuid());
        $db.scalar(query).await?
    }};
}

/// Deletes the exchange that another one replaces: its number, or `None` when it is gone.
macro_rules! take_out {
    ($db:ident, $exchange:expr, $old:expr) => {{
        let exchange: &NewExchange = $exchange;
        let query = sqlx::query_scalar::<_, i64>(
            "DELETE FROM exchanges WHERE id = $1 AND session_id = $2 AND user_id = $3 RETURNING sequence",
        )
        .bind($old.as_uuid())
        .bind(exchange.session.as_uuid())
        .bind(exchange.user.as_uuid());
        $db.scalar(query).await?
    }};
}

macro_rules! insert_exchange {
    ($db:ident, $exchange:expr, $sequence:expr) => {{
        let exchange: &NewExchange = $exchange;
        let query = sqlx::query(
            "INSERT INTO exchanges (id, session_id, user_id, sequence, request_id, modality, provider, model, status,
                finish_reason, error_code, created_at, prompt, reply, state_tokens, input, output)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(exchange.id.as_uuid())
        .bind(exchange.session.as_uuid())
        .bind(exchange.user.as_uuid())
        .bind($sequence)
        .bind(exchange.request.as_uuid())
        .bind(exchange.modality.as_str())
        .bind(exchange.provider.as_str())
        .bind(exchange.model.as_str())
        .bind(exchange.status.as_str())
        .bind(exchange.finish_reason.as_deref().map(storable))
        .bind(exchange.error_code.as_deref())
        .bind(DbTime(exchange.created_at))
        .bind(exchange.prompt.as_deref().map(storable))
        .bind(exchange.reply.as_deref().map(storable))
        .bind(exchange.state_tokens.as_deref())
        .bind(exchange.input.as_deref())
        .bind(exchange.output.as_deref());
        $db.execute(query).await
    }};
}

/// The `exchanges` table.
#[derive(Debug)]
pub struct Exchanges<'s>(pub(crate) &'s Store);

impl Exchanges<'_> {
    /// Stores an exchange at the end of its session, or in the place of the one that it replaces. Closed sessions take
    /// it, too: it was running when its session ended. Storing one with the same id again changes nothing.
    pub async fn record(&self, exchange: &NewExchange) -> Result<Recorded, StoreError> {
        Ok(on_write_uncached!(self.0, db => {
            let more = i64::from(exchange.replaces.is_none());
            let Some(mut sequence) = advance_session!(db, exchange, more) else { return Ok(Recorded::SessionGone) };
            if let Some(old) = exchange.replaces {
                let freed = take_out!(db, exchange, old);
                sequence = match freed {
                    Some(freed) => freed,
                    // Somebody else has replaced it meanwhile.
                    None => advance_session!(db, exchange, 1).unwrap_or(sequence + 1),
                };
            }
            match insert_exchange!(db, exchange, sequence) {
                Ok(_) => Recorded::Stored,
                // An earlier try came through, and its answer got lost.
                Err(error) if is_unique_violation(&error) => return Ok(Recorded::Stored),
                Err(error) => return Err(error.into()),
            }
        }))
    }

    /// The same from a place that cannot wait, such as a drop guard. Tries again for a while when the database is away;
    /// [`Store::close`] waits for it.
    pub fn record_later(&self, exchange: NewExchange) {
        let store = self.0.clone();
        self.0.later.spawn(async move { store.exchanges().record_patiently(&exchange).await });
    }

    async fn record_patiently(&self, exchange: &NewExchange) {
        let mut waits = WAITS.into_iter();
        loop {
            let error = match self.record(exchange).await {
                Ok(Recorded::Stored) => return,
                Ok(Recorded::SessionGone) => {
                    return tracing::debug!(request_id = %exchange.request, "an exchange came after its session had gone");
                }
                Err(error) => error,
            };
            let Some(wait) = waits.next().filter(|_| error.may_pass()) else {
                let source = error.source();
                return tracing::error!(%error, source, request_id = %exchange.request, "an exchange could not be stored");
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The exchanges of the user's session whose number is above `after_sequence`, in order.
    pub async fn list(
        &self,
        user: UserId,
        session: SessionId,
        after_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Exchange>, StoreError> {
        let rows: Vec<Row> = on_read!(self.0, db => {
            db.all(sqlx::query_as(select_exchange!("AND sequence > $3 ORDER BY sequence LIMIT $4"))
                .bind(session.as_uuid()).bind(user.as_uuid()).bind(after_sequence).bind(limit)).await?
        });
        rows.into_iter().map(Exchange::try_from).collect()
    }

    /// The newest exchange of the user's session.
    pub async fn last(&self, user: UserId, session: SessionId) -> Result<Option<Exchange>, StoreError> {
        let row: Option<Row> = on_read!(self.0, db => {
            db.optional(sqlx::query_as(select_exchange!("ORDER BY sequence DESC LIMIT 1"))
                .bind(session.as_uuid()).bind(user.as_uuid())).await?
        });
        row.map(Exchange::try_from).transpose()
    }

    /// What was said in the user's session before number `before_sequence`, newest first, without the wide columns.
    pub async fn turns(
        &self,
        user: UserId,
        session: SessionId,
        before_sequence: Option<i64>,
        limit: i64,
    ) -> Result<Vec<StoredTurn>, StoreError> {
        Ok(on_read!(self.0, db => {
            db.all(sqlx::query_as(
                "SELECT sequence, prompt, reply FROM exchanges
                 WHERE session_id = $1 AND user_id = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4")
                .bind(session.as_uuid()).bind(user.as_uuid()).bind(before_sequence.unwrap_or(i64::MAX)).bind(limit)).await?
        }))
    }
}
