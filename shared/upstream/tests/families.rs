//! The client against each family's provider: plain, streamed, refused, and broken off.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use llm_api_domain::WireFamily;
use llm_api_translate::Format;
use llm_api_upstream::{Api, Auth, Call, Client, Endpoint, Reply, StreamReader, UpstreamConfig, UpstreamError};
use support::{Server, Step, answer, chunk, json, last_chunk, stream_head};

const SECRET: &str = "Zq8rT2vWx4YzAb";

/// What one family's provider does.
struct Provider {
    family: WireFamily,
    base: &'static str,
    /// The request line for a plain call and for a streamed one.
    lines: [&'static str; 2],
    credential: &'static str,
    plain: &'static str,
    stream: &'static str,
    /// A body that rejects the key, and its status.
    rejected: (&'static str, &'static str),
    limited: &'static str,
    /// An error in place of an event.
    failed_event: &'static str,
}

const OPENAI_PLAIN: &str = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
const OPENAI_STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n";
const OPENAI_REJECTED: (&str, &str) =
    ("401 Unauthorized", r#"{"error":{"code":"invalid_api_key","message":"Bad key Zq8rT2vWx4YzAb"}}"#);
const OPENAI_LIMITED: &str = r#"{"error":{"code":"rate_limit_exceeded","message":"slow down"}}"#;
const OPENAI_FAILED: &str = "data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n";

const PROVIDERS: [Provider; 4] = [
    Provider {
        family: WireFamily::OpenaiChat,
        base: "/v1",
        lines: ["POST /v1/chat/completions ", "POST /v1/chat/completions "],
        credential: "authorization: Bearer Zq8rT2vWx4YzAb\r\n",
        plain: OPENAI_PLAIN,
        stream: OPENAI_STREAM,
        rejected: OPENAI_REJECTED,
        limited: OPENAI_LIMITED,
        failed_event: OPENAI_FAILED,
    },
    Provider {
        family: WireFamily::AzureOpenai,
        base: "",
        lines: ["POST /openai/deployments/m%2F1/chat/completions?api-version=2024-10-21 "; 2],
        credential: "api-key: Zq8rT2vWx4YzAb\r\n",
        plain: OPENAI_PLAIN,
        stream: OPENAI_STREAM,
        rejected: OPENAI_REJECTED,
        limited: OPENAI_LIMITED,
        failed_event: OPENAI_FAILED,
    },
    Provider {
        family: WireFamily::AnthropicMessages,
        base: "/v1",
        lines: ["POST /v1/messages ", "POST /v1/messages "],
        credential: "x-api-key: Zq8rT2vWx4YzAb\r\nanthropic-version: 2023-06-01\r\n",
        plain: r#"{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":11,"output_tokens":7}}"#,
        stream: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        rejected: (
            "401 Unauthorized",
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key Zq8rT2vWx4YzAb"}}"#,
        ),
        limited: r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#,
        failed_event: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    },
    Provider {
        family: WireFamily::GoogleGemini,
        base: "/v1beta",
        lines: [
            "POST /v1beta/models/m%2F1:generateContent ",
            "POST /v1beta/models/m%2F1:streamGenerateContent?alt=sse ",
        ],
        credential: "x-goog-api-key: Zq8rT2vWx4YzAb\r\n",
        plain: r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,"totalTokenCount":18}}"#,
        stream: "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"H\"}]}}]}\r\n\r\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"i\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":7,\"totalTokenCount\":18}}\r\n\r\n",
        rejected: (
            "400 Bad Request",
            r#"{"error":{"code":400,"message":"API key not valid: Zq8rT2vWx4YzAb","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
        ),
        limited: r#"[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}]"#,
        failed_event: "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n",
    },
];

fn client() -> Client {
    Client::new(&UpstreamConfig { idle_timeout: Duration::from_secs(20), ..UpstreamConfig::default() })
        .expect("a client")
}

fn format(family: WireFamily) -> Format {
    match Api::of_family(family) {
        Some(Api::Reply(format)) => format,
        _ => Format::OpenaiChat,
    }
}

async fn ask(server: &Server, provider: &Provider, auth: &Auth, accept_stream: bool) -> Result<Reply, UpstreamError> {
    let endpoint = server.endpoint_at(provider.base);
    let body = Bytes::from_static(b"{\"x\":1}");
    let call = Call {
        endpoint: &endpoint,
        family: provider.family,
        api: Api::Reply(format(provider.family)),
        model: "m/1",
        auth: Some(auth),
        body,
        accept_stream,
        pass_on: None,
    };
    client().chat(call).await
}

/// The text of a stream, and how it ended.
async fn read(reply: Reply, family: WireFamily) -> (String, Option<i64>, Result<(), UpstreamError>) {
    let Reply::Stream(mut events) = reply else { panic!("no stream: {reply:?}") };
    let (mut reader, mut text, mut total) = (StreamReader::new(format(family)), String::new(), None);
    let mut is_over = false;
    loop {
        let event = match events.next().await {
            Some(Ok(event)) => event,
            Some(Err(error)) => return (text, total, Err(error)),
            None if is_over || reader.end().is_some() => return (text, total, Ok(())),
            None => return (text, total, Err(UpstreamError::Died { reason: "no end".to_owned() })),
        };
        match reader.read(&event, None) {
            Ok(step) => {
                is_over |= step.is_last;
                text.extend(step.text);
                total = step.usage.map_or(total, |usage| usage.total_tokens);
            }
            Err(error) => return (text, total, Err(error)),
        }
    }
}

#[tokio::test]
async fn a_plain_answer_is_read() {
    for provider in PROVIDERS {
        let server = Server::start(vec![vec![Step::Read, json("200 OK", provider.plain)]]).await;
        let reply = ask(&server, &provider, &Auth::key(SECRET), false).await;
        let Ok(Reply::Complete(completion)) = reply else { panic!("no completion: {reply:?}") };
        assert_eq!((completion.text.as_str(), completion.finish_reason.as_deref()), ("Hi", Some("stop")));
        assert_eq!(completion.usage.total_tokens, Some(18));
        let request = &server.requests()[0];
        assert!(request.starts_with(provider.lines[0]), "{request}");
        assert!(request.contains(provider.credential) && request.ends_with("{\"x\":1}"), "{request}");
        assert_eq!(request.matches(SECRET).count(), 1, "once, in its header: {request}");
    }
}

#[tokio::test]
async fn a_stream_is_read() {
    for provider in PROVIDERS {
        let server = Server::start(vec![vec![Step::Read, stream_head(), chunk(provider.stream), last_chunk()]]).await;
        let reply = ask(&server, &provider, &Auth::oauth_token(SECRET), true).await.expect("a stream");
        assert_eq!(read(reply, provider.family).await, ("Hi".to_owned(), Some(18), Ok(())));
        let request = &server.requests()[0];
        assert!(
            request.starts_with(provider.lines[1]) && request.contains("accept: text/event-stream\r\n"),
            "{request}"
        );
        assert!(request.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{request}");
        let is_anthropic = provider.family == WireFamily::AnthropicMessages;
        assert_eq!(request.contains("anthropic-beta: oauth-2025-04-20\r\n"), is_anthropic, "{request}");
    }
}

#[tokio::test]
async fn a_rejected_key_is_told_and_never_repeated() {
    for provider in PROVIDERS {
        let (status, body) = provider.rejected;
        let server = Server::start(vec![vec![Step::Read, json(status, body)]]).await;
        let error = ask(&server, &provider, &Auth::key(SECRET), true).await.expect_err("rejected");
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error}");
        assert!(matches!(error, UpstreamError::KeyRejected { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_limit_tells_when_to_come_back() {
    for provider in PROVIDERS {
        let is_google = provider.family == WireFamily::GoogleGemini;
        // Google tells it in the body alone.
        let header = if is_google { "" } else { "retry-after: 7\r\n" };
        let headers = format!("content-type: application/json\r\n{header}");
        let step = answer("429 Too Many Requests", &headers, provider.limited);
        let server = Server::start(vec![vec![Step::Read, step]]).await;
        let error = ask(&server, &provider, &Auth::key(SECRET), false).await.expect_err("limited");
        let UpstreamError::RateLimited { retry_after, insufficient_quota: false, detail } = error else {
            panic!("{error:?}")
        };
        assert_eq!((retry_after, detail.message.as_str()), (Some(Duration::from_secs(7)), "slow down"));
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_is_the_providers() {
    for provider in PROVIDERS {
        let (first, _) =
            provider.stream.split_at(provider.stream.find("Hi").or(provider.stream.find("\"i\"")).expect("text"));
        let first = first.rfind("\n\n").or(first.rfind("\r\n\r\n").map(|at| at + 2)).map_or("", |at| &first[..at + 2]);
        let script = vec![Step::Read, stream_head(), chunk(&format!("{first}{}", provider.failed_event)), last_chunk()];
        let server = Server::start(vec![script]).await;
        let reply = ask(&server, &provider, &Auth::key(SECRET), true).await.expect("a stream");
        let error = read(reply, provider.family).await.2.expect_err("an error");
        assert!(error.is_overloaded(), "{error:?}");
    }
}

#[tokio::test]
async fn an_error_under_a_success_is_an_error() {
    for provider in PROVIDERS {
        let body = provider.failed_event.split_once("data: ").expect("data").1.trim();
        let server = Server::start(vec![vec![Step::Read, json("200 OK", body)]]).await;
        let error = ask(&server, &provider, &Auth::key(SECRET), false).await.expect_err("an error");
        assert!(error.is_overloaded(), "{error:?}");
    }
}

#[tokio::test]
async fn a_stream_that_dies_is_seen_to_die() {
    for provider in PROVIDERS {
        // After its first event: once by a clean end of the body, once by a broken connection.
        let first =
            provider.stream.find("\n\n").or(provider.stream.find("\r\n\r\n").map(|at| at + 2)).expect("an event");
        let begun = || vec![Step::Read, stream_head(), chunk(&provider.stream[..first + 2])];
        for end in [Some(last_chunk()), None] {
            let script = begun().into_iter().chain(end).collect();
            let server = Server::start(vec![script]).await;
            let reply = ask(&server, &provider, &Auth::key(SECRET), true).await.expect("a stream");
            let ended = read(reply, provider.family).await.2;
            assert!(matches!(ended, Err(UpstreamError::Died { .. })), "{:?} {ended:?}", provider.family);
        }
    }
}

#[tokio::test]
async fn a_blocked_prompt_is_a_refusal() {
    let provider = &PROVIDERS[3];
    let body = r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#;
    let server = Server::start(vec![vec![Step::Read, json("200 OK", body)]]).await;
    let error = ask(&server, provider, &Auth::key(SECRET), false).await.expect_err("blocked");
    assert!(matches!(&error, UpstreamError::Refused { status: 400, .. }), "{error:?}");
    assert!(error.to_string().contains("SAFETY"), "{error}");
}

#[tokio::test]
async fn anthropics_own_statuses_are_understood() {
    let anthropic = &PROVIDERS[2];
    let overloaded = json("529 ", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
    let server = Server::start(vec![vec![Step::Read, overloaded]]).await;
    let error = ask(&server, anthropic, &Auth::key(SECRET), false).await.expect_err("overloaded");
    assert!(matches!(&error, UpstreamError::Failed { status: 529, .. }) && error.is_overloaded(), "{error:?}");
    let dry = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    let server = Server::start(vec![vec![Step::Read, json("400 Bad Request", dry)]]).await;
    let error = ask(&server, anthropic, &Auth::key(SECRET), false).await.expect_err("dry");
    assert!(matches!(error, UpstreamError::RateLimited { insufficient_quota: true, .. }), "{error:?}");
}

#[tokio::test]
async fn azures_newer_api_has_the_model_in_the_body() {
    let server = Server::start(vec![vec![Step::Read, json("200 OK", OPENAI_PLAIN)]]).await;
    let provider = Provider { base: "/openai/v1", ..PROVIDERS[1] };
    ask(&server, &provider, &Auth::key(SECRET), false).await.expect("an answer");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /openai/v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"model":"m/1","x":1}"#), "{request}");
}

async fn list(server: &Server, provider: &Provider) -> Result<Vec<String>, UpstreamError> {
    let auth = Auth::key(SECRET);
    let models = client().models(&server.endpoint_at(provider.base), provider.family, Some(&auth)).await?;
    Ok(models.into_iter().map(|model| model.id).collect())
}

#[tokio::test]
async fn lists_of_models_are_read_page_by_page() {
    let pages = [
        r#"{"data":[{"type":"model","id":"claude-a"}],"has_more":true,"last_id":"claude-a"}"#,
        r#"{"data":[{"type":"model","id":"claude-b"}],"has_more":false,"last_id":"claude-b"}"#,
    ];
    let script = pages.iter().flat_map(|page| [Step::Read, json("200 OK", page)]).collect();
    let server = Server::start(vec![script]).await;
    assert_eq!(list(&server, &PROVIDERS[2]).await, Ok(vec!["claude-a".to_owned(), "claude-b".to_owned()]));
    let lines: Vec<_> =
        server.requests().iter().map(|request| request.lines().next().unwrap_or("").to_owned()).collect();
    let expected = ["GET /v1/models?limit=1000 HTTP/1.1", "GET /v1/models?limit=1000&after_id=claude-a HTTP/1.1"];
    assert_eq!(lines, expected);

    let page = r#"{"models":[{"name":"models/gemini-x","supportedGenerationMethods":["generateContent"]}],"nextPageToken":"t"}"#;
    let script = (0..9).flat_map(|_| [Step::Read, json("200 OK", page)]).collect();
    let server = Server::start(vec![script]).await;
    assert_eq!(list(&server, &PROVIDERS[3]).await.map(|models| models.len()), Ok(5), "a list without end is cut");
    assert!(server.requests()[4].starts_with("GET /v1beta/models?pageSize=1000&pageToken=t HTTP/1.1\r\n"));
    assert!(!server.requests()[4].contains("key="));

    let server = Server::start(vec![vec![Step::Read, json("200 OK", r#"{"data":[{"id":"gpt-4o"}]}"#)]]).await;
    assert_eq!(list(&server, &PROVIDERS[1]).await, Ok(vec![]));
    assert!(server.requests()[0].starts_with("GET /openai/models?api-version=2024-10-21 HTTP/1.1\r\n"));

    let (status, body) = PROVIDERS[3].rejected;
    let server = Server::start(vec![vec![Step::Read, json(status, body)]]).await;
    assert!(matches!(list(&server, &PROVIDERS[3]).await, Err(UpstreamError::KeyRejected { .. })));
}

#[tokio::test]
async fn what_has_no_wire_format_is_not_called() {
    let server = Server::start(vec![]).await;
    let provider = Provider { family: WireFamily::Unsupported, ..PROVIDERS[0] };
    for accept_stream in [false, true] {
        assert!(ask(&server, &provider, &Auth::key(SECRET), accept_stream).await.is_err());
    }
    assert!(list(&server, &provider).await.is_err());
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_default_addresses_are_the_documented_ones() {
    for provider in llm_api_domain::ProviderId::ALL {
        if let Some(base) = provider.default_base_url() {
            assert!(Endpoint::user(base, &[]).is_ok(), "{provider}");
        }
    }
}
