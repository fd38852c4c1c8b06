use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use llm_api_app::Config;
use llm_api_storage::{Store, Totals};
use llm_api_web::{ApiError, Caller, Operator};

/// The text form that Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The figures of `/v1/stats`, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "admin",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody),
        (status = 404, body = String, content_type = "text/plain", description = "Metrics are switched off")))]
pub(crate) async fn metrics(
    State(store): State<Store>,
    State(config): State<Arc<Config>>,
    _: Caller<Operator>,
) -> Result<Response, ApiError> {
    if !config.metrics_enabled {
        return Ok((StatusCode::NOT_FOUND, "metrics disabled").into_response());
    }
    let totals = store.usage_buckets().totals().await?;
    let text = render(&totals).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

fn render(totals: &Totals) -> Result<String, fmt::Error> {
    let mut text = String::new();
    family(&mut text, "llm_api_request_count", "counter", "Requests to models that have ended")?;
    writeln!(text, "llm_api_request_count {}", totals.requests)?;
    family(&mut text, "llm_api_error_count", "counter", "Those that failed or broke off")?;
    writeln!(text, "llm_api_error_count {}", totals.errors)?;
    family(&mut text, "llm_api_fallback_count", "counter", "Those that another model answered than was asked for")?;
    writeln!(text, "llm_api_fallback_count {}", totals.fallbacks)?;
    family(&mut text, "llm_api_latency_ms", "summary", "Milliseconds that they took")?;
    writeln!(text, "llm_api_latency_ms_count {}", totals.requests)?;
    writeln!(text, "llm_api_latency_ms_sum {}", totals.latency_ms_total)?;
    family(&mut text, "llm_api_requests_by_provider", "counter", "Requests by the provider that was asked")?;
    for (provider, requests) in &totals.by_provider {
        writeln!(text, "llm_api_requests_by_provider{{provider=\"{}\"}} {requests}", escaped(provider))?;
    }
    Ok(text)
}

/// The figures stand in the database: whoever adds up several servers of one database must know.
fn family(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}; the same in every process of one database, kept over restarts.")?;
    writeln!(text, "# TYPE {name} {kind}")
}

fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn every_family_says_what_it_is_before_its_samples() {
        let totals = Totals {
            requests: 12,
            errors: 2,
            fallbacks: 1,
            latency_ms_total: 345,
            by_provider: vec![("groq".to_owned(), 5), ("openai".to_owned(), 7)],
            recent_latency_ms: Some(3.0),
        };
        let text = render(&totals).expect("renders");
        let expected = [
            "llm_api_request_count 12",
            "llm_api_error_count 2",
            "llm_api_fallback_count 1",
            "llm_api_latency_ms_count 12",
            "llm_api_latency_ms_sum 345",
            "llm_api_requests_by_provider{provider=\"groq\"} 5",
            "llm_api_requests_by_provider{provider=\"openai\"} 7",
        ];
        assert_eq!(samples(&text), expected);
        let types: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let expected = [
            "llm_api_request_count counter",
            "llm_api_error_count counter",
            "llm_api_fallback_count counter",
            "llm_api_latency_ms summary",
            "llm_api_requests_by_provider counter",
        ];
        assert_eq!(types, expected);
        assert_eq!(text.lines().filter(|line| line.starts_with("# HELP ")).count(), types.len());
        assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text}");
    }

    #[test]
    fn a_new_database_has_zeros_and_no_providers() {
        let text = render(&Totals::default()).expect("renders");
        assert_eq!(samples(&text).len(), 5);
        assert!(samples(&text).iter().all(|line| line.ends_with(" 0")), "{text}");
    }

    #[test]
    fn a_label_cannot_break_the_line() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}
