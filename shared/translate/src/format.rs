use std::fmt;

/// A wire format for asking a model and for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    OpenaiChat,
    OpenaiResponses,
    AnthropicMessages,
    GoogleGemini,
    BedrockConverse,
    OllamaChat,
}

impl Format {
    pub const ALL: [Self; 6] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::GoogleGemini,
        Self::BedrockConverse,
        Self::OllamaChat,
    ];

    /// One word, as it stands in seals and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "chat",
            Self::OpenaiResponses => "responses",
            Self::AnthropicMessages => "anthropic",
            Self::GoogleGemini => "gemini",
            Self::BedrockConverse => "bedrock",
            Self::OllamaChat => "ollama",
        }
    }

    /// As a reader knows it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::OpenaiChat => "OpenAI's chat completions",
            Self::OpenaiResponses => "OpenAI's Responses API",
            Self::AnthropicMessages => "Anthropic's Messages API",
            Self::GoogleGemini => "Google's Gemini API",
            Self::BedrockConverse => "Amazon Bedrock's Converse API",
            Self::OllamaChat => "Ollama's chat API",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
