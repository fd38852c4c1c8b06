//! A request for a reply, in nobody's wire format.

use serde_json::{Map, Value};

use crate::{Format, Parts, Signature};

/// What is asked for. A member that the caller left out, or gave as null, is `None` or empty.
///
/// Whoever writes a request takes it apart without `..`: a member that is added here cannot be forgotten there.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it was read from: members are told by the names that its sender knows.
    pub origin: Format,
    pub model: String,
    pub stream: bool,
    /// Whether the sender of a stream asked for token counts in it; `true` where the format always has them.
    pub include_usage: bool,
    /// What stands before the conversation.
    pub system: Parts,
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    pub format: Option<ReplyFormat>,
    pub max_tokens: Option<i64>,
    pub sampling: Sampling,
    pub logprobs: Option<LogProbs>,
    /// How many replies are wanted, where that is not one.
    pub choices: Option<i64>,
    pub reasoning: Option<Reasoning>,
    /// `low`, `medium`, `high`: how much the model says.
    pub verbosity: Option<String>,
    /// Who asks, as the sender's own service knows them: for the provider's watch on abuse.
    pub user: Option<String>,
    pub metadata: Map<String, Value>,
    pub service_tier: Option<String>,
    /// Requests with the same key are likely to find their beginning in the provider's cache.
    pub cache_key: Option<String>,
    /// Whether the provider should keep the reply for later requests.
    pub store: Option<bool>,
    /// Members that only the format they came in knows, as they were sent, by their path. `null` members are left out.
    pub extra: Map<String, Value>,
    /// Members that are known and change no reply, by their path: they are not kept, and are told to the sender.
    pub left_out: Vec<String>,
}

impl Request {
    /// One that asks for nothing yet.
    pub fn new(origin: Format, model: impl Into<String>) -> Self {
        Self {
            origin,
            model: model.into(),
            stream: false,
            include_usage: true,
            system: Parts::new(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            format: None,
            max_tokens: None,
            sampling: Sampling::default(),
            logprobs: None,
            choices: None,
            reasoning: None,
            verbosity: None,
            user: None,
            metadata: Map::new(),
            service_tier: None,
            cache_key: None,
            store: None,
            extra: Map::new(),
            left_out: Vec::new(),
        }
    }
}

/// What one side said, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    /// Who of several participants it was.
    pub name: Option<String>,
    pub parts: Parts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An instruction in the middle of the conversation; those before it stand in [`Request::system`].
    System,
    /// Results of tools are parts of a user's message.
    User,
    Assistant,
}

/// Something that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    Function(Function),
    /// One that the provider runs itself, or one without a JSON schema: only the format it came in knows it.
    Native(Value),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    pub name: String,
    pub description: Option<String>,
    /// A JSON schema of the arguments; `None` for a function without any.
    pub parameters: Option<Value>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
    pub cache: Option<Cache>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Any tool, but one.
    Required,
    /// This function.
    Function(String),
    /// Only these functions; whether one of them must be called.
    Allowed {
        functions: Vec<String>,
        required: bool,
    },
    /// Only the format it came in knows it.
    Native(Value),
}

/// The form that the text of the reply must have.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyFormat {
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: Option<String>,
        description: Option<String>,
        schema: Value,
        strict: Option<bool>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i64>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Vec<String>,
    /// From token ids to biases.
    pub logit_bias: Map<String, Value>,
}

/// That log probabilities of the reply's tokens are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogProbs {
    /// How many likely tokens at each place, beside the one that was taken.
    pub top: i64,
}

/// How much the model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    pub effort: Option<Effort>,
    /// The most tokens to think in.
    pub budget_tokens: Option<i64>,
    /// Whether thoughts, or a summary of them, come with the reply.
    pub show: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// No thinking at all.
    None,
    Minimal,
    Low,
    Medium,
    High,
    /// `xhigh` at OpenAI, `max` at Anthropic.
    Max,
}

impl Effort {
    /// A budget for providers that want tokens.
    pub const fn budget_tokens(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 8_192,
            Self::High => 16_384,
            Self::Max => 32_768,
        }
    }

    /// The effort that a budget stands for.
    pub const fn of_budget(tokens: i64) -> Self {
        match tokens {
            ..=0 => Self::None,
            1..=1_024 => Self::Minimal,
            1_025..=4_096 => Self::Low,
            4_097..=12_288 => Self::Medium,
            12_289..=24_576 => Self::High,
            _ => Self::Max,
        }
    }
}

/// That the provider should cache the request up to here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Such as `5m` or `1h`; `None` is the provider's own.
    pub ttl: Option<String>,
}

/// A model's call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// A JSON text, as the model wrote it: it may be no valid one.
    pub arguments: String,
    /// The provider's seal on the thoughts that led here; it wants it back.
    pub signature: Option<Signature>,
    pub cache: Option<Cache>,
}

/// What a function gave back.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    pub call_id: String,
    /// Texts, images and files.
    pub content: Parts,
    pub is_error: bool,
    pub cache: Option<Cache>,
}
