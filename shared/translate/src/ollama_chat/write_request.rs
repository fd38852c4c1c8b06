use serde_json::{Map, Value, json};

use super::{messages, options, tools};
use crate::{Effort, Format, LogProbs, Losses, Member, Reasoning, ReplyFormat, Request, Unsupported};

/// The most likely tokens that Ollama tells at one place.
const MOST_TOP_LOGPROBS: i64 = 20;

pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        model: _,
        stream,
        // Counts come with every last line.
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
    for (member, is_given) in [
        (Member::Verbosity, verbosity.is_some()),
        (Member::User, user.is_some()),
        (Member::Metadata, !metadata.is_empty()),
        (Member::ServiceTier, service_tier.is_some()),
        (Member::CacheKey, cache_key.is_some()),
        (Member::Store, store == Some(true)),
    ] {
        if is_given {
            losses.hint(member.name(origin));
        }
    }
    if choices.is_some_and(|choices| choices != 1) {
        losses.cannot(Member::Choices.name(origin))?;
    }
    let mut writer = messages::Writer::new(origin, losses);
    writer.system(system)?;
    for message in messages {
        writer.message(message)?;
    }
    let messages = writer.finish();
    let tools = tools::write(tools, tool_choice, parallel_tool_calls, origin, losses)?;
    let mut options = options::write(max_tokens, sampling, origin, losses)?;

    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    body.insert("messages".to_owned(), messages.into());
    // A stream is what it makes where nothing is said.
    body.insert("stream".to_owned(), stream.into());
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    if let Some(form) = format.and_then(|format| form(format, origin, losses)) {
        body.insert("format".to_owned(), form);
    }
    if let Some(think) = reasoning.and_then(think) {
        body.insert("think".to_owned(), think);
    }
    if let Some(LogProbs { top }) = logprobs {
        if top > MOST_TOP_LOGPROBS {
            losses.cannot_because("top_logprobs", "Ollama tells twenty at most")?;
        }
        body.insert("logprobs".to_owned(), true.into());
        body.insert("top_logprobs".to_owned(), top.clamp(0, MOST_TOP_LOGPROBS).into());
    }
    options::write_extra(extra, origin, &mut body, &mut options, losses)?;
    if !options.is_empty() {
        body.insert("options".to_owned(), options.into());
    }
    Ok(body.into())
}

/// Schemas are always followed: `strict` needs no word, and the name of one says nothing.
fn form(format: ReplyFormat, origin: Format, losses: &mut Losses) -> Option<Value> {
    match format {
        ReplyFormat::Text => None,
        ReplyFormat::JsonObject => Some(json!("json")),
        ReplyFormat::JsonSchema { name: _, description, schema, strict: _ } => {
            if description.is_some() {
                losses.hint(&format!("{}.description", Member::ReplyFormat.name(origin)));
            }
            Some(schema)
        }
    }
}

/// Levels are for the models that have them; to others each means that they think. A budget stands for its effort.
fn think(reasoning: Reasoning) -> Option<Value> {
    let Reasoning { effort, budget_tokens, show } = reasoning;
    let level = match effort.or(budget_tokens.map(Effort::of_budget)) {
        Some(Effort::None) => return Some(json!(false)),
        Some(Effort::Minimal | Effort::Low) => "low",
        Some(Effort::Medium) => "medium",
        Some(Effort::High) => "high",
        Some(Effort::Max) => "max",
        None => return show.filter(|show| *show).map(Value::from),
    };
    Some(json!(level))
}
