//! A caller's request.

use serde_json::Value;

use super::{INCLUDE_LOGPROBS, INCLUDE_SEALS, OWN, read_input, tools};
use crate::fields::{Fields, wrong};
use crate::{Effort, LogProbs, Malformed, Part, Parts, Reasoning, ReplyFormat, Request};

/// Members that give the model something to read without `input`.
const INSTEAD_OF_INPUT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

pub(crate) fn read_request(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::of_body(body)?;
    let mut request = Request::new(OWN, fields.required_string("model")?);
    request.stream = fields.boolean("stream")?.unwrap_or_default();
    if let Some(instructions) = fields.string("instructions")? {
        request.system = Parts::one(Part::text(instructions), "instructions");
    }
    read_tools(&mut fields, &mut request)?;
    read_text(&mut fields, &mut request)?;
    read_reasoning(&mut fields, &mut request)?;
    let included = read_logprobs(&mut fields, &mut request)?;
    let safety = read_who(&mut fields, &mut request)?;
    check_references(&fields)?;
    request.max_tokens = fields.integer("max_output_tokens")?;
    request.sampling.temperature = fields.number("temperature")?;
    request.sampling.top_p = fields.number("top_p")?;
    request.service_tier = fields.string("service_tier")?;
    request.cache_key = fields.string("prompt_cache_key")?;
    request.store = fields.boolean("store")?;
    request.metadata = fields.map("metadata")?.unwrap_or_default();
    request.metadata.retain(|_, value| !value.is_null());
    match fields.take("input") {
        Some(input) => read_input::read(input, &fields, &mut request)?,
        None if INSTEAD_OF_INPUT.iter().any(|name| fields.has(name)) => {}
        None => return Err(Malformed::new("input", "`input` is missing.")),
    }
    request.extra = fields.into_unknown();
    request.extra.extend(included.map(|included| ("include".to_owned(), included)));
    request.extra.extend(safety.map(|safety| ("safety_identifier".to_owned(), safety)));
    Ok(request)
}

fn read_tools(fields: &mut Fields, request: &mut Request) -> Result<(), Malformed> {
    for tool in fields.objects("tools")? {
        request.tools.push(tools::read_tool(tool)?);
    }
    request.tool_choice = tools::read_choice(fields)?;
    request.parallel_tool_calls = fields.boolean("parallel_tool_calls")?;
    Ok(())
}

fn read_text(fields: &mut Fields, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut text) = fields.object("text")? else { return Ok(()) };
    request.verbosity = text.string("verbosity")?;
    let Some(mut format) = text.object("format")? else { return Ok(()) };
    let kind = format.required_string("type")?;
    request.format = Some(match kind.as_str() {
        "text" => ReplyFormat::Text,
        "json_object" => ReplyFormat::JsonObject,
        "json_schema" => ReplyFormat::JsonSchema {
            name: Some(format.required_string("name")?),
            description: format.string("description")?,
            schema: Value::Object(format.required_map("schema")?),
            strict: format.boolean("strict")?,
        },
        _ => return Err(format.not_one_of("type", &kind, &["text", "json_object", "json_schema"])),
    });
    Ok(())
}

fn read_reasoning(fields: &mut Fields, request: &mut Request) -> Result<(), Malformed> {
    let Some(mut reasoning) = fields.object("reasoning")? else { return Ok(()) };
    let effort = reasoning.string("effort")?.map(|word| effort(&word, &reasoning)).transpose()?;
    let summary = reasoning.string("summary")?;
    let older = reasoning.string("generate_summary")?;
    if effort.is_some() || summary.is_some() || older.is_some() {
        let show = summary.or(older).map(|_| true);
        request.reasoning = Some(Reasoning { effort, budget_tokens: None, show });
    }
    Ok(())
}

fn effort(word: &str, reasoning: &Fields) -> Result<Effort, Malformed> {
    match word {
        "none" => Ok(Effort::None),
        "minimal" => Ok(Effort::Minimal),
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        "xhigh" | "max" => Ok(Effort::Max),
        _ => {
            let words = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
            Err(reasoning.not_one_of("effort", word, &words))
        }
    }
}

/// `include` says what comes with the reply: seals always do, and of the rest log probabilities are known elsewhere.
/// Gives what is left of it.
fn read_logprobs(fields: &mut Fields, request: &mut Request) -> Result<Option<Value>, Malformed> {
    let mut include = fields.list("include")?.unwrap_or_default();
    let asked = include.iter().any(|word| word == INCLUDE_LOGPROBS);
    include.retain(|word| word != INCLUDE_LOGPROBS && word != INCLUDE_SEALS);
    let top = fields.integer("top_logprobs")?;
    if asked || top.is_some_and(|top| top > 0) {
        request.logprobs = Some(LogProbs { top: top.unwrap_or_default() });
    }
    Ok((!include.is_empty()).then_some(Value::Array(include)))
}

/// `safety_identifier` is the newer name of `user`. Gives it where it is another one.
fn read_who(fields: &mut Fields, request: &mut Request) -> Result<Option<Value>, Malformed> {
    let user = fields.string("user")?;
    let safety = fields.string("safety_identifier")?;
    match (user, safety) {
        (Some(user), Some(safety)) if user != safety => {
            request.user = Some(user);
            return Ok(Some(Value::String(safety)));
        }
        (user, safety) => request.user = user.or(safety),
    }
    Ok(None)
}

/// What stands in the provider's store instead of in the request, and what only its type is looked at.
fn check_references(fields: &Fields) -> Result<(), Malformed> {
    let check = |name: &str, fits: fn(&Value) -> bool, expected| match fields.peek(name) {
        Some(value) if !fits(value) => Err(wrong(name, expected)),
        _ => Ok(()),
    };
    check("previous_response_id", Value::is_string, "a string")?;
    check("conversation", |value| value.is_string() || value.is_object(), "a string or an object")?;
    check("prompt", Value::is_object, "an object")?;
    check("stream_options", Value::is_object, "an object")
}
