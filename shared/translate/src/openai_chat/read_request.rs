use serde_json::{Map, Value};

use super::{
    fields::{Fields, wrong},
    read_messages::Conversation,
    read_parts,
};
use crate::{
    Effort, Format, Function, LogProbs, Malformed, Reasoning, ReplyFormat, Request, Sampling, Tool, ToolChoice,
};

/// Stands in [`Request::extra`] where the sender knows calls only as `functions` and `function_call`, the form before
/// `tools`: it wants its reply so.
pub(super) const OLDER_CALLS: &str = "functions";

/// The functions themselves are in [`Request::tools`]: no format has to refuse the mark.
pub(crate) fn forget_older_calls(request: &mut Request) {
    if request.origin == Format::OpenaiChat {
        request.extra.shift_remove(OLDER_CALLS);
    }
}

pub(crate) fn read_request(body: &[u8]) -> Result<Request, Malformed> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed { param: None, message: format!("The body is not valid JSON: {error}.") })?;
    let mut fields = Fields::of(String::new(), body)?;
    let mut request = Request::new(Format::OpenaiChat, fields.required_string("model")?);
    let messages = fields.list("messages")?.filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| fields.wrong("messages", "a list with at least one message"))?;
    let conversation = Conversation::read(messages)?;
    request.system = conversation.system;
    request.messages = conversation.messages;
    let mut extra = conversation.extra;

    request.stream = fields.boolean("stream")?.unwrap_or(false);
    request.include_usage = stream_options(&mut fields, &mut extra)?;
    tools(&mut fields, &mut request, &mut extra)?;
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    request.format = reply_format(&mut fields, &mut extra)?;
    request.max_tokens = max_tokens(&mut fields)?;
    request.sampling = sampling(&mut fields)?;
    request.logprobs = logprobs(&mut fields)?;
    request.choices = fields.integer("n")?.filter(|n| *n != 1);
    request.reasoning = reasoning(&mut fields, &mut extra)?;
    request.verbosity = fields.string("verbosity")?;
    request.metadata = fields.map("metadata")?.unwrap_or_default();
    request.service_tier = fields.string("service_tier")?;
    request.store = fields.boolean("store")?;
    // OpenAI replaced `user` by the other two, each for one of its purposes.
    let user = fields.string("user")?;
    request.cache_key = fields.string("prompt_cache_key")?;
    request.user = match fields.string("safety_identifier")? {
        Some(identifier) => {
            request.cache_key = request.cache_key.or(user);
            Some(identifier)
        }
        None => user,
    };
    modalities(&mut fields, &mut extra);
    fields.keep_rest(&mut extra);
    request.extra.append(&mut extra);
    Ok(request)
}

/// That text alone is wanted says nothing.
fn modalities(fields: &mut Fields, extra: &mut Map<String, Value>) {
    if let Some(value) = fields.take("modalities")
        && value != serde_json::json!(["text"])
    {
        extra.insert("modalities".into(), value);
    }
}

/// Whether token counts are wanted. Padding against eavesdroppers is the business of whoever writes the stream.
fn stream_options(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<bool, Malformed> {
    let Some(mut options) = fields.object("stream_options")? else { return Ok(false) };
    let include_usage = options.boolean("include_usage")?.unwrap_or(false);
    options.boolean("include_obfuscation")?;
    options.keep_rest(extra);
    Ok(include_usage)
}

/// The newer name wins; where a sender gives both, the lower limit keeps to either.
fn max_tokens(fields: &mut Fields) -> Result<Option<i64>, Malformed> {
    let older = fields.integer("max_tokens")?;
    let newer = fields.integer("max_completion_tokens")?;
    // Local servers take -1 for "no limit".
    let limits = [older, newer].into_iter().flatten().filter(|limit| *limit != -1);
    Ok(limits.min())
}

fn sampling(fields: &mut Fields) -> Result<Sampling, Malformed> {
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.integer("top_k")?,
        min_p: fields.number("min_p")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.integer("seed")?,
        stop: stop(fields)?,
        logit_bias: fields.map("logit_bias")?.unwrap_or_default(),
    })
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, Malformed> {
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => {
            let text = |(index, item)| match item {
                Value::String(text) => Ok(text),
                _ => Err(fields.wrong(&format!("stop.{index}"), "a string")),
            };
            items.into_iter().enumerate().map(text).collect()
        }
        Some(_) => Err(fields.wrong("stop", "a string or a list of strings")),
    }
}

fn logprobs(fields: &mut Fields) -> Result<Option<LogProbs>, Malformed> {
    let wanted = fields.boolean("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs")?.unwrap_or(0);
    if !wanted && top > 0 {
        return Err(Malformed::new("top_logprobs", "`top_logprobs` needs `logprobs` to be true."));
    }
    Ok(wanted.then_some(LogProbs { top }))
}

/// OpenAI's `reasoning_effort`, OpenRouter's `reasoning` and `include_reasoning`, and `thinking` as several have it.
fn reasoning(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Option<Reasoning>, Malformed> {
    let mut found: Option<Reasoning> = None;
    if let Some(mut object) = fields.object("reasoning")? {
        let reasoning = found.get_or_insert_default();
        reasoning.effort = effort(&mut object, "effort")?;
        reasoning.budget_tokens = object.integer("max_tokens")?;
        reasoning.show = object.boolean("exclude")?.map(|hidden| !hidden);
        if object.boolean("enabled")? == Some(false) {
            reasoning.effort = Some(Effort::None);
        }
        object.keep_rest(extra);
    }
    if let Some(mut object) = fields.object("thinking")? {
        let reasoning = found.get_or_insert_default();
        let kind = object.required_string("type")?;
        match kind.as_str() {
            "disabled" => reasoning.effort = Some(Effort::None),
            "enabled" | "adaptive" | "auto" => {}
            _ => return Err(object.wrong("type", "`enabled`, `adaptive` or `disabled`")),
        }
        reasoning.budget_tokens = object.integer("budget_tokens")?.or(reasoning.budget_tokens);
        object.keep_rest(extra);
    }
    if let Some(show) = fields.boolean("include_reasoning")? {
        found.get_or_insert_default().show = Some(show);
    }
    if let Some(effort) = effort(fields, "reasoning_effort")? {
        found.get_or_insert_default().effort = Some(effort);
    }
    Ok(found)
}

fn effort(fields: &mut Fields, name: &str) -> Result<Option<Effort>, Malformed> {
    let Some(text) = fields.string(name)? else { return Ok(None) };
    let effort = match text.as_str() {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" | "max" => Effort::Max,
        _ => return Err(fields.wrong(name, "`none`, `minimal`, `low`, `medium`, `high` or `xhigh`")),
    };
    Ok(Some(effort))
}

fn reply_format(fields: &mut Fields, extra: &mut Map<String, Value>) -> Result<Option<ReplyFormat>, Malformed> {
    let Some(mut object) = fields.object("response_format")? else { return Ok(None) };
    let kind = object.required_string("type")?;
    let format = match kind.as_str() {
        "text" => ReplyFormat::Text,
        // Local servers take a schema here.
        "json_object" => match object.take("schema") {
            Some(schema) => ReplyFormat::JsonSchema { name: None, description: None, schema, strict: None },
            None => ReplyFormat::JsonObject,
        },
        "json_schema" => {
            let mut inner = object.required_object("json_schema")?;
            let format = ReplyFormat::JsonSchema {
                name: inner.string("name")?,
                description: inner.string("description")?,
                schema: Value::Object(inner.map("schema")?.unwrap_or_default()),
                strict: inner.boolean("strict")?,
            };
            inner.keep_rest(extra);
            format
        }
        _ => return Err(object.wrong("type", "`text`, `json_object` or `json_schema`")),
    };
    object.keep_rest(extra);
    Ok(Some(format))
}

fn tools(fields: &mut Fields, request: &mut Request, extra: &mut Map<String, Value>) -> Result<(), Malformed> {
    for (index, tool) in fields.list("tools")?.into_iter().flatten().enumerate() {
        request.tools.push(tool_of(format!("tools.{index}"), tool, extra)?);
    }
    request.tool_choice = tool_choice(fields, &mut request.left_out)?;
    if let Some(functions) = fields.list("functions")? {
        for (index, function) in functions.into_iter().enumerate() {
            let function = Fields::of(format!("functions.{index}"), function)?;
            request.tools.push(Tool::Function(function_of(function, extra)?));
        }
        extra.insert(OLDER_CALLS.into(), Value::Bool(true));
    }
    if let Some(choice) = older_choice(fields, &mut request.left_out)? {
        request.tool_choice.get_or_insert(choice);
    }
    Ok(())
}

fn tool_of(path: String, tool: Value, extra: &mut Map<String, Value>) -> Result<Tool, Malformed> {
    let mut tool = Fields::of(path, tool)?;
    match tool.text("type") {
        Some("function") => {}
        Some(_) => return Ok(Tool::Native(tool.into_value())),
        None => return Err(tool.wrong("type", "a string")),
    }
    tool.take("type");
    let mut function = function_of(tool.required_object("function")?, extra)?;
    if let Some(cache) = read_parts::cache(&mut tool)? {
        function.cache = Some(cache);
    }
    tool.keep_rest(extra);
    Ok(Tool::Function(function))
}

fn function_of(mut fields: Fields, extra: &mut Map<String, Value>) -> Result<Function, Malformed> {
    let function = Function {
        name: fields.required_string("name")?,
        description: fields.string("description")?,
        parameters: fields.map("parameters")?.map(Value::Object),
        strict: fields.boolean("strict")?,
        cache: read_parts::cache(&mut fields)?,
    };
    fields.keep_rest(extra);
    Ok(function)
}

fn tool_choice(fields: &mut Fields, left_out: &mut Vec<String>) -> Result<Option<ToolChoice>, Malformed> {
    const EXPECTED: &str = "`none`, `auto`, `required` or an object that names a tool";
    let choice = match fields.take("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "none" => ToolChoice::None,
            "auto" => ToolChoice::Auto,
            // Mistral's word.
            "required" | "any" => ToolChoice::Required,
            _ => return Err(fields.wrong("tool_choice", EXPECTED)),
        },
        Some(object @ Value::Object(_)) => match object["type"].as_str() {
            Some("function") => {
                let mut choice = Fields::of("tool_choice".into(), object)?;
                choice.take("type");
                let mut function = choice.required_object("function")?;
                let name = function.required_string("name")?;
                left_out.extend(function.rest_by_path().into_iter().chain(choice.rest_by_path()));
                ToolChoice::Function(name)
            }
            Some("allowed_tools") => allowed(object)?,
            Some(_) => ToolChoice::Native(object),
            None => return Err(wrong("tool_choice.type".into(), "a string")),
        },
        Some(_) => return Err(fields.wrong("tool_choice", EXPECTED)),
    };
    Ok(Some(choice))
}

fn allowed(choice: Value) -> Result<ToolChoice, Malformed> {
    let tools = choice["allowed_tools"]["tools"].as_array();
    let tools = tools.ok_or_else(|| wrong("tool_choice.allowed_tools.tools".into(), "a list"))?;
    let name = |tool: &Value| {
        let is_function = tool["type"] == "function";
        tool["function"]["name"].as_str().filter(|_| is_function).map(str::to_owned)
    };
    let functions: Option<Vec<String>> = tools.iter().map(name).collect();
    let required = match choice["allowed_tools"]["mode"].as_str() {
        Some("auto") => false,
        Some("required") => true,
        _ => return Err(wrong("tool_choice.allowed_tools.mode".into(), "`auto` or `required`")),
    };
    Ok(match functions {
        Some(functions) => ToolChoice::Allowed { functions, required },
        // Among them is a tool that only this format knows.
        None => ToolChoice::Native(choice),
    })
}

fn older_choice(fields: &mut Fields, left_out: &mut Vec<String>) -> Result<Option<ToolChoice>, Malformed> {
    match fields.take("function_call") {
        None => Ok(None),
        Some(Value::String(word)) if word == "none" => Ok(Some(ToolChoice::None)),
        Some(Value::String(word)) if word == "auto" => Ok(Some(ToolChoice::Auto)),
        Some(object @ Value::Object(_)) => {
            let mut choice = Fields::of("function_call".into(), object)?;
            let name = choice.required_string("name")?;
            left_out.extend(choice.rest_by_path());
            Ok(Some(ToolChoice::Function(name)))
        }
        Some(_) => Err(fields.wrong("function_call", "`none`, `auto` or an object with a name")),
    }
}
