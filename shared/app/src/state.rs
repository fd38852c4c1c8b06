//! What handlers can ask for; each takes its part through `FromRef`.

use std::sync::Arc;

use axum::extract::FromRef;
use llm_api_crypto::PasswordGate;
use llm_api_domain::Clock;
use llm_api_relay::Relay;
use llm_api_storage::Store;
use llm_api_web::{AuthState, Background, BodyLimits, Throttles};

use crate::Config;

/// The state of the process. Nothing in it is set later, and a clone is one counter: every request makes some.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Parts>);

/// What the state consists of.
#[derive(Debug)]
pub struct Parts {
    pub auth: Arc<AuthState>,
    pub relay: Relay,
    pub passwords: PasswordGate,
    pub throttles: Throttles,
    /// What goes on although its client has left.
    pub background: Background,
    pub config: Arc<Config>,
}

impl AppState {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<AppState> for Arc<AuthState> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.auth)
    }
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.auth.store.clone()
    }
}

impl FromRef<AppState> for Clock {
    fn from_ref(state: &AppState) -> Self {
        state.auth.clock.clone()
    }
}

impl FromRef<AppState> for Relay {
    fn from_ref(state: &AppState) -> Self {
        state.relay.clone()
    }
}

impl FromRef<AppState> for PasswordGate {
    fn from_ref(state: &AppState) -> Self {
        state.passwords.clone()
    }
}

impl FromRef<AppState> for Throttles {
    fn from_ref(state: &AppState) -> Self {
        state.throttles.clone()
    }
}

impl FromRef<AppState> for Arc<Config> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.config)
    }
}

impl FromRef<AppState> for BodyLimits {
    fn from_ref(state: &AppState) -> Self {
        let limits = &state.config.limits;
        Self { ordinary: limits.max_body_bytes, large: limits.max_generate_body_bytes }
    }
}
