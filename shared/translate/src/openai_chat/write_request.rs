use serde_json::{Map, Value, json};

use super::{read_request::OLDER_CALLS, target::Target, write_messages::Messages, write_parts::with_cache};
use crate::json::object;
use crate::{
    Effort, Format, Function, LogProbs, Losses, Member, Reasoning, ReplyFormat, Request, Sampling, Tool, ToolChoice,
    Unsupported, extra,
};

const OWN: Format = Format::OpenaiChat;

/// Members of other formats that are called so here too and mean the same.
const SAME: [(Format, &str); 2] =
    [(Format::OpenaiResponses, "prompt_cache_retention"), (Format::OpenaiResponses, "safety_identifier")];

const MISTRAL: &str = "Mistral's models do not take it";

pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        // The provider's own name stands in for it.
        model: _,
        stream,
        // The counts are settled with the provider whoever wants to see them.
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
    let mut writer = Writer { origin, target: Target::of(model), losses, body: Map::new() };
    writer.set("model", model);
    let messages = Messages::new(origin, writer.target, writer.losses).write(system, messages)?;
    writer.set("messages", messages);
    writer.tools(tools, tool_choice, parallel_tool_calls)?;
    writer.format(format);
    if let Some(max_tokens) = max_tokens {
        writer.set(writer.target.max_tokens(), max_tokens);
    }
    writer.sampling(sampling)?;
    writer.logprobs(logprobs)?;
    if let Some(choices) = choices.filter(|choices| *choices != 1) {
        writer.set("n", choices);
    }
    writer.reasoning(reasoning);
    match user {
        Some(_) if writer.is_mistral() => writer.hint(Member::User),
        Some(user) => writer.set("user", user),
        None => {}
    }
    writer.openai_only(Member::Verbosity, "verbosity", verbosity.map(Value::from));
    writer.openai_only(Member::CacheKey, "prompt_cache_key", cache_key.map(Value::from));
    writer.service_tier(service_tier);
    writer.kept(metadata, store);
    if stream {
        writer.set("stream", true);
        // Mistral counts unasked, and refuses to be asked.
        if !writer.is_mistral() {
            writer.set("stream_options", json!({"include_usage": true}));
        }
    }
    writer.extra(extra)?;
    Ok(Value::Object(writer.body))
}

struct Writer<'a> {
    origin: Format,
    target: Target,
    losses: &'a mut Losses,
    body: Map<String, Value>,
}

impl Writer<'_> {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    fn hint(&mut self, member: Member) {
        self.losses.hint(member.name(self.origin));
    }

    /// Whether members go that only some providers know: the sender chose them for this format, or it is OpenAI.
    fn is_plain(&self) -> bool {
        self.origin == OWN || self.target.is_openai()
    }

    /// It refuses every member that is not in its own reference, and takes a sender of this format at its word.
    fn is_mistral(&self) -> bool {
        self.origin != OWN && self.target == Target::Mistral
    }

    fn logprobs(&mut self, wanted: Option<LogProbs>) -> Result<(), Unsupported> {
        let Some(LogProbs { top }) = wanted else { return Ok(()) };
        if self.is_mistral() {
            return self.losses.cannot_because(Member::Logprobs.name(self.origin), MISTRAL);
        }
        self.set("logprobs", true);
        if top > 0 {
            self.set("top_logprobs", top);
        }
        Ok(())
    }

    fn openai_only(&mut self, member: Member, name: &str, value: Option<Value>) {
        match value {
            Some(value) if self.is_plain() => self.set(name, value),
            Some(_) => self.hint(member),
            None => {}
        }
    }

    fn tools(
        &mut self,
        tools: Vec<Tool>,
        choice: Option<ToolChoice>,
        parallel: Option<bool>,
    ) -> Result<(), Unsupported> {
        let mut only = None;
        let choice = match choice {
            // OpenAI alone knows a choice among some: others get no more than those.
            Some(ToolChoice::Allowed { functions, required }) if !self.is_plain() => {
                only = Some(functions);
                Some(if required { ToolChoice::Required } else { ToolChoice::Auto })
            }
            choice => choice,
        };
        let mut written = Vec::with_capacity(tools.len());
        for (index, tool) in tools.into_iter().enumerate() {
            match tool {
                Tool::Function(function) if only.as_ref().is_none_or(|only| only.contains(&function.name)) => {
                    written.push(self.function(function));
                }
                Tool::Native(value) if self.origin == OWN => written.push(value),
                Tool::Native(_) => self.losses.cannot(&format!("tools.{index}"))?,
                Tool::Function(_) => {}
            }
        }
        if written.is_empty() {
            return match choice {
                None | Some(ToolChoice::Auto | ToolChoice::None) => Ok(()),
                Some(_) => Err(self.losses.never("tool_choice", "there is no tool to choose")),
            };
        }
        self.set("tools", written);
        match choice {
            None => {}
            Some(ToolChoice::Native(_)) if self.origin != OWN => self.losses.cannot("tool_choice")?,
            Some(choice) => self.set("tool_choice", tool_choice(choice)),
        }
        // Several at once is what everybody does who is not told otherwise.
        if let Some(parallel) = parallel.filter(|parallel| !parallel || self.origin == OWN) {
            self.set("parallel_tool_calls", parallel);
        }
        Ok(())
    }

    fn function(&mut self, function: Function) -> Value {
        let Function { name, description, parameters, strict, cache } = function;
        let mut inner = Map::new();
        inner.insert("name".into(), name.into());
        if let Some(description) = description {
            inner.insert("description".into(), description.into());
        }
        if let Some(parameters) = parameters {
            inner.insert("parameters".into(), parameters);
        }
        if let Some(strict) = strict {
            inner.insert("strict".into(), strict.into());
        }
        let tool = object([("type", "function".into()), ("function", Value::Object(inner))]);
        with_cache(tool, cache, self.origin, self.target, self.losses)
    }

    fn format(&mut self, format: Option<ReplyFormat>) {
        let written = match format {
            None => return,
            // It is text without a word, and not everybody knows the word.
            Some(ReplyFormat::Text) if self.origin != OWN => return,
            Some(ReplyFormat::Text) => json!({"type": "text"}),
            Some(ReplyFormat::JsonObject) => json!({"type": "json_object"}),
            Some(ReplyFormat::JsonSchema { name, description, schema, strict }) => {
                let mut inner = Map::new();
                inner.insert("name".into(), name.unwrap_or_else(|| "reply".into()).into());
                if let Some(description) = description {
                    inner.insert("description".into(), description.into());
                }
                inner.insert("schema".into(), schema);
                if let Some(strict) = strict {
                    inner.insert("strict".into(), strict.into());
                }
                object([("type", "json_schema".into()), ("json_schema", Value::Object(inner))])
            }
        };
        self.set("response_format", written);
    }

    fn sampling(&mut self, sampling: Sampling) -> Result<(), Unsupported> {
        let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, logit_bias } =
            sampling;
        let numbers = [
            ("temperature", temperature),
            ("top_p", top_p),
            ("frequency_penalty", frequency_penalty),
            ("presence_penalty", presence_penalty),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                self.set(name, number);
            }
        }
        self.neighbourly(Member::TopK, top_k.map(Value::from))?;
        self.neighbourly(Member::MinP, min_p.map(Value::from))?;
        if let Some(seed) = seed {
            self.set(if self.is_mistral() { "random_seed" } else { "seed" }, seed);
        }
        if stop.len() > 4 && self.origin != OWN && self.target.is_openai() {
            let reason = "OpenAI's models stop at no more than four texts";
            self.losses.cannot_because(Member::Stop.name(self.origin), reason)?;
        } else if !stop.is_empty() {
            self.set("stop", stop);
        }
        if !logit_bias.is_empty() && self.is_mistral() {
            self.losses.cannot_because(Member::LogitBias.name(self.origin), MISTRAL)?;
        } else if !logit_bias.is_empty() {
            self.set("logit_bias", logit_bias);
        }
        Ok(())
    }

    /// What many of OpenAI's neighbours take, and OpenAI's own models do not.
    fn neighbourly(&mut self, member: Member, value: Option<Value>) -> Result<(), Unsupported> {
        let Some(value) = value else { return Ok(()) };
        let name = member.name(self.origin);
        if self.is_mistral() {
            self.losses.cannot_because(name, MISTRAL)
        } else if self.origin != OWN && self.target.is_openai() {
            self.losses.cannot_because(name, "OpenAI's models do not take it")
        } else {
            self.set(member.name(OWN), value);
            Ok(())
        }
    }

    fn reasoning(&mut self, reasoning: Option<Reasoning>) {
        let Some(Reasoning { effort, budget_tokens, show }) = reasoning else { return };
        let effort = effort.or(budget_tokens.map(Effort::of_budget));
        match (effort, self.target) {
            (None, _) => {}
            // They do not think anyway.
            (Some(Effort::None), Target::OpenaiOlder | Target::OpenaiNewer) if self.origin != OWN => {}
            (Some(effort), target) => {
                // These cannot think; and many a provider has no word for "not at all", and refuses OpenAI's.
                let is_unknown = matches!(target, Target::OpenaiOlder | Target::OpenaiNewer)
                    || (effort == Effort::None && target != Target::OpenaiReasoning);
                if is_unknown && self.origin != OWN {
                    self.hint(Member::Reasoning);
                } else {
                    self.set("reasoning_effort", word(effort));
                }
            }
        }
        // OpenAI's chat completions never show thoughts; what others do is theirs to say.
        if show == Some(true) && self.target.is_openai() {
            self.hint(Member::Reasoning);
        }
    }

    fn service_tier(&mut self, tier: Option<String>) {
        let Some(tier) = tier else { return };
        match tier.as_str() {
            "standard_only" => self.openai_only(Member::ServiceTier, "service_tier", Some("default".into())),
            "auto" | "default" if !self.is_plain() => {}
            _ => self.openai_only(Member::ServiceTier, "service_tier", Some(tier.into())),
        }
    }

    /// What the provider keeps, and under which labels. OpenAI takes labels only on what it keeps.
    fn kept(&mut self, metadata: Map<String, Value>, store: Option<bool>) {
        if !metadata.is_empty() {
            if self.origin == OWN || (self.target.is_openai() && store == Some(true)) {
                self.set("metadata", metadata);
            } else {
                self.hint(Member::Metadata);
            }
        }
        match store {
            Some(store) if self.is_plain() => self.set("store", store),
            Some(true) => self.hint(Member::Store),
            _ => {}
        }
    }

    fn extra(&mut self, extra: Map<String, Value>) -> Result<(), Unsupported> {
        for (name, value) in extra {
            let same = SAME.contains(&(self.origin, &name)) && self.target.is_openai();
            if self.origin == OWN && name == OLDER_CALLS {
                // The functions went as tools.
            } else if self.origin == OWN {
                extra::put_back(&mut self.body, &name, value, self.losses);
            } else if same {
                self.body.insert(name, value);
            } else {
                extra::leave_out(&name, &value, self.losses)?;
            }
        }
        Ok(())
    }
}

fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::None => "none",
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "xhigh",
    }
}

fn tool_choice(choice: ToolChoice) -> Value {
    let named = |name: String| json!({"type": "function", "function": {"name": name}});
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Function(name) => named(name),
        ToolChoice::Allowed { functions, required } => {
            let tools: Vec<Value> = functions.into_iter().map(named).collect();
            let mode = if required { "required" } else { "auto" };
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        }
        ToolChoice::Native(value) => value,
    }
}
