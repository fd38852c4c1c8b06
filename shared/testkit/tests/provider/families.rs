//! The same behaviours in every family's own grammar.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpReply, HttpRequest, MODELS, UNICODE};
use serde_json::{Value, json};

/// One way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    OpenAi,
    Azure,
    Anthropic,
    Google,
}

use Family::{Anthropic, Azure, Google, OpenAi};

const FAMILIES: [Family; 4] = [OpenAi, Azure, Anthropic, Google];

impl Family {
    /// A request with one message a text: user, assistant, user, ...
    fn request(self, provider: &FakeProvider, model: &str, streamed: bool, texts: &[&str]) -> HttpRequest {
        let roles = ["user", if self == Google { "model" } else { "assistant" }].into_iter().cycle();
        let messages = roles.zip(texts).map(|(role, text)| match self {
            Google => json!({"role": role, "parts": [{"text": text}]}),
            _ => json!({"role": role, "content": text}),
        });
        let messages: Value = messages.collect();
        let request = match self {
            OpenAi => Http::new(provider.base_url()).post("/chat/completions").bearer("sk-good"),
            Azure => {
                let path = format!("/openai/deployments/{model}/chat/completions?api-version=2024-10-21");
                Http::new(provider.azure_base_url()).post(&path).header("api-key", "sk-good")
            }
            Anthropic => {
                let request = Http::new(provider.anthropic_base_url()).post("/messages").header("x-api-key", "sk-good");
                request.header("anthropic-version", "2023-06-01")
            }
            Google => {
                let method = if streamed { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let http = Http::new(provider.google_base_url());
                http.post(&format!("/models/{model}:{method}")).header("x-goog-api-key", "sk-good")
            }
        };
        request.json(match self {
            OpenAi => json!({"model": model, "stream": streamed, "messages": messages}),
            Azure => json!({"stream": streamed, "messages": messages}),
            Anthropic => json!({"model": model, "stream": streamed, "messages": messages, "max_tokens": 9}),
            Google => json!({"contents": messages}),
        })
    }

    async fn ask(self, provider: &FakeProvider, model: &str, streamed: bool) -> HttpReply {
        self.request(provider, model, streamed, &["first", "second", "hello big world"]).send().await
    }

    /// Text, finish reason, and tokens in and out of a whole answer.
    fn read(self, answer: &Value) -> (String, String, u64, u64) {
        let (text, finish, input, output) = match self {
            OpenAi | Azure => {
                let (choice, usage) = (&answer["choices"][0], &answer["usage"]);
                let text = &choice["message"]["content"];
                (text, &choice["finish_reason"], &usage["prompt_tokens"], &usage["completion_tokens"])
            }
            Anthropic => {
                let usage = &answer["usage"];
                let text = &answer["content"][0]["text"];
                (text, &answer["stop_reason"], &usage["input_tokens"], &usage["output_tokens"])
            }
            Google => {
                let (candidate, usage) = (&answer["candidates"][0], &answer["usageMetadata"]);
                let text = &candidate["content"]["parts"][0]["text"];
                (text, &candidate["finishReason"], &usage["promptTokenCount"], &usage["candidatesTokenCount"])
            }
        };
        let words = [text, finish].map(|value| value.as_str().unwrap().to_owned());
        let [text, finish] = words;
        (text, finish, input.as_u64().unwrap(), output.as_u64().unwrap())
    }

    /// An event's text.
    fn delta(self, data: &str) -> Option<String> {
        let event: Value = serde_json::from_str(data).ok()?;
        let text = match self {
            OpenAi | Azure => &event["choices"][0]["delta"]["content"],
            Anthropic => &event["delta"]["text"],
            Google => &event["candidates"][0]["content"]["parts"][0]["text"],
        };
        text.as_str().map(str::to_owned)
    }
}

/// The `data:` lines of a stream that ends well, for `\n` and `\r\n`.
async fn data(reply: HttpReply) -> Vec<String> {
    reply.text().await.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_family_echoes_whole_and_streamed() {
    for family in FAMILIES {
        let provider = FakeProvider::start().await;
        let whole = family.ask(&provider, "echo", false).await;
        assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "application/json"), "{family:?}");
        let (text, finish, input, output) = family.read(&whole.json().await);
        assert_eq!((text.as_str(), input, output), ("You said: hello big world", 11, 7), "{family:?}");
        let expected = match family {
            OpenAi | Azure => "stop",
            Anthropic => "end_turn",
            Google => "STOP",
        };
        assert_eq!(finish, expected, "{family:?}");

        let stream = family.ask(&provider, "echo", true).await;
        assert_eq!(stream.header("content-type"), "text/event-stream", "{family:?}");
        let deltas: Vec<String> = data(stream).await.iter().filter_map(|data| family.delta(data)).collect();
        let words: Vec<&str> = deltas.iter().map(String::as_str).filter(|delta| !delta.is_empty()).collect();
        assert_eq!(words, ["You ", "said: ", "hello ", "big ", "world"], "{family:?}");

        let unicode = family.ask(&provider, "unicode", true).await;
        let deltas: String = data(unicode).await.iter().filter_map(|data| family.delta(data)).collect();
        assert_eq!(deltas, UNICODE, "{family:?}");
    }
}

#[tokio::test]
async fn every_family_counts_turns_and_knows_vendors_prefixes() {
    let provider = FakeProvider::start().await;
    for family in FAMILIES {
        for model in ["counts", "gpt-counts", "claude-counts", "gemini-counts"] {
            let answer = family.ask(&provider, model, false).await.json().await;
            assert_eq!(family.read(&answer).0, "turns: 3 user assistant user", "{family:?}");
        }
    }
}

#[tokio::test]
async fn every_family_refuses_what_is_too_long() {
    let provider = FakeProvider::start().await;
    for family in FAMILIES {
        let fits = family.request(&provider, "context-10", false, &["abc", "éfg", "hijk"]).send().await;
        assert_eq!(family.read(&fits.json().await).0, "You said: hijk", "{family:?}");
        let refused = family.request(&provider, "context-10", true, &["abc", "def", "ghijk"]).send().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{family:?}");
        let error = refused.json().await["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("11") && message.contains("10"), "{family:?}: {message}");
        let (field, value, words) = match family {
            OpenAi | Azure => ("code", "context_length_exceeded", "maximum context length"),
            Anthropic => ("type", "invalid_request_error", "prompt is too long"),
            Google => ("status", "INVALID_ARGUMENT", "input token count"),
        };
        assert_eq!(error[field], value, "{family:?}");
        assert!(message.contains(words), "{family:?}: {message}");
    }
}

#[tokio::test]
async fn every_family_refuses_in_its_own_way() {
    // Status, the field of the error object that names the reason, and its value, for each family in order.
    let expected = [
        (
            "rate-limited",
            [
                (429, "code", "rate_limit_exceeded"),
                (429, "code", "429"),
                (429, "type", "rate_limit_error"),
                (429, "status", "RESOURCE_EXHAUSTED"),
            ],
        ),
        (
            "no-quota",
            [
                (429, "code", "insufficient_quota"),
                (429, "code", "insufficient_quota"),
                (400, "type", "invalid_request_error"),
                (429, "status", "RESOURCE_EXHAUSTED"),
            ],
        ),
        (
            "rejects-key",
            [
                (401, "code", "invalid_api_key"),
                (401, "code", "401"),
                (401, "type", "authentication_error"),
                (400, "status", "INVALID_ARGUMENT"),
            ],
        ),
        (
            "refuses",
            [
                (400, "param", "temperature"),
                (400, "param", "temperature"),
                (400, "type", "invalid_request_error"),
                (400, "status", "INVALID_ARGUMENT"),
            ],
        ),
        (
            "unknown",
            [
                (404, "code", "model_not_found"),
                (404, "code", "DeploymentNotFound"),
                (404, "type", "not_found_error"),
                (404, "status", "NOT_FOUND"),
            ],
        ),
        (
            "fails",
            [
                (500, "type", "server_error"),
                (500, "type", "server_error"),
                (500, "type", "api_error"),
                (500, "status", "INTERNAL"),
            ],
        ),
        (
            "overloaded",
            [
                (503, "type", "server_error"),
                (503, "type", "server_error"),
                (529, "type", "overloaded_error"),
                (503, "status", "UNAVAILABLE"),
            ],
        ),
    ];
    let provider = FakeProvider::start().await;
    for (model, by_family) in expected {
        for (family, (status, field, value)) in FAMILIES.into_iter().zip(by_family) {
            for streamed in [false, true] {
                let reply = family.ask(&provider, model, streamed).await;
                assert_eq!(reply.status.as_u16(), status, "{family:?} {model}");
                let retry = if model == "rate-limited" { "7" } else { "" };
                assert_eq!(reply.header("retry-after"), retry, "{family:?} {model}");
                let answer = reply.json().await;
                assert_eq!(answer["error"][field], value, "{family:?} {model}");
                let repeats_key = answer.to_string().contains("sk-good");
                assert_eq!(repeats_key, model == "rejects-key", "{family:?} {model}");
                assert_eq!(answer["type"] == "error", family == Anthropic, "{family:?} {model}");
            }
        }
    }
}

#[tokio::test]
async fn every_family_breaks_in_its_own_way() {
    for family in FAMILIES {
        let provider = FakeProvider::start().await;
        let page = family.ask(&provider, "html", true).await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html"), "{family:?}");
        assert_eq!(family.ask(&provider, "redirect", false).await.status, StatusCode::FOUND, "{family:?}");

        let half = family.ask(&provider, "bad-json", false).await.text().await;
        assert!(half.starts_with('{') && serde_json::from_str::<Value>(&half).is_err(), "{family:?}: {half}");
        let events = data(family.ask(&provider, "bad-json", true).await).await;
        assert!(serde_json::from_str::<Value>(events.last().unwrap()).is_err(), "{family:?}: {events:?}");

        let events = data(family.ask(&provider, "no-done", true).await).await;
        let text: String = events.iter().filter_map(|data| family.delta(data)).collect();
        assert_eq!(text, "You said: ", "{family:?}");
        for end in ["[DONE]", "\"stop\"", "message_stop", "STOP"] {
            assert!(!events.concat().contains(end), "{family:?}: {events:?}");
        }

        for streamed in [false, true] {
            let mut reply = family.ask(&provider, "dies", streamed).await;
            let mut came = Vec::new();
            let error = loop {
                match reply.next_chunk().await {
                    Ok(Some(chunk)) => came.extend_from_slice(&chunk),
                    Ok(None) => panic!("{family:?}: a proper end"),
                    Err(error) => break format!("{error:?}"),
                }
            };
            assert!(error.contains("ConnectionReset"), "{family:?}: {error}");
            let came = String::from_utf8(came).unwrap();
            assert!(came.contains("said: ") || !streamed, "{family:?}: {came}");
            assert!(streamed || (came.starts_with('{') && !came.ends_with('}')), "{family:?}: {came}");
        }

        let mut huge = family.ask(&provider, "huge", false).await;
        assert_eq!(huge.header("content-length"), "67108864", "{family:?}");
        assert!(huge.next_chunk().await.unwrap().is_some(), "{family:?}");
    }
}

#[tokio::test]
async fn every_family_waits() {
    for family in FAMILIES {
        let provider = FakeProvider::start().await;
        let mut reply = family.ask(&provider, "slow-stream", true).await;
        let mut came = String::new();
        while !came.contains("You ") {
            let chunk = reply.next_chunk().await.unwrap().unwrap();
            came.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        assert!(!came.contains("said: "), "{family:?}: {came}");
        provider.release();
        assert!(reply.text().await.contains("said: "), "{family:?}");

        let slow_whole = family.ask(&provider, "slow-whole", false).await;
        assert_eq!(slow_whole.status, StatusCode::OK, "the head comes before the release");
        provider.release();
        assert_eq!(family.read(&slow_whole.json().await).0, "You said: hello big world", "{family:?}");

        provider.release();
        let slow_head = family.ask(&provider, "slow-head", false).await.json().await;
        assert_eq!(family.read(&slow_head).0, "You said: hello big world", "{family:?}");

        for (model, streamed) in [("slow-whole", false), ("stalls", true), ("slow-stream", true)] {
            drop(family.ask(&provider, model, streamed).await);
            provider.wait_until_closed().await;
        }
    }
}

#[tokio::test]
async fn images_are_seen_by_their_declared_types() {
    let provider = FakeProvider::start().await;
    let url = "data:image/webp;base64,UklGRg==";
    let content = json!([
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]);
    let asked = json!({"model": "sees-images", "messages": [{"role": "user", "content": content}]});
    let reply = Http::new(provider.base_url()).post("/chat/completions").bearer("sk-good").json(asked).send().await;
    assert_eq!(OpenAi.read(&reply.json().await).0, "images: 2 image/webp url");

    let content = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "text", "text": "look"},
    ]);
    let request = Anthropic.request(&provider, "", false, &[]);
    let asked = json!({"model": "sees-images", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let answer = request.json(asked).send().await.json().await;
    assert_eq!(Anthropic.read(&answer).0, "images: 2 image/gif url");

    for (data, kind) in [("inlineData", "mimeType"), ("inline_data", "mime_type")] {
        let parts = json!([{"text": "look"}, {data: {kind: "image/jpeg", "data": "/9j/"}}]);
        let request = Google.request(&provider, "sees-images", false, &[]);
        let answer = request.json(json!({"contents": [{"role": "user", "parts": parts}]})).send().await.json().await;
        assert_eq!(Google.read(&answer).0, "images: 1 image/jpeg");
    }

    let answer = OpenAi.ask(&provider, "sees-images", false).await.json().await;
    assert_eq!(OpenAi.read(&answer).0, "images: 0");
}

#[tokio::test]
async fn a_model_can_be_added_that_no_list_names() {
    let provider = FakeProvider::start().await;
    for family in FAMILIES {
        let name = format!("small-{family:?}");
        assert_eq!(family.ask(&provider, &name, false).await.status, StatusCode::NOT_FOUND, "{family:?}");
        provider.serve_also(&name);
        let answer = family.ask(&provider, &name, false).await.json().await;
        assert_eq!(family.read(&answer).0, "You said: hello big world", "{family:?}");
    }
    let list = Http::new(provider.base_url()).get("/models").bearer("sk-good").send().await.json().await;
    assert_eq!(list["data"].as_array().unwrap().len(), MODELS.len());
}
