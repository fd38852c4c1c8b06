//! The providers we know by name, and what each is like.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A provider's name as it stands in URLs, `provider:model` ids, settings and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderId {
    Openai,
    Anthropic,
    Google,
    Azure,
    Xai,
    Deepseek,
    Groq,
    Huggingface,
    Openrouter,
    Mistral,
    Together,
    Fireworks,
    /// Amazon Bedrock, in the region of its credential.
    Bedrock,
    /// An OpenAI-compatible server that the user names, at their own endpoint.
    Custom,
    /// The operator's own OpenAI-compatible server; needs no key.
    Local,
    /// A credential kept in the vault for a provider that we cannot call.
    Other,
}

/// The wire format a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireFamily {
    /// OpenAI chat completions.
    OpenaiChat,
    /// OpenAI chat completions at an Azure resource: the deployment stands in the address, the key in `api-key`.
    AzureOpenai,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Google's `generateContent`.
    GoogleGemini,
    /// Amazon Bedrock's Converse, signed.
    AmazonBedrock,
    /// None that this build can call: credentials are kept, generation answers `unsupported_provider`.
    Unsupported,
}

impl ProviderId {
    /// In the order that lists show them.
    pub const ALL: [Self; 16] = [
        Self::Openai,
        Self::Anthropic,
        Self::Google,
        Self::Azure,
        Self::Xai,
        Self::Deepseek,
        Self::Groq,
        Self::Huggingface,
        Self::Openrouter,
        Self::Mistral,
        Self::Together,
        Self::Fireworks,
        Self::Bedrock,
        Self::Custom,
        Self::Local,
        Self::Other,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::Azure => "azure",
            Self::Xai => "xai",
            Self::Deepseek => "deepseek",
            Self::Groq => "groq",
            Self::Huggingface => "huggingface",
            Self::Openrouter => "openrouter",
            Self::Mistral => "mistral",
            Self::Together => "together",
            Self::Fireworks => "fireworks",
            Self::Bedrock => "bedrock",
            Self::Custom => "custom",
            Self::Local => "local",
            Self::Other => "other",
        }
    }

    pub const fn family(self) -> WireFamily {
        match self {
            Self::Openai
            | Self::Xai
            | Self::Deepseek
            | Self::Groq
            | Self::Openrouter
            | Self::Mistral
            | Self::Together
            | Self::Fireworks
            | Self::Huggingface
            | Self::Custom
            | Self::Local => WireFamily::OpenaiChat,
            Self::Azure => WireFamily::AzureOpenai,
            Self::Anthropic => WireFamily::AnthropicMessages,
            Self::Google => WireFamily::GoogleGemini,
            Self::Bedrock => WireFamily::AmazonBedrock,
            Self::Other => WireFamily::Unsupported,
        }
    }

    /// Where the provider's API lives, from its public documentation; `None` where the user or the operator names it.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Openai => Some("https://api.openai.com/v1"),
            Self::Xai => Some("https://api.x.ai/v1"),
            Self::Deepseek => Some("https://api.deepseek.com/v1"),
            Self::Groq => Some("https://api.groq.com/openai/v1"),
            Self::Openrouter => Some("https://openrouter.ai/api/v1"),
            Self::Mistral => Some("https://api.mistral.ai/v1"),
            Self::Together => Some("https://api.together.xyz/v1"),
            Self::Fireworks => Some("https://api.fireworks.ai/inference/v1"),
            Self::Anthropic => Some("https://api.anthropic.com/v1"),
            Self::Google => Some("https://generativelanguage.googleapis.com/v1beta"),
            Self::Huggingface => Some("https://router.huggingface.co/v1"),
            Self::Azure | Self::Bedrock | Self::Custom | Self::Local | Self::Other => None,
        }
    }

    /// Whether token counts come in streams when `stream_options.include_usage` asks for them. Mistral always sends them
    /// and refuses the unknown member.
    pub const fn counts_in_streams_on_request(self) -> bool {
        !matches!(self, Self::Mistral)
    }

    /// Whether it serves OpenAI's Responses API beside chat completions.
    pub const fn speaks_responses(self) -> bool {
        matches!(self, Self::Openai | Self::Azure)
    }

    /// Whether the list of models is only for those with a good key, so that asking for it shows whether a key is one.
    /// The first two answer it to everybody, the last has it elsewhere.
    pub const fn lists_models_by_key(self) -> bool {
        !matches!(self, Self::Huggingface | Self::Openrouter | Self::Bedrock)
    }

    /// Whether the user can store a credential: everywhere but on the operator's own server.
    pub const fn takes_stored_key(self) -> bool {
        !matches!(self, Self::Local)
    }

    /// The provider that a well-known model name belongs to (contract, selection by name pattern).
    pub fn from_model_name(model: &str) -> Option<Self> {
        const PATTERNS: [(&str, ProviderId); 18] = [
            ("gpt-", ProviderId::Openai),
            ("o1", ProviderId::Openai),
            ("o3", ProviderId::Openai),
            ("o4", ProviderId::Openai),
            ("chatgpt-", ProviderId::Openai),
            ("text-davinci", ProviderId::Openai),
            ("dall-e", ProviderId::Openai),
            ("whisper", ProviderId::Openai),
            ("tts", ProviderId::Openai),
            ("claude-", ProviderId::Anthropic),
            ("gemini-", ProviderId::Google),
            ("palm-", ProviderId::Google),
            ("gemma-", ProviderId::Google),
            ("grok-", ProviderId::Xai),
            ("deepseek-", ProviderId::Deepseek),
            ("llama-", ProviderId::Groq),
            ("mixtral-", ProviderId::Groq),
            ("gemma2-", ProviderId::Groq),
        ];
        PATTERNS.into_iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, provider)| provider)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of the providers we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider")]
pub struct UnknownProvider;

impl FromStr for ProviderId {
    type Err = UnknownProvider;

    /// Case does not matter: clients send what a person typed.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|provider| provider.as_str().eq_ignore_ascii_case(name)).ok_or(UnknownProvider)
    }
}

/// What a stored credential consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialType {
    #[default]
    ApiKey,
    EndpointKey,
    OauthToken,
    ServiceAccount,
}

impl CredentialType {
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::EndpointKey, Self::OauthToken, Self::ServiceAccount];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::EndpointKey => "endpoint_key",
            Self::OauthToken => "oauth_token",
            Self::ServiceAccount => "service_account",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_ignore_case() {
        for provider in ProviderId::ALL {
            assert_eq!(provider.as_str().parse(), Ok(provider));
            assert_eq!(provider.as_str().to_uppercase().parse(), Ok(provider));
            assert_eq!(serde_json::to_value(provider).expect("serializes"), provider.as_str());
        }
        assert_eq!("llama3".parse::<ProviderId>(), Err(UnknownProvider));
    }
}
