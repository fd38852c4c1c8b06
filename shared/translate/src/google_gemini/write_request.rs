use serde_json::{Map, Value, json};

use super::{
    config::{self, Wanted},
    contents, members,
    model::Model,
    tools::{self, Tools},
};
use crate::json::object;
use crate::{Format, Losses, Member, Request, Unsupported};

pub(crate) fn write_request(request: Request, model: &str, losses: &mut Losses) -> Result<Value, Unsupported> {
    let Request {
        origin,
        model: _,
        stream: _,
        // Counts come with every reply and every chunk.
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
    let model = Model::of(model);
    for (member, is_given) in [
        (Member::Verbosity, verbosity.is_some()),
        (Member::User, user.is_some()),
        (Member::Metadata, !metadata.is_empty()),
        (Member::CacheKey, cache_key.is_some()),
        (Member::Store, store == Some(true)),
    ] {
        if is_given {
            losses.hint(member.name(origin));
        }
    }
    let mut writer = contents::Writer::new(origin, model, losses);
    writer.system(system)?;
    for message in messages {
        writer.message(message)?;
    }
    let (system, contents) = writer.finish();
    let Tools { tools, config } = tools::write(tools, tool_choice, parallel_tool_calls, origin, losses)?;
    let wanted = Wanted { format, max_tokens, sampling, logprobs, choices, reasoning };
    let generation = config::write(wanted, origin, model, losses)?;

    let mut body = Map::new();
    body.insert("contents".to_owned(), Value::Array(contents));
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), object([("parts", system.into())]));
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    if let Some(config) = config {
        body.insert("toolConfig".to_owned(), object([("functionCallingConfig", config)]));
    }
    if !generation.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(generation));
    }
    let tier = service_tier.map(|tier| own_tier(&tier, origin, losses)).transpose()?;
    if let Some(tier) = tier.flatten() {
        body.insert("serviceTier".to_owned(), json!(tier));
    }
    // That nothing be kept is a wish that Google knows; that replies be kept for later requests is none.
    if store == Some(false) {
        body.insert("store".to_owned(), json!(false));
    }
    members::write(extra, origin, &mut body, losses)?;
    Ok(Value::Object(body))
}

fn own_tier(tier: &str, origin: Format, losses: &mut Losses) -> Result<Option<&'static str>, Unsupported> {
    match tier {
        "flex" => Ok(Some("flex")),
        "priority" => Ok(Some("priority")),
        "default" | "standard" | "standard_only" => Ok(Some("standard")),
        "auto" => Ok(None),
        _ => losses.cannot(Member::ServiceTier.name(origin)).map(|()| None),
    }
}
