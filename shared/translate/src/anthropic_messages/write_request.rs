//! The body for a provider.

use serde_json::{Map, Value};

use super::{
    OWN, blocks, map,
    model::Model,
    object, schema, settings,
    thinking::{self, Plan, Surroundings},
    tools,
};
use crate::{Format, Losses, Member, Message, Part, Parts, ReplyFormat, Request, Role, ToolChoice, Unsupported};

pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        model: _,
        stream,
        // Streams always tell it.
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
        mut extra,
        // Told already.
        left_out: _,
    } = request;
    let known = Model::of_name(model);
    let around = Surroundings {
        origin,
        model: known,
        max_tokens,
        is_call_forced: is_forced(tool_choice.as_ref()),
        lacks_thoughts: lacks_thoughts(&messages),
    };
    let Plan { thinking, effort, max_tokens, is_on } = thinking::plan(reasoning, around, losses);
    let called = functions_called(&messages);
    let mut body = map([("model", model.into()), ("max_tokens", max_tokens.into())]);
    Conversation { origin, model: known, losses }.write(system, messages, &mut body)?;
    tools::Writer { origin, cannot_follow_schemas: known.cannot_follow_schemas(), losses }.write(
        tools,
        tool_choice,
        parallel_tool_calls,
        called,
        &mut body,
    )?;
    body.extend(thinking.map(|thinking| ("thinking".to_owned(), thinking.into())));
    let mut output = Map::new();
    output.extend(effort.map(|effort| ("effort".to_owned(), effort.into())));
    output.extend(output_format(format, origin, known, losses)?.map(|format| ("format".to_owned(), format)));
    if !output.is_empty() {
        body.insert("output_config".to_owned(), output.into());
    }
    hints(origin, verbosity.as_deref(), cache_key.as_deref(), store, losses);
    let user = match (user, extra.get("safety_identifier").and_then(Value::as_str)) {
        (None, Some(safety)) if origin != OWN => {
            let user = safety.to_owned();
            extra.shift_remove("safety_identifier");
            Some(user)
        }
        (user, _) => user,
    };
    about_sender(origin, user, metadata, &mut body, losses);
    let mut settings = settings::Writer { origin, model: known, thinks: is_on, losses };
    settings.sampling(sampling, &mut body)?;
    settings.counts(logprobs, choices)?;
    settings.extra(extra, &mut body)?;
    body.extend(tier(origin, service_tier, losses).map(|tier| ("service_tier".to_owned(), tier)));
    if stream {
        body.insert("stream".to_owned(), true.into());
    }
    Ok(body.into())
}

fn is_forced(choice: Option<&ToolChoice>) -> bool {
    matches!(choice, Some(ToolChoice::Required | ToolChoice::Function(_) | ToolChoice::Allowed { required: true, .. }))
}

/// Whether results come of calls before which no thoughts of Claude stand.
fn lacks_thoughts(messages: &[Message]) -> bool {
    let mut turn = messages.iter().rev().take_while(|message| match message.role {
        Role::Assistant | Role::System => true,
        Role::User => message.parts.iter().any(|part| matches!(part, Part::ToolResult(_))),
    });
    turn.any(|message| {
        let has = |wanted: fn(&Part) -> bool| message.parts.iter().any(wanted);
        has(|part| matches!(part, Part::ToolCall(_)))
            && !has(|part| match part {
                Part::Thinking(thinking) => thinking.signature.as_ref().is_some_and(|seal| seal.format == OWN),
                Part::RedactedThinking(seal) => seal.format == OWN,
                _ => false,
            })
    })
}

fn functions_called(messages: &[Message]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in messages.iter().flat_map(|message| &message.parts) {
        if let Part::ToolCall(call) = part
            && !names.contains(&call.name)
        {
            names.push(call.name.clone());
        }
    }
    names
}

fn output_format(
    format: Option<ReplyFormat>,
    origin: Format,
    model: Model,
    losses: &mut Losses,
) -> Result<Option<Value>, Unsupported> {
    let member = Member::ReplyFormat.name(origin);
    let (description, mut schema) = match format {
        None | Some(ReplyFormat::Text) => return Ok(None),
        Some(ReplyFormat::JsonObject) => {
            let reason = "it can follow a JSON schema, but has no mode for any JSON";
            return losses.cannot_because(member, reason).map(|()| None);
        }
        // The name is a label, and the schema is always enforced.
        Some(ReplyFormat::JsonSchema { name: _, description, schema, strict: _ }) => (description, schema),
    };
    if origin != OWN {
        if model.cannot_follow_schemas() {
            return losses.cannot_because(member, "this model cannot be held to a schema").map(|()| None);
        }
        let fitted = schema::fit(&mut schema);
        if fitted.is_open {
            let reason = "each object of the schema must name its properties";
            return losses.cannot_because(member, reason).map(|()| None);
        }
        if fitted.is_looser {
            losses.hint(member);
        }
    }
    if let (Some(description), Value::Object(schema)) = (description, &mut schema) {
        schema.entry("description").or_insert(description.into());
    }
    Ok(Some(object([("type", "json_schema".into()), ("schema", schema)])))
}

fn hints(origin: Format, verbosity: Option<&str>, cache_key: Option<&str>, store: Option<bool>, losses: &mut Losses) {
    for (member, is_said) in [
        (Member::Verbosity, verbosity.is_some_and(|verbosity| verbosity != "medium")),
        (Member::CacheKey, cache_key.is_some()),
        (Member::Store, store.is_some()),
    ] {
        if is_said {
            losses.hint(member.name(origin));
        }
    }
}

/// `metadata` of others are notes for their own records.
fn about_sender(
    origin: Format,
    user: Option<String>,
    metadata: Map<String, Value>,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    let mut written = Map::new();
    written.extend(user.map(|user| ("user_id".to_owned(), user.into())));
    if origin == OWN {
        written.extend(metadata);
    } else if !metadata.is_empty() {
        losses.hint(Member::Metadata.name(origin));
    }
    if !written.is_empty() {
        body.insert("metadata".to_owned(), written.into());
    }
}

/// `OpenAI`'s `default` is the standard tier; its other tiers have no counterpart.
fn tier(origin: Format, tier: Option<String>, losses: &mut Losses) -> Option<Value> {
    let tier = tier?;
    match tier.as_str() {
        _ if origin == OWN => Some(tier.into()),
        "default" => Some("standard_only".into()),
        "auto" => None,
        _ => {
            losses.hint(Member::ServiceTier.name(origin));
            None
        }
    }
}

struct Conversation<'a> {
    origin: Format,
    model: Model,
    losses: &'a mut Losses,
}

impl Conversation<'_> {
    fn write(
        &mut self,
        system: Parts,
        messages: Vec<Message>,
        body: &mut Map<String, Value>,
    ) -> Result<(), Unsupported> {
        let mut leading = self.instructions(system)?;
        let mut turns: Vec<(Role, Vec<Value>)> = Vec::new();
        let mut rest = messages.into_iter().peekable();
        while let Some(Message { role, name, parts }) = rest.next() {
            let item = parts.item();
            if name.is_some() {
                self.losses.hint_name(item.as_deref());
            }
            if role != Role::System {
                let blocks = blocks::Writer { origin: self.origin, losses: self.losses }.list(parts)?;
                join(&mut turns, role, blocks);
                continue;
            }
            let blocks = self.instructions(parts)?;
            let before = turns.last().map(|(role, _)| *role);
            let after = rest.peek().map(|message| message.role);
            if self.may_stand(before, after) {
                join(&mut turns, role, blocks);
            } else {
                self.losses.hint(item.as_deref().unwrap_or(Member::Messages.name(self.origin)));
                leading.extend(blocks);
            }
        }
        if turns.is_empty() && self.origin != OWN && !leading.is_empty() {
            // The API wants a message of the user; a prompt that is all instruction is one.
            self.losses.hint(Member::System.name(self.origin));
            turns.push((Role::User, std::mem::take(&mut leading)));
        }
        if !leading.is_empty() {
            body.insert("system".to_owned(), blocks::short(leading));
        }
        body.insert("messages".to_owned(), turns.into_iter().map(message).collect());
        Ok(())
    }

    /// Instructions follow the user and come before the assistant; several in a row are one.
    fn may_stand(&self, before: Option<Role>, after: Option<Role>) -> bool {
        self.origin == OWN
            || self.model.takes_system_in_the_middle()
                && matches!(before, Some(Role::User | Role::System))
                && matches!(after, None | Some(Role::Assistant | Role::System))
    }

    fn instructions(&mut self, parts: Parts) -> Result<Vec<Value>, Unsupported> {
        let mut texts = Parts::new();
        for (part, place) in parts {
            match part {
                Part::Text(_) | Part::Native { format: OWN, .. } => texts.push(part, place),
                _ => self.losses.cannot_because(&place, "instructions are text")?,
            }
        }
        blocks::Writer { origin: self.origin, losses: self.losses }.list(texts)
    }
}

/// Roles take turns; in a turn of the user, results of calls come first.
fn join(turns: &mut Vec<(Role, Vec<Value>)>, role: Role, blocks: Vec<Value>) {
    if blocks.is_empty() {
        return;
    }
    match turns.last_mut() {
        Some((last, there)) if *last == role => there.extend(blocks),
        _ => turns.push((role, blocks)),
    }
    if let Some((Role::User, there)) = turns.last_mut() {
        let is_result = |block: &Value| block.get("type").is_some_and(|kind| kind == "tool_result");
        there.sort_by_key(|block| !is_result(block));
    }
}

fn message((role, blocks): (Role, Vec<Value>)) -> Value {
    let role = match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    object([("role", role.into()), ("content", blocks::short(blocks))])
}
