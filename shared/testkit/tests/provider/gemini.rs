//! What is Google's alone.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpRequest, MODELS};
use serde_json::{Value, json};

fn post(provider: &FakeProvider, call: &str) -> HttpRequest {
    Http::new(provider.google_base_url()).post(&format!("/models/{call}"))
}

fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
}

#[tokio::test]
async fn a_stream_ends_with_a_finish_reason_and_nothing_else() {
    let provider = FakeProvider::start().await;
    let call = "gemini-echo:streamGenerateContent?alt=sse";
    let text = post(&provider, call).bearer("ya29.good").json(hello()).send().await.text().await;
    let events: Vec<&str> = text.split_terminator("\r\n\r\n").collect();
    let events = events.iter().map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap());
    let events: Vec<Value> = events.collect();
    assert_eq!(events.len(), 4, "three words and the end: {text}");
    let (last, words) = events.split_last().unwrap();
    assert!(words.iter().all(|event| event["candidates"][0]["finishReason"].is_null()));
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let usage = json!({"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18});
    assert_eq!((&last["usageMetadata"], &last["modelVersion"]), (&usage, &json!("gemini-echo")));
}

#[tokio::test]
async fn keys_are_judged_by_where_they_came() {
    let provider = FakeProvider::start().await;
    let call = "echo:generateContent";
    let in_header = post(&provider, call).header("x-goog-api-key", "AIza-bad").json(hello()).send().await;
    assert_eq!(in_header.status, StatusCode::BAD_REQUEST);
    let error = in_header.json().await["error"].clone();
    assert_eq!((&error["code"], &error["status"]), (&json!(400), &json!("INVALID_ARGUMENT")));
    assert_eq!(error["details"][0]["reason"], "API_KEY_INVALID");

    let bearer = post(&provider, call).bearer("ya29.bad").json(hello()).send().await;
    assert_eq!(bearer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bearer.json().await["error"]["status"], "UNAUTHENTICATED");

    assert_eq!(post(&provider, call).json(hello()).send().await.status, StatusCode::FORBIDDEN);
    let leaked = post(&provider, "echo:generateContent?key=AIza-good").header("x-goog-api-key", "AIza-good");
    assert_eq!(leaked.json(hello()).send().await.status, StatusCode::BAD_REQUEST);
    assert_eq!(provider.last_request().query("key").as_deref(), Some("AIza-good"));
}

#[tokio::test]
async fn faulty_requests_are_refused_with_the_fault() {
    let contents = hello()["contents"].clone();
    let faulty = [
        (json!({}), "contents is not specified"),
        (json!({"contents": contents, "messages": []}), "Unknown name \"messages\": Cannot"),
        (json!({"contents": contents, "generationConfig": {"max_tokens": 9}}), "\"max_tokens\" at 'generation_config'"),
        (json!({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}), "valid role"),
        (json!({"contents": [{"role": "user", "parts": []}]}), "parts must not be empty"),
    ];
    let provider = FakeProvider::start().await;
    for (body, words) in faulty {
        let reply = post(&provider, "echo:generateContent").bearer("ya29.good").json(body).send().await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{words}");
        let answer = reply.json().await;
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }

    let good = json!({
        "contents": contents,
        "system_instruction": {"parts": [{"text": "be brief"}]},
        "generation_config": {"max_output_tokens": 9, "topP": 0.5, "stopSequences": ["x"]},
    });
    let reply = post(&provider, "echo:generateContent").bearer("ya29.good").json(good).send().await;
    assert_eq!(reply.status, StatusCode::OK);

    let plain_stream = post(&provider, "echo:streamGenerateContent").bearer("ya29.good").json(hello()).send().await;
    assert_eq!(plain_stream.status, StatusCode::BAD_REQUEST, "no alt=sse");
    let other = post(&provider, "echo:embedContent").bearer("ya29.good").json(hello()).send().await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_come_in_pages() {
    let provider = FakeProvider::start().await;
    let http = Http::new(provider.google_base_url());
    let (mut models, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = http.get(&format!("/models?pageSize=10{token}")).header("x-goog-api-key", "AIza-good");
        let page = request.send().await.json().await;
        models.extend(page["models"].as_array().unwrap().clone());
        pages += 1;
        match page["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => break,
        }
    }
    assert_eq!((pages, models.len()), (3, MODELS.len() + 2));
    let texts = models.iter().filter(|model| model["supportedGenerationMethods"][0] == "generateContent");
    let names: Vec<&str> = texts.map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, MODELS.map(|model| format!("models/gemini-{model}")));
    assert_eq!(models[0]["inputTokenLimit"], 1_048_576);
}
