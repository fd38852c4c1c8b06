//! What is asked of providers beside text: images, balances, Ollama's models, the hub.
#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::time::Duration;

use llm_api_upstream::{Auth, Client, HubQuery, ImageApi, ImageCall, PullProgress, UpstreamConfig, UpstreamError};
use serde_json::{Map, Value, json as value};
use support::{Server, Step, answer, chunk, json, last_chunk};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SECRET: &str = "Zq8rT2vWx4YzAb";

fn client_with(change: impl FnOnce(&mut UpstreamConfig)) -> Client {
    let mut config = UpstreamConfig { idle_timeout: Duration::from_secs(20), ..UpstreamConfig::default() };
    change(&mut config);
    Client::new(&config).expect("a client")
}

fn client() -> Client {
    client_with(|_| {})
}

async fn one(step: Step) -> Server {
    Server::start(vec![vec![Step::Read, step]]).await
}

/// The body of the first request.
fn body(server: &Server) -> Value {
    let request = server.requests()[0].clone();
    serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

async fn images(server: &Server, api: ImageApi, model: &str) -> Result<Vec<(usize, &'static str)>, UpstreamError> {
    let (endpoint, auth) = (server.endpoint(), Auth::key(SECRET));
    let parameters = Map::from_iter([("seed".to_owned(), 7.into())]);
    let call = ImageCall { endpoint: &endpoint, api, model, auth: Some(&auth), prompt: "A boat", parameters };
    let images = client().images(call).await?;
    Ok(images.iter().map(|image| (image.bytes.len(), image.content_type)).collect())
}

#[tokio::test]
async fn openais_images_are_decoded() {
    let two = format!(r#"{{"created":1,"data":[{{"b64_json":"{PNG}"}},{{"b64_json":"/9j/4AAQ"}}]}}"#);
    let server = one(json("200 OK", &two)).await;
    let made = images(&server, ImageApi::Openai, "dall-e-3").await;
    assert_eq!(made, Ok(vec![(70, "image/png"), (6, "image/jpeg")]));
    assert!(server.requests()[0].starts_with("POST /v1/images/generations HTTP/1.1\r\n"));
    assert!(server.requests()[0].contains(&format!("authorization: Bearer {SECRET}\r\n")));
    let expected = value!({"model": "dall-e-3", "prompt": "A boat", "seed": 7, "response_format": "b64_json"});
    assert_eq!(body(&server), expected);
}

#[tokio::test]
async fn what_is_no_image_is_a_bad_answer() {
    for answer in [
        r#"{"data":[{"url":"https://example.com/a.png"}]}"#,
        r#"{"data":[{"b64_json":"aGVsbG8="}]}"#,
        r#"{"data":[{"b64_json":"%"}]}"#,
        r#"{"data":[]}"#,
        "{}",
        "[]",
    ] {
        let made = images(&one(json("200 OK", answer)).await, ImageApi::Openai, "gpt-image-1").await;
        assert!(matches!(made, Err(UpstreamError::BadResponse { .. })), "{answer} {made:?}");
    }
    let refused = r#"{"error":{"message":"Blocked","code":"content_policy_violation"}}"#;
    for (status, api) in [("400 Bad Request", ImageApi::Openai), ("400 Bad Request", ImageApi::HuggingFace)] {
        let made = images(&one(json(status, refused)).await, api, "m").await;
        assert!(matches!(made, Err(UpstreamError::Refused { status: 400, .. })), "{made:?}");
    }
}

#[tokio::test]
async fn hugging_faces_image_is_the_answer_itself() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: 8\r\n\r\n".to_vec();
    let server = one(Step::Write([head, b"\x89PNG\r\n\x1a\n".to_vec()].concat())).await;
    let made = images(&server, ImageApi::HuggingFace, "stabilityai/sdxl turbo").await;
    assert_eq!(made, Ok(vec![(8, "image/png")]));
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /hf-inference/models/stabilityai/sdxl%20turbo HTTP/1.1\r\n"), "{request}");
    assert_eq!(body(&server), value!({"inputs": "A boat", "parameters": {"seed": 7}}));
    for model in ["../secret", "a//b", ""] {
        let made = images(&server, ImageApi::HuggingFace, model).await;
        assert!(matches!(made, Err(UpstreamError::Refused { .. })), "{model}");
    }
    let loading =
        images(&one(json("200 OK", r#"{"error":"Model is loading"}"#)).await, ImageApi::HuggingFace, "m").await;
    assert!(matches!(loading, Err(UpstreamError::Failed { .. })), "{loading:?}");
    let odd = images(&one(json("200 OK", r#"{"images":[]}"#)).await, ImageApi::HuggingFace, "m").await;
    assert!(matches!(odd, Err(UpstreamError::BadResponse { .. })), "{odd:?}");
    let page = answer("200 OK", "content-type: text/html\r\n", "<html>");
    let page = images(&one(page).await, ImageApi::HuggingFace, "m").await;
    assert!(matches!(page, Err(UpstreamError::BadResponse { .. })), "{page:?}");
    let dry =
        images(&one(json("402 Payment Required", r#"{"error":"credits"}"#)).await, ImageApi::HuggingFace, "m").await;
    assert!(matches!(dry, Err(UpstreamError::RateLimited { insufficient_quota: true, .. })), "{dry:?}");
}

#[tokio::test]
async fn a_balance_is_asked_for_at_the_origin() {
    let server = one(json(
        "200 OK",
        r#"{"is_available":true,"balance_infos":[{"currency":"USD","total_balance":"4.20","granted_balance":"0.00","topped_up_balance":"4.20"}]}"#,
    ))
    .await;
    let balance = client().balance(&server.endpoint(), Some(&Auth::key(SECRET))).await.expect("a balance");
    assert_eq!((balance.is_available, balance.total.as_deref()), (true, Some("4.20 USD")));
    assert!(server.requests()[0].starts_with("GET /user/balance HTTP/1.1\r\n"));
    let odd = client().balance(&one(json("200 OK", "{}")).await.endpoint(), None).await;
    assert!(matches!(odd, Err(UpstreamError::BadResponse { .. })), "{odd:?}");
}

#[tokio::test]
async fn ollama_is_told_from_other_servers() {
    let version = |step| async move { client().ollama_version(&one(step).await.endpoint()).await };
    assert_eq!(version(json("200 OK", r#"{"version":"0.5.1"}"#)).await, Ok(Some("0.5.1".to_owned())));
    for other in [
        json("404 Not Found", "{}"),
        json("200 OK", "{}"),
        json("401 Unauthorized", "{}"),
        answer("200 OK", "content-type: text/html\r\n", "<html>"),
    ] {
        assert_eq!(version(other).await, Ok(None));
    }
    assert!(matches!(version(json("500 Oops", "{}")).await, Err(UpstreamError::Failed { .. })));
    let closed = Server::start(vec![]).await;
    assert!(matches!(client().ollama_version(&closed.endpoint()).await, Err(UpstreamError::Unreachable { .. })));
}

#[tokio::test]
async fn ollamas_models_are_listed_loaded_and_removed() {
    let list = r#"{"models":[{"name":"llama3:8b","size":7,"size_vram":5,"details":{"family":"llama"}}]}"#;
    let done = r#"{"model":"llama3:8b","response":"","done":true,"done_reason":"load"}"#;
    let missing = r#"{"error":"model 'x' not found"}"#;
    let steps = [
        json("200 OK", list),
        json("200 OK", list),
        json("200 OK", done),
        json("200 OK", done),
        json("404 Not Found", missing),
        json("200 OK", r#"{"error":"out of memory"}"#),
        answer("200 OK", "", ""),
    ];
    let server = Server::start(vec![steps.into_iter().flat_map(|step| [Step::Read, step]).collect()]).await;
    let (client, endpoint) = (client(), server.endpoint());
    let loaded = client.ollama_loaded(&endpoint).await.expect("a list");
    assert_eq!((loaded[0].name.as_str(), loaded[0].vram_bytes), ("llama3:8b", Some(5)));
    let pulled = client.ollama_tags(&endpoint).await.expect("a list");
    assert_eq!((pulled[0].size_bytes, pulled[0].details.family.as_deref()), (Some(7), Some("llama")));
    assert_eq!(client.ollama_load(&endpoint, "llama3:8b").await, Ok(()));
    assert_eq!(client.ollama_unload(&endpoint, "llama3:8b").await, Ok(()));
    let unknown = client.ollama_load(&endpoint, "x").await;
    assert!(matches!(unknown, Err(UpstreamError::Refused { status: 404, .. })), "{unknown:?}");
    let full = client.ollama_load(&endpoint, "big").await;
    assert!(matches!(full, Err(UpstreamError::Failed { .. })), "{full:?}");
    assert_eq!(client.ollama_delete(&endpoint, "llama3:8b").await, Ok(()));

    let requests = server.requests();
    let line = |number: usize| requests[number].lines().next().unwrap_or_default().to_owned();
    assert_eq!([line(0), line(1)], ["GET /api/ps HTTP/1.1", "GET /api/tags HTTP/1.1"]);
    assert_eq!([line(2), line(6)], ["POST /api/generate HTTP/1.1", "DELETE /api/delete HTTP/1.1"]);
    assert!(requests[2].ends_with(r#"{"model":"llama3:8b","keep_alive":-1,"stream":false}"#), "{}", requests[2]);
    assert!(requests[3].ends_with(r#"{"model":"llama3:8b","keep_alive":0,"stream":false}"#), "{}", requests[3]);
    assert!(requests[6].ends_with(r#"{"model":"llama3:8b"}"#), "{}", requests[6]);
}

fn ndjson_head() -> Step {
    Step::Write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n".to_vec())
}

/// All progress, and the error where there is one.
async fn pull(client: &Client, server: &Server) -> (Vec<PullProgress>, Option<UpstreamError>) {
    let mut stream = client.ollama_pull(&server.endpoint(), "llama3:8b").await.expect("a stream");
    let mut seen = Vec::new();
    while let Some(progress) = stream.next().await {
        match progress {
            Ok(progress) => seen.push(progress),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (seen, Some(error));
            }
        }
    }
    (seen, None)
}

#[tokio::test]
async fn a_download_tells_how_far_it_is() {
    let text = "{\"status\":\"pulling manifest\"}\n{\"status\":\"pulling 6a\",\"digest\":\"sha256:6a\",\"total\":100,\"completed\":40}\n\n{\"status\":\"success\"}";
    for end in ["", "\n"] {
        let text = format!("{text}{end}");
        for cut in [1, 30, 31, 60, text.len() - 1] {
            let (head, tail) = text.split_at(cut);
            let script = vec![Step::Read, ndjson_head(), chunk(head), chunk(tail), last_chunk()];
            let server = Server::start(vec![script]).await;
            let (seen, error) = pull(&client(), &server).await;
            assert_eq!(error, None);
            let statuses: Vec<_> = seen.iter().map(|progress| progress.status.as_str()).collect();
            assert_eq!(statuses, ["pulling manifest", "pulling 6a", "success"]);
            assert_eq!((seen[1].total, seen[1].completed), (Some(100), Some(40)));
            assert!(server.requests()[0].starts_with("POST /api/pull HTTP/1.1\r\n"));
        }
    }
}

#[tokio::test]
async fn a_download_that_fails_says_so() {
    let long = format!("{{\"status\":\"{}\"}}\n", "x".repeat(70_000));
    for (text, is_expected) in [
        (
            "{\"error\":\"pull model manifest: file does not exist\"}\n",
            (|error| matches!(error, UpstreamError::Failed { .. })) as fn(&UpstreamError) -> bool,
        ),
        ("{\"status\":\"verifying\"}\n", |error| matches!(error, UpstreamError::Died { .. })),
        ("{\"status\":\"cut", |error| matches!(error, UpstreamError::BadResponse { .. })),
        ("{\"odd\":1}\n", |error| matches!(error, UpstreamError::BadResponse { .. })),
        (&long, |error| matches!(error, UpstreamError::BadResponse { .. })),
    ] {
        let server = Server::start(vec![vec![Step::Read, ndjson_head(), chunk(text), last_chunk()]]).await;
        let error = pull(&client(), &server).await.1.expect("an error");
        assert!(is_expected(&error), "{error:?}");
    }
    let missing = one(json("404 Not Found", r#"{"error":"not found"}"#)).await;
    let refused = client().ollama_pull(&missing.endpoint(), "x").await.expect_err("refused");
    assert!(matches!(refused, UpstreamError::Refused { status: 404, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_download_has_no_deadline_but_may_not_stall() {
    let script = vec![Step::Read, ndjson_head(), chunk("{\"status\":\"verifying\"}\n"), Step::UntilClosed];
    let mut server = Server::start(vec![script]).await;
    let client = client_with(|config| {
        config.idle_timeout = Duration::from_millis(300);
        // Less than the idle time: only the answer's head has to come within it.
        config.total_timeout = Duration::from_millis(200);
    });
    let (seen, error) = pull(&client, &server).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(error, Some(UpstreamError::Died { reason: "no bytes came for too long".to_owned() }));
    server.client_closed().await;
}

#[tokio::test]
async fn the_hub_is_searched_page_by_page() {
    let models = r#"[{"id":"a/b","tags":["gguf"],"pipeline_tag":"text-generation","downloads":7}]"#;
    let first = answer(
        "200 OK",
        "content-type: application/json\r\nlink: <https://hub.test/api/models?search=q&cursor=2>; rel=\"next\"\r\n",
        models,
    );
    let server = Server::start(vec![vec![Step::Read, first, Step::Read, json("200 OK", "[]")]]).await;
    let (client, base) = (client(), server.endpoint_at(""));
    let query = HubQuery { base_url: &base, query: "q", pipeline_tag: Some("text-generation"), limit: 1, cursor: None };
    let page = client.hub_search(query).await.expect("a page");
    assert_eq!((page.models[0].id.as_str(), page.next_cursor.as_deref()), ("a/b", Some("2")));
    let last = client.hub_search(HubQuery { cursor: page.next_cursor.as_deref(), ..query }).await.expect("a page");
    assert_eq!((last.models.len(), last.next_cursor), (0, None));
    assert!(
        server.requests()[1]
            .starts_with("GET /api/models?search=q&limit=1&pipeline_tag=text-generation&full=true&cursor=2 ")
    );
    let odd = one(json("200 OK", "{}")).await;
    let Err(error) = client.hub_search(HubQuery { base_url: &odd.endpoint_at(""), ..query }).await else {
        panic!("no list")
    };
    assert!(matches!(error, UpstreamError::BadResponse { .. }), "{error:?}");
}
