//! What the service answers, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

use crate::{Finish, Signature, Thinking, Usage, whole::count};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) output: Option<Output>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) additional_model_response_fields: Option<Value>,
    pub(super) trace: Option<Trace>,
    pub(super) service_tier: Option<ServiceTier>,
}

/// A union of one member.
#[derive(Debug, Deserialize)]
pub(super) struct Output {
    pub(super) message: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) content: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trace {
    pub(super) prompt_router: Option<PromptRouter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptRouter {
    pub(super) invoked_model_id: Option<String>,
}

impl Trace {
    /// The model that a router chose.
    pub(super) fn model(self) -> Option<String> {
        self.prompt_router?.invoked_model_id
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ServiceTier {
    #[serde(rename = "type")]
    pub(super) tier: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_input_tokens: Option<i64>,
    #[serde(default)]
    cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: String,
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<i64>,
}

impl From<TokenUsage> for Usage {
    fn from(counts: TokenUsage) -> Self {
        let TokenUsage {
            input_tokens,
            output_tokens,
            total_tokens,
            cache_read_input_tokens: cache_read,
            cache_write_input_tokens: cache_written,
            cache_details,
        } = counts;
        // What came from the cache or went into it is not in the service's count of the input.
        let input = input_tokens
            .map(|fresh| fresh.saturating_add(cache_read.unwrap_or(0)).saturating_add(cache_written.unwrap_or(0)));
        let sum = input.zip(output_tokens).map(|(input, output)| input.saturating_add(output));
        let details = cache_details.unwrap_or_default();
        let written_for = |ttl: &str| {
            let of_ttl = details.iter().filter(|detail| detail.ttl == ttl).filter_map(|detail| detail.input_tokens);
            of_ttl.reduce(i64::saturating_add)
        };
        Self {
            input,
            output: output_tokens,
            // One that leaves the cached tokens out is none.
            total: total_tokens.filter(|total| sum.is_none_or(|sum| *total >= sum)),
            cache_read,
            cache_written,
            cache_written_5m: written_for("5m"),
            cache_written_1h: written_for("1h"),
            ..Self::default()
        }
    }
}

/// Why the model stopped; `fields` are those of `additionalModelResponseFields`.
pub(super) fn finish(reason: &str, fields: Option<&Value>) -> Finish {
    match reason {
        "end_turn" => Finish::Stop,
        "tool_use" => Finish::ToolCalls,
        "max_tokens" => Finish::Length,
        "stop_sequence" => {
            let text = fields.and_then(|fields| fields.get("stop_sequence")).and_then(Value::as_str);
            Finish::StopSequence(text.map(str::to_owned))
        }
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "model_context_window_exceeded" => Finish::ContextLength,
        // Not in the service's list: Claude's own words.
        "refusal" => Finish::Refusal,
        "pause_turn" => Finish::Pause,
        // `malformed_model_output`, `malformed_tool_use`
        other => Finish::of_unknown(other),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Text {
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolUse {
    #[serde(rename = "toolUseId")]
    pub(super) id: String,
    pub(super) name: String,
    /// In a stream it comes later.
    #[serde(default)]
    pub(super) input: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning {
    ReasoningText { text: String, signature: Option<String> },
    RedactedContent(String),
}

impl From<Reasoning> for crate::Part {
    fn from(reasoning: Reasoning) -> Self {
        match reasoning {
            Reasoning::ReasoningText { text, signature } => {
                Self::Thinking(Thinking { text, signature: signature.map(seal) })
            }
            Reasoning::RedactedContent(content) => Self::RedactedThinking(seal(content)),
        }
    }
}

pub(super) fn seal(value: String) -> Signature {
    Signature::new(crate::Format::BedrockConverse, value)
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    pub(super) format: String,
    pub(super) source: Bytes,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bytes {
    pub(super) bytes: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CitedText {
    #[serde(default)]
    pub(super) content: Vec<Value>,
    #[serde(default)]
    pub(super) citations: Vec<Value>,
}

/// A source in the form of [`crate::Text::annotations`]: of those on the web. `cited` is how many letters it stands for.
pub(super) fn annotation(citation: &Value, cited: usize) -> Option<Value> {
    let text = |path| citation.pointer(path).and_then(Value::as_str);
    let is_address = |source: &&str| source.starts_with("https://") || source.starts_with("http://");
    let url = text("/location/web/url").or_else(|| text("/source").filter(is_address))?;
    let title = text("/title").or_else(|| text("/location/web/domain")).unwrap_or(url);
    let place = serde_json::json!({"start_index": 0, "end_index": cited, "url": url, "title": title});
    Some(serde_json::json!({"type": "url_citation", "url_citation": place}))
}
