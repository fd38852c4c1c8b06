use serde_json::Value;

use super::read_messages::Conversation;
use crate::{
    Effort, Format, Function, LogProbs, Malformed, Reasoning, ReplyFormat, Request, Sampling, Tool, ToolChoice,
    fields::Fields,
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
    let mut fields = Fields::of_body(body)?;
    let mut request = Request::new(Format::OpenaiChat, fields.required_string("model")?);
    let messages = fields.objects("messages")?;
    if messages.is_empty() {
        return Err(fields.wrong("messages", "a list with at least one message"));
    }
    let Conversation { system, messages, .. } = Conversation::read(messages)?;
    (request.system, request.messages) = (system, messages);

    request.stream = fields.boolean("stream")?.unwrap_or(false);
    request.include_usage = stream_options(&mut fields)?;
    let knows_older_calls_alone = tools(&mut fields, &mut request)?;
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    request.format = reply_format(&mut fields)?;
    request.max_tokens = max_tokens(&mut fields)?;
    request.sampling = sampling(&mut fields)?;
    request.logprobs = logprobs(&mut fields)?;
    request.choices = fields.integer("n")?.filter(|n| *n != 1);
    request.reasoning = reasoning(&mut fields)?;
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
    // That text alone is wanted says nothing.
    fields.forget_where("modalities", |wanted| *wanted == serde_json::json!(["text"]));
    request.extra = fields.into_unknown();
    if knows_older_calls_alone {
        request.extra.insert(OLDER_CALLS.into(), Value::Bool(true));
    }
    Ok(request)
}

/// Whether token counts are wanted. Padding against eavesdroppers is the business of whoever writes the stream.
fn stream_options(fields: &mut Fields) -> Result<bool, Malformed> {
    let Some(mut options) = fields.object("stream_options")? else { return Ok(false) };
    options.boolean("include_obfuscation")?;
    Ok(options.boolean("include_usage")?.unwrap_or(false))
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
    match fields.peek("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(_)) => Ok(fields.string("stop")?.into_iter().collect()),
        Some(Value::Array(_)) => fields.strings("stop"),
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
fn reasoning(fields: &mut Fields) -> Result<Option<Reasoning>, Malformed> {
    let mut found: Option<Reasoning> = None;
    if let Some(mut object) = fields.object("reasoning")? {
        let reasoning = found.get_or_insert_default();
        reasoning.effort = effort(&mut object, "effort")?;
        reasoning.budget_tokens = object.integer("max_tokens")?;
        reasoning.show = object.boolean("exclude")?.map(|hidden| !hidden);
        if object.boolean("enabled")? == Some(false) {
            reasoning.effort = Some(Effort::None);
        }
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

fn reply_format(fields: &mut Fields) -> Result<Option<ReplyFormat>, Malformed> {
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
            ReplyFormat::JsonSchema {
                name: inner.string("name")?,
                description: inner.string("description")?,
                schema: Value::Object(inner.map("schema")?.unwrap_or_default()),
                strict: inner.boolean("strict")?,
            }
        }
        _ => return Err(object.wrong("type", "`text`, `json_object` or `json_schema`")),
    };
    Ok(Some(format))
}

/// Whether the sender knows calls in the older form alone.
fn tools(fields: &mut Fields, request: &mut Request) -> Result<bool, Malformed> {
    for tool in fields.objects("tools")? {
        request.tools.push(tool_of(tool)?);
    }
    request.tool_choice = tool_choice(fields)?;
    let is_older = fields.has("functions");
    for function in fields.objects("functions")? {
        request.tools.push(Tool::Function(function_of(function)?));
    }
    if let Some(choice) = older_choice(fields)? {
        request.tool_choice.get_or_insert(choice);
    }
    Ok(is_older)
}

fn tool_of(mut tool: Fields) -> Result<Tool, Malformed> {
    match tool.text("type") {
        Some("function") => {}
        Some(_) => return Ok(Tool::Native(tool.into_value())),
        None => return Err(tool.wrong("type", "a string")),
    }
    tool.forget(&["type"]);
    let mut function = function_of(tool.required_object("function")?)?;
    if let Some(cache) = tool.cache_control()? {
        function.cache = Some(cache);
    }
    Ok(Tool::Function(function))
}

fn function_of(mut fields: Fields) -> Result<Function, Malformed> {
    Ok(Function {
        name: fields.required_string("name")?,
        description: fields.string("description")?,
        parameters: fields.map("parameters")?.map(Value::Object),
        strict: fields.boolean("strict")?,
        cache: fields.cache_control()?,
    })
}

fn tool_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, Malformed> {
    const EXPECTED: &str = "`none`, `auto`, `required` or an object that names a tool";
    match fields.peek("tool_choice") {
        None => return Ok(None),
        Some(Value::String(_) | Value::Object(_)) => {}
        Some(_) => return Err(fields.wrong("tool_choice", EXPECTED)),
    }
    if let Some(word) = fields.text("tool_choice").map(str::to_owned) {
        fields.forget(&["tool_choice"]);
        return match word.as_str() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            // Mistral's word.
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(fields.wrong("tool_choice", EXPECTED)),
        };
    }
    let mut choice = fields.required_object("tool_choice")?;
    match choice.text("type") {
        Some("function") => {
            choice.forget(&["type"]);
            Ok(Some(ToolChoice::Function(choice.required_object("function")?.required_string("name")?)))
        }
        Some("allowed_tools") => allowed(choice).map(Some),
        Some(_) => Ok(Some(ToolChoice::Native(choice.into_value()))),
        None => Err(choice.wrong("type", "a string")),
    }
}

fn allowed(mut choice: Fields) -> Result<ToolChoice, Malformed> {
    let is_function = |tool: &Value| tool["type"] == "function";
    let tools = choice.peek("allowed_tools").and_then(|allowed| allowed["tools"].as_array());
    // Among them is a tool that only this format knows.
    if tools.is_some_and(|tools| !tools.iter().all(is_function)) {
        return Ok(ToolChoice::Native(choice.into_value()));
    }
    choice.forget(&["type"]);
    let mut allowed = choice.required_object("allowed_tools")?;
    let required = match allowed.required_string("mode")?.as_str() {
        "auto" => false,
        "required" => true,
        _ => return Err(allowed.wrong("mode", "`auto` or `required`")),
    };
    if !allowed.has("tools") {
        return Err(allowed.wrong("tools", "a list"));
    }
    let name = |mut tool: Fields| {
        tool.forget(&["type"]);
        tool.required_object("function")?.required_string("name")
    };
    let functions = allowed.objects("tools")?.into_iter().map(name).collect::<Result<_, _>>()?;
    Ok(ToolChoice::Allowed { functions, required })
}

fn older_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, Malformed> {
    match fields.peek("function_call") {
        None => Ok(None),
        Some(Value::String(_)) => match fields.required_string("function_call")?.as_str() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            _ => Err(fields.wrong("function_call", "`none`, `auto` or an object with a name")),
        },
        Some(_) => Ok(Some(ToolChoice::Function(fields.required_object("function_call")?.required_string("name")?))),
    }
}
