//! Who is asked, and who is asked next.

use std::collections::VecDeque;

use llm_api_domain::{ModelName, UserId, WireFamily};

use crate::{Relay, RelayError, Target, route::split_prefix};

/// The targets of one request: the first, and those that stand in for it.
#[derive(Debug)]
pub(crate) struct Chain {
    user: UserId,
    /// Taken once.
    first: Option<Target>,
    /// Why the first is not the first choice.
    pub(super) skipped: Option<&'static str>,
    /// In the order to ask.
    left: VecDeque<ModelName>,
    /// Who reads longer prompts.
    context_target: Option<ModelName>,
}

impl Chain {
    fn of(user: UserId, first: Target) -> Self {
        Self { user, first: Some(first), skipped: None, left: VecDeque::new(), context_target: None }
    }

    /// The target, where nobody stands in for it.
    pub(super) fn only(&self) -> Option<&Target> {
        self.first.as_ref().filter(|_| self.left.is_empty() && self.context_target.is_none())
    }

    /// Whether the provider of the first target counts the tokens of a prompt itself.
    pub(super) fn counts_tokens(&self) -> bool {
        self.first.as_ref().is_some_and(|target| target.family == WireFamily::AnthropicMessages)
    }

    pub(super) fn take_first(&mut self) -> Option<Target> {
        self.first.take()
    }

    /// Whom to ask after `error` of `failed`, and why; `None` when nobody is left, or nobody would do better.
    pub(super) async fn next(
        &mut self,
        relay: &Relay,
        failed: &Target,
        error: &RelayError,
    ) -> Option<(Target, &'static str)> {
        let reason = reason(error)?;
        if reason == "context_length" {
            return self.larger(relay, failed).await.map(|target| (target, reason));
        }
        self.next_usable(relay).await.map(|target| (target, reason))
    }

    /// The next target that the caller can use.
    async fn next_usable(&mut self, relay: &Relay) -> Option<Target> {
        while let Some(name) = self.left.pop_front() {
            match relay.target(self.user, name.provider, &name.model).await {
                Ok(target) => return Some(target),
                Err(error) => tracing::debug!(%error, "a stand-in cannot be used"),
            }
        }
        None
    }

    /// The target that is there for long prompts, else the next one that is not known to read as little.
    async fn larger(&mut self, relay: &Relay, failed: &Target) -> Option<Target> {
        if let Some(name) = self.context_target.take() {
            return relay.target(self.user, name.provider, &name.model).await.ok();
        }
        let context = |target: &Target| target.facts().and_then(|facts| facts.context_tokens);
        let too_small = context(failed);
        loop {
            let target = self.next_usable(relay).await?;
            match (context(&target), too_small) {
                (Some(tokens), Some(too_small)) if tokens <= too_small => {}
                _ => return Some(target),
            }
        }
    }
}

/// Why the next one is asked; `None` where nobody else would do better.
fn reason(error: &RelayError) -> Option<&'static str> {
    use llm_api_upstream::UpstreamError as Error;
    match error {
        RelayError::Resting { .. } => Some("provider_resting"),
        RelayError::Upstream { error, .. } => match error {
            error if error.is_context_length() => Some("context_length"),
            Error::RateLimited { insufficient_quota: true, .. } => Some("insufficient_quota"),
            Error::RateLimited { .. } => Some("rate_limited"),
            error if error.is_overloaded() => Some("provider_overloaded"),
            Error::Unreachable { .. } => Some("provider_unreachable"),
            Error::Timeout { .. } => Some("provider_timeout"),
            Error::Failed { .. } | Error::BadResponse { .. } => Some("provider_error"),
            Error::KeyRejected { .. } => Some("key_rejected"),
            Error::Refused { status: 404, .. } => Some("model_not_found"),
            // The request is at fault, or a part of the answer was there already.
            Error::Refused { .. } | Error::Died { .. } => None,
        },
        _ => None,
    }
}

impl Relay {
    /// Who answers to a name: a chain of the caller's or of the server, else the one model of that name.
    pub(super) async fn chain(&self, user: UserId, name: &str) -> Result<Chain, RelayError> {
        if split_prefix(name).is_none()
            && let Some(alias) = self.0.config.store.aliases().find(user, name).await?
        {
            return Box::pin(self.chain_of(user, alias.targets, alias.context_target)).await;
        }
        self.route_named(user, name, None).await.map(|target| Chain::of(user, target))
    }

    /// Begins with the first target that the caller can use. When there is none, the first one's reason is told.
    async fn chain_of(
        &self,
        user: UserId,
        targets: Vec<ModelName>,
        context_target: Option<ModelName>,
    ) -> Result<Chain, RelayError> {
        let mut left = VecDeque::from(targets);
        let mut refused = None;
        while let Some(name) = left.pop_front() {
            match self.target(user, name.provider, &name.model).await {
                Ok(first) => {
                    let skipped = refused.is_some().then_some("not_configured");
                    return Ok(Chain { user, first: Some(first), skipped, left, context_target });
                }
                Err(error @ RelayError::Store(_)) => return Err(error),
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        Err(refused.unwrap_or_else(|| RelayError::ModelNotFound(String::new())))
    }
}
