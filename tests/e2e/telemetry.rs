//! What operators watch: the figures of `/metrics` with the dashboard and the alerts made for them, and what a collector
//! is told.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use llm_api_testkit::{FakeCollector, Http, LambdaRuntime, each_db, free_port, target_binary};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value},
    metrics::v1::metric,
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, chat, eventually, get, question, sign_in, store_key};

const API_KEY: &str = "a-static-key-of-more-than-32-letters";
const PROVIDER_KEY: &str = "sk-a-secret-of-the-provider";
const COLLECTOR_KEY: &str = "a-secret-of-the-collector";
const PROMPT: &str = "a prompt that is nobody's business";

async fn page(http: &Http) -> String {
    let reply = http.get("/metrics").header("x-api-key", API_KEY).send().await;
    assert_eq!(reply.status, 200);
    reply.text().await
}

fn samples(page: &str) -> impl Iterator<Item = (&str, f64)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
        (sample, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    })
}

fn name(sample: &str) -> &str {
    sample.split('{').next().unwrap_or(sample)
}

/// `type name label,label` of every family, each once.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: BTreeMap<&str, &str> = types.collect();
    let family = |(sample, _): (&str, f64)| {
        let name = name(sample);
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let stem = stem.filter(|stem| types.contains_key(stem)).unwrap_or(name);
        let kind = types.get(stem).unwrap_or_else(|| panic!("{name} has no type"));
        let labels = sample.split_once('{').map_or("", |(_, labels)| labels);
        let labels: Vec<&str> = labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0)).collect();
        let labels: Vec<&str> = labels.into_iter().filter(|label| *label != "le").collect();
        format!("{kind} {stem} {}", labels.join(",")).trim_end().to_owned()
    };
    samples(page).map(family).collect()
}

/// Our metrics that an expression of Prometheus names.
fn named_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("llm_api_") || word.starts_with("process_"))
}

/// Every `expr` of a JSON document.
fn expressions<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("expr").and_then(Value::as_str));
            members.values().for_each(|member| expressions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// Type, name and labels of all there is.
const FAMILIES: [&str; 33] = [
    "counter llm_api_database_acquire_seconds_total",
    "counter llm_api_database_acquires_total",
    "counter llm_api_error_count",
    "counter llm_api_fallback_count",
    "counter llm_api_http_requests_total method,route,status",
    "counter llm_api_provider_calls_total provider,outcome",
    "counter llm_api_provider_errors_total provider,kind",
    "counter llm_api_provider_fallbacks_total provider",
    "counter llm_api_provider_retries_total",
    "counter llm_api_request_count",
    "counter llm_api_requests_by_provider provider",
    "counter llm_api_tokens_total provider,kind",
    "counter process_cpu_seconds_total",
    "gauge llm_api_build_info database,version",
    "gauge llm_api_database_connections pool,state",
    "gauge llm_api_database_connections_max pool",
    "gauge llm_api_database_up",
    "gauge llm_api_database_waiting",
    "gauge llm_api_frozen",
    "gauge llm_api_http_requests_in_flight",
    "gauge llm_api_http_requests_in_flight_max",
    "gauge llm_api_streams_max",
    "gauge llm_api_streams_open",
    "gauge llm_api_usage_rows_waiting",
    "gauge process_max_fds",
    "gauge process_open_fds",
    "gauge process_resident_memory_bytes",
    "gauge process_start_time_seconds",
    "gauge process_virtual_memory_bytes",
    "histogram llm_api_http_request_duration_seconds method,route",
    "histogram llm_api_provider_call_duration_seconds provider",
    "histogram llm_api_provider_first_event_seconds provider",
    "summary llm_api_latency_ms",
];

each_db! {
    async fn what_the_dashboard_and_the_alerts_name_is_on_the_page(database: Database) {
        let site = Site::with(database, &[("API_KEY", API_KEY)]).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, PROVIDER_KEY).await;
        for (model, streamed, status) in [("echo", false, 200), ("echo", true, 200), ("fails", false, 502)] {
            let reply = chat(&http, &ada, model, streamed).await;
            assert_eq!(reply.status, status);
            reply.bytes().await;
        }
        let open = chat(&http, &ada, "slow-stream", true).await;
        // The sums of the database are written every five seconds.
        let page = eventually("the sums are there", async || {
            Some(page(&http).await).filter(|page| page.contains("llm_api_requests_by_provider{"))
        })
        .await;
        let value = |wanted: &str| samples(&page).find(|(sample, _)| *sample == wanted).map(|(_, value)| value);
        let chat_requests = |class| {
            value(&format!("llm_api_http_requests_total{{method=\"POST\",route=\"/v1/chat/completions\",status=\"{class}\"}}"))
        };
        assert_eq!((chat_requests("2xx"), chat_requests("5xx")), (Some(3.0), Some(1.0)), "{page}");
        assert_eq!((value("llm_api_streams_open"), value("llm_api_frozen")), (Some(1.0), Some(0.0)), "{page}");
        for (sample, expected) in [
            ("llm_api_provider_calls_total{provider=\"openai\",outcome=\"answered\"}", 2.0),
            ("llm_api_provider_calls_total{provider=\"openai\",outcome=\"failed\"}", 1.0),
            ("llm_api_provider_errors_total{provider=\"openai\",kind=\"upstream_error\"}", 1.0),
            ("llm_api_provider_first_event_seconds_count{provider=\"openai\"}", 2.0),
            ("llm_api_provider_call_duration_seconds_count{provider=\"openai\"}", 3.0),
            ("llm_api_database_up", 1.0),
        ] {
            assert_eq!(value(sample), Some(expected), "{sample}\n{page}");
        }
        assert!(value("llm_api_tokens_total{provider=\"openai\",kind=\"output\"}").is_some_and(|count| count > 0.0));
        assert_eq!(families(&page).into_iter().collect::<Vec<_>>(), FAMILIES);

        let there: BTreeSet<&str> = samples(&page).map(|(sample, _)| name(sample)).collect();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
        let dashboard = std::fs::read_to_string(format!("{root}/grafana/llm-api.json")).expect("a file");
        let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
        let mut asked = Vec::new();
        expressions(&dashboard, &mut asked);
        let alerts = std::fs::read_to_string(format!("{root}/prometheus/alerts.yml")).expect("a file");
        asked.extend(alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")));
        assert!(asked.len() > 30, "{asked:?}");
        for expression in &asked {
            for name in named_in(expression) {
                assert!(there.contains(name), "{name} of `{expression}` is not on the page");
            }
        }
        drop(open);
    }

    async fn odd_traffic_does_not_make_the_page_grow(database: Database) {
        let site = Site::with(database, &[("API_KEY", API_KEY)]).await;
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, PROVIDER_KEY).await;
        let round = async |number: u32| {
            for odd in 0..10 {
                let odd = number * 100 + odd;
                get(&http, &ada, &format!("/nowhere/{odd}")).await.bytes().await;
                get(&http, &ada, &format!("/v1/sessions/{}", uuid::Uuid::from_u128(odd.into()))).await.bytes().await;
                let method = Method::from_bytes(format!("BREW{odd}").as_bytes()).expect("a method");
                http.request(method, "/v1/models").bearer(&ada).send().await.bytes().await;
                chat(&http, &ada, &format!("made-up-{odd}"), false).await.bytes().await;
            }
            let page = page(&http).await;
            samples(&page).map(|(sample, _)| sample.to_owned()).collect::<BTreeSet<String>>()
        };
        // What a page adds for itself is there from the second one on.
        round(0).await;
        let (first, second) = (round(1).await, round(2).await);
        assert_eq!(second.difference(&first).collect::<Vec<_>>(), Vec::<&String>::new());
        let ours: Vec<_> = second.iter().filter(|sample| ["nowhere/", "BREW", "made-up", "\"ada"].iter().any(|odd| sample.contains(odd))).collect();
        assert_eq!(ours, Vec::<&String>::new());
    }

    async fn a_collector_is_told_of_requests_and_calls_and_of_no_secret(database: Database) {
        let collector = FakeCollector::start().await;
        let header = format!("x-team={COLLECTOR_KEY}");
        let site = Site::with(database, &[("OTLP_ENDPOINT", collector.endpoint()), ("OTLP_HEADERS", &header)]).await;
        site.add_user("lovelace").await;
        let mut server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "lovelace").await;
        store_key(&http, &ada, PROVIDER_KEY).await;
        let ask = async |model: &str, streamed: bool, flags: &str| {
            let body = json!({
                "model": format!("openai:{model}"), "stream": streamed, "messages": [{ "role": "user", "content": PROMPT }],
            });
            let parent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let request = http.post("/v1/chat/completions").bearer(&ada).header("traceparent", &parent);
            request.json(body).send().await.bytes().await;
        };
        ask("echo", false, "01").await;
        ask("echo", true, "01").await;
        ask("fails", false, "01").await;
        // Who calls may leave a request out.
        ask("unicode", false, "00").await;
        assert_eq!(server.terminate().await.code(), Some(0), "{}", server.stderr());

        let batches = collector.batches();
        assert!(batches.iter().all(|batch| batch.headers["x-team"] == COLLECTOR_KEY), "{batches:?}");
        assert!(batches.iter().all(|batch| batch.headers["content-type"] == "application/x-protobuf"), "{batches:?}");
        let spans = spans(&collector);
        let ours: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
        let told: Vec<(&str, i32)> = ours.iter().map(|span| (span.name.as_str(), span.kind)).collect();
        let (server_kind, client_kind) = (2, 3);
        let route = ("POST /v1/chat/completions", server_kind);
        let mut expected = vec![route, route, route, ("chat echo", client_kind), ("chat echo", client_kind), ("chat fails", client_kind)];
        let mut seen = told.clone();
        expected.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, expected);
        for call in ours.iter().filter(|span| span.kind == client_kind) {
            let parent = ours.iter().find(|span| span.span_id == call.parent_span_id).expect("a request around the call");
            assert_eq!(hex(&parent.parent_span_id), "00f067aa0ba902b7");
            assert!(parent.start_time_unix_nano <= call.start_time_unix_nano);
            assert!(parent.end_time_unix_nano >= call.end_time_unix_nano, "{parent:?} {call:?}");
        }
        let echo = attributes(&ours.iter().find(|span| span.name == "chat echo").expect("a call").attributes);
        assert_eq!(echo["gen_ai.operation.name"], "chat");
        assert_eq!(echo["gen_ai.provider.name"], "openai");
        assert_eq!((echo["gen_ai.request.model"].as_str(), echo["gen_ai.response.model"].as_str()), ("echo", "echo"));
        assert!(echo["gen_ai.usage.input_tokens"].parse::<u32>().is_ok_and(|count| count > 0), "{echo:?}");
        assert!(echo["gen_ai.usage.output_tokens"].parse::<u32>().is_ok_and(|count| count > 0), "{echo:?}");
        let streamed = ours.iter().map(|span| attributes(&span.attributes)).find(|span| span.contains_key("gen_ai.request.stream"));
        let streamed = streamed.expect("a streamed call");
        assert!(streamed.contains_key("gen_ai.usage.output_tokens") && streamed["gen_ai.response.model"] == "echo", "{streamed:?}");
        let fails = ours.iter().find(|span| span.name == "chat fails").expect("a call");
        assert_eq!(attributes(&fails.attributes)["error.type"], "upstream_error");
        let failed = ours.iter().find(|span| span.span_id == fails.parent_span_id).expect("a request");
        let failed = attributes(&failed.attributes);
        let facts = ["http.request.method", "http.route", "http.response.status_code", "error.type"].map(|name| failed[name].as_str());
        assert_eq!(facts, ["POST", "/v1/chat/completions", "502", "502"]);

        let metrics = metrics(&collector);
        for name in ["http.server.request.duration", "gen_ai.client.operation.duration", "gen_ai.client.token.usage"] {
            assert!(metrics.contains(name), "{name}: {metrics:?}");
        }

        let log = server.stderr();
        let lines = log.lines().filter(|line| line.contains("\"message\":\"answered\""));
        let traced = lines.filter(|line| line.contains(&format!("\"trace_id\":\"{TRACE}\"")));
        assert_eq!(traced.count(), 4, "{log}");
        for secret in [PROMPT, "You said", PROVIDER_KEY, PASSWORD, &ada, "lovelace", site.dir.path().to_str().expect("text")] {
            let leak = batches.iter().find(|batch| batch.body.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
            assert!(leak.is_none(), "{secret}: {leak:?}");
        }
        assert!(!log.contains(COLLECTOR_KEY) && !log.contains("collector"), "{log}");
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn spans(collector: &FakeCollector) -> Vec<Span> {
    let batches = collector.batches().into_iter().filter(|batch| batch.path == "/v1/traces");
    let traces = batches.map(|batch| ExportTraceServiceRequest::decode(batch.body).expect("spans"));
    let resources = traces.flat_map(|traces| traces.resource_spans);
    let told = resources.inspect(|spans| {
        let resource = attributes(&spans.resource.as_ref().expect("a resource").attributes);
        assert_eq!(resource["service.name"], "llm-api");
        assert!(!resource["service.version"].is_empty() && !resource["service.instance.id"].is_empty());
    });
    told.flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect()
}

/// The names of the metrics that have points.
fn metrics(collector: &FakeCollector) -> BTreeSet<String> {
    let batches = collector.batches().into_iter().filter(|batch| batch.path == "/v1/metrics");
    let exports = batches.map(|batch| ExportMetricsServiceRequest::decode(batch.body).expect("metrics"));
    let scopes = exports.flat_map(|export| export.resource_metrics).flat_map(|metrics| metrics.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    let filled = metrics.filter(|metric| match &metric.data {
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.iter().any(|point| point.count > 0),
        _ => false,
    });
    filled.map(|metric| metric.name).collect()
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &any_value::Value| match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(flag) => flag.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |attribute: &KeyValue| attribute.value.as_ref()?.value.as_ref().map(text);
    attributes.iter().filter_map(|attribute| Some((attribute.key.clone(), value(attribute)?))).collect()
}

#[tokio::test]
async fn a_collector_that_is_away_is_said_once_and_holds_nothing_up() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let site = Site::with(llm_api_testkit::Database::Sqlite, &[("OTLP_ENDPOINT", &endpoint)]).await;
    site.add_user("ada").await;
    let mut server = site.start().await;
    let http = server.http();
    let ada = sign_in(&http, "ada").await;
    // Spans go out every five seconds: the second batch fails as the first did, at the end at the latest.
    let warnings = |log: &str| log.lines().filter(|line| line.contains("LLM_API_OTLP_ENDPOINT takes nothing")).count();
    eventually("it is said", async || {
        assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);
        (warnings(&server.stderr()) > 0).then_some(())
    })
    .await;
    assert_eq!(get(&http, &ada, "/v1/users/me").await.status, 200);
    assert_eq!(server.terminate().await.code(), Some(0));
    let log = server.stderr();
    let of = |path: &str| log.lines().filter(|line| line.contains("takes nothing") && line.contains(path)).count();
    assert_eq!((of("/v1/traces"), of("/v1/metrics")), (1, 1), "{log}");
}

#[tokio::test]
async fn a_function_has_told_everything_before_it_freezes() {
    let collector = FakeCollector::start().await;
    let site = Site::with(llm_api_testkit::Database::Sqlite, &[("OTLP_ENDPOINT", collector.endpoint())]).await;
    site.run(&["migrate"], "").await.expect(0);
    for (number, mode) in ["buffered", "stream"].into_iter().enumerate() {
        let runtime = LambdaRuntime::start().await;
        let envs: Vec<_> = site.envs().into_iter().chain([("LLM_API_RESPONSE_MODE", mode)]).collect();
        let function = runtime.spawn(&target_binary("openai"), &envs);
        let headers = [("content-type", "application/json")];
        let body = question("openai:echo").to_string();
        let reply = runtime.invoke(Method::POST, "/v1/chat/completions", &headers, &body).await;
        assert_eq!((reply.status.as_u16(), reply.failure.is_none()), (401, true), "{}", function.stderr());
        let told = spans(&collector);
        let told: Vec<&str> = told.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(told, vec!["POST /v1/chat/completions"; number + 1], "{mode}");
    }
}

#[tokio::test]
async fn a_wrong_collector_stops_the_start() {
    let secret = "authorization: Bearer a-secret-of-the-collector";
    for (name, value) in [("OTLP_ENDPOINT", "localhost:4318"), ("OTLP_HEADERS", secret), ("TRACE_SAMPLE_RATIO", "2")] {
        let site = Site::with(llm_api_testkit::Database::Sqlite, &[(name, value)]).await;
        let refused = site.run(&["serve"], "").await.expect(78);
        assert!(refused.stderr.contains(&format!("LLM_API_{name} ")), "{refused:?}");
        assert!(!refused.stderr.contains(COLLECTOR_KEY), "{refused:?}");
    }
}
