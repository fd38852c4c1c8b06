use serde_json::{Value, json};

use super::*;
use crate::{Finish, Text, Thinking, Unreadable, Usage, google_gemini::read_reply};

fn read(body: &Value) -> crate::Reply {
    read_reply(body.to_string().as_bytes()).expect("a reply")
}

#[test]
fn a_reply_is_read_whole() {
    let reply = read(&json!({
        "candidates": [{
            "content": {"role": "model", "parts": [
                {"text": "The user wants…", "thought": true},
                {"text": "Let me "},
                {"text": "look."},
                {"functionCall": {"name": "weather", "args": {"z": 1, "a": "Zürich"}}, "thoughtSignature": "c2VhbA=="},
                {"functionCall": {"id": "fc_9", "name": "weather"}},
            ]},
            "finishReason": "STOP",
            "index": 0,
            "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}],
        }],
        "usageMetadata": {
            "promptTokenCount": 11, "cachedContentTokenCount": 3, "toolUsePromptTokenCount": 2,
            "candidatesTokenCount": 7, "thoughtsTokenCount": 5, "totalTokenCount": 25,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}, {"modality": "AUDIO", "tokenCount": 4}],
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}],
            "serviceTier": "standard",
        },
        "modelVersion": "gemini-3.5-flash",
        "responseId": "r1",
    }));
    let [Part::Thinking(thinking), text, Part::ToolCall(first), Part::ToolCall(second)] = reply.parts.as_slice() else {
        panic!("other parts: {:?}", reply.parts)
    };
    assert_eq!(thinking, &Thinking { text: "The user wants…".to_owned(), signature: None });
    assert_eq!(text, &Part::text("Let me look."));
    assert_eq!(
        (first.arguments.as_str(), first.signature.as_ref()),
        (r#"{"z":1,"a":"Zürich"}"#, Some(&seal("c2VhbA==")))
    );
    assert!(first.id.starts_with("call_") && first.id.len() == 21, "{}", first.id);
    assert_eq!((second.id.as_str(), second.arguments.as_str()), ("fc_9", "{}"));
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert_eq!((reply.id.as_deref(), reply.model.as_deref()), (Some("r1"), Some("gemini-3.5-flash")));
    assert_eq!(reply.service_tier.as_deref(), Some("default"));
    let usage = Usage {
        input: Some(13),
        output: Some(12),
        total: Some(25),
        cache_read: Some(3),
        reasoning: Some(5),
        input_audio: Some(4),
        output_audio: Some(6),
        ..Usage::default()
    };
    assert_eq!(reply.usage, usage);
}

#[test]
fn what_is_not_text_keeps_its_place() {
    let reply = read(&json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [
        {"text": "Sum:", "thoughtSignature": "YQ=="},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"text": ""},
    ]}}]}));
    let native = |value| Part::Native { format: Format::GoogleGemini, value };
    let image = crate::Source::Inline { media_type: "image/png".to_owned(), data: "iVBO".to_owned() };
    let expected = [
        Part::text("Sum:"),
        Part::RedactedThinking(seal("YQ==")),
        native(json!({"executableCode": {"language": "PYTHON", "code": "print(1)"}})),
        native(json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}})),
        Part::Image(crate::Media::new(image)),
    ];
    assert_eq!(reply.parts, expected);
    assert_eq!(reply.usage, Usage::default());
    // And what it said goes back as it came.
    let mut request = asking();
    request.messages.push(said(Role::Assistant, reply.parts));
    let (body, dropped) = written(request, NEW);
    assert_eq!(body["contents"][1]["parts"][0], json!({"text": "Sum:"}));
    assert_eq!(body["contents"][1]["parts"][1], json!({"text": "", "thoughtSignature": "YQ=="}));
    assert_eq!(body["contents"][1]["parts"][3]["codeExecutionResult"]["outcome"], "OUTCOME_OK");
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn sources_are_annotations_in_characters() {
    let reply = read(&json!({"candidates": [{
        "finishReason": "STOP",
        "content": {"parts": [{"text": "Zürich "}, {"text": "wächst."}]},
        "groundingMetadata": {
            "webSearchQueries": ["zürich"],
            "groundingChunks": [
                {"web": {"uri": "https://a.example", "title": "a"}},
                {"maps": {"uri": "https://m.example"}},
            ],
            "groundingSupports": [
                // Bytes of the second part.
                {"segment": {"partIndex": 1, "startIndex": 0, "endIndex": 7}, "groundingChunkIndices": [0, 1, 9]},
            ],
        },
        "citationMetadata": {"citationSources": [{"startIndex": 1, "endIndex": 3, "uri": "https://c.example"}]},
    }]}));
    let annotation = |start: u32, end: u32, url: &str, title: &str| {
        let citation = json!({"start_index": start, "end_index": end, "url": url, "title": title});
        json!({"type": "url_citation", "url_citation": citation})
    };
    let text = Text {
        text: "Zürich wächst.".to_owned(),
        annotations: vec![
            annotation(7, 13, "https://a.example", "a"),
            annotation(7, 13, "https://m.example", ""),
            annotation(1, 2, "https://c.example", ""),
        ],
        cache: None,
    };
    assert_eq!(reply.parts, [Part::Text(text)]);
}

#[test]
fn log_probabilities_are_in_openais_form() {
    let reply = read(&json!({"candidates": [{
        "finishReason": "STOP",
        "content": {"parts": [{"text": "ö"}]},
        "logprobsResult": {
            "topCandidates": [{"candidates": [{"token": "ö", "tokenId": 1, "logProbability": -0.25}, {"token": "o"}]}],
            "chosenCandidates": [{"token": "ö", "tokenId": 1, "logProbability": -0.25}],
        },
    }]}));
    let expected = json!([{
        "token": "ö", "logprob": -0.25, "bytes": [195, 182],
        "top_logprobs": [
            {"token": "ö", "logprob": -0.25, "bytes": [195, 182]},
            {"token": "o", "logprob": 0.0, "bytes": [111]},
        ],
    }]);
    assert_eq!(reply.logprobs.map(Value::from), Some(expected));
}

#[test]
fn reasons_to_finish() {
    for (reason, finish) in [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("RECITATION", Finish::ContentFilter),
        ("PROHIBITED_CONTENT", Finish::ContentFilter),
        ("IMAGE_SAFETY", Finish::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", Finish::Malformed("MALFORMED_FUNCTION_CALL".to_owned())),
        ("OTHER", Finish::Malformed("OTHER".to_owned())),
    ] {
        let reply = read(&json!({"candidates": [{"finishReason": reason, "index": 0}]}));
        assert_eq!((reply.finish, reply.parts), (finish, vec![]), "{reason}");
    }
}

#[test]
fn what_is_no_reply_is_told_apart() {
    let other = |text| Unreadable::OtherForm(text);
    let form = "the reply is not in the form of Google's Gemini API";
    for (body, error) in [
        ("<html>", other(form)),
        ("{\"candidates\":[", other(form)),
        ("[{", other(form)),
        ("[{}]", other(form)),
        ("{}", other(form)),
        (r#"{"candidates":"x"}"#, other(form)),
        (r#"{"candidates":[]}"#, other("the reply has no candidates")),
        (r#"{"candidates":[{"index":1}]}"#, other("the reply has no candidates")),
        (r#"{"error":{"code":503,"message":"x"}}"#, Unreadable::Provider),
        (r#"[{"error":{"code":503,"message":"x"}}]"#, Unreadable::Provider),
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, Unreadable::Blocked("SAFETY".to_owned())),
    ] {
        assert_eq!(read_reply(body.as_bytes()), Err(error), "{body}");
    }
}
