//! The layers that every host puts around the router.

use std::sync::Arc;

use axum::Router;
use http::{HeaderValue, Method};
use llm_api_web::{
    AttendantConfig, Edge, EdgeConfig, TrustedProxies, method_not_allowed, not_found, read_only, ready,
    telling_its_route,
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

use crate::{AppState, Config, LogLevel, LoggingConfig};

/// Gives the router its state, its fallbacks and its edge.
pub fn finish(router: Router<AppState>, state: AppState) -> Edge {
    let config = &state.config;
    let cors = cors(config);
    // Browsers are told of a freeze, too, and of what is answered in the router's place.
    let with_cors = |router: Router| match &cors {
        Some(cors) => router.layer(cors.clone()),
        None => router,
    };
    let edge = EdgeConfig {
        clock: state.auth.clock.clone(),
        store: state.auth.store.clone(),
        frozen: with_cors(Router::new().fallback(read_only)),
        attendant: AttendantConfig {
            auth: Arc::clone(&state.auth),
            background: state.background.clone(),
            ready: with_cors(Router::new().fallback(ready)),
            max_body_bytes: config.limits.max_generate_body_bytes,
            longest_call: config.upstream.total_timeout,
            kept_of_user: config.limits.kept_of_user,
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
    Edge::new(with_cors(router), edge)
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
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        // The vendors' SDKs add headers of their own (`x-stainless-…`), and no cookie is ever read.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::any())
        .max_age(std::time::Duration::from_secs(600));
    Some(layer)
}
