//! The emulated runtime API, spoken to by hand as a function's runtime does.

use http::{Method, StatusCode};
use llm_api_testkit::{Http, LambdaRuntime};
use serde_json::json;

const NEXT: &str = "/2018-06-01/runtime/invocation/next";

fn response_to(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

#[tokio::test]
async fn a_buffered_response_reaches_the_caller() {
    let runtime = LambdaRuntime::start().await;
    let http = Http::new(runtime.origin());
    let function = async {
        let next = http.get(NEXT).send().await;
        let id = next.header("lambda-runtime-aws-request-id").to_owned();
        let event = next.json().await;
        assert_eq!((&event["httpMethod"], &event["path"]), (&json!("POST"), &json!("/v1/things")));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["x y", "z"]}));
        assert_eq!((&event["headers"]["X-Own"], &event["body"]), (&json!("1"), &json!("{}")));
        let reply = json!({
            "statusCode": 201, "headers": {"x-one": "1"}, "multiValueHeaders": {"set-cookie": ["a", "b"]},
            "body": "aGk=", "isBase64Encoded": true,
        });
        http.post(&response_to(&id)).json(reply).send().await
    };
    let call = runtime.invoke(Method::POST, "/v1/things?a=x+y&a=z", &[("X-Own", "1")], "{}");
    let (accepted, reply) = tokio::join!(function, call);
    assert_eq!((accepted.status, reply.status), (StatusCode::ACCEPTED, StatusCode::CREATED));
    assert_eq!((reply.header("x-one"), reply.text().as_str()), ("1", "hi"));
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn a_streamed_response_is_parted_into_head_and_body() {
    let runtime = LambdaRuntime::start().await;
    let http = Http::new(runtime.origin());
    let function = async {
        let next = http.get(NEXT).send().await;
        let post = http.post(&response_to(next.header("lambda-runtime-aws-request-id")));
        let body = "{\"statusCode\":200,\"headers\":{\"x-many\":[\"1\",\"2\"]},\"cookies\":[\"c\"]}\0\0\0\0\0\0\0\0data: 1\n\n";
        post.header("lambda-runtime-function-response-mode", "streaming").body(body).send().await
    };
    let (_, reply) = tokio::join!(function, runtime.invoke(Method::GET, "/", &[], ""));
    assert_eq!((reply.status, reply.text().as_str()), (StatusCode::OK, "data: 1\n\n"));
    assert_eq!(reply.headers.get_all("x-many").iter().count(), 2);
    assert_eq!((reply.header("set-cookie"), reply.failure.as_deref()), ("c", None));
}

#[tokio::test]
async fn a_failed_function_is_a_bad_gateway_with_its_reason() {
    let runtime = LambdaRuntime::start().await;
    let http = Http::new(runtime.origin());
    let function = async {
        let next = http.get(NEXT).send().await;
        let id = next.header("lambda-runtime-aws-request-id");
        let error = http.post(&format!("/2018-06-01/runtime/invocation/{id}/error"));
        error.json(json!({"errorMessage": "boom"})).send().await
    };
    let (_, reply) = tokio::join!(function, runtime.invoke(Method::GET, "/", &[], ""));
    assert_eq!((reply.status, reply.text().as_str()), (StatusCode::BAD_GATEWAY, ""));
    assert!(reply.failure.is_some_and(|reason| reason.contains("boom")));

    http.post("/2018-06-01/runtime/init/error").json(json!({"errorMessage": "no key"})).send().await;
    assert!(runtime.init_errors()[0].contains("no key"));
}
