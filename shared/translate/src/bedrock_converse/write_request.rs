//! A request as the body of Converse.

use serde_json::{Map, Value, json};

use super::{
    conversation::{Conversation, Said},
    family::Family,
    thinking::{self, Places, Thoughts},
    tools::{Toolbox, Wanted},
};
use crate::{Format, Losses, Member, ReplyFormat, Request, Sampling, Unsupported, extra};

/// Members of Converse alone: whoever sends one means it.
const OURS: [&str; 6] = [
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
];
/// Anthropic's word for caching what can be cached.
const CACHE: &str = "cache_control";
/// A list of names that Claude takes beside its own members.
const BETAS: &str = "anthropic_beta";

struct Draft<'a> {
    origin: Format,
    family: Family,
    losses: &'a mut Losses,
    body: Map<String, Value>,
    inference: Map<String, Value>,
    additional: Map<String, Value>,
    output: Map<String, Value>,
}

/// `model` is not in the body: it only tells what the model behind it takes.
pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        model: _,
        // Another address.
        stream: _,
        // Always there.
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
    let family = Family::of(model);
    let Said { system, messages, called } = Conversation::new(origin, family, losses).write(system, messages)?;
    check_beginning(&messages, origin, losses)?;
    let mut draft = Draft {
        origin,
        family,
        losses,
        body: Map::new(),
        inference: Map::new(),
        additional: Map::new(),
        output: Map::new(),
    };
    draft.body.insert("messages".into(), messages.into());
    if !system.is_empty() {
        draft.body.insert("system".into(), system.into());
    }
    let sampled = sampling.temperature.is_some() || sampling.top_p.is_some();
    let places = Places { additional: &mut draft.additional, output: &mut draft.output };
    let Thoughts { on, max_tokens } =
        thinking::write(reasoning, family, max_tokens, sampled, (origin, &mut *draft.losses), places)?;
    if let Some(max_tokens) = max_tokens {
        draft.inference.insert("maxTokens".into(), max_tokens.into());
    }
    draft.sampling(sampling, on)?;
    // With a budget the model cannot be made to call.
    let thinks = on && draft.additional.get("thinking").is_some_and(|thinking| thinking["type"] == "enabled");
    let wanted = Wanted { tools, choice: tool_choice, parallel: parallel_tool_calls, called, thinks };
    let (losses, additional) = (&mut *draft.losses, &mut draft.additional);
    if let Some(config) = (Toolbox { origin, family, losses, additional }).write(wanted)? {
        draft.body.insert("toolConfig".into(), config);
    }
    draft.reply_format(format)?;
    draft.unknown(Member::Logprobs, logprobs.is_some())?;
    draft.unknown(Member::Choices, choices.is_some_and(|count| count != 1))?;
    draft.hint(Member::Verbosity, verbosity.is_some());
    draft.hint(Member::User, user.is_some());
    draft.hint(Member::CacheKey, cache_key.is_some());
    draft.hint(Member::Store, store.is_some());
    draft.metadata(metadata);
    draft.service_tier(service_tier.as_deref())?;
    draft.finish(extra)
}

fn check_beginning(messages: &[Value], origin: Format, losses: &mut Losses) -> Result<(), Unsupported> {
    let first = messages.first().and_then(|message| message["role"].as_str());
    let place = Member::Messages.name(origin);
    match first {
        Some("assistant") => Err(losses.never(place, "Amazon Bedrock wants a conversation to begin with the user")),
        None => Err(losses.never(place, "Amazon Bedrock wants a message of the user that is not empty")),
        Some(_) => Ok(()),
    }
}

impl Draft<'_> {
    fn name(&self, member: Member) -> &'static str {
        member.name(self.origin)
    }

    /// One that Converse has no place for.
    fn unknown(&mut self, member: Member, is_set: bool) -> Result<(), Unsupported> {
        if is_set { self.losses.cannot(member.name(self.origin)) } else { Ok(()) }
    }

    fn hint(&mut self, member: Member, is_set: bool) {
        if is_set {
            self.losses.hint(member.name(self.origin));
        }
    }

    fn sampling(&mut self, sampling: Sampling, thinks: bool) -> Result<(), Unsupported> {
        let Sampling { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, logit_bias } =
            sampling;
        let set = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
        self.unknown(Member::MinP, set(min_p))?;
        self.unknown(Member::FrequencyPenalty, set(frequency_penalty))?;
        self.unknown(Member::PresencePenalty, set(presence_penalty))?;
        self.unknown(Member::Seed, seed.is_some())?;
        self.unknown(Member::LogitBias, !logit_bias.is_empty())?;
        self.share(Member::Temperature, "temperature", temperature, thinks)?;
        self.share(Member::TopP, "topP", top_p, false)?;
        if let Some(top_k) = top_k {
            self.top_k(top_k, thinks)?;
        }
        let stop: Vec<_> = stop.into_iter().filter(|text| !text.is_empty()).collect();
        if !stop.is_empty() {
            self.inference.insert("stopSequences".into(), stop.into());
            if matches!(self.family, Family::Claude(_)) {
                // It then says which one came.
                self.body.insert("additionalModelResponseFieldPaths".into(), json!(["/stop_sequence"]));
            }
        }
        Ok(())
    }

    /// A number between 0 and 1, which is 1 by default.
    fn share(&mut self, member: Member, name: &str, value: Option<f64>, thinks: bool) -> Result<(), Unsupported> {
        let Some(value) = value else { return Ok(()) };
        let is_default = (value - 1.0).abs() < f64::EPSILON;
        let param = self.name(member);
        match self.family {
            Family::Claude(claude) if !claude.takes_sampling() || thinks => {
                if is_default {
                    return Ok(());
                }
                let reason =
                    if thinks { "this model takes no other while it thinks" } else { "this model takes no other" };
                self.losses.cannot_because(param, &format!("it is 1 by default, and {reason}"))
            }
            _ if value > 1.0 => self.losses.cannot_because(param, "Amazon Bedrock takes numbers up to 1"),
            _ => {
                self.inference.insert(name.into(), value.into());
                Ok(())
            }
        }
    }

    fn top_k(&mut self, top_k: i64, thinks: bool) -> Result<(), Unsupported> {
        match self.family {
            Family::Claude(claude) if claude.takes_sampling() && !thinks => {
                self.additional.insert("top_k".into(), top_k.into());
            }
            Family::Mistral => {
                self.additional.insert("top_k".into(), top_k.into());
            }
            Family::Nova { .. } => {
                self.additional.insert("inferenceConfig".into(), json!({ "topK": top_k }));
            }
            Family::Claude(_) | Family::Openai { .. } | Family::Older | Family::Other => {
                let reason = "Amazon Bedrock has no such setting for this model";
                self.losses.cannot_because(self.name(Member::TopK), reason)?;
            }
        }
        Ok(())
    }

    fn reply_format(&mut self, format: Option<ReplyFormat>) -> Result<(), Unsupported> {
        let param = self.name(Member::ReplyFormat);
        let (name, description, schema) = match format {
            None | Some(ReplyFormat::Text) => return Ok(()),
            Some(ReplyFormat::JsonObject) => {
                let reason = "Amazon Bedrock knows JSON by a schema alone: give it as `json_schema`";
                return self.losses.cannot_because(param, reason);
            }
            // It is always held to.
            Some(ReplyFormat::JsonSchema { name, description, schema, strict: _ }) => (name, description, schema),
        };
        if !self.family.enforces_schemas() {
            return self.losses.cannot_because(param, "this model cannot be held to a schema");
        }
        // A text here, unlike those of tools.
        let mut definition = json!({"schema": schema.to_string()});
        if let Some(name) = name {
            definition["name"] = name.into();
        }
        if let Some(description) = description {
            definition["description"] = description.into();
        }
        let format = json!({"type": "json_schema", "structure": {"jsonSchema": definition}});
        self.output.insert("textFormat".into(), format);
        Ok(())
    }

    /// For the log of calls, as with OpenAI: up to 16 short texts.
    fn metadata(&mut self, metadata: Map<String, Value>) {
        let fits = |text: &str| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b" \t\r\n:_@$#=/+,-.".contains(&byte);
            text.len() <= 256 && text.bytes().all(letters)
        };
        let total = metadata.len();
        let mut kept = metadata;
        kept.retain(|name, value| !name.is_empty() && fits(name) && value.as_str().is_some_and(fits));
        let kept: Map<_, _> = kept.into_iter().take(16).collect();
        self.hint(Member::Metadata, kept.len() < total);
        if !kept.is_empty() {
            self.body.insert("requestMetadata".into(), kept.into());
        }
    }

    fn service_tier(&mut self, tier: Option<&str>) -> Result<(), Unsupported> {
        match tier {
            None => {}
            Some(tier @ ("default" | "flex" | "priority" | "reserved")) => {
                self.body.insert("serviceTier".into(), json!({ "type": tier }));
            }
            // What it does where nothing is said.
            Some("auto" | "standard_only") => self.hint(Member::ServiceTier, true),
            Some(_) => {
                let reason = "Amazon Bedrock's tiers are `default`, `flex`, `priority` and `reserved`";
                self.losses.cannot_because(self.name(Member::ServiceTier), reason)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, extra: Map<String, Value>) -> Result<Value, Unsupported> {
        let objects = [
            ("inferenceConfig", std::mem::take(&mut self.inference)),
            ("outputConfig", std::mem::take(&mut self.output)),
            ("additionalModelRequestFields", std::mem::take(&mut self.additional)),
        ];
        for (name, members) in objects {
            if !members.is_empty() {
                self.body.insert(name.into(), members.into());
            }
        }
        for (name, value) in extra {
            if self.origin == Format::BedrockConverse || OURS.contains(&name.as_str()) {
                add(&mut self.body, name, value);
            } else if name == BETAS && matches!(self.family, Family::Claude(_)) {
                let fields = json!({ BETAS: value });
                add(&mut self.body, "additionalModelRequestFields".into(), fields);
            } else if name == CACHE {
                self.losses.hint(&name);
            } else {
                extra::leave_out(&name, &value, self.losses)?;
            }
        }
        Ok(self.body.into())
    }
}

/// What the sender wrote in our words goes before what we made of the rest; lists are joined.
fn add(body: &mut Map<String, Value>, name: String, value: Value) {
    match (body.get_mut(&name), value) {
        (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs),
        (Some(Value::Array(ours)), Value::Array(theirs)) => {
            let missing: Vec<_> = theirs.into_iter().filter(|value| !ours.contains(value)).collect();
            ours.extend(missing);
        }
        (_, value) => {
            body.insert(name, value);
        }
    }
}
