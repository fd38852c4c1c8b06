use serde_json::{Value, json};

use crate::{
    Event, Finish, Format, Part, Signature, Source, Thinking, Unreadable, Usage,
    ollama_chat::{StreamReader, read_reply},
};

const OTHER_FORM: Unreadable = Unreadable::OtherForm("the reply is not in the form of Ollama's chat API");

fn seal() -> Signature {
    Signature::new(Format::OllamaChat, "")
}

#[test]
fn a_reply_is_read_whole() {
    let body = json!({
        "model": "qwen3", "created_at": "2026-01-02T03:04:05.123456789Z",
        "message": {"role": "assistant", "content": "Look.", "thinking": "Hm", "images": ["/9j/4AAQ"], "tool_calls": [
            {"function": {"index": 0, "name": "weather", "arguments": {"z": 1, "a": "Zürich"}}},
            {"id": "call_abc", "function": {"index": 1, "name": "weather", "arguments": {}}},
        ]},
        "done": true, "done_reason": "stop", "total_duration": 5, "load_duration": 1, "prompt_eval_count": 11,
        "prompt_eval_duration": 2, "eval_count": 7, "eval_duration": 2,
        "logprobs": [{"token": "ö", "logprob": -0.25, "top_logprobs": [{"token": "o", "logprob": -2.0, "bytes": [111]}]}],
    });
    let reply = read_reply(body.to_string().as_bytes()).expect("a reply");
    let [Part::Thinking(thinking), text, Part::Image(image), Part::ToolCall(first), Part::ToolCall(second)] =
        reply.parts.as_slice()
    else {
        panic!("other parts: {:?}", reply.parts)
    };
    assert_eq!(thinking, &Thinking { text: "Hm".to_owned(), signature: Some(seal()) });
    assert_eq!(text, &Part::text("Look."));
    assert!(matches!(&image.source, Source::Inline { media_type, .. } if media_type == "image/jpeg"));
    assert_eq!((first.name.as_str(), first.arguments.as_str()), ("weather", r#"{"z":1,"a":"Zürich"}"#));
    assert!(first.id.starts_with("call_") && first.id.len() == 21, "{}", first.id);
    assert_eq!(second.id, "call_abc");
    assert_eq!((reply.finish, reply.model.as_deref()), (Finish::ToolCalls, Some("qwen3")));
    assert_eq!(reply.usage, Usage { input: Some(11), output: Some(7), ..Usage::default() });
    assert_eq!(reply.usage.sum(), Some(18));
    let expected = json!([{"token": "ö", "logprob": -0.25, "bytes": [195, 182],
        "top_logprobs": [{"token": "o", "logprob": -2.0, "bytes": [111]}]}]);
    assert_eq!(reply.logprobs.map(Value::from), Some(expected));
}

#[test]
fn reasons_to_finish_and_what_is_no_reply() {
    for (reason, finish) in [
        (json!("stop"), Finish::Stop),
        (json!("length"), Finish::Length),
        (json!("load"), Finish::Stop),
        (Value::Null, Finish::Stop),
        (json!("odd"), Finish::Stop),
        (json!("error"), Finish::Malformed("error".to_owned())),
    ] {
        let body =
            json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason});
        let reply = read_reply(body.to_string().as_bytes()).expect("a reply");
        assert_eq!((reply.finish, reply.parts, reply.usage), (finish, vec![], Usage::default()), "{reason}");
    }
    for (body, error) in [
        ("<html>", OTHER_FORM),
        ("{}", OTHER_FORM),
        (r#"{"message":"x","done":true}"#, OTHER_FORM),
        (r#"{"message":{"content":"x"},"done":false}"#, Unreadable::OtherForm("the reply is not done")),
        (r#"{"error":"model 'x' not found"}"#, Unreadable::Provider),
    ] {
        assert_eq!(read_reply(body.as_bytes()), Err(error), "{body}");
    }
}

fn line(message: &Value) -> Value {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    json!({"model": "qwen3", "created_at": "2026-01-02T03:04:05.1Z", "message": message, "done": false})
}

fn last(reason: &str) -> Value {
    let mut last = line(&json!({"content": ""}));
    last["done"] = json!(true);
    last["done_reason"] = json!(reason);
    last["prompt_eval_count"] = json!(26);
    last["eval_count"] = json!(5);
    last
}

fn read_all(lines: &[Value]) -> Vec<Event> {
    let mut reader = StreamReader::default();
    lines.iter().flat_map(|line| reader.read(line.to_string().as_bytes()).expect("events")).collect()
}

#[test]
fn a_stream_of_thoughts_text_and_calls() {
    let call = |name: &str| json!({"id": format!("call_{name}"), "function": {"name": name, "arguments": {"x": 1}}});
    let mut told = line(&json!({"content": "lo"}));
    told["logprobs"] = json!([{"token": "lo", "logprob": -0.5, "bytes": [108, 111]}]);
    let events = read_all(&[
        line(&json!({"content": "", "thinking": "H"})),
        line(&json!({"content": "", "thinking": "m"})),
        line(&json!({"content": "Hel"})),
        told,
        line(&json!({"content": "", "tool_calls": [call("a")]})),
        line(&json!({"content": "", "tool_calls": [call("b")]})),
        last("stop"),
    ]);
    let begun = |index, name: &str| {
        let (id, name) = (format!("call_{name}"), name.to_owned());
        Event::ToolCall { index, id, name, signature: None }
    };
    let arguments = |index| Event::Arguments { index, delta: r#"{"x":1}"#.to_owned() };
    let expected = [
        Event::Start { id: None, model: Some("qwen3".to_owned()), created: None },
        Event::Thinking("H".to_owned()),
        Event::Thinking("m".to_owned()),
        Event::ThinkingSignature(seal()),
        Event::Text("Hel".to_owned()),
        Event::Text("lo".to_owned()),
        Event::Logprobs(vec![json!({"token": "lo", "logprob": -0.5, "bytes": [108, 111], "top_logprobs": []})]),
        begun(0, "a"),
        arguments(0),
        Event::PartEnd,
        begun(1, "b"),
        arguments(1),
        Event::PartEnd,
        Event::Usage(Usage { input: Some(26), output: Some(5), ..Usage::default() }),
        Event::Finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_stream_ends_with_its_last_line_only() {
    let events = read_all(&[line(&json!({"content": "Hel"}))]);
    assert!(!events.contains(&Event::End));
    let events = read_all(&[line(&json!({"thinking": "Hm"})), last("length")]);
    assert_eq!(events[2], Event::ThinkingSignature(seal()));
    assert_eq!(events[events.len() - 2..], [Event::Finish(Finish::Length), Event::End]);
    // As the server writes what goes wrong in the middle.
    let mut reader = StreamReader::default();
    assert_eq!(
        reader.read(br#"{"error":"an error was encountered while running the model"}"#),
        Err(Unreadable::Provider)
    );
    assert_eq!(reader.read(b"not JSON"), Err(OTHER_FORM));
}
