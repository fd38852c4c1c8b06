//! Runs a router as an AWS Lambda function: buffered or streaming is a setting beside `InvokeMode`, not code.

mod event;
mod flushed;
mod secret;
mod signature;

use std::{fmt, net::IpAddr, sync::Arc};

use axum::{body::Body, response::Response};
use event::with_all_headers;
use flushed::FlushedBody;
use lambda_http::{Adapter, Request, StreamAdapter, lambda_runtime::run, request::RequestContext};
use llm_api_app::{AppState, Config, ResponseMode, Sources, finish, init_logging, open};
use llm_api_domain::Clock;
use llm_api_storage::OpenMode;
use llm_api_web::PeerAddress;
use tokio::sync::watch;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

/// Why a function does not start. `main` shows its `Debug`, so that is the sentence.
pub struct Error(String);

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: fmt::Display> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Serves `router` until the environment is taken away.
///
/// # Errors
/// When the settings or the database do not allow to start; the text goes to the function's log.
pub async fn lambda(router: OpenApiRouter<AppState>) -> Result<(), Error> {
    let mut sources = Sources::from_process();
    let (mut config, mut warnings) = Config::load(&sources)?;
    if let Some(arn) = &config.secrets {
        sources.secret = secret::read(arn, &sources, &Clock::system()).await?;
        (config, warnings) = Config::load(&sources)?;
    }
    init_logging(&config)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let response_mode = config.response_mode;
    // Lambda ends the environment by itself: nothing here ever asks running streams to end.
    let (_running, stop) = watch::channel(false);
    let state = open(Arc::new(config), OpenMode::Function, Clock::system(), stop).await?;
    let telemetry = state.relay.telemetry().clone();
    let service = finish(router.into(), state).map_request(client_address);
    let service = service.map_response(move |response: Response| match telemetry.is_told() {
        true => response.map(|body| Body::new(FlushedBody::new(body, telemetry.clone()))),
        false => response,
    });
    match response_mode {
        ResponseMode::Buffered => run(Adapter::from(service).map_request(with_all_headers)).await?,
        ResponseMode::Stream => run(StreamAdapter::from(service).map_request(with_all_headers)).await?,
    }
    Ok(())
}

/// API Gateway tells the client's address in the event; no header is needed.
fn client_address(mut request: Request) -> Request {
    let address = request.extensions().get::<RequestContext>().and_then(source_ip);
    if let Some(address) = address {
        request.extensions_mut().insert(PeerAddress(address));
    }
    request
}

fn source_ip(context: &RequestContext) -> Option<IpAddr> {
    let text = match context {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        _ => None,
    };
    text?.parse().ok()
}
