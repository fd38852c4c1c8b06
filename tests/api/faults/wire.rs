//! A good answer in each provider's format, whole and as a stream.

use serde_json::{Value, json};

/// What every good answer says; it comes in two pieces.
pub(super) const PIECES: [&str; 2] = ["Zürich ", "is nice."];
pub(super) const TEXT: &str = "Zürich is nice.";
/// What it counts; the numbers stand nowhere else.
const PROMPT: u32 = 1111;
const REPLY: u32 = 777;
const TOTAL: u32 = 1888;

/// The format of a provider's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
    Ollama,
}

/// One event of a stream, before its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: Option<String>,
    pub(super) data: Vec<u8>,
}

impl Event {
    fn typed(data: &Value) -> Self {
        Self { name: data["type"].as_str().map(str::to_owned), data: data.to_string().into() }
    }

    fn named(name: &str, data: &Value) -> Self {
        Self { name: Some(name.to_owned()), data: data.to_string().into() }
    }

    fn bare(data: &Value) -> Self {
        Self { name: None, data: data.to_string().into() }
    }
}

impl Wire {
    #[expect(clippy::unused_self, reason = "beside the type of its streams, which differs")]
    pub(super) const fn plain_type(self) -> &'static str {
        "application/json"
    }

    pub(super) const fn stream_type(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Messages | Self::Gemini => "text/event-stream; charset=utf-8",
            Self::Converse => "application/vnd.amazon.eventstream",
            Self::Ollama => "application/x-ndjson",
        }
    }

    /// Whether its events are server-sent ones.
    pub(super) const fn is_sse(self) -> bool {
        matches!(self, Self::Chat | Self::Responses | Self::Messages | Self::Gemini)
    }

    /// Whether the last event says that it is the last one; else the end of the body does.
    pub(super) const fn has_last_event(self) -> bool {
        !matches!(self, Self::Gemini)
    }

    /// How many of the last events tell that the reply is over.
    pub(super) const fn ending(self) -> usize {
        if matches!(self, Self::Converse) { 2 } else { 1 }
    }

    /// The whole answer.
    pub(super) fn whole(self) -> Value {
        match self {
            Self::Chat => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": TEXT, "refusal": null },
                    "logprobs": null, "finish_reason": "stop" }],
                "usage": chat_usage(), "system_fingerprint": "fp_1",
            }),
            Self::Responses => response("completed", &json!([message(TEXT, "completed")]), &responses_usage()),
            Self::Messages => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                "content": [{ "type": "text", "text": TEXT }], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": { "input_tokens": PROMPT, "output_tokens": REPLY, "service_tier": "standard" },
            }),
            Self::Gemini => gemini(TEXT, true),
            Self::Converse => json!({
                "metrics": { "latencyMs": 9 },
                "output": { "message": { "role": "assistant", "content": [{ "text": TEXT }] } },
                "stopReason": "end_turn", "usage": converse_usage(),
            }),
            Self::Ollama => ollama(TEXT, true),
        }
    }

    /// The same as a stream.
    pub(super) fn events(self) -> Vec<Event> {
        match self {
            Self::Chat => chat_events(),
            Self::Responses => responses_events(),
            Self::Messages => messages_events(),
            Self::Gemini => {
                let [one, two] = PIECES.map(|text| Event::bare(&gemini(text, false)));
                vec![one, two, Event::bare(&gemini("", true))]
            }
            Self::Converse => converse_events(),
            Self::Ollama => {
                let [one, two] = PIECES.map(|text| Event::bare(&ollama(text, false)));
                vec![one, two, Event::bare(&ollama("", true))]
            }
        }
    }

    /// An event with other data, as a piece of text would come.
    pub(super) fn event(self, data: &[u8]) -> Event {
        let name = match self {
            Self::Responses => Some("response.output_text.delta"),
            Self::Messages => Some("content_block_delta"),
            Self::Converse => Some("contentBlockDelta"),
            Self::Chat | Self::Gemini | Self::Ollama => None,
        };
        Event { name: name.map(str::to_owned), data: data.to_owned() }
    }

    /// An event of a kind that nobody knows yet.
    pub(super) fn unknown(self) -> Event {
        match self {
            Self::Chat => {
                Event::bare(&json!({ "id": "chatcmpl-1", "object": "chat.news", "choices": [], "news": [1] }))
            }
            Self::Responses => {
                Event::typed(&json!({ "type": "response.news.delta", "sequence_number": 4, "news": [1] }))
            }
            Self::Messages => Event::typed(&json!({ "type": "news", "news": [1] })),
            Self::Gemini => Event::bare(&json!({ "news": [1], "modelVersion": "m", "responseId": "r" })),
            Self::Converse => Event::named("newsDelta", &json!({ "news": [1] })),
            Self::Ollama => Event::bare(&json!({ "model": "m", "message": { "role": "news" }, "done": false })),
        }
    }

    /// What the provider says in place of a whole answer when it fails.
    pub(super) fn error(self) -> Value {
        match self {
            Self::Chat => {
                json!({ "error": { "message": "broken", "type": "server_error", "param": null, "code": null } })
            }
            Self::Responses => {
                let mut failed = response("failed", &json!([]), &Value::Null);
                failed["error"] = json!({ "code": "server_error", "message": "broken" });
                failed
            }
            Self::Messages => json!({ "type": "error", "error": { "type": "api_error", "message": "broken" } }),
            Self::Gemini => json!({ "error": { "code": 500, "message": "broken", "status": "INTERNAL" } }),
            Self::Converse => json!({ "message": "broken" }),
            Self::Ollama => json!({ "error": "broken" }),
        }
    }

    /// The same in a stream. Amazon's exceptions have the ending of their name.
    pub(super) fn error_event(self) -> Event {
        match self {
            Self::Responses => Event::typed(&json!({
                "type": "error", "code": "server_error", "message": "broken", "param": null, "sequence_number": 5,
            })),
            Self::Messages => Event::typed(&self.error()),
            Self::Converse => Event::named("internalServerException", &self.error()),
            Self::Chat | Self::Gemini | Self::Ollama => Event::bare(&self.error()),
        }
    }

    /// The bytes of events, with `line` at the ends of lines.
    pub(super) fn framed(self, events: &[Event], line: &str) -> Vec<Vec<u8>> {
        let framed = events.iter().map(|Event { name, data }| match self {
            Self::Converse => frame(name.as_deref().unwrap_or_default(), data),
            Self::Ollama => [data, line.as_bytes()].concat(),
            Self::Chat | Self::Responses | Self::Messages | Self::Gemini => {
                let name = name.as_ref().map(|name| format!("event: {name}{line}")).unwrap_or_default();
                [name.as_bytes(), b"data: ", data, line.as_bytes(), line.as_bytes()].concat()
            }
        });
        framed.collect()
    }
}

fn chat_usage() -> Value {
    json!({ "prompt_tokens": PROMPT, "completion_tokens": REPLY, "total_tokens": TOTAL })
}

fn responses_usage() -> Value {
    json!({
        "input_tokens": PROMPT, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": REPLY,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": TOTAL,
    })
}

fn converse_usage() -> Value {
    json!({ "inputTokens": PROMPT, "outputTokens": REPLY, "totalTokens": TOTAL })
}

fn message(text: &str, status: &str) -> Value {
    let part = json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [part] })
}

fn response(status: &str, output: &Value, usage: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "model": "m", "output": output,
        "parallel_tool_calls": true, "previous_response_id": null, "store": true, "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": usage, "metadata": {},
    })
}

fn chat_events() -> Vec<Event> {
    let chunk = |choices: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
            "choices": choices,
        })
    };
    let choice = |delta: Value, reason: Option<&str>| {
        Event::bare(&chunk(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }])))
    };
    let [one, two] = PIECES.map(|text| choice(json!({ "content": text }), None));
    let mut counted = chunk(json!([]));
    counted["usage"] = chat_usage();
    vec![
        choice(json!({ "role": "assistant", "content": "" }), None),
        one,
        two,
        choice(json!({}), Some("stop")),
        Event::bare(&counted),
        Event { name: None, data: b"[DONE]".to_vec() },
    ]
}

fn responses_events() -> Vec<Event> {
    let begun = response("in_progress", &json!([]), &Value::Null);
    let item = json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": [] });
    let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
    let delta = |number: u32, text: &str| {
        Event::typed(&json!({
            "type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": text, "logprobs": [],
        }))
    };
    let done = response("completed", &json!([message(TEXT, "completed")]), &responses_usage());
    vec![
        Event::typed(&json!({ "type": "response.created", "sequence_number": 0, "response": begun })),
        Event::typed(&json!({
            "type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item,
        })),
        Event::typed(&json!({
            "type": "response.content_part.added", "sequence_number": 2, "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "part": part,
        })),
        delta(3, PIECES[0]),
        delta(4, PIECES[1]),
        Event::typed(&json!({ "type": "response.completed", "sequence_number": 5, "response": done })),
    ]
}

fn messages_events() -> Vec<Event> {
    let start = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": { "input_tokens": PROMPT, "output_tokens": 1 },
    });
    let delta = |text: &str| {
        let delta = json!({ "type": "text_delta", "text": text });
        Event::typed(&json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    };
    let block = json!({ "type": "text", "text": "" });
    let over = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    vec![
        Event::typed(&json!({ "type": "message_start", "message": start })),
        Event::typed(&json!({ "type": "content_block_start", "index": 0, "content_block": block })),
        Event::typed(&json!({ "type": "ping" })),
        delta(PIECES[0]),
        delta(PIECES[1]),
        Event::typed(&json!({ "type": "content_block_stop", "index": 0 })),
        Event::typed(&json!({ "type": "message_delta", "delta": over, "usage": { "output_tokens": REPLY } })),
        Event::typed(&json!({ "type": "message_stop" })),
    ]
}

fn gemini(text: &str, is_last: bool) -> Value {
    let mut candidate = json!({ "content": { "parts": [{ "text": text }], "role": "model" }, "index": 0 });
    let mut answer = json!({ "modelVersion": "m", "responseId": "r" });
    if is_last {
        candidate["finishReason"] = "STOP".into();
        answer["usageMetadata"] =
            json!({ "promptTokenCount": PROMPT, "candidatesTokenCount": REPLY, "totalTokenCount": TOTAL });
    }
    answer["candidates"] = json!([candidate]);
    answer
}

fn converse_events() -> Vec<Event> {
    let delta = |text: &str| {
        Event::named("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": { "text": text }, "p": "abc" }))
    };
    vec![
        Event::named("messageStart", &json!({ "role": "assistant", "p": "ab" })),
        delta(PIECES[0]),
        delta(PIECES[1]),
        Event::named("contentBlockStop", &json!({ "contentBlockIndex": 0 })),
        Event::named("messageStop", &json!({ "stopReason": "end_turn" })),
        Event::named("metadata", &json!({ "metrics": { "latencyMs": 9 }, "usage": converse_usage() })),
    ]
}

fn ollama(text: &str, is_last: bool) -> Value {
    let mut answer = json!({
        "model": "m", "created_at": "2026-01-01T00:00:00.1Z", "message": { "role": "assistant", "content": text },
        "done": is_last,
    });
    if is_last {
        answer["done_reason"] = "stop".into();
        answer["prompt_eval_count"] = PROMPT.into();
        answer["eval_count"] = REPLY.into();
    }
    answer
}

/// One message of `application/vnd.amazon.eventstream`: lengths, their checksum, headers, payload, checksum.
fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    let is_exception = name.ends_with("Exception");
    let (kind, named) = if is_exception { ("exception", ":exception-type") } else { ("event", ":event-type") };
    let mut headers = Vec::new();
    for (header, value) in [(named, name), (":content-type", "application/json"), (":message-type", kind)] {
        headers.push(u8::try_from(header.len()).expect("a short name"));
        headers.extend(header.bytes());
        // The kind of value that is a text.
        headers.push(7);
        headers.extend(u16::try_from(value.len()).expect("a short text").to_be_bytes());
        headers.extend(value.bytes());
    }
    let length = |length: usize| u32::try_from(length).expect("a small frame").to_be_bytes();
    let mut frame = [length(headers.len() + payload.len() + 16), length(headers.len())].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
