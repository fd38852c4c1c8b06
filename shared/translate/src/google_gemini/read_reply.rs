use serde_json::{Value, json};

use super::{
    grounding::{self, Source},
    wire::{Answer, Blob, Counts, FunctionCall, Logprobs, Modality, Part as Piece, Segment, Token},
};
use crate::{
    Finish, Format, Media, Part, Reply, Signature, Source as MediaSource, Thinking, ToolCall, Unreadable, Usage, call,
};

pub(crate) fn read_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let mut answer = Answer::parse(body)?;
    let mut candidate = answer.take_candidate().ok_or(Unreadable::OtherForm("the reply has no candidates"))?;
    let mut calls = Calls::of(answer.response_id.as_deref());
    let mut texts = Texts::default();
    for (index, piece) in candidate.take_parts().into_iter().enumerate() {
        for part in parts(piece, &mut calls) {
            texts.push(index, part);
        }
    }
    texts.annotate(&grounding::sources(candidate.grounding_metadata, candidate.citation_metadata));
    let reason = candidate.finish_reason.as_deref().unwrap_or("STOP");
    let counts = answer.usage_metadata.unwrap_or_default();
    Ok(Reply {
        id: answer.response_id,
        model: answer.model_version,
        created: None,
        parts: texts.parts,
        finish: finish(reason, calls.count > 0),
        service_tier: counts.service_tier.as_deref().and_then(tier),
        usage: usage(&counts),
        logprobs: candidate.logprobs_result.map(logprobs),
    })
}

/// Parts of a whole reply; texts that follow each other are one.
#[derive(Debug, Default)]
struct Texts {
    parts: Vec<Part>,
    /// Of each piece with a text: its index, the part that it is in, and at which byte it begins there.
    places: Vec<(usize, usize, usize)>,
}

impl Texts {
    fn push(&mut self, index: usize, part: Part) {
        match (self.parts.last_mut(), part) {
            (Some(Part::Text(before)), Part::Text(text)) => {
                let start = before.text.len();
                before.text.push_str(&text.text);
                self.places.push((index, self.parts.len() - 1, start));
            }
            (_, part) => {
                if matches!(part, Part::Text(_)) {
                    self.places.push((index, self.parts.len(), 0));
                }
                self.parts.push(part);
            }
        }
    }

    fn annotate(&mut self, sources: &[Source]) {
        for source in sources {
            let wanted = source.segment.map(|segment| segment.part);
            let found = self.places.iter().find(|(index, ..)| Some(*index) == wanted).or(self.places.last()).copied();
            let Some((_, at, start)) = found else { return };
            let Some(Part::Text(text)) = self.parts.get_mut(at) else { return };
            let range = match source.segment {
                Some(Segment { start: from, end, .. }) => (start + from, start + end),
                None => (0, text.text.len()),
            };
            let annotation = source.annotation(&text.text, range);
            text.annotations.push(annotation);
        }
    }
}

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    reply: String,
    pub(super) count: usize,
}

impl Calls {
    pub(super) fn of(reply: Option<&str>) -> Self {
        Self { reply: reply.unwrap_or_default().to_owned(), count: 0 }
    }

    pub(super) fn name_reply(&mut self, reply: &str) {
        reply.clone_into(&mut self.reply);
    }

    fn read(&mut self, call: FunctionCall, signature: Option<Signature>) -> Part {
        let FunctionCall { id, name, args } = call;
        let arguments = Value::Object(args.unwrap_or_default()).to_string();
        let made_up = || call::made_up_id(&self.reply, self.count, &name, &arguments);
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(made_up);
        self.count += 1;
        Part::ToolCall(ToolCall { id, name, arguments, signature, cache: None })
    }
}

/// What a piece says. A seal on a text stands behind it as a part of its own.
pub(super) fn parts(piece: Piece, calls: &mut Calls) -> Vec<Part> {
    let Piece { text, thought, thought_signature, function_call, inline_data, rest } = piece;
    let mut seal =
        thought_signature.filter(|seal| !seal.is_empty()).map(|seal| Signature::new(Format::GoogleGemini, seal));
    let is_own = text.is_none() && function_call.is_none() && inline_data.is_none() && !rest.is_empty();
    let mut parts = Vec::new();
    match text {
        Some(text) if thought == Some(true) => {
            let signature = seal.take();
            if !text.is_empty() || signature.is_some() {
                parts.push(Part::Thinking(Thinking { text, signature }));
            }
        }
        Some(text) if !text.is_empty() => parts.push(Part::text(text)),
        _ => {}
    }
    if let Some(call) = function_call {
        parts.push(calls.read(call, seal.take()));
    }
    if let Some(Blob { mime_type, data }) = inline_data {
        let media = Media::new(MediaSource::Inline { media_type: mime_type.clone(), data });
        parts.push(match mime_type.split_once('/') {
            Some(("image", _)) => Part::Image(media),
            Some(("audio", _)) => Part::Audio(media),
            Some(("video", _)) => Part::Video(media),
            _ => Part::File(media),
        });
    }
    if is_own {
        parts.push(Part::Native { format: Format::GoogleGemini, value: Value::Object(rest) });
    }
    parts.extend(seal.map(Part::RedactedThinking));
    parts
}

/// Why a reply ended.
pub(super) fn finish(reason: &str, has_calls: bool) -> Finish {
    match reason {
        "STOP" | "FINISH_REASON_UNSPECIFIED" if has_calls => Finish::ToolCalls,
        "STOP" | "FINISH_REASON_UNSPECIFIED" => Finish::Stop,
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR" => Finish::ContentFilter,
        // MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, MISSING_THOUGHT_SIGNATURE, OTHER and what is to come.
        other => Finish::of_unknown(other),
    }
}

/// Thoughts are a part of the neutral output, results of Google's own tools one of the input.
pub(super) fn usage(counts: &Counts) -> Usage {
    Usage {
        input: sum(counts.prompt_token_count, counts.tool_use_prompt_token_count),
        output: sum(counts.candidates_token_count, counts.thoughts_token_count),
        total: counts.total_token_count,
        cache_read: counts.cached_content_token_count,
        reasoning: counts.thoughts_token_count,
        input_audio: sum(
            audio(counts.prompt_tokens_details.as_deref()),
            audio(counts.tool_use_prompt_tokens_details.as_deref()),
        ),
        output_audio: audio(counts.candidates_tokens_details.as_deref()),
        ..Usage::default()
    }
}

/// Google leaves counts of zero out, so one of the two is enough to know both.
fn sum(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.map_or(other, |one| Some(one.saturating_add(other.unwrap_or(0))))
}

fn audio(details: Option<&[Modality]>) -> Option<i64> {
    details?.iter().find(|detail| detail.modality == "AUDIO")?.token_count
}

/// The tier that served, in OpenAI's words.
pub(super) fn tier(theirs: &str) -> Option<String> {
    let tier = theirs.to_ascii_lowercase();
    match tier.as_str() {
        "" | "unspecified" => None,
        "standard" => Some("default".to_owned()),
        _ => Some(tier),
    }
}

pub(super) fn logprobs(theirs: Logprobs) -> Vec<Value> {
    let mut tops = theirs.top_candidates.into_iter();
    let token = |Token { token, log_probability }: Token| json!({ "token": token, "logprob": log_probability, "bytes": token.as_bytes() });
    let chosen = theirs.chosen_candidates.into_iter().map(|chosen| {
        let top = tops.next().map(|top| top.candidates).unwrap_or_default();
        let mut entry = token(chosen);
        entry["top_logprobs"] = top.into_iter().map(token).collect();
        entry
    });
    chosen.collect()
}
