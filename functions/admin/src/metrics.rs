use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use llm_api_app::Config;
use llm_api_relay::Relay;
use llm_api_storage::{Figures, Store, Totals};
use llm_api_telemetry::{Kind, Page};
use llm_api_web::{ApiError, Caller, Operator};

/// The text form that Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The figures of `/v1/stats` and of this process, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "admin",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 401, body = llm_api_web::ErrorBody),
        (status = 403, body = llm_api_web::ErrorBody),
        (status = 404, body = String, content_type = "text/plain", description = "Metrics are switched off")))]
pub(crate) async fn metrics(
    State(store): State<Store>,
    State(config): State<Arc<Config>>,
    State(relay): State<Relay>,
    _: Caller<Operator>,
) -> Result<Response, ApiError> {
    if !config.metrics_enabled {
        return Ok((StatusCode::NOT_FOUND, "metrics disabled").into_response());
    }
    let mut page = Page::default();
    write_limits(&mut page, &relay, &config);
    relay.telemetry().metrics().write(&mut page);
    page.single(
        "llm_api_provider_retries_total",
        Kind::Counter,
        "Times that a provider was asked once more because nothing of its answer had come",
        relay.provider_retries(),
    );
    write_database(&mut page, &store.figures());
    let is_frozen = u8::from(store.freezes().recent().await.is_some());
    page.single("llm_api_frozen", Kind::Gauge, "1 while the operator has frozen the database, else 0", is_frozen);
    // When the database is away it is this that operators want to see most: the rest is told without these sums.
    let sums = store.usage_buckets().totals().await;
    page.single(
        "llm_api_database_up",
        Kind::Gauge,
        "1 when the database answered just now, else 0",
        u8::from(sums.is_ok()),
    );
    if let Ok(totals) = sums {
        write_totals(&mut page, &totals);
    }
    let name = "llm_api_build_info";
    page.family(name, Kind::Gauge, "Which program this is; always 1");
    page.sample(name, &[("database", store.kind()), ("version", &config.app_version)], 1);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], page.into_text()).into_response())
}

fn write_limits(page: &mut Page, relay: &Relay, config: &Config) {
    let (in_flight, most) = (relay.telemetry().metrics().in_flight(), config.limits.max_in_flight);
    page.single("llm_api_http_requests_in_flight", Kind::Gauge, "Requests whose answer has not begun", in_flight);
    page.single("llm_api_http_requests_in_flight_max", Kind::Gauge, "The most of these that there may be", most);
    page.single("llm_api_streams_open", Kind::Gauge, "Streams that are open", relay.open_streams());
    page.single("llm_api_streams_max", Kind::Gauge, "The most of these that there may be", relay.max_streams());
}

fn write_database(page: &mut Page, figures: &Figures) {
    let name = "llm_api_database_connections";
    page.family(name, Kind::Gauge, "Connections to the database");
    for pool in &figures.pools {
        page.sample(name, &[("pool", pool.name), ("state", "in_use")], pool.in_use);
        page.sample(name, &[("pool", pool.name), ("state", "idle")], pool.idle);
    }
    let name = "llm_api_database_connections_max";
    page.family(name, Kind::Gauge, "The most of these that there may be");
    for pool in &figures.pools {
        page.sample(name, &[("pool", pool.name)], pool.most);
    }
    let name = "llm_api_database_waiting";
    page.single(name, Kind::Gauge, "Pieces of work that wait for a connection", figures.waiting);
    let name = "llm_api_database_acquires_total";
    page.single(name, Kind::Counter, "Connections taken for a piece of work", figures.acquired);
    let (name, help) = ("llm_api_database_acquire_seconds_total", "Time that taking them took, all together");
    page.single(name, Kind::Counter, help, figures.waited.as_secs_f64());
    let help = "Usage rows that could not be written and wait for the database or a thaw";
    page.single("llm_api_usage_rows_waiting", Kind::Gauge, help, figures.rows_waiting);
}

/// These names are those of the Python service. They stand in the database: whoever adds up several servers of one
/// database must know.
fn write_totals(page: &mut Page, totals: &Totals) {
    let shared = |help: &str| format!("{help}; the same in every process of one database, kept over restarts.");
    let help = shared("Requests to models that have ended");
    page.single("llm_api_request_count", Kind::Counter, &help, totals.requests);
    page.single("llm_api_error_count", Kind::Counter, &shared("Those that failed or broke off"), totals.errors);
    let help = shared("Those that another model answered than was asked for");
    page.single("llm_api_fallback_count", Kind::Counter, &help, totals.fallbacks);
    page.family("llm_api_latency_ms", Kind::Summary, &shared("Milliseconds that they took"));
    page.sample("llm_api_latency_ms_count", &[], totals.requests);
    page.sample("llm_api_latency_ms_sum", &[], totals.latency_ms_total);
    let name = "llm_api_requests_by_provider";
    page.family(name, Kind::Counter, &shared("Requests by the provider that was asked"));
    for (provider, requests) in &totals.by_provider {
        page.sample(name, &[("provider", provider)], requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(totals: &Totals) -> String {
        let mut page = Page::default();
        write_totals(&mut page, totals);
        page.into_text()
    }

    fn samples(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_python_services_names_are_kept() {
        let totals = Totals {
            requests: 12,
            errors: 2,
            fallbacks: 1,
            latency_ms_total: 345,
            by_provider: vec![("groq".to_owned(), 5), ("openai".to_owned(), 7)],
            recent_latency_ms: Some(3.0),
        };
        let text = told(&totals);
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
    }

    #[test]
    fn a_new_database_has_zeros_and_no_providers() {
        let text = told(&Totals::default());
        assert_eq!(samples(&text).len(), 5);
        assert!(samples(&text).iter().all(|line| line.ends_with(" 0")), "{text}");
    }
}
