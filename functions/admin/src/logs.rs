use std::time::Duration;

use llm_api_app::{LogBuffer, LogLine};
use llm_api_domain::Timestamp;
use llm_api_web::{Admin, ApiError, Caller, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const DEFAULT_LINES: i64 = 200;
const MOST_LINES: i64 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsQuery {
    /// How many lines; 200 when missing, taken as 1 or 500 beyond those.
    n: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogView {
    /// Unix seconds.
    ts: f64,
    /// `INFO`, `WARNING` or `ERROR`.
    #[schema(example = "INFO")]
    level: &'static str,
    /// The part of the program that logged it.
    name: String,
    /// The sentence and its fields as `key=value`, cut at 2 KiB.
    msg: String,
}

impl From<LogLine> for LogView {
    fn from(line: LogLine) -> Self {
        let since_epoch: Duration = line.at.since(Timestamp::from_micros(0));
        Self { ts: since_epoch.as_secs_f64(), level: line.level, name: line.target.into_owned(), msg: line.message }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Logs {
    /// Newest last.
    logs: Vec<LogView>,
}

/// The newest lines of the log of the process that answers.
#[utoipa::path(get, path = "/v1/logs", tag = "admin", params(LogsQuery),
    responses((status = 200, body = Logs), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody), (status = 422, body = llm_api_web::ErrorBody)))]
pub(crate) async fn logs(_: Caller<Admin>, Query(query): Query<LogsQuery>) -> Result<Json<Logs>, ApiError> {
    let lines = LogBuffer::of_process().newest(lines(query.n));
    Ok(Json(Logs { logs: lines.into_iter().map(LogView::from).collect() }))
}

fn lines(asked: Option<i64>) -> usize {
    usize::try_from(asked.unwrap_or(DEFAULT_LINES).clamp(1, MOST_LINES)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_is_taken_as_the_nearest() {
        assert_eq!([None, Some(i64::MIN), Some(0), Some(7), Some(501)].map(lines), [200, 1, 1, 7, 500]);
    }

    #[test]
    fn times_are_unix_seconds() {
        let line = LogLine {
            at: Timestamp::from_micros(1_795_342_420_313_808),
            level: "INFO",
            target: "llm_api::serve".into(),
            message: "listening".to_owned(),
        };
        let view = serde_json::to_value(LogView::from(line)).expect("JSON");
        let expected = serde_json::json!({
            "ts": 1_795_342_420.313_808, "level": "INFO", "name": "llm_api::serve", "msg": "listening",
        });
        assert_eq!(view, expected);
    }
}
