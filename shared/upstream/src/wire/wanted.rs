use llm_api_translate::Format;

/// What a caller wants of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A reply to a conversation, asked for and written in this format.
    Reply(Format),
    /// Vectors, as OpenAI's clients ask for them: a body without messages.
    Embeddings,
    /// How many tokens a conversation in Anthropic's format has.
    TokenCount,
}

impl Wanted {
    /// The format whose errors and headers the caller reads: OpenAI has the same ones for all of its APIs.
    pub const fn format(self) -> Format {
        match self {
            Self::Reply(format) => format,
            Self::Embeddings => Format::OpenaiChat,
            Self::TokenCount => Format::AnthropicMessages,
        }
    }

    pub(super) const fn has_messages(self) -> bool {
        matches!(self, Self::Reply(Format::OpenaiChat | Format::AnthropicMessages) | Self::TokenCount)
    }
}
