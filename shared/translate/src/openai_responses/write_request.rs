//! The request that a provider is sent.

use serde_json::{Map, Value, json};

use super::{INCLUDE_LOGPROBS, INCLUDE_SEALS, OWN, tools, write_input};
use crate::extra;
use crate::{Effort, Format, Losses, Member, Reasoning, ReplyFormat, Request, Sampling, Tool, ToolChoice, Unsupported};

/// Members of chat completions that mean the same here.
const SAME_AS_IN_CHAT: [&str; 4] =
    ["moderation", "prompt_cache_options", "prompt_cache_retention", "safety_identifier"];

pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        model: _,
        stream,
        include_usage: _,
        system,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        format,
        max_tokens,
        sampling,
        logprobs,
        choices,
        reasoning,
        verbosity,
        user,
        metadata,
        service_tier,
        cache_key,
        store,
        extra,
        // Told already.
        left_out: _,
    } = request;
    if choices.is_some_and(|choices| choices != 1) {
        losses.cannot(Member::Choices.name(origin))?;
    }
    let thinks = reasoning.is_some_and(|reasoning| effort_of(reasoning) != Some(Effort::None));
    let seals = thinks || write_input::has_own_seals(&messages);
    let mut input = Vec::new();
    let instructions = write_input::write_system(system, origin, &mut input, losses)?;
    write_input::write_messages(messages, origin, &mut input, losses)?;

    let mut body = Body { origin, map: Map::new() };
    body.set("model", Some(model));
    body.set("instructions", instructions);
    body.set("input", Some(input));
    body.tools(tools, tool_choice, losses)?;
    body.set("parallel_tool_calls", parallel_tool_calls);
    body.set("max_output_tokens", max_tokens);
    body.sampling(sampling, losses)?;
    body.text(format, verbosity);
    body.set("reasoning", reasoning.map(write_reasoning));
    let mut include = Vec::new();
    if let Some(logprobs) = logprobs {
        body.set("top_logprobs", Some(logprobs.top));
        include.push(json!(INCLUDE_LOGPROBS));
    }
    if seals {
        include.push(json!(INCLUDE_SEALS));
    }
    body.set("include", (!include.is_empty()).then_some(include));
    body.set("user", user);
    body.set("metadata", (!metadata.is_empty()).then_some(metadata));
    // Anthropic's word for the plain tier.
    body.set(
        "service_tier",
        service_tier.map(|tier| if tier == "standard_only" { "default".to_owned() } else { tier }),
    );
    body.set("prompt_cache_key", cache_key);
    // This API alone keeps replies unless it is told not to.
    body.set("store", store.or((origin != OWN).then_some(false)));
    body.set("stream", stream.then_some(true));
    body.extra(extra, losses)?;
    Ok(Value::Object(body.map))
}

struct Body {
    origin: Format,
    map: Map<String, Value>,
}

impl Body {
    fn set(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.map.insert(name.to_owned(), value.into());
        }
    }

    fn tools(&mut self, tools: Vec<Tool>, choice: Option<ToolChoice>, losses: &mut Losses) -> Result<(), Unsupported> {
        let mut written = Vec::new();
        for (n, tool) in tools.into_iter().enumerate() {
            match tool {
                Tool::Function(function) => {
                    if function.cache.is_some() {
                        losses.hint(Member::CacheControl.name(self.origin));
                    }
                    written.push(tools::write_function(function, self.origin));
                }
                Tool::Native(tool) if self.origin == OWN => written.push(tool),
                Tool::Native(_) => losses.cannot(&format!("tools.{n}"))?,
            }
        }
        let choice = match choice {
            Some(ToolChoice::Native(_)) if self.origin != OWN => {
                losses.cannot(Member::ToolChoice.name(self.origin))?;
                None
            }
            Some(ToolChoice::Auto | ToolChoice::None) if written.is_empty() && self.origin != OWN => None,
            choice => choice,
        };
        self.set("tools", (!written.is_empty()).then_some(written));
        self.set("tool_choice", choice.map(tools::write_choice));
        Ok(())
    }

    fn sampling(&mut self, sampling: Sampling, losses: &mut Losses) -> Result<(), Unsupported> {
        let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, logit_bias } =
            sampling;
        self.set("temperature", temperature);
        self.set("top_p", top_p);
        let given = [
            (Member::TopK, top_k.is_some()),
            (Member::MinP, min_p.is_some_and(|value| value != 0.0)),
            (Member::FrequencyPenalty, frequency_penalty.is_some_and(|value| value != 0.0)),
            (Member::PresencePenalty, presence_penalty.is_some_and(|value| value != 0.0)),
            (Member::Seed, seed.is_some()),
            (Member::Stop, !stop.is_empty()),
            (Member::LogitBias, !logit_bias.is_empty()),
        ];
        given.into_iter().filter(|(_, given)| *given).try_for_each(|(name, _)| losses.cannot(name.name(self.origin)))
    }

    fn text(&mut self, format: Option<ReplyFormat>, verbosity: Option<String>) {
        let mut text = Map::new();
        if let Some(format) = format {
            text.insert("format".to_owned(), write_format(format));
        }
        if let Some(verbosity) = verbosity {
            text.insert("verbosity".to_owned(), Value::String(verbosity));
        }
        self.set("text", (!text.is_empty()).then_some(text));
    }

    /// Members that only their own format knows; those that were read in part are put together again.
    fn extra(&mut self, extra: Map<String, Value>, losses: &mut Losses) -> Result<(), Unsupported> {
        for (name, value) in extra {
            if self.origin == OWN {
                extra::put_back(&mut self.map, &name, value, losses);
            } else if self.origin == Format::OpenaiChat && SAME_AS_IN_CHAT.contains(&name.as_str()) {
                self.map.insert(name, value);
            } else {
                extra::leave_out(&name, &value, losses)?;
            }
        }
        Ok(())
    }
}

pub(super) fn write_format(format: ReplyFormat) -> Value {
    match format {
        ReplyFormat::Text => json!({ "type": "text" }),
        ReplyFormat::JsonObject => json!({ "type": "json_object" }),
        ReplyFormat::JsonSchema { name, description, schema, strict } => {
            let name = name.unwrap_or_else(|| "reply".to_owned());
            let mut format = json!({ "type": "json_schema", "name": name });
            if let Some(description) = description {
                format["description"] = Value::String(description);
            }
            format["schema"] = schema;
            if let Some(strict) = strict {
                format["strict"] = Value::Bool(strict);
            }
            format
        }
    }
}

fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "xhigh",
    }
}

fn effort_of(reasoning: Reasoning) -> Option<Effort> {
    reasoning.effort.or(reasoning.budget_tokens.map(Effort::of_budget))
}

pub(super) fn write_reasoning(reasoning: Reasoning) -> Map<String, Value> {
    let mut members = Map::new();
    if let Some(effort) = effort_of(reasoning) {
        members.insert("effort".to_owned(), json!(effort_name(effort)));
    }
    if reasoning.show == Some(true) {
        members.insert("summary".to_owned(), json!("auto"));
    }
    members
}
