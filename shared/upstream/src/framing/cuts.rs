//! A stream of each format says the same wherever the network cuts it, and whatever its lines end with. The streams
//! are written after the examples in the providers' public documentation.

use http::{HeaderValue, header::CONTENT_TYPE};
use llm_api_translate::{Event, Format, StreamReader};

use super::*;
use crate::sse;

const CHAT: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

: busy

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Zürich 🏔"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"a\":1}"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}

data: [DONE]

"#;

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","role":"assistant","status":"in_progress","content":[]}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Zürich 🏔"}

event: response.completed
data: {"type":"response.completed","sequence_number":3,"response":{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}

"#;

const MESSAGES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Zürich 🏔"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

"#;

const GEMINI: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"Zürich 🏔"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}

data: {"candidates":[{"content":{"parts":[{"text":" is nice."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7},"modelVersion":"m","responseId":"r"}

"#;

const OLLAMA: &str = r#"{"model":"m","created_at":"2026-01-01T00:00:00.1Z","message":{"role":"assistant","content":"Zürich 🏔"},"done":false}
{"model":"m","created_at":"2026-01-01T00:00:00.2Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}
"#;

/// The names and payloads of Amazon's frames.
const CONVERSE: [(&str, &str); 5] = [
    ("messageStart", r#"{"role":"assistant","p":"ab"}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Zürich 🏔"},"p":"abcd"}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ("messageStop", r#"{"stopReason":"end_turn"}"#),
    ("metadata", r#"{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"metrics":{"latencyMs":9}}"#),
];

const SSE: &str = "text/event-stream";

fn frame(name: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (header, value) in [(":event-type", name), (":message-type", "event")] {
        headers.push(u8::try_from(header.len()).expect("short"));
        headers.extend(header.bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        headers.extend(value.bytes());
    }
    let length = |length: usize| u32::try_from(length).expect("small").to_be_bytes();
    let mut frame = [length(headers.len() + payload.len() + 16), length(headers.len())].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend([&headers, payload.as_bytes()].concat());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// What a reader makes of a stream that comes in these pieces.
fn read(format: Format, kind: &'static str, pieces: &[&[u8]]) -> Vec<Event> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let mut framing = Framing::of(&headers, 10_000).expect("a stream");
    let mut reader = StreamReader::new(format);
    let mut read = Vec::new();
    let mut take = |event: Bytes| {
        if let Some(data) = sse::data(&event) {
            read.extend(reader.read(sse::name(&event), &data).expect("an event of the format"));
        }
    };
    for piece in pieces {
        framing.push(Bytes::copy_from_slice(piece));
        while let Some(event) = framing.next_event() {
            take(event.expect("a whole event"));
        }
    }
    if let Some(event) = framing.finish() {
        take(event.expect("a whole event"));
    }
    read.extend(reader.finish());
    read
}

fn streams() -> Vec<(Format, &'static str, Vec<u8>)> {
    let sse = [
        (Format::OpenaiChat, CHAT),
        (Format::OpenaiResponses, RESPONSES),
        (Format::AnthropicMessages, MESSAGES),
        (Format::GoogleGemini, GEMINI),
    ];
    let mut streams = Vec::new();
    for (format, text) in sse {
        let endings = ["\n", "\r\n", "\r"];
        streams.extend(endings.map(|ending| (format, SSE, text.replace('\n', ending).into_bytes())));
        // A stream may lack its last blank line.
        streams.push((format, SSE, format!("{}\n", text.trim_end()).into_bytes()));
        streams.push((format, SSE, format!("\u{feff}{text}").into_bytes()));
    }
    for ending in ["\n", "\r\n"] {
        streams.push((Format::OllamaChat, "application/x-ndjson", OLLAMA.replace('\n', ending).into_bytes()));
    }
    let frames = CONVERSE.iter().flat_map(|(name, payload)| frame(name, payload)).collect();
    streams.push((Format::BedrockConverse, "application/vnd.amazon.eventstream", frames));
    streams
}

/// What each format's stream says, told once by the stream as it stands above.
fn told(format: Format) -> Vec<Event> {
    let streams = streams();
    let (_, kind, bytes) = streams.iter().find(|(of, ..)| *of == format).expect("a stream of the format");
    read(format, kind, &[bytes])
}

#[test]
fn a_stream_says_the_same_wherever_it_is_cut() {
    for (format, kind, bytes) in streams() {
        let told = told(format);
        let text = |event: &Event| matches!(event, Event::Text(text) if text == "Zürich 🏔");
        assert!(told.iter().any(text) && told.last() == Some(&Event::End), "{format}: {told:?}");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(read(format, kind, &[head, tail]), told, "{format}, cut at {cut}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(read(format, kind, &single), told, "{format}, byte by byte");
        let three: Vec<_> = bytes.chunks(3).collect();
        assert_eq!(read(format, kind, &three), told, "{format}, three bytes at a time");
    }
}

/// A stream that breaks off anywhere never looks whole, unless its last word was there.
#[test]
fn a_stream_that_breaks_off_is_never_whole() {
    for (format, kind, bytes) in streams() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let mut whole_from = None;
        for end in 0..=bytes.len() {
            let mut framing = Framing::of(&headers, 10_000).expect("a stream");
            let mut reader = StreamReader::new(format);
            framing.push(Bytes::copy_from_slice(&bytes[..end]));
            let mut events = Vec::new();
            while let Some(event) = framing.next_event() {
                let event = event.expect("a whole event");
                if let Some(data) = sse::data(&event) {
                    events.extend(reader.read(sse::name(&event), &data).expect("an event of the format"));
                }
            }
            let is_cut = match framing.finish() {
                None => false,
                Some(Err(_)) => true,
                Some(Ok(event)) => {
                    if let Some(data) = sse::data(&event) {
                        events.extend(reader.read(sse::name(&event), &data).expect("an event of the format"));
                    }
                    false
                }
            };
            if !is_cut {
                events.extend(reader.finish());
            }
            match (events.contains(&Event::End), whole_from) {
                (true, None) => whole_from = Some(end),
                (false, Some(from)) => assert!(is_cut, "{format}: whole at {from}, and not at {end}"),
                _ => {}
            }
        }
        let last_word = match format {
            // The counts alone may be missing.
            Format::BedrockConverse => bytes.len() - frame(CONVERSE[4].0, CONVERSE[4].1).len(),
            _ => bytes.len() - 4,
        };
        assert!(
            whole_from.is_some_and(|from| from >= last_word),
            "{format}: whole at {whole_from:?} of {}",
            bytes.len()
        );
    }
}
