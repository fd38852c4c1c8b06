use llm_api_domain::WireFamily;
use llm_api_translate::Format;

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// A reply, asked for in this format.
    Reply(Format),
    /// How many tokens a request of Anthropic's Messages API has.
    CountTokens,
    /// Vectors, asked for as OpenAI does.
    Embeddings,
    /// Vectors, asked for as Google does: several texts at once.
    BatchEmbedContents,
}

impl Api {
    /// A reply, in the format that every provider of the family speaks.
    ///
    /// `None` for providers that cannot be called.
    pub const fn of_family(family: WireFamily) -> Option<Self> {
        let format = match family {
            WireFamily::OpenaiChat | WireFamily::AzureOpenai => Format::OpenaiChat,
            WireFamily::AnthropicMessages => Format::AnthropicMessages,
            WireFamily::GoogleGemini => Format::GoogleGemini,
            WireFamily::AmazonBedrock => Format::BedrockConverse,
            WireFamily::Unsupported => return None,
        };
        Some(Self::Reply(format))
    }
}
