//! The client against a provider that misbehaves in every known way.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use llm_api_domain::{Clock, Timestamp, WireFamily};
use llm_api_upstream::{
    Api, Auth, Call, Client, Endpoint, EventStream, ListedModel, Origin, Reply, TimeoutPhase, UnreachableReason,
    UpstreamConfig, UpstreamError,
};
use support::{Server, Step, answer, chunk, json, last_chunk, stream_head};

const COMPLETION: &str =
    r#"{"model":"m-1","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#;
const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
const SECRET: &str = "Zq8rT2vWx4YzAb";

fn client_with(change: impl FnOnce(&mut UpstreamConfig)) -> Client {
    let mut config = UpstreamConfig {
        first_byte_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
        // The moment of RFC 9110's own example.
        clock: Clock::manual(Timestamp::from_micros(784_111_777_000_000)),
        ..UpstreamConfig::default()
    };
    change(&mut config);
    Client::new(&config).expect("a client")
}

fn client() -> Client {
    client_with(|_| {})
}

async fn ask(client: &Client, endpoint: &Endpoint, accept_stream: bool) -> Result<Reply, UpstreamError> {
    let auth = Auth::key(SECRET);
    let body = Bytes::from_static(BODY.as_bytes());
    let family = WireFamily::OpenaiChat;
    let api = Api::of_family(family).expect("callable");
    let call = Call { endpoint, family, api, model: "m", auth: Some(&auth), body, accept_stream, pass_on: None };
    client.chat(call).await
}

async fn models_of(client: &Client, server: &Server, auth: Option<&Auth>) -> Result<Vec<ListedModel>, UpstreamError> {
    client.models(&server.endpoint(), WireFamily::OpenaiChat, auth).await
}

/// What a single answer leads to.
async fn error_for(step: Step) -> UpstreamError {
    let server = Server::start(vec![vec![Step::Read, step]]).await;
    let error = ask(&client(), &server.endpoint(), true).await.expect_err("an error");
    assert_eq!(server.connections(), 1, "an answered request is not sent again");
    error
}

async fn stream_of(client: &Client, server: &Server) -> EventStream {
    match ask(client, &server.endpoint(), true).await {
        Ok(Reply::Stream(stream)) => stream,
        other => panic!("no stream: {other:?}"),
    }
}

async fn next_text(stream: &mut EventStream) -> String {
    let event = stream.next().await.expect("an event").expect("no error");
    String::from_utf8(event.to_vec()).expect("text")
}

fn unreachable(reason: UnreachableReason) -> UpstreamError {
    UpstreamError::Unreachable { reason }
}

#[tokio::test]
async fn a_completion_comes_back_whole_and_the_connection_is_kept() {
    let script =
        vec![Step::Read, json("200 OK", COMPLETION), Step::Read, json("200 OK", COMPLETION), Step::UntilClosed];
    let server = Server::start(vec![script]).await;
    let client = client();
    for _ in 0..2 {
        let Ok(Reply::Complete(completion)) = ask(&client, &server.endpoint(), false).await else {
            panic!("no completion")
        };
        assert_eq!((completion.text.as_str(), completion.model.as_deref()), ("Hi", Some("m-1")));
    }
    assert_eq!(server.connections(), 1);
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n") && request.ends_with(BODY), "{request}");
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = Endpoint::operator(&format!("http://{}", listener.local_addr().expect("bound"))).expect("valid");
    drop(listener);
    assert_eq!(ask(&client(), &endpoint, false).await.expect_err("refused"), unreachable(UnreachableReason::Refused));
}

#[tokio::test]
async fn a_connection_that_closes_before_the_head_is_asked_again() {
    let server = Server::start(vec![
        vec![Step::Read, Step::Reset],
        vec![Step::Read],
        vec![Step::Read, json("200 OK", COMPLETION)],
    ])
    .await;
    assert!(ask(&client(), &server.endpoint(), false).await.is_ok());
    assert_eq!((server.connections(), server.requests().len()), (3, 3));
}

#[tokio::test]
async fn three_tries_are_enough() {
    for script in [vec![Step::Read, Step::Reset], vec![Step::Read]] {
        let server = Server::start(vec![script; 4]).await;
        let error = ask(&client(), &server.endpoint(), false).await.expect_err("always closed");
        assert_eq!(error, unreachable(UnreachableReason::Reset));
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_silent_provider_times_out_and_is_not_asked_again() {
    let mut server = Server::start(vec![vec![Step::Read, Step::UntilClosed]]).await;
    let client = client_with(|config| config.first_byte_timeout = Duration::from_millis(150));
    let error = ask(&client, &server.endpoint(), true).await.expect_err("silence");
    assert_eq!(error, UpstreamError::Timeout { phase: TimeoutPhase::FirstByte });
    server.client_closed().await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_completion_that_stalls_or_breaks_is_not_asked_again() {
    let head =
        || Step::Write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{".to_vec());
    let server = Server::start(vec![vec![Step::Read, head(), Step::UntilClosed]]).await;
    let client = client_with(|config| config.idle_timeout = Duration::from_millis(150));
    let error = ask(&client, &server.endpoint(), false).await.expect_err("stalled");
    assert_eq!(error, UpstreamError::Timeout { phase: TimeoutPhase::Body });
    let total = client_with(|config| config.total_timeout = Duration::from_millis(150));
    let server = Server::start(vec![vec![Step::Read, head(), Step::UntilClosed]]).await;
    let error = ask(&total, &server.endpoint(), false).await.expect_err("stalled");
    assert_eq!(error, UpstreamError::Timeout { phase: TimeoutPhase::Body });
    assert!(matches!(error_for(head()).await, UpstreamError::Died { .. }));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(vec![vec![Step::Read, json("200 OK", COMPLETION)]]).await;
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let error = error_for(answer(status, &format!("location: http://{}/\r\n", other.address), "")).await;
        assert!(matches!(error, UpstreamError::BadResponse { .. }), "{error:?}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn answers_that_cannot_be_used() {
    let typed = |kind: &str, body| answer("200 OK", &format!("content-type: {kind}\r\n"), body);
    for step in [
        typed("text/html", "<html>"),
        typed("text/plain", COMPLETION),
        typed("application/json", "{\"choices\":"),
        typed("application/json", "<html>"),
        typed("application/json", ""),
        answer("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", COMPLETION),
        answer("304 Not Modified", "", ""),
        Step::Write(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
    ] {
        let error = error_for(step).await;
        assert!(matches!(error, UpstreamError::BadResponse { .. }), "{error:?}");
    }
    let server = Server::start(vec![vec![Step::Read, stream_head(), last_chunk()]]).await;
    let error = ask(&client(), &server.endpoint(), false).await.expect_err("no stream was asked for");
    assert!(matches!(error, UpstreamError::BadResponse { .. }), "{error:?}");
}

#[tokio::test]
async fn too_large_a_body_is_not_read() {
    let client = client_with(|config| config.max_body_bytes = 100);
    let large = format!("{}{COMPLETION}", " ".repeat(100));
    let chunked = Step::Write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    );
    for script in [vec![Step::Read, json("200 OK", &large)], vec![Step::Read, chunked, chunk("{\"a\":"), chunk(&large)]]
    {
        let server = Server::start(vec![script]).await;
        let error = ask(&client, &server.endpoint(), false).await.expect_err("too large");
        assert_eq!(error, UpstreamError::BadResponse { reason: "it is larger than 100 bytes".to_owned() });
    }
}

#[tokio::test]
async fn a_rejected_key_is_told_and_never_repeated() {
    let body = format!(r#"{{"error":{{"message":"Bad key: {SECRET}","type":"auth","code":"invalid_api_key"}}}}"#);
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let error = error_for(json(status, &body)).await;
        assert!(!format!("{error:?} {error}").contains(SECRET));
        let UpstreamError::KeyRejected { status: code, detail } = error else { panic!("{error:?}") };
        assert!(status.starts_with(&code.to_string()));
        assert_eq!((detail.message.as_str(), detail.code.as_deref()), ("Bad key: [redacted]", Some("invalid_api_key")));
    }
    let auth = Auth::key("line\nbreak");
    let server = Server::start(vec![]).await;
    let error = models_of(&client(), &server, Some(&auth)).await.expect_err("cannot be sent");
    assert!(matches!(error, UpstreamError::KeyRejected { .. }));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn limits_tell_when_to_come_back() {
    let limited = |header: &str, body| {
        answer("429 Too Many Requests", &format!("content-type: application/json\r\n{header}"), body)
    };
    for (header, seconds) in
        [("retry-after: 7\r\n", Some(7)), ("retry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n", Some(60)), ("", None)]
    {
        let error = error_for(limited(header, r#"{"error":{"message":"slow down"}}"#)).await;
        let UpstreamError::RateLimited { retry_after, insufficient_quota, detail } = error else { panic!("{error:?}") };
        assert_eq!((retry_after, insufficient_quota), (seconds.map(Duration::from_secs), false));
        assert_eq!(detail.message, "slow down");
    }
    let dry = limited("", r#"{"error":{"message":"pay","type":"insufficient_quota"}}"#);
    for step in [dry, json("402 Payment Required", "{}")] {
        assert!(matches!(error_for(step).await, UpstreamError::RateLimited { insufficient_quota: true, .. }));
    }
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let refused = error_for(json("400 Bad Request", r#"{"error":{"message":"no","param":"top_p"}}"#)).await;
    let UpstreamError::Refused { status: 400, detail } = refused else { panic!("{refused:?}") };
    assert_eq!(detail.param.as_deref(), Some("top_p"));
    let failed = error_for(answer("502 Bad Gateway", "content-type: text/html\r\n", "<html>secret page</html>")).await;
    let UpstreamError::Failed { status: 502, detail } = failed else { panic!("{failed:?}") };
    assert_eq!(detail.message, "an HTML page");
    let empty = error_for(answer("503 Service Unavailable", "", "")).await;
    assert!(matches!(&empty, UpstreamError::Failed { detail, .. } if detail.message == "HTTP 503 Service Unavailable"));
    let hidden = error_for(json("200 OK", r#"{"error":{"message":"busy","code":429}}"#)).await;
    assert!(matches!(hidden, UpstreamError::RateLimited { .. }));
}

#[tokio::test]
async fn a_stream_is_handed_on_event_by_event_and_its_connection_is_kept() {
    let script = || {
        vec![
            Step::Read,
            stream_head(),
            chunk("data: 1\n"),
            Step::Wait,
            chunk("\n: beat\n\nda"),
            chunk("ta: [DONE]\n\n"),
            last_chunk(),
        ]
    };
    let server = Server::start(vec![[script(), script(), vec![Step::UntilClosed]].concat()]).await;
    let client = client();
    for _ in 0..2 {
        let mut stream = stream_of(&client, &server).await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream; charset=utf-8");
        server.release();
        for expected in ["data: 1\n\n", ": beat\n\n", "data: [DONE]\n\n"] {
            assert_eq!(next_text(&mut stream).await, expected);
        }
        assert_eq!(stream.next().await, None);
        assert_eq!(stream.next().await, None);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stream_that_breaks_is_seen_to_break() {
    let close_delimited =
        Step::Write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\ndata: {\"cu".to_vec());
    for script in [
        vec![Step::Read, stream_head(), chunk("data: 1\n\ndata: {\"cu")],
        vec![Step::Read, stream_head(), chunk("data: 1\n\n")],
        vec![Step::Read, stream_head(), chunk("data: 1\n\n"), Step::Wait, Step::Reset],
        vec![Step::Read, stream_head(), chunk("data: 1\n\ndata: {\"cu"), last_chunk()],
        vec![Step::Read, close_delimited],
    ] {
        let server = Server::start(vec![script]).await;
        let mut stream = stream_of(&client(), &server).await;
        assert_eq!(next_text(&mut stream).await, "data: 1\n\n");
        server.release();
        let error = stream.next().await.expect("an end that is no clean one").expect_err("broken");
        assert!(matches!(error, UpstreamError::Died { .. }), "{error:?}");
        assert_eq!(stream.next().await, None);
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_sloppy_end_is_still_an_end() {
    for last in ["data: [DONE]\n", "data: [DONE]"] {
        let server = Server::start(vec![vec![Step::Read, stream_head(), chunk(last), last_chunk()]]).await;
        let mut stream = stream_of(&client(), &server).await;
        assert_eq!(next_text(&mut stream).await, "data: [DONE]\n\n");
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn a_stream_that_stalls_is_closed() {
    for change in [(|config| config.idle_timeout = Duration::from_millis(150)) as fn(&mut UpstreamConfig), |config| {
        config.total_timeout = Duration::from_millis(300);
    }] {
        let mut server =
            Server::start(vec![vec![Step::Read, stream_head(), chunk("data: 1\n\n"), Step::UntilClosed]]).await;
        let mut stream = stream_of(&client_with(change), &server).await;
        assert_eq!(next_text(&mut stream).await, "data: 1\n\n");
        let error = stream.next().await.expect("an end").expect_err("stalled");
        assert!(matches!(error, UpstreamError::Died { .. }), "{error:?}");
        server.client_closed().await;
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn waiting_in_slices_does_not_restart_the_clock() {
    let server = Server::start(vec![vec![Step::Read, stream_head(), Step::UntilClosed]]).await;
    let client = client_with(|config| config.idle_timeout = Duration::from_millis(200));
    let mut stream = stream_of(&client, &server).await;
    // As a caller does that sends heartbeats meanwhile.
    let mut slices = 0;
    let error = loop {
        match tokio::time::timeout(Duration::from_millis(20), stream.next()).await {
            Ok(event) => break event.expect("an end").expect_err("stalled"),
            Err(_) => slices += 1,
        }
        assert!(slices < 500, "the clock starts anew with every slice");
    };
    assert!(slices > 0 && matches!(error, UpstreamError::Died { .. }));
}

#[tokio::test]
async fn too_long_a_line_ends_the_stream() {
    let server = Server::start(vec![vec![
        Step::Read,
        stream_head(),
        chunk("data: 1\n\n"),
        chunk(&"x".repeat(300)),
        Step::UntilClosed,
    ]])
    .await;
    let mut stream = stream_of(&client_with(|config| config.max_line_bytes = 200), &server).await;
    assert_eq!(next_text(&mut stream).await, "data: 1\n\n");
    let error = stream.next().await.expect("an end").expect_err("too long");
    assert!(matches!(error, UpstreamError::BadResponse { .. }), "{error:?}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let mut server =
        Server::start(vec![vec![Step::Read, stream_head(), chunk("data: 1\n\n"), Step::UntilClosed]]).await;
    let mut stream = stream_of(&client(), &server).await;
    assert_eq!(next_text(&mut stream).await, "data: 1\n\n");
    drop(stream);
    server.client_closed().await;
}

#[tokio::test]
async fn models_are_listed() {
    let list = r#"{"data":[{"id":"a"},{"object":"no id"},{"id":"b","max_model_len":4096}]}"#;
    let script = vec![
        Step::Read,
        json("200 OK", list),
        Step::Read,
        json("200 OK", r#"[{"id":"c"}]"#),
        Step::Read,
        json("200 OK", "{}"),
    ];
    let server = Server::start(vec![script]).await;
    let client = client();
    let models = models_of(&client, &server, None).await.expect("a list");
    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(models[1].context_length, Some(4096));
    assert_eq!(models_of(&client, &server, None).await.expect("a bare list")[0].id, "c");
    assert!(matches!(models_of(&client, &server, None).await, Err(UpstreamError::BadResponse { .. })));
    assert!(server.requests()[0].starts_with("GET /v1/models HTTP/1.1\r\n"));
    assert!(!server.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn an_origin_that_the_operator_allows_is_reached_inside() {
    let server = Server::start(vec![vec![Step::Read, json("200 OK", COMPLETION)]]).await;
    let base_url = format!("http://{}/v1", server.address);
    assert!(Endpoint::user(&base_url, &[]).is_err());
    let allow = [Origin::parse(&format!("http://{}", server.address)).expect("an origin")];
    let allowed = Endpoint::user(&base_url, &allow).expect("allowed");
    assert!(ask(&client(), &allowed, false).await.is_ok());
}

#[tokio::test]
async fn an_unknown_name_is_a_dns_failure() {
    let endpoint = Endpoint::operator("http://no-such-host.invalid/v1").expect("valid");
    assert_eq!(ask(&client(), &endpoint, false).await.expect_err("unknown"), unreachable(UnreachableReason::Dns));
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let server = Server::start(vec![vec![Step::Write(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]]).await;
    let endpoint = Endpoint::operator(&format!("https://{}/v1", server.address)).expect("valid");
    assert_eq!(ask(&client(), &endpoint, false).await.expect_err("no TLS"), unreachable(UnreachableReason::Tls));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_operators_proxy_is_used_and_users_endpoints_go_past_it() {
    let proxy = Server::start(vec![vec![Step::Read, json("200 OK", COMPLETION)]]).await;
    let client = client_with(|config| config.proxy = format!("http://{}", proxy.address).parse().ok());
    let endpoint = Endpoint::operator("http://provider.invalid/v1").expect("valid");
    assert!(ask(&client, &endpoint, false).await.is_ok());
    assert!(proxy.requests()[0].starts_with("POST http://provider.invalid/v1/chat/completions HTTP/1.1\r\n"));
    let endpoint = Endpoint::user("https://provider.invalid/v1", &[]).expect("valid");
    assert_eq!(ask(&client, &endpoint, false).await.expect_err("unknown"), unreachable(UnreachableReason::Dns));
    assert_eq!(proxy.connections(), 1);
}

/// Runs itself once more with the proxy in its environment, which no process can set for itself safely.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tells the inner run where to call")]
async fn a_proxy_in_the_environment_is_ignored() {
    const TARGET: &str = "UPSTREAM_TEST_TARGET";
    if let Ok(target) = std::env::var(TARGET) {
        let endpoint = Endpoint::operator(&target).expect("valid");
        ask(&client(), &endpoint, false).await.expect("an answer from the target itself");
        return;
    }
    let target = Server::start(vec![vec![Step::Read, json("200 OK", COMPLETION)]]).await;
    let proxy = Server::start(vec![]).await;
    let proxy_url = format!("http://{}", proxy.address);
    let mut inner = tokio::process::Command::new(std::env::current_exe().expect("this test"));
    inner.args(["--exact", "a_proxy_in_the_environment_is_ignored"]).env(TARGET, target.endpoint().base_url());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        inner.env(name, &proxy_url);
    }
    inner.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = inner.output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((target.requests().len(), proxy.connections()), (1, 0));
}
