//! Token counts, as the compatible providers write them.

use serde_json::{Map, Value, json};

use crate::{Usage, whole::integer};

/// What a `usage` object counts; what has another form counts nothing.
pub(super) fn read(usage: &Value) -> Usage {
    let prompt = &usage["prompt_tokens_details"];
    let completion = &usage["completion_tokens_details"];
    let first = |places: &[(&Value, &str)]| {
        places.iter().find_map(|(object, name)| object.get(name).and_then(integer)).filter(|count| *count >= 0)
    };
    let read = Usage {
        input: first(&[(usage, "prompt_tokens")]),
        output: first(&[(usage, "completion_tokens")]),
        total: first(&[(usage, "total_tokens")]),
        // DeepSeek, Moonshot and LiteLLM have names of their own.
        cache_read: first(&[
            (prompt, "cached_tokens"),
            (usage, "prompt_cache_hit_tokens"),
            (usage, "cached_tokens"),
            (usage, "cache_read_input_tokens"),
        ]),
        cache_written: first(&[
            (prompt, "cache_write_tokens"),
            (prompt, "cache_creation_tokens"),
            (usage, "cache_creation_input_tokens"),
        ]),
        cache_written_5m: first(&[(&usage["cache_creation"], "ephemeral_5m_input_tokens")]),
        cache_written_1h: first(&[(&usage["cache_creation"], "ephemeral_1h_input_tokens")]),
        reasoning: first(&[(completion, "reasoning_tokens"), (usage, "reasoning_tokens")]),
        input_audio: first(&[(prompt, "audio_tokens")]),
        output_audio: first(&[(completion, "audio_tokens")]),
        accepted_prediction: first(&[(completion, "accepted_prediction_tokens")]),
        rejected_prediction: first(&[(completion, "rejected_prediction_tokens")]),
    };
    with_thoughts(read)
}

/// xAI and Google leave thoughts out of the reply's count and add them to the sum.
fn with_thoughts(usage: Usage) -> Usage {
    let (Some(input), Some(output), Some(total)) = (usage.input, usage.output, usage.total) else { return usage };
    let missing = total.saturating_sub(input).saturating_sub(output);
    let is_thoughts = match usage.reasoning {
        Some(reasoning) if reasoning > 0 => reasoning == missing,
        _ => missing > 0,
    };
    if is_thoughts { Usage { output: Some(output.saturating_add(missing)), ..usage } } else { usage }
}

/// For a caller; nothing where nothing was counted. The three sums are always there, the parts of them where they are
/// known.
pub(super) fn write(usage: &Usage) -> Option<Value> {
    let Usage {
        input,
        output,
        total: _,
        cache_read,
        cache_written,
        cache_written_5m,
        cache_written_1h,
        reasoning,
        input_audio,
        output_audio,
        accepted_prediction,
        rejected_prediction,
    } = *usage;
    if input.is_none() && output.is_none() && usage.total.is_none() {
        return None;
    }
    let total = usage.sum().or(input).or(output).unwrap_or_default();
    let prompt =
        known(&[("cached_tokens", cache_read), ("cache_write_tokens", cache_written), ("audio_tokens", input_audio)]);
    let completion = known(&[
        ("reasoning_tokens", reasoning),
        ("audio_tokens", output_audio),
        ("accepted_prediction_tokens", accepted_prediction),
        ("rejected_prediction_tokens", rejected_prediction),
    ]);
    let mut written = json!({
        "prompt_tokens": input.unwrap_or_default(),
        "completion_tokens": output.unwrap_or_default(),
        "total_tokens": total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    });
    let kept =
        known(&[("ephemeral_5m_input_tokens", cache_written_5m), ("ephemeral_1h_input_tokens", cache_written_1h)]);
    if !kept.is_empty() {
        written["cache_creation"] = Value::Object(kept);
    }
    Some(written)
}

fn known(counts: &[(&str, Option<i64>)]) -> Map<String, Value> {
    counts.iter().filter_map(|(name, count)| Some(((*name).to_owned(), Value::from((*count)?)))).collect()
}
