use serde_json::{Value, json};

use super::{
    finish::{self, Told},
    read_parts::address,
    thoughts, usage,
    wire::{Call, Completion, Piece, Said, pieces},
};
use crate::json::object;
use crate::{Format, Media, Part, Reply, Signature, Text, ToolCall, Unreadable, Usage, call};

/// The first choice: a neutral reply has one. Who asked for several gets the provider's bytes.
pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let mut completion = Completion::parse(body)?;
    let usage = completion.take_usage().map_or_else(Usage::default, |usage| usage::read(&usage));
    let first = completion.choices.and_then(|choices| choices.into_iter().min_by_key(|choice| choice.index));
    let mut choice = first.ok_or(Unreadable::OtherForm("it has no choices"))?;
    let id = completion.id.filter(|id| !id.is_empty());
    let parts = parts(choice.take_said(), id.as_deref().unwrap_or_default());
    let told = Told {
        word: choice.finish_reason.as_deref().unwrap_or_default(),
        stop: choice.stop_reason.as_deref(),
        called: parts.iter().any(is_call),
        refused: parts.iter().any(|part| matches!(part, Part::Refusal(_))),
    };
    Ok(Reply {
        finish: finish::read(&told),
        id,
        model: completion.model.filter(|model| !model.is_empty()),
        created: completion.created,
        parts,
        usage,
        logprobs: choice.logprobs.map(super::wire::LogProbs::into_list).filter(|list| !list.is_empty()),
        service_tier: completion.service_tier,
    })
}

fn is_call(part: &Part) -> bool {
    match part {
        Part::ToolCall(_) => true,
        Part::Native { value, .. } => value.get("custom").is_some(),
        _ => false,
    }
}

/// Thoughts, then what is said, then what is to be done.
fn parts(said: Said, seed: &str) -> Vec<Part> {
    let mut parts = thoughts_of(said.reasoning_details, said.thinking_blocks, said.reasoning_content, said.reasoning);
    for piece in pieces(said.content) {
        parts.push(match piece {
            Piece::Text(text) => Part::text(text),
            Piece::Thinking(text) => thoughts::plain(text, thoughts::CONTENT),
            Piece::Refusal(reason) => Part::Refusal(reason),
            Piece::Other(value) => Part::Native { format: Format::OpenaiChat, value },
        });
    }
    let mut annotations = said.annotations.unwrap_or_default();
    if !annotations.is_empty() {
        match parts.iter_mut().rev().find_map(|part| if let Part::Text(text) = part { Some(text) } else { None }) {
            Some(text) => text.annotations.append(&mut annotations),
            None => parts.push(Part::Text(Text { text: String::new(), annotations, cache: None })),
        }
    }
    parts.extend(said.refusal.filter(|reason| !reason.is_empty()).map(Part::Refusal));
    parts.extend(said.images.into_iter().flatten().map(image));
    if let Some(audio) = said.audio {
        let value = object([("type", "audio".into()), ("audio", Value::Object(audio))]);
        parts.push(Part::Native { format: Format::OpenaiChat, value });
    }
    let calls = said.tool_calls.into_iter().flatten().enumerate();
    parts.extend(calls.map(|(number, call)| call_of(call, seed, number)));
    if let Some(called) = said.function_call {
        let name = called.name.unwrap_or_default();
        let id = made_up_id(seed, &name, 0);
        parts.push(Part::ToolCall(ToolCall { id, name, arguments: called.arguments, signature: None, cache: None }));
    }
    parts
}

type Items = Option<Vec<serde_json::Map<String, Value>>>;

/// The members tell the same thing with less and less detail.
fn thoughts_of(details: Items, blocks: Items, older: Option<String>, newer: Option<String>) -> Vec<Part> {
    let items = [details, blocks].into_iter().flatten().find(|items| !items.is_empty()).unwrap_or_default();
    let items: Vec<Part> = items.into_iter().map(thoughts::detail).collect();
    if items.iter().any(|part| matches!(part, Part::Thinking(_))) {
        return items;
    }
    let texts = [older, newer].into_iter().zip(thoughts::MEMBERS);
    let plain = |(text, member): (Option<String>, &'static str)| Some((text.filter(|text| !text.is_empty())?, member));
    texts.filter_map(plain).map(|(text, member)| thoughts::plain(text, member)).take(1).chain(items).collect()
}

fn call_of(mut call: Call, seed: &str, number: usize) -> Part {
    let id = call.id.take().filter(|id| !id.is_empty());
    let signature = call.seal().map(google_seal);
    if let Some(custom) = call.custom {
        let name = custom.name.unwrap_or_default();
        let id = id.unwrap_or_else(|| made_up_id(seed, &name, number));
        return custom_call(&id, &name, &custom.input.unwrap_or_default());
    }
    let called = call.function.unwrap_or_default();
    let name = called.name.unwrap_or_default();
    let id = id.unwrap_or_else(|| made_up_id(seed, &name, number));
    Part::ToolCall(ToolCall { id, name, arguments: called.arguments, signature, cache: None })
}

/// What stands in `extra_content.google`: Google reads its own seals in either of its formats.
pub(super) fn google_seal(seal: String) -> Signature {
    Signature::new(Format::GoogleGemini, seal)
}

pub(super) fn custom_call(id: &str, name: &str, input: &str) -> Part {
    let value = json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}});
    Part::Native { format: Format::OpenaiChat, value }
}

pub(super) fn image(mut value: Value) -> Part {
    match value.pointer_mut("/image_url/url") {
        Some(Value::String(url)) => Part::Image(Media::new(address(std::mem::take(url)))),
        _ => Part::Native { format: Format::OpenaiChat, value },
    }
}

/// For a call that came without one. In a stream its arguments are still to come.
pub(super) fn made_up_id(seed: &str, name: &str, number: usize) -> String {
    call::made_up_id(seed, number, name, "")
}
