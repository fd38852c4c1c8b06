//! Pictures, the hub and the balance.

use http::StatusCode;
use llm_api_testkit::{FakeProvider, Http, HttpReply, HttpRequest};
use serde_json::{Value, json};

/// `STANDARD` base64 of [`FakeProvider::PNG`].
const PNG_BASE64: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP438AAAAQBAYD718vxAAAAAElFTkSuQmCC";

fn draw(provider: &FakeProvider, body: Value) -> HttpRequest {
    Http::new(provider.base_url()).post("/images/generations").bearer("sk-good").json(body)
}

fn infer(provider: &FakeProvider, model: &str) -> HttpRequest {
    let path = format!("/hf-inference/models/{model}");
    Http::new(provider.origin()).post(&path).bearer("hf_good").json(json!({"inputs": "a cat"}))
}

#[tokio::test]
async fn openai_draws() {
    let provider = FakeProvider::start().await;
    let whole = draw(&provider, json!({"model": "gpt-image-1", "prompt": "a cat", "n": 2})).send().await.json().await;
    assert_eq!(whole["data"], json!([{"b64_json": PNG_BASE64}, {"b64_json": PNG_BASE64}]));

    let dalle = json!({"model": "dall-e-3", "prompt": "a cat", "response_format": "b64_json"});
    assert_eq!(draw(&provider, dalle).send().await.json().await["data"][0]["b64_json"], PNG_BASE64);
    let addressed = draw(&provider, json!({"model": "dall-e-3", "prompt": "a cat"})).send().await.json().await;
    assert!(addressed["data"][0]["url"].as_str().unwrap().starts_with(provider.origin()));

    let big = draw(&provider, json!({"model": "big-image", "prompt": "a cat"})).send().await.json().await;
    assert!(big["data"][0]["b64_json"].as_str().unwrap().len() > 300 * 1024 * 4 / 3);

    let slow = draw(&provider, json!({"model": "slow-image", "prompt": "a cat"}));
    provider.release();
    assert_eq!(slow.send().await.json().await["data"][0]["b64_json"], PNG_BASE64);
}

#[tokio::test]
async fn openai_refuses_to_draw() {
    let refused = [
        (json!({"model": "refuses-image", "prompt": "a cat"}), 400, "content_policy_violation"),
        (json!({"model": "gpt-image-1", "prompt": "a cat", "response_format": "b64_json"}), 400, "unknown_parameter"),
        (json!({"model": "dall-e-3"}), 400, "missing_required_parameter"),
        (json!({"model": "rate-limited", "prompt": "a cat"}), 429, "rate_limit_exceeded"),
        (json!({"model": "echo", "prompt": "a cat"}), 404, "model_not_found"),
    ];
    let provider = FakeProvider::start().await;
    for (body, status, code) in refused {
        let reply = draw(&provider, body).send().await;
        assert_eq!(reply.status.as_u16(), status, "{code}");
        assert_eq!(reply.json().await["error"]["code"], code);
    }
    let post = || Http::new(provider.base_url()).post("/images/generations");
    for request in [post(), post().bearer("sk-bad")] {
        assert_eq!(request.send().await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn hugging_face_answers_with_the_picture() {
    let provider = FakeProvider::start().await;
    let reply = infer(&provider, "stabilityai/sdxl-turbo").send().await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(reply.bytes().await, FakeProvider::PNG);

    let big = infer(&provider, "big/image").send().await.bytes().await;
    assert_eq!((&big[..8], big.len()), (&FakeProvider::PNG[..8], FakeProvider::PNG.len() + 300 * 1024));

    let slow = infer(&provider, "slow/image");
    provider.release();
    assert_eq!(slow.send().await.bytes().await, FakeProvider::PNG);

    let error = async |reply: HttpReply| (reply.status.as_u16(), reply.json().await["error"].is_string());
    assert_eq!(error(infer(&provider, "refuses/image").send().await).await, (400, true));
    assert_eq!(error(infer(&provider, "a/b").json(json!({"prompt": "a cat"})).send().await).await, (400, true));
    let keyless = Http::new(provider.origin()).post("/hf-inference/models/a/b").json(json!({"inputs": "a cat"}));
    assert_eq!(error(keyless.send().await).await, (401, true));
}

#[tokio::test]
async fn the_hub_finds_two_pages() {
    let provider = FakeProvider::start().await;
    let http = Http::new(provider.origin());
    let first = http.get("/api/models?search=small%20one&limit=20&pipeline_tag=text-to-image").send().await;
    let link = first.header("link").to_owned();
    let page = first.json().await;
    assert_eq!(page.as_array().unwrap().len(), 3);
    assert_eq!((&page[0]["id"], &page[0]["modelId"]), (&json!("maker-1/small one-1b"), &json!("maker-1/small one-1b")));
    assert_eq!((&page[2]["pipeline_tag"], &page[2]["tags"][2]), (&json!("text-to-image"), &json!("text-to-image")));
    assert!(page[1]["downloads"].is_u64() && page[1]["lastModified"].is_string());

    let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let path = next.strip_prefix(provider.origin()).unwrap();
    assert_eq!(path, "/api/models?search=small+one&limit=20&pipeline_tag=text-to-image&cursor=2");
    let second = http.get(path).send().await;
    assert_eq!(second.header("link"), "");
    assert_eq!(second.json().await[0]["id"], "maker-4/small one-4b");

    assert_eq!(http.get("/api/models?search=x&limit=2").send().await.json().await.as_array().unwrap().len(), 2);
    assert_eq!(http.get("/api/models").bearer("hf_bad").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(http.get("/api/models?search=fails").send().await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_balance_is_told_by_the_key() {
    let provider = FakeProvider::start().await;
    let balance = async |key: &str| {
        let reply = Http::new(provider.origin()).get("/user/balance").bearer(key).send().await;
        (reply.status.as_u16(), reply.json().await)
    };
    let (status, rich) = balance("sk-good").await;
    let expected =
        json!({"currency": "USD", "total_balance": "4.20", "granted_balance": "0.00", "topped_up_balance": "4.20"});
    assert_eq!((status, rich), (200, json!({"is_available": true, "balance_infos": [expected]})));
    let (_, broke) = balance("sk-broke").await;
    assert_eq!(broke["is_available"], false);
    assert_eq!(broke["balance_infos"][0]["total_balance"], "0.00");
    assert_eq!(balance("sk-bad").await.0, 401);
}
