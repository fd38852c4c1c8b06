//! What a caller asks.

use serde_json::{Map, Value};

use super::{
    OWN, map,
    members::{Members, wrong},
    read_blocks, tools,
};
use crate::{
    Cache, Effort, Malformed, Message, Part, Reasoning, ReplyFormat, Request, Role, Sampling, Tool, ToolChoice,
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
    let body = serde_json::from_slice(body)
        .map_err(|error| Malformed { param: None, message: format!("The body is not valid JSON: {error}.") })?;
    let mut body = Members::of(body, "")?;
    let mut request = Request::new(OWN, body.required_string("model")?);
    request.stream = body.boolean("stream")?.unwrap_or(false);
    if let Some(system) = body.take("system") {
        request.system = read_blocks::content(system, "system")?;
    }
    match body.required("messages")? {
        Value::Array(messages) => conversation(messages, &mut request)?,
        _ => return Err(body.wrong("messages", "a list of messages")),
    }
    let list = body.list("tools")?;
    request.left_out.extend(tools::left_out(&list));
    request.tools = tools::read(list)?;
    if let Some(choice) = body.take("tool_choice") {
        (request.tool_choice, request.parallel_tool_calls) = tools::read_choice(choice)?;
    }
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
        request.metadata = metadata.rest();
    }
    let left = output(&mut body, &mut request)?;
    let cache = read_blocks::cache(&mut body)?;
    request.extra = body.rest();
    request.extra.extend(left);
    if let Some(cache) = cache {
        cache_to_the_end(&mut request, &cache);
    }
    Ok(request)
}

fn conversation(messages: Vec<Value>, request: &mut Request) -> Result<(), Malformed> {
    for (at, message) in messages.into_iter().enumerate() {
        let path = format!("messages.{at}");
        let mut message = Members::of(message, path.as_str())?;
        let role = match message.required_string("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(message.wrong("role", "`user`, `assistant` or `system`")),
        };
        let content = message.required("content")?;
        message.nothing_else()?;
        said(role, content, &format!("{path}.content"), request)?;
    }
    Ok(())
}

/// One message; where instructions stand between its blocks, what is before, they, and what comes after.
fn said(role: Role, content: Value, path: &str, request: &mut Request) -> Result<(), Malformed> {
    let Value::Array(blocks) = content else {
        let parts = read_blocks::content(content, path)?;
        add(role, parts, request);
        return Ok(());
    };
    let is_empty = blocks.is_empty();
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        let path = format!("{path}.{at}");
        if block.get("type").and_then(Value::as_str) != Some("mid_conv_system") {
            read_blocks::push(&mut parts, read_blocks::part(block, path)?);
            continue;
        }
        if !parts.is_empty() {
            add(role, std::mem::take(&mut parts), request);
        }
        add(Role::System, instructions(block, path)?, request);
    }
    if is_empty || !parts.is_empty() {
        add(role, parts, request);
    }
    Ok(())
}

fn instructions(block: Value, path: String) -> Result<Vec<Part>, Malformed> {
    let mut block = Members::of(block, path)?;
    block.take("type");
    let path = block.at("content");
    let mut parts = read_blocks::content(block.required("content")?, &path)?;
    if let (Some(cache), Some(slot)) = (read_blocks::cache(&mut block)?, parts.iter_mut().rev().find_map(cache_of)) {
        slot.get_or_insert(cache);
    }
    block.nothing_else()?;
    Ok(parts)
}

/// Instructions before anything else was said are the system's.
fn add(role: Role, parts: Vec<Part>, request: &mut Request) {
    if role == Role::System && request.messages.is_empty() {
        request.system.extend(parts);
    } else {
        request.messages.push(Message { role, name: None, parts });
    }
}

/// `thinking` and `output_config`; what is left of them.
fn output(body: &mut Members, request: &mut Request) -> Result<Map<String, Value>, Malformed> {
    let mut left = Map::new();
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
        format = config.object("format")?.or(format);
        let rest = config.rest();
        if !rest.is_empty() {
            left.insert("output_config".to_owned(), rest.into());
        }
    }
    request.format = format.map(reply_format).transpose()?;
    let (reasoning, rest) = match body.object("thinking")? {
        Some(thinking) => reasoning(thinking, effort)?,
        None => (effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() }), Map::new()),
    };
    request.reasoning = reasoning;
    if !rest.is_empty() {
        left.insert("thinking".to_owned(), rest.into());
    }
    Ok(left)
}

fn reply_format(mut format: Members) -> Result<ReplyFormat, Malformed> {
    if format.required_string("type")? != "json_schema" {
        return Err(format.wrong("type", "`json_schema`"));
    }
    let schema = format.required("schema")?;
    if !schema.is_object() {
        return Err(format.wrong("schema", "a JSON schema"));
    }
    format.nothing_else()?;
    Ok(ReplyFormat::JsonSchema { name: None, description: None, schema, strict: None })
}

/// `show` is always told where `thinking` was given: so an effort without it stays apart from one beside `adaptive`.
/// Thoughts are `summarized` unless `display` says otherwise.
fn reasoning(
    mut thinking: Members,
    effort: Option<Effort>,
) -> Result<(Option<Reasoning>, Map<String, Value>), Malformed> {
    let kind = thinking.required_string("type")?;
    let show = match thinking.string("display")?.as_deref() {
        None | Some("summarized") => true,
        Some("omitted") => false,
        Some(_) => return Err(thinking.wrong("display", "`summarized` or `omitted`")),
    };
    let reasoning = match kind.as_str() {
        "enabled" => {
            Reasoning { effort, budget_tokens: Some(thinking.required_integer("budget_tokens")?), show: Some(show) }
        }
        "adaptive" => Reasoning { effort, budget_tokens: None, show: Some(show) },
        // The effort is that of the answer.
        "disabled" if effort.is_some() => Reasoning { effort, budget_tokens: Some(0), show: None },
        "disabled" => Reasoning { effort: Some(Effort::None), ..Reasoning::default() },
        _ => return Err(thinking.wrong("type", "`enabled`, `adaptive` or `disabled`")),
    };
    Ok((Some(reasoning), thinking.rest()))
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

/// What `tool_choice` says, and whether several tools may be called at once.
pub(super) type Choice = (Option<ToolChoice>, Option<bool>);

/// That a list has only objects in it.
pub(super) fn only_objects(list: &[Value], path: &str) -> Result<(), Malformed> {
    match list.iter().position(|value| !value.is_object()) {
        Some(at) => Err(wrong(format!("{path}.{at}"), "an object")),
        None => Ok(()),
    }
}
