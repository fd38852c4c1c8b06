//! Who answers when the chosen provider does not: a cheaper model of the same provider, then Hugging Face, then the
//! operator's own server. Text only, and only before anything of a reply has come.

use llm_api_domain::{ProviderId, UserId};
use llm_api_upstream::UpstreamError;

use crate::{GenerateCall, Relay, RelayError, Target};

/// What Hugging Face is asked to serve in place of another provider.
const HUGGING_FACE_MODEL: &str = "Qwen/Qwen2.5-7B-Instruct";
const HUGGING_FACE_MODEL_SEES: bool = false;

/// A step of the chain, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The same provider's cheaper models.
    Tier,
    HuggingFace,
    Local,
}

/// Why a provider did not answer, as far as it matters for who is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    NoQuota,
    RateLimited,
    Overloaded,
    ContextLength,
}

impl Cause {
    fn of(error: &UpstreamError) -> Option<Self> {
        match error {
            UpstreamError::RateLimited { insufficient_quota: true, .. } => Some(Self::NoQuota),
            UpstreamError::RateLimited { .. } => Some(Self::RateLimited),
            error if error.is_overloaded() => Some(Self::Overloaded),
            error if error.is_context_length() => Some(Self::ContextLength),
            _ => None,
        }
    }

    const fn takes(self, step: Step) -> bool {
        match step {
            // Another model of an account without credit cannot be paid either.
            Step::Tier => matches!(self, Self::RateLimited | Self::Overloaded),
            Step::HuggingFace => matches!(self, Self::NoQuota | Self::RateLimited | Self::ContextLength),
            Step::Local => true,
        }
    }

    /// The words that clients know.
    const fn reason(self, step: Step, streamed: bool) -> &'static str {
        match (step, self) {
            (Step::Tier, _) => "rate_limited_tier",
            (Step::HuggingFace, Self::ContextLength) if streamed => "token_error_fallback_huggingface",
            (Step::HuggingFace, _) => "rate_limit_fallback_huggingface",
            (Step::Local, Self::NoQuota) => "quota_exceeded",
            (Step::Local, Self::RateLimited) => "rate_limited_local",
            (Step::Local, Self::Overloaded) => "provider_overloaded_local",
            (Step::Local, Self::ContextLength) => "context_length_exceeded_local",
        }
    }
}

/// The cheaper models of a provider, in the order to try them.
const fn tier(provider: ProviderId) -> &'static [&'static str] {
    match provider {
        ProviderId::Openai => &["gpt-4o-mini", "gpt-3.5-turbo"],
        ProviderId::Anthropic => &["claude-3-5-haiku-20241022"],
        ProviderId::Google => &["gemini-1.5-flash", "gemini-1.5-flash-8b"],
        ProviderId::Xai => &["grok-2"],
        ProviderId::Deepseek => &["deepseek-chat"],
        ProviderId::Groq => &["llama3-8b-8192", "llama-3.3-70b-versatile"],
        ProviderId::Azure
        | ProviderId::Huggingface
        | ProviderId::Openrouter
        | ProviderId::Mistral
        | ProviderId::Together
        | ProviderId::Fireworks
        | ProviderId::Custom
        | ProviderId::Local
        | ProviderId::Bedrock
        | ProviderId::Other => &[],
    }
}

/// The chain of one request: each step is taken once.
#[derive(Debug)]
pub(crate) struct Fallback {
    user: UserId,
    streamed: bool,
    has_images: bool,
    /// Why the first provider did not answer: that stays the reason, whatever stand-ins say.
    cause: Option<Cause>,
    left: &'static [Step],
}

impl Fallback {
    pub(crate) fn new(call: &GenerateCall, streamed: bool) -> Self {
        let has_images = !call.images.is_empty();
        let left = &[Step::Tier, Step::HuggingFace, Step::Local];
        Self { user: call.subject.user, streamed, has_images, cause: None, left }
    }

    /// Whom to ask after `error` of `failed`, and the reason to tell; `None` when nobody is left.
    pub(crate) async fn next(
        &mut self,
        relay: &Relay,
        failed: &Target,
        error: &UpstreamError,
    ) -> Option<(Target, &'static str)> {
        let cause = match self.cause {
            Some(cause) => cause,
            None => *self.cause.insert(Cause::of(error)?),
        };
        while let [step, rest @ ..] = self.left {
            self.left = rest;
            if !cause.takes(*step) {
                continue;
            }
            let found = match step {
                Step::Tier => Self::same_account(relay, failed, self.user).await,
                Step::HuggingFace => Self::hugging_face(relay, failed, self.user).await,
                Step::Local => Self::local(relay, failed, self.user).await,
            };
            if let Some(target) = found.filter(|target| self.can_read(target, *step)) {
                return Some((target, cause.reason(*step, self.streamed)));
            }
        }
        None
    }

    /// Whether the stand-in, as far as we know it, reads all that is asked.
    fn can_read(&self, target: &Target, step: Step) -> bool {
        let is_blind = match step {
            Step::HuggingFace => !HUGGING_FACE_MODEL_SEES,
            Step::Tier | Step::Local => target.facts().is_some_and(|facts| facts.vision == Some(false)),
        };
        !(self.has_images && is_blind)
    }

    async fn same_account(relay: &Relay, failed: &Target, user: UserId) -> Option<Target> {
        let cheaper = tier(failed.provider).iter().find(|model| **model != failed.model)?;
        relay.target(user, failed.provider, cheaper).await.ok()
    }

    async fn hugging_face(relay: &Relay, failed: &Target, user: UserId) -> Option<Target> {
        if failed.provider == ProviderId::Huggingface {
            return None;
        }
        relay.target(user, ProviderId::Huggingface, HUGGING_FACE_MODEL).await.ok()
    }

    async fn local(relay: &Relay, failed: &Target, user: UserId) -> Option<Target> {
        if failed.provider == ProviderId::Local {
            return None;
        }
        relay.free_target(user).await.ok()
    }
}

impl Relay {
    /// The first model of the operator's own server.
    pub(crate) async fn free_target(&self, user: UserId) -> Result<Target, RelayError> {
        let local = self.catalogue(user).await?.into_iter().find(|entry| entry.provider == ProviderId::Local);
        match local {
            Some(entry) => self.target(user, ProviderId::Local, &entry.model.id).await,
            None => Err(RelayError::NoModelAvailable(llm_api_domain::Modality::Text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_account_is_not_asked_for_a_cheaper_model() {
        assert!(!Cause::NoQuota.takes(Step::Tier));
        assert!(Cause::RateLimited.takes(Step::Tier) && Cause::Overloaded.takes(Step::Tier));
        assert!(!Cause::Overloaded.takes(Step::HuggingFace));
        assert!(Cause::NoQuota.takes(Step::Local));
    }
}
