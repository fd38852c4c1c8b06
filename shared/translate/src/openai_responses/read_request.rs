//! A caller's request.

use serde_json::Value;

use super::members::{Members, not_one_of, wrong};
use super::{INCLUDE_LOGPROBS, INCLUDE_SEALS, OWN, read_input, tools};
use crate::{Effort, LogProbs, Malformed, Part, Reasoning, ReplyFormat, Request};

/// Members that give the model something to read without `input`.
const INSTEAD_OF_INPUT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

pub(crate) fn read_request(body: &[u8]) -> Result<Request, Malformed> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed { param: None, message: format!("The body is no valid JSON: {error}.") })?;
    if !body.is_object() {
        return Err(Malformed { param: None, message: "The body must be a JSON object.".to_owned() });
    }
    let mut members = Members::new(body, "")?;
    let mut request = Request::new(OWN, members.required_string("model")?);
    request.stream = members.bool("stream")?.unwrap_or_default();
    request.system.extend(members.string("instructions")?.map(Part::text));
    let input = members.value("input");
    read_tools(&mut members, &mut request)?;
    read_text(&mut members, &mut request)?;
    read_reasoning(&mut members, &mut request)?;
    read_logprobs(&mut members, &mut request)?;
    read_who(&mut members, &mut request)?;
    read_references(&mut members, &mut request)?;
    request.max_tokens = members.integer("max_output_tokens")?;
    request.sampling.temperature = members.number("temperature")?;
    request.sampling.top_p = members.number("top_p")?;
    request.service_tier = members.string("service_tier")?;
    request.cache_key = members.string("prompt_cache_key")?;
    request.store = members.bool("store")?;
    request.metadata = members.object("metadata")?.map(Members::rest).unwrap_or_default();
    request.extra.extend(members.rest());
    match input {
        Some(input) => read_input::read(input, &mut request)?,
        None if INSTEAD_OF_INPUT.iter().any(|name| request.extra.contains_key(*name)) => {}
        None => return Err(Malformed::new("input", "`input` is missing.")),
    }
    Ok(request)
}

fn read_tools(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    for (n, tool) in members.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        request.tools.push(tools::read_tool(tool, &format!("tools.{n}"))?);
    }
    request.tool_choice = members.value("tool_choice").map(tools::read_choice).transpose()?;
    request.parallel_tool_calls = members.bool("parallel_tool_calls")?;
    Ok(())
}

/// What stays of an object that was read in part, by paths such as `text.x`.
fn keep_rest(object: Members, request: &mut Request) {
    let path = object.path("");
    request.extra.extend(object.rest().into_iter().map(|(name, value)| (format!("{path}{name}"), value)));
}

fn read_text(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut text) = members.object("text")? else { return Ok(()) };
    request.verbosity = text.string("verbosity")?;
    if let Some(mut format) = text.object("format")? {
        let kind = format.required_string("type")?;
        request.format = Some(match kind.as_str() {
            "text" => ReplyFormat::Text,
            "json_object" => ReplyFormat::JsonObject,
            "json_schema" => ReplyFormat::JsonSchema {
                name: Some(format.required_string("name")?),
                description: format.string("description")?,
                schema: Value::Object(format.object("schema")?.ok_or_else(|| format.missing("schema"))?.whole()),
                strict: format.bool("strict")?,
            },
            _ => return Err(not_one_of(format.path("type"), &kind, &["text", "json_object", "json_schema"])),
        });
    }
    keep_rest(text, request);
    Ok(())
}

fn read_reasoning(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut reasoning) = members.object("reasoning")? else { return Ok(()) };
    let effort = match reasoning.string("effort")? {
        None => None,
        Some(word) => Some(effort(&word, reasoning.path("effort"))?),
    };
    let summary = reasoning.string("summary")?;
    let older = reasoning.string("generate_summary")?;
    if effort.is_some() || summary.is_some() || older.is_some() {
        let show = summary.or(older).map(|_| true);
        request.reasoning = Some(Reasoning { effort, budget_tokens: None, show });
    }
    keep_rest(reasoning, request);
    Ok(())
}

fn effort(word: &str, path: String) -> Result<Effort, Malformed> {
    match word {
        "none" => Ok(Effort::None),
        "minimal" => Ok(Effort::Minimal),
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        "xhigh" | "max" => Ok(Effort::Max),
        _ => Err(not_one_of(path, word, &["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
    }
}

/// `include` says what comes with the reply: seals always do, and of the rest log probabilities are known elsewhere.
fn read_logprobs(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let mut include = members.list("include")?.unwrap_or_default();
    let asked = include.iter().any(|word| word == INCLUDE_LOGPROBS);
    include.retain(|word| word != INCLUDE_LOGPROBS && word != INCLUDE_SEALS);
    if !include.is_empty() {
        request.extra.insert("include".to_owned(), Value::Array(include));
    }
    let top = members.integer("top_logprobs")?;
    if asked || top.is_some_and(|top| top > 0) {
        request.logprobs = Some(LogProbs { top: top.unwrap_or_default() });
    }
    Ok(())
}

/// `safety_identifier` is the newer name of `user`.
fn read_who(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    let user = members.string("user")?;
    let safety = members.string("safety_identifier")?;
    match (user, safety) {
        (Some(user), Some(safety)) if user != safety => {
            request.extra.insert("safety_identifier".to_owned(), Value::String(safety));
            request.user = Some(user);
        }
        (user, safety) => request.user = user.or(safety),
    }
    Ok(())
}

/// What stands in the provider's store instead of in the request, and what only its type is looked at.
fn read_references(members: &mut Members, request: &mut Request) -> Result<(), Malformed> {
    if let Some(id) = members.string("previous_response_id")? {
        request.extra.insert("previous_response_id".to_owned(), Value::String(id));
    }
    if let Some(conversation) = members.value("conversation") {
        if !(conversation.is_string() || conversation.is_object()) {
            return Err(wrong("conversation", "a string or an object"));
        }
        request.extra.insert("conversation".to_owned(), conversation);
    }
    for name in ["prompt", "stream_options"] {
        if let Some(object) = members.object(name)? {
            request.extra.insert(name.to_owned(), Value::Object(object.rest()));
        }
    }
    Ok(())
}
