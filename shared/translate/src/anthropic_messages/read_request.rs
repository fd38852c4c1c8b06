//! What a caller asks.

use serde_json::Value;

use super::{OWN, map, read_blocks, tools};
use crate::{
    Cache, Effort, Malformed, Message, Part, Parts, Reasoning, ReplyFormat, Request, Role, Sampling, Tool,
    fields::Fields,
};

pub(crate) fn read_request(body: &[u8]) -> Result<Request, Malformed> {
    let request = read_count_request(body)?;
    if request.max_tokens.is_none() {
        return Err(Malformed::new("max_tokens", "`max_tokens` is required."));
    }
    Ok(request)
}

/// Reads the body of `POST /v1/messages/count_tokens`: a request that needs no `max_tokens`.
///
/// # Errors
/// Where it has another form than it should; the path of the member at fault, and a sentence.
pub fn read_count_request(body: &[u8]) -> Result<Request, Malformed> {
    let mut body = Fields::of_body(body)?;
    let mut request = Request::new(OWN, body.required_string("model")?);
    request.stream = body.boolean("stream")?.unwrap_or(false);
    if body.has("system") {
        request.system = read_blocks::content(&mut body, "system")?;
    }
    match body.peek("messages") {
        Some(Value::Array(_)) => {
            for said in body.objects("messages")? {
                message(said, &mut request)?;
            }
        }
        Some(_) => return Err(body.wrong("messages", "a list of messages")),
        None => drop(body.required("messages")?),
    }
    tools::read(&mut body, &mut request)?;
    request.max_tokens = body.integer("max_tokens")?;
    request.sampling = Sampling {
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.integer("top_k")?,
        stop: body.strings("stop_sequences")?,
        ..Sampling::default()
    };
    request.service_tier = body.string("service_tier")?;
    if let Some(mut metadata) = body.object("metadata")? {
        request.user = metadata.string("user_id")?;
        request.metadata = metadata.into_members();
        request.metadata.retain(|_, value| !value.is_null());
    }
    output(&mut body, &mut request)?;
    let cache = body.cache_control()?;
    request.extra = body.into_unknown();
    if let Some(cache) = cache {
        cache_to_the_end(&mut request, &cache);
    }
    Ok(request)
}

/// Where instructions stand between its blocks, what is before, they, and what comes after.
fn message(mut message: Fields, request: &mut Request) -> Result<(), Malformed> {
    let role = match message.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(message.wrong("role", "`user`, `assistant` or `system`")),
    };
    let Some(Value::Array(_)) = message.peek("content") else {
        let parts = read_blocks::content(&mut message, "content")?;
        add(role, parts, request);
        return Ok(());
    };
    let blocks = message.objects("content")?;
    let is_empty = blocks.is_empty();
    let mut parts = Parts::new();
    for block in blocks {
        if block.text("type") != Some("mid_conv_system") {
            let place = block.place().to_owned();
            read_blocks::push(&mut parts, read_blocks::part(block)?, place);
            continue;
        }
        if !parts.is_empty() {
            add(role, std::mem::take(&mut parts), request);
        }
        add(Role::System, instructions(block)?, request);
    }
    if is_empty || !parts.is_empty() {
        add(role, parts, request);
    }
    Ok(())
}

fn instructions(mut block: Fields) -> Result<Parts, Malformed> {
    block.forget(&["type"]);
    let mut parts = read_blocks::content(&mut block, "content")?;
    if let (Some(cache), Some(slot)) = (block.cache_control()?, parts.iter_mut().rev().find_map(cache_of)) {
        slot.get_or_insert(cache);
    }
    Ok(parts)
}

/// Instructions before anything else was said are the system's.
fn add(role: Role, parts: Parts, request: &mut Request) {
    if role == Role::System && request.messages.is_empty() {
        request.system.append(parts);
    } else {
        request.messages.push(Message { role, name: None, parts });
    }
}

/// `thinking` and `output_config`.
fn output(body: &mut Fields, request: &mut Request) -> Result<(), Malformed> {
    let mut effort = None;
    // The older name of `output_config.format`.
    let mut format = body.object("output_format")?;
    if let Some(mut config) = body.object("output_config")? {
        effort = match config.string("effort")?.as_deref() {
            None => None,
            Some("low") => Some(Effort::Low),
            Some("medium") => Some(Effort::Medium),
            Some("high") => Some(Effort::High),
            Some("xhigh" | "max") => Some(Effort::Max),
            Some(_) => return Err(config.wrong("effort", "`low`, `medium`, `high`, `xhigh` or `max`")),
        };
        if let Some(newer) = config.object("format")? {
            // What the older one says is said again.
            drop(format.replace(newer).map(Fields::into_members));
        }
    }
    request.format = format.map(reply_format).transpose()?;
    request.reasoning = match body.object("thinking")? {
        Some(thinking) => Some(reasoning(thinking, effort)?),
        None => effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() }),
    };
    Ok(())
}

fn reply_format(mut format: Fields) -> Result<ReplyFormat, Malformed> {
    if format.required_string("type")? != "json_schema" {
        return Err(format.wrong("type", "`json_schema`"));
    }
    let schema = format.required_map("schema")?.into();
    Ok(ReplyFormat::JsonSchema { name: None, description: None, schema, strict: None })
}

/// `show` is always told where `thinking` was given: so an effort without it stays apart from one beside `adaptive`.
/// Thoughts are `summarized` unless `display` says otherwise.
fn reasoning(mut thinking: Fields, effort: Option<Effort>) -> Result<Reasoning, Malformed> {
    let kind = thinking.required_string("type")?;
    let show = match thinking.string("display")?.as_deref() {
        None | Some("summarized") => true,
        Some("omitted") => false,
        Some(_) => return Err(thinking.wrong("display", "`summarized` or `omitted`")),
    };
    Ok(match kind.as_str() {
        "enabled" => {
            Reasoning { effort, budget_tokens: Some(thinking.required_integer("budget_tokens")?), show: Some(show) }
        }
        "adaptive" => Reasoning { effort, budget_tokens: None, show: Some(show) },
        // The effort is that of the answer.
        "disabled" if effort.is_some() => Reasoning { effort, budget_tokens: Some(0), show: None },
        "disabled" => Reasoning { effort: Some(Effort::None), ..Reasoning::default() },
        _ => return Err(thinking.wrong("type", "`enabled`, `adaptive` or `disabled`")),
    })
}

/// `cache_control` of the request itself: it marks the last block that can be.
fn cache_to_the_end(request: &mut Request, cache: &Cache) {
    let Request { system, messages, tools, .. } = request;
    let in_messages = messages.iter_mut().rev().flat_map(|message| message.parts.iter_mut().rev());
    for part in in_messages.chain(system.iter_mut().rev()) {
        if let Some(slot) = cache_of(part) {
            slot.get_or_insert_with(|| cache.clone());
            return;
        }
        if let Part::Native { value: Value::Object(block), .. } = part {
            let ttl = cache.ttl.clone().map(Value::from);
            let mut control = map([("type", "ephemeral".into())]);
            control.extend(ttl.map(|ttl| ("ttl".to_owned(), ttl)));
            block.entry("cache_control").or_insert(control.into());
            return;
        }
    }
    if let Some(Tool::Function(function)) = tools.last_mut() {
        function.cache.get_or_insert_with(|| cache.clone());
    }
}

/// Where a part keeps its mark; nothing for those that cannot have one, and for texts without a word.
fn cache_of(part: &mut Part) -> Option<&mut Option<Cache>> {
    match part {
        Part::Text(text) => (!text.text.is_empty()).then_some(&mut text.cache),
        Part::Image(media) | Part::File(media) | Part::Audio(media) | Part::Video(media) => Some(&mut media.cache),
        Part::ToolCall(call) => Some(&mut call.cache),
        Part::ToolResult(result) => Some(&mut result.cache),
        Part::Thinking(_) | Part::RedactedThinking(_) | Part::Refusal(_) | Part::Native { .. } => None,
    }
}
