//! The document that describes the API, read for tests that walk all routes.

use std::collections::BTreeSet;

use http::Method;
use llm_api_testkit::{HttpReply, each_db};
use serde_json::{Value, json};

use crate::families::{ANTHROPIC, start};

/// One operation of the document.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) group: String,
    /// Whether the document says that it needs no credential.
    pub(crate) public: bool,
    /// The names of its query parameters.
    pub(crate) query: Vec<String>,
    /// The names of the headers that it reads.
    headers: Vec<String>,
    /// The names of the headers of its good reply.
    reply_headers: Vec<String>,
    /// The schema of its body with all references resolved; `None` where it takes none.
    pub(crate) body: Option<Value>,
}

impl Route {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The names in braces.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
    }

    /// The path with `value` in place of its parameters.
    pub(crate) fn filled(&self, value: &str) -> String {
        let part = |part: &str| if part.starts_with('{') { value.to_owned() } else { part.to_owned() };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// All routes, as they describe themselves; another test holds the checked-in document to it.
pub(crate) fn routes() -> Vec<Route> {
    let document = serde_json::to_value(llm_api::api::all().1).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, operations)| {
        operations.as_object().expect("operations").iter().map(move |(method, operation)| (path, method, operation))
    });
    let routes: Vec<Route> = operations
        .map(|(path, method, operation)| {
            let named = |place: &str| {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let there = parameters.filter(|parameter| parameter["in"] == place);
                there.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect()
            };
            let of_reply = operation["responses"]["200"]["headers"].as_object().into_iter().flatten();
            Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                group: operation["tags"][0].as_str().expect("a group").to_owned(),
                public: operation["security"] == json!([{}]),
                query: named("query"),
                headers: named("header"),
                reply_headers: of_reply.map(|(name, _)| name.clone()).collect(),
                body: operation["requestBody"]["content"]["application/json"]
                    .get("schema")
                    .map(|schema| resolved(schema, &document["components"]["schemas"])),
            }
        })
        .collect();
    assert!(routes.len() > 40, "the document is about all groups");
    routes
}

/// A schema without references; of alternatives, the one that is not null.
fn resolved(schema: &Value, all: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return resolved(&all[name], all);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let not_null = alternatives.iter().find(|alternative| alternative["type"] != "null");
        return not_null.map_or(Value::Null, |schema| resolved(schema, all));
    }
    match schema {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), resolved(member, all))).collect(),
        other => other.clone(),
    }
}

/// The names of all fields of a body as a path of names, those of objects within it included.
pub(crate) fn fields(schema: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        all.push(vec![name.clone()]);
        all.extend(fields(field).into_iter().map(|below| [vec![name.clone()], below].concat()));
    }
    all
}

/// The routes that generate, and which of them are translated where the provider speaks another format.
const GENERATING: [(&str, bool); 7] = [
    ("/v1/generate", false),
    ("/v1/sessions/{id}/generate", false),
    ("/v1/sessions/{id}/regenerate", false),
    ("/v1/chat/completions", true),
    ("/v1/responses", true),
    ("/v1/messages", true),
    ("/v1/embeddings", false),
];

#[test]
fn headers_are_named_where_they_are_read() {
    let mut generating = 0;
    for route in routes() {
        let kind = GENERATING.iter().find(|(path, _)| *path == route.path && route.method == Method::POST);
        let expected: &[&str] = match kind {
            None => &[],
            Some((_, false)) => &["Idempotency-Key", "X-LLM-API-On-Disconnect"],
            Some((_, true)) => &["Idempotency-Key", "X-LLM-API-On-Disconnect", "X-LLM-API-Unsupported"],
        };
        assert_eq!(route.headers, expected, "{}", route.name());
        generating += usize::from(kind.is_some());
    }
    assert_eq!(generating, GENERATING.len(), "the document has all of them");
}

/// What a reply has of the headers that are our own.
fn own(reply: &HttpReply) -> BTreeSet<String> {
    let names = reply.headers.keys().map(|name| name.as_str().to_owned());
    names
        .filter(|name| name.starts_with("x-llm-api-") || name.starts_with("idempotency-") || name == "request-id")
        .collect()
}

each_db! {
    async fn headers_are_named_where_they_are_sent(database: Database) {
        let (app, ada) = start(database, &[ANTHROPIC], &[]).await;
        let session = app.post("/v1/sessions", &ada.token, json!({})).await.json().await;
        let session = session["id"].as_str().expect("an id").to_owned();
        let alias = app.http().put("/v1/users/aliases/spare").bearer(&ada.token);
        let targets = json!({ "targets": ["anthropic:overloaded", "anthropic:echo"] });
        assert!(alias.json(targets).send().await.status.is_success());
        let hello = json!([{ "role": "user", "content": "Hi" }]);
        let native = json!({ "model": "anthropic:echo", "modality": "text", "input": { "prompt": "Hi" } });
        // Each with something that is dropped where that may be, and is not the first choice where that can be.
        let asked = |path: &str| match path {
            "/v1/chat/completions" => json!({ "model": "spare", "messages": hello, "seed": 7 }),
            "/v1/responses" => json!({ "model": "spare", "input": "Hi", "truncation": "auto" }),
            "/v1/messages" => json!({ "model": "spare", "max_tokens": 8, "messages": hello }),
            "/v1/messages/count_tokens" => json!({ "model": "spare", "messages": hello }),
            "/v1/sessions/{id}/regenerate" => json!({}),
            _ => native.clone(),
        };
        let routes = routes();
        let of_replies = |route: &&Route| !route.reply_headers.is_empty() && route.path != "/v1/embeddings";
        let mut seen_anywhere = BTreeSet::new();
        for route in routes.iter().filter(of_replies) {
            let path = route.filled(&session);
            for stream in [false, true] {
                let mut body = asked(&route.path);
                body["stream"] = stream.into();
                for _ in 0..2 {
                    let request = app.http().post(&path).bearer(&ada.token).json(body.clone());
                    let request = request.header("x-llm-api-unsupported", "drop");
                    let reply = request.header("idempotency-key", &format!("{path}-{stream}")).send().await;
                    assert_eq!(reply.status, 200, "{}", route.name());
                    let named: BTreeSet<_> = route.reply_headers.iter().map(|name| name.to_lowercase()).collect();
                    let sent = own(&reply);
                    assert!(sent.is_subset(&named), "{}: {sent:?}, {named:?}", route.name());
                    seen_anywhere.extend(sent);
                    reply.bytes().await;
                }
            }
        }
        let seen: Vec<_> = seen_anywhere.iter().map(String::as_str).collect();
        assert_eq!(seen, [
            "idempotency-replayed", "request-id", "x-llm-api-dropped", "x-llm-api-fallback", "x-llm-api-model",
            "x-llm-api-provider", "x-llm-api-replay-of",
        ]);
    }
}
