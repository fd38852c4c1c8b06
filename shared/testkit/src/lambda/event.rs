//! The event that API Gateway makes of a request to a REST API (proxy integration, payload version 1).

use http::Method;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

const HOST: &str = "abc123.execute-api.eu-central-1.amazonaws.com";
const CLIENT: &str = "203.0.113.7";
const STAGE: &str = "prod";

pub(super) fn rest(method: &Method, target: &str, headers: &[(&str, &str)], body: &str, request_id: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut multi_headers = Map::new();
    let own = [("Host", HOST), ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")];
    for (name, value) in own.iter().chain(headers) {
        push(&mut multi_headers, name, value);
    }
    let mut multi_query = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        push(&mut multi_query, &name, &value);
    }
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method.as_str(),
        "headers": last_of_each(&multi_headers),
        "multiValueHeaders": multi_headers,
        "queryStringParameters": null_if_empty(last_of_each(&multi_query)),
        "multiValueQueryStringParameters": null_if_empty(multi_query),
        "pathParameters": {"proxy": path.trim_start_matches('/')},
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": HOST,
            "domainPrefix": "abc123",
            "extendedRequestId": request_id,
            "httpMethod": method.as_str(),
            "identity": {"sourceIp": CLIENT, "userAgent": "test"},
            "path": format!("/{STAGE}{path}"),
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": "22/Nov/2026:12:00:00 +0000",
            "requestTimeEpoch": 1_795_348_800_000_u64,
            "resourceId": "res123",
            "resourcePath": "/{proxy+}",
            "stage": STAGE,
        },
        "body": if body.is_empty() { Value::Null } else { json!(body) },
        "isBase64Encoded": false,
    })
}

fn push(map: &mut Map<String, Value>, name: &str, value: &str) {
    let entry = map.entry(name).or_insert_with(|| json!([]));
    entry.as_array_mut().expect("a list, as made above").push(json!(value));
}

fn last_of_each(multi: &Map<String, Value>) -> Map<String, Value> {
    let last = |values: &Value| values.as_array().and_then(|values| values.last()).cloned().unwrap_or_default();
    multi.iter().map(|(name, values)| (name.clone(), last(values))).collect()
}

fn null_if_empty(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}
