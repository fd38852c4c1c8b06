//! What must be known of a whole answer that passes through: that it is one, its counts, and who gave it.

use llm_api_domain::TokenUsage;
use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    anthropic,
    openai::{self, CompletionError},
    responses,
};
use crate::{Api, UpstreamError};
use llm_api_translate::Format;

/// The little that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub usage: Option<TokenUsage>,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
}

/// Reads an answer. `secret` is what was sent with the request: it is taken out of errors.
///
/// # Errors
/// The provider's own error where the body is one; [`UpstreamError::BadResponse`] for one of another form.
pub fn outline(api: Api, body: &[u8], secret: Option<&SecretString>) -> Result<Outline, UpstreamError> {
    let outline = match api {
        Api::Reply(Format::OpenaiChat) => {
            openai::Outline::parse(body).map(|chat| Outline { usage: chat.usage, model: chat.model() })
        }
        Api::Reply(Format::OpenaiResponses) => response(body),
        Api::Reply(Format::AnthropicMessages) => anthropic::outline(body),
        Api::Embeddings => embeddings(body),
        Api::CountTokens => object_with_input_tokens(body),
        // These never pass through: they are translated.
        Api::Reply(Format::GoogleGemini | Format::BedrockConverse | Format::OllamaChat) | Api::BatchEmbedContents => {
            return Ok(Outline::default());
        }
    };
    outline.map_err(|error| match error {
        CompletionError::Provider => UpstreamError::from_error_body(body, secret),
        CompletionError::NotJson | CompletionError::NoChoices => UpstreamError::bad(error.to_string()),
    })
}

fn response(body: &[u8]) -> Result<Outline, CompletionError> {
    let response: responses::Response<'_> =
        serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
    if response.error.is_some_and(|error| error.get() != "null") {
        return Err(CompletionError::Provider);
    }
    response.output.filter(|output| output.get().starts_with('[')).ok_or(CompletionError::NoChoices)?;
    Ok(Outline { usage: response.usage.map(responses::Usage::totals), model: response.model })
}

fn embeddings(body: &[u8]) -> Result<Outline, CompletionError> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
        #[serde(default)]
        model: Option<String>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
    if raw.error.is_some() {
        return Err(CompletionError::Provider);
    }
    raw.data.filter(|data| data.get().starts_with('[')).ok_or(CompletionError::NoChoices)?;
    Ok(Outline { usage: raw.usage.and_then(openai::counts), model: raw.model })
}

fn object_with_input_tokens(body: &[u8]) -> Result<Outline, CompletionError> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        input_tokens: Option<i64>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    let raw: Raw = serde_json::from_slice(body).map_err(|error| CompletionError::of(&error))?;
    match raw {
        Raw { error: Some(_), .. } => Err(CompletionError::Provider),
        // Counting is free: nothing of it is usage.
        Raw { input_tokens: Some(_), .. } => Ok(Outline::default()),
        Raw { .. } => Err(CompletionError::NoChoices),
    }
}
