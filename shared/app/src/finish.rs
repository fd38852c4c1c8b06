//! The layers that every host puts around the router.

use axum::Router;
use http::{HeaderName, HeaderValue, Method, header};
use llm_api_web::{Edge, EdgeConfig, TrustedProxies, method_not_allowed, not_found, read_only, telling_its_route};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{AppState, Config, LogLevel, LoggingConfig};

/// Gives the router its state, its fallbacks and its edge.
pub fn finish(router: Router<AppState>, state: AppState) -> Edge {
    let config = &state.config;
    let cors = cors(config);
    // Browsers are told of a freeze, too.
    let frozen = Router::new().fallback(read_only);
    let edge = EdgeConfig {
        clock: state.auth.clock.clone(),
        store: state.auth.store.clone(),
        frozen: match &cors {
            Some(cors) => frozen.layer(cors.clone()),
            None => frozen,
        },
        trusted_proxies: TrustedProxies(config.trusted_proxies.clone()),
        public_url: config.public_url.clone(),
        max_in_flight: config.limits.max_in_flight,
        telemetry: state.relay.telemetry().clone(),
    };
    let tells_requests = tells_requests(config.logging) || config.metrics_enabled || state.relay.telemetry().is_told();
    let router = router.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(state);
    // Where nobody is told of requests, nothing needs to be known for it.
    let router = if tells_requests { telling_its_route(router) } else { router };
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    Edge::new(router, edge)
}

fn tells_requests(logging: LoggingConfig) -> bool {
    logging.verbose || matches!(logging.level, LogLevel::Debug | LogLevel::Info)
}

/// Off unless origins are listed.
fn cors(config: &Config) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("x-api-key"),
        HeaderName::from_static("anthropic-version"),
        HeaderName::from_static("anthropic-beta"),
        HeaderName::from_static("idempotency-key"),
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(headers)
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(600));
    Some(layer)
}
