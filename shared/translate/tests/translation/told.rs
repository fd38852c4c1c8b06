//! What the translation tells its callers beside the bodies.

use llm_api_translate::{
    DROPPED_COMMENT, Event, Format, Losses, Media, OnUnsupported, Part, Source, StreamWriter, read_request,
    write_request,
};
use serde_json::{Value, json};

use crate::golden::{CALLERS, question, stamp};
use crate::streams;

fn dropped(caller: Format, body: &Value, target: Format) -> Vec<String> {
    let request = read_request(caller, body.to_string().as_bytes()).expect("a request");
    let mut losses = Losses::new(target, OnUnsupported::Refuse);
    write_request(target, request, "m", &mut losses).expect("a body");
    losses.dropped().to_vec()
}

#[test]
fn what_reading_leaves_out_is_told() {
    let schema = json!({"type": "object"});
    let anthropic = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": "f", "input_schema": schema, "eager_input_streaming": true}],
    });
    assert_eq!(dropped(Format::AnthropicMessages, &anthropic, Format::OpenaiChat), ["tools.0.eager_input_streaming"]);
    assert!(dropped(Format::AnthropicMessages, &anthropic, Format::AnthropicMessages).is_empty());
    let responses = json!({"model": "m", "input": [
        {"type": "message", "id": "m_1", "role": "user", "content": "x", "phase": "commentary"},
        {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "id": "fo_1", "status": "completed", "call_id": "c", "output": "y"},
    ]});
    assert!(dropped(Format::OpenaiResponses, &responses, Format::GoogleGemini).is_empty());
}

/// A picture reaches everybody, if only as words; a sound has a place nowhere.
#[test]
fn what_a_model_draws_or_speaks_in_a_stream_is_never_passed_over() {
    let inline =
        |media_type: &str| Media::new(Source::Inline { media_type: media_type.to_owned(), data: "AAAA".to_owned() });
    for caller in CALLERS {
        let mut writer = StreamWriter::new(caller, &question(caller), stamp()).expect("a caller's format");
        let mut out = Vec::new();
        for part in [Part::Image(inline("image/png")), Part::Audio(inline("audio/wav"))] {
            writer.write(Event::Media(part), &mut out);
        }
        writer.write(Event::End, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let picture = match caller {
            Format::OpenaiChat => "data:image/png;base64,AAAA",
            Format::OpenaiResponses => "image_generation_call",
            _ => "[An image that the model made is left out",
        };
        assert!(text.contains(picture), "{text}");
        assert!(text.contains("[A sound that the model made is left out"), "{text}");
    }
}

/// In a stream as in one piece: every part of another provider's own is named, in its place and once.
#[test]
fn what_a_stream_leaves_out_is_named_in_a_comment() {
    let mut named = 0;
    for provider in Format::ALL {
        for name in streams::of(provider) {
            let streamed = streams::recorded(provider, &name);
            for caller in CALLERS {
                let written = streams::written(&streamed, caller);
                let comments = written.lines().filter_map(|line| line.strip_prefix(DROPPED_COMMENT));
                let told: Vec<&str> = comments.filter(|name| *name != "reply.annotations").collect();
                let mut expected: Vec<String> = Vec::new();
                for event in &streamed.events {
                    if let Event::Native { format, value } = event
                        && *format != caller
                    {
                        let members = value.as_object().expect("an object");
                        let kind = members.get("type").and_then(Value::as_str);
                        let name =
                            format!("reply.{}", kind.or(members.keys().next().map(String::as_str)).expect("a name"));
                        if !expected.contains(&name) {
                            expected.push(name);
                        }
                    }
                }
                assert_eq!(told, expected, "{provider} {name} to {caller}");
                named += told.len();
            }
        }
    }
    assert!(named > 0, "no recording has such a part");
}

/// Another provider's sources are given back without what is that provider's own.
#[test]
fn foreign_sources_are_given_back_as_openai_knows_them() {
    let cited = |kind: &str| json!({"type": kind, "url": "https://example.com/", "title": "T", "cited_text": "c", "encrypted_index": "e"});
    let said = json!({"type": "text", "text": "It rains.", "citations": [cited("web_search_result_location")]});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "x"}, {"role": "assistant", "content": [said]}, {"role": "user", "content": "y"},
    ]});
    let request = read_request(Format::AnthropicMessages, body.to_string().as_bytes()).expect("a request");
    let mut losses = Losses::new(Format::OpenaiResponses, OnUnsupported::Refuse);
    let body = write_request(Format::OpenaiResponses, request, "m", &mut losses).expect("a body");
    let source =
        json!({"type": "url_citation", "url": "https://example.com/", "title": "T", "start_index": 0, "end_index": 9});
    assert_eq!(body["input"][1]["content"][0]["annotations"], json!([source]));
}

/// A strict tool whose arguments have members of any name cannot be strict at Anthropic: closing it would empty them.
#[test]
fn a_dictionary_is_not_closed_without_a_word() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let body = json!({
        "model": "m", "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": schema}}],
    });
    let read = || read_request(Format::OpenaiChat, body.to_string().as_bytes()).expect("a request");
    let target = Format::AnthropicMessages;
    let refused = write_request(target, read(), "claude-opus-4-6", &mut Losses::new(target, OnUnsupported::Refuse));
    assert!(refused.expect_err("a refusal").param.starts_with("tools.0."));
    let mut losses = Losses::new(target, OnUnsupported::Drop);
    let sent = write_request(target, read(), "claude-opus-4-6", &mut losses).expect("a body");
    assert_eq!(sent["tools"][0]["input_schema"], schema);
    assert!(sent["tools"][0].get("strict").is_none());
    assert_eq!(losses.dropped().len(), 1);
}

fn refused(caller: Format, body: &Value, target: Format, on_unsupported: OnUnsupported) -> Result<Vec<String>, String> {
    let request = read_request(caller, body.to_string().as_bytes()).expect("a request");
    let mut losses = Losses::new(target, on_unsupported);
    match write_request(target, request, "m", &mut losses) {
        Ok(_) => Ok(losses.dropped().to_vec()),
        Err(refused) => Err(refused.param),
    }
}

/// One reply is all that other formats have; nobody gets fewer than were asked for without a word.
#[test]
fn several_replies_are_refused_by_name() {
    for caller in CALLERS {
        let mut body = match caller {
            Format::OpenaiResponses => json!({"model": "m", "input": "x"}),
            _ => json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
        };
        for n in [0, 2, 128] {
            body["n"] = json!(n);
            for target in Format::ALL.into_iter().filter(|target| *target != caller) {
                // Callers of the other two may mean a member of the provider's.
                let named = refused(caller, &body, target, OnUnsupported::Refuse);
                assert_eq!(named, Err("n".to_owned()), "{n}: {caller} to {target}");
                let named = refused(caller, &body, target, OnUnsupported::Drop).expect("leave to drop");
                assert!(named.contains(&"n".to_owned()), "{n}: {caller} to {target}: {named:?}");
            }
        }
    }
}

/// What a model spoke, drew or wrote into a file comes back to its own provider alone.
#[test]
fn media_in_what_the_model_said_are_refused_by_their_path() {
    let file =
        json!({"type": "file", "file": {"filename": "a.csv", "file_data": "data:application/x-other;base64,AAAA"}});
    let kept = json!({"type": "file", "file": {"file_id": "file-1"}});
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    for (message, path, targets) in [
        (json!({"content": null, "audio": {"id": "audio_1"}}), "messages.1.audio", 5),
        (json!({"content": [{"type": "text", "text": "x"}, file]}), "messages.1.content.1", 4),
        (json!({"content": [kept]}), "messages.1.content.0", 5),
        (json!({"content": [{"type": "text", "text": "x"}, sound]}), "messages.1.content.1", 2),
    ] {
        let mut said = message;
        said["role"] = json!("assistant");
        let asked = json!({"role": "user", "content": "x"});
        let body = json!({"model": "m", "messages": [asked, said, asked]});
        let others = Format::ALL.into_iter().filter(|target| *target != Format::OpenaiChat);
        let named = others.map(|target| refused(Format::OpenaiChat, &body, target, OnUnsupported::Refuse));
        let named: Vec<_> = named.collect();
        let refusals = named.iter().filter(|named| named.as_ref().is_err_and(|param| param == path)).count();
        // Who is not refused is sent it.
        let silent = named.iter().filter(|named| named.is_err()).count() - refusals;
        assert_eq!((refusals, silent), (targets, 0), "{path}: {named:?}");
    }
}
