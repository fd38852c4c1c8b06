//! What the members of a request are called by those who send it.

use crate::Format;

/// A member that not every format has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Choices,
    CacheKey,
    CacheControl,
    FrequencyPenalty,
    LogitBias,
    Logprobs,
    MaxTokens,
    /// The conversation.
    Messages,
    Metadata,
    MinP,
    ParallelToolCalls,
    PresencePenalty,
    Reasoning,
    ReplyFormat,
    Seed,
    ServiceTier,
    Stop,
    Store,
    System,
    Temperature,
    ToolChoice,
    Tools,
    TopK,
    TopP,
    User,
    Verbosity,
}

/// The path of a member of the function at `index` among the tools.
pub(crate) fn of_function(origin: Format, index: usize, name: &str) -> String {
    let within = if origin == Format::OpenaiChat { "function." } else { "" };
    format!("{}.{index}.{within}{name}", Member::Tools.name(origin))
}

impl Member {
    /// The sender's name for it.
    pub const fn name(self, origin: Format) -> &'static str {
        use Format::{AnthropicMessages, OpenaiResponses};
        match (self, origin) {
            (Self::Choices, _) => "n",
            (Self::CacheKey, _) => "prompt_cache_key",
            (Self::CacheControl, _) => "cache_control",
            (Self::FrequencyPenalty, _) => "frequency_penalty",
            (Self::LogitBias, _) => "logit_bias",
            (Self::Logprobs, OpenaiResponses) => "top_logprobs",
            (Self::Logprobs, _) => "logprobs",
            (Self::MaxTokens, OpenaiResponses) => "max_output_tokens",
            (Self::MaxTokens, _) => "max_tokens",
            (Self::Messages, OpenaiResponses) => "input",
            (Self::Messages, Format::GoogleGemini) => "contents",
            (Self::Metadata, _) => "metadata",
            (Self::MinP, _) => "min_p",
            (Self::ParallelToolCalls, AnthropicMessages) => "tool_choice.disable_parallel_tool_use",
            (Self::ParallelToolCalls, _) => "parallel_tool_calls",
            (Self::PresencePenalty, _) => "presence_penalty",
            (Self::Reasoning, AnthropicMessages) => "thinking",
            (Self::Reasoning, OpenaiResponses) => "reasoning",
            (Self::Reasoning, _) => "reasoning_effort",
            (Self::ReplyFormat, AnthropicMessages) => "output_config.format",
            (Self::ReplyFormat, OpenaiResponses) => "text.format",
            (Self::ReplyFormat, _) => "response_format",
            (Self::Seed, _) => "seed",
            (Self::ServiceTier, _) => "service_tier",
            (Self::Stop, AnthropicMessages) => "stop_sequences",
            (Self::Stop, _) => "stop",
            (Self::Store, _) => "store",
            (Self::System, OpenaiResponses) => "instructions",
            (Self::System, AnthropicMessages) => "system",
            (Self::Messages | Self::System, _) => "messages",
            (Self::Temperature, _) => "temperature",
            (Self::ToolChoice, _) => "tool_choice",
            (Self::Tools, _) => "tools",
            (Self::TopK, _) => "top_k",
            (Self::TopP, _) => "top_p",
            (Self::User, AnthropicMessages) => "metadata.user_id",
            (Self::User, _) => "user",
            (Self::Verbosity, OpenaiResponses) => "text.verbosity",
            (Self::Verbosity, AnthropicMessages) => "output_config.verbosity",
            (Self::Verbosity, _) => "verbosity",
        }
    }
}
