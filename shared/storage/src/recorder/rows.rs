//! The statements that write usage rows.

use std::sync::LazyLock;

/// How many columns [`bind_row!`] fills.
const COLUMNS: usize = 19;
/// Rows in one statement.
pub(super) const MAX_ROWS: usize = 32;

/// The statement for each number of rows. SQLite looks a numbered parameter up by its name, one after the other, so it
/// gets nameless ones; Postgres knows numbers only.
pub(super) static SQLITE_UPSERTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| upserts(|_| "?".to_owned()));
pub(super) static POSTGRES_UPSERTS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| upserts(|number| format!("${number}")));

/// Inserts one row whose id the client chose, if it is new.
pub(crate) static CLAIM: LazyLock<&'static str> = LazyLock::new(|| {
    String::leak(format!(
        "{INSERT} VALUES {} ON CONFLICT (user_id, id) DO NOTHING",
        row(0, |number| format!("${number}"))
    ))
});

/// The parameters of row number `index`, counted from 0.
fn row(index: usize, parameter: impl Fn(usize) -> String) -> String {
    let first = index * COLUMNS + 1;
    let parameters: Vec<String> = (first..first + COLUMNS).map(parameter).collect();
    format!("({})", parameters.join(", "))
}

fn upserts(parameter: impl Fn(usize) -> String) -> Vec<&'static str> {
    let statement = |rows: usize| {
        let values: Vec<String> = (0..rows).map(|index| row(index, &parameter)).collect();
        // Leaked on purpose: the driver takes statements that live for ever, and their number is fixed.
        &*String::leak(format!("{INSERT} VALUES {} {ON_CONFLICT}", values.join(", ")))
    };
    (0..=MAX_ROWS).map(statement).collect()
}

const INSERT: &str = "
    INSERT INTO requests (id, user_id, token_id, endpoint, provider, model, streamed, status, error_code, fallback_reason,
        session_id, prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, started_at,
        first_byte_at, finished_at)";

/// A `running` row never overwrites an outcome: batches that were retried may come in the other order.
const ON_CONFLICT: &str = "
    ON CONFLICT (user_id, id) DO UPDATE SET provider = excluded.provider, model = excluded.model, status = excluded.status,
        error_code = excluded.error_code, fallback_reason = excluded.fallback_reason, session_id = excluded.session_id,
        prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
        total_tokens = excluded.total_tokens, cached_tokens = excluded.cached_tokens,
        reasoning_tokens = excluded.reasoning_tokens, first_byte_at = excluded.first_byte_at,
        finished_at = excluded.finished_at
    WHERE requests.status = 'running'";

/// Fills one row of a statement; an outcome that does not say when it came gets `$now`.
macro_rules! bind_row {
    ($query:expr, $row:expr, $now:expr) => {{
        let row: &$crate::RequestRecord = $row;
        let finished = match row.status {
            llm_api_domain::RequestStatus::Running => None,
            _ => Some(row.finished_at.unwrap_or($now)),
        };
        $query
            .bind(row.id.as_uuid())
            .bind(row.user.as_uuid())
            .bind(row.token.map(llm_api_domain::TokenId::as_uuid))
            .bind(row.endpoint)
            .bind(row.provider.as_str())
            .bind(row.model.as_str())
            .bind(row.streamed)
            .bind(row.status.as_str())
            .bind(row.error_code)
            .bind(row.fallback_reason)
            .bind(row.session.map(llm_api_domain::SessionId::as_uuid))
            .bind(row.usage.prompt_tokens)
            .bind(row.usage.completion_tokens)
            .bind(row.usage.total_tokens)
            .bind(row.usage.cached_tokens)
            .bind(row.usage.reasoning_tokens)
            .bind($crate::dialect::DbTime(row.started_at))
            .bind(row.first_byte_at.map($crate::dialect::DbTime))
            .bind(finished.map($crate::dialect::DbTime))
    }};
}
pub(crate) use bind_row;
