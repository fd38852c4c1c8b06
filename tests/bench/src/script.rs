//! What the scripted provider says and the load client checks: one place, so they cannot disagree.

use bytes::Bytes;
use serde_json::{Value, json};

/// The word in every piece of generated text.
pub(crate) const WORD: &str = "lorem";
/// Events of a stream whose request names no `max_tokens`.
pub(crate) const DEFAULT_EVENTS: u32 = 64;
/// The `user` of a request whose stream never ends.
pub(crate) const HOLD: &str = "hold";
/// How every whole stream ends.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// The answer to a request without `stream`, about 600 bytes.
pub(crate) fn completion() -> Bytes {
    let text =
        format!("{WORD} ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut.");
    let message = json!({"role": "assistant", "content": text, "refusal": null, "annotations": []});
    Bytes::from(
        json!({
            "id": "chatcmpl-bench-0000000000000000",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": "bench-model",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
            "usage": usage(),
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        })
        .to_string(),
    )
}

/// One piece of text in a stream.
pub(crate) fn delta() -> Bytes {
    event(
        &json!([{"index": 0, "delta": {"content": format!("{WORD} ")}, "logprobs": null, "finish_reason": null}]),
        None,
    )
}

/// The event that says why the text ended.
pub(crate) fn finish() -> Bytes {
    event(&json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}]), None)
}

/// The event of `stream_options.include_usage`.
pub(crate) fn usage_event() -> Bytes {
    event(&json!([]), Some(&usage()))
}

pub(crate) fn models() -> Bytes {
    let model = json!({"id": "bench-model", "object": "model", "created": 1_760_000_000, "owned_by": "bench"});
    Bytes::from(json!({"object": "list", "data": [model]}).to_string())
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 24, "completion_tokens": 32, "total_tokens": 56,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

fn event(choices: &Value, usage: Option<&Value>) -> Bytes {
    let mut chunk = json!({
        "id": "chatcmpl-bench-0000000000000000",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "bench-model",
        "choices": choices,
    });
    if let Some(usage) = usage {
        chunk["usage"] = usage.clone();
    }
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// What the load client sends: the same bytes to the provider, to nginx and to the gateway.
pub(crate) fn request(model: &str, stream: Option<u32>, user: Option<&str>) -> Bytes {
    let messages = json!([
        {"role": "system", "content": "You answer in one short sentence."},
        {"role": "user", "content": "Say something that nobody will read, of a length that is usual for such a thing."},
    ]);
    let mut body = json!({"model": model, "messages": messages, "temperature": 0.7});
    if let Some(events) = stream {
        body["stream"] = json!(true);
        body["max_tokens"] = json!(events);
    }
    if let Some(user) = user {
        body["user"] = json!(user);
    }
    Bytes::from(body.to_string())
}

/// Whether a whole answer is the one asked for; `stream` is the number of events asked for.
pub(crate) fn check(body: &[u8], stream: Option<u32>) -> Result<(), String> {
    let words = memchr::memmem::find_iter(body, WORD).count();
    let expected = stream.map_or(1, |events| events as usize);
    if words != expected {
        return Err(format!("expected {expected} pieces of text, got {words}: {}", start_of(body)));
    }
    if stream.is_some() && !body.ends_with(DONE.as_bytes()) {
        return Err("the stream does not end with [DONE]".to_owned());
    }
    Ok(())
}

/// Enough of a body to see what is wrong with it.
pub(crate) fn start_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(events: usize) -> Vec<u8> {
        [delta().repeat(events), finish().to_vec(), usage_event().to_vec(), DONE.into()].concat()
    }

    #[test]
    fn the_completion_is_of_the_size_that_the_report_names() {
        assert!((550..650).contains(&completion().len()), "{} bytes", completion().len());
        assert_eq!(check(&completion(), None), Ok(()));
    }

    #[test]
    fn a_stream_is_right_only_when_every_event_arrived_and_it_ended() {
        assert_eq!(check(&stream(3), Some(3)), Ok(()));
        assert!(check(&stream(2), Some(3)).is_err());
        let whole = stream(3);
        assert!(check(&whole[..whole.len() - DONE.len()], Some(3)).is_err());
    }

    #[test]
    fn an_error_body_is_not_an_answer() {
        assert!(check(br#"{"error":{"message":"no"}}"#, None).is_err());
    }
}
