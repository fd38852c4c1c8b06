//! The bucket keeps what comes by a signed address.

use llm_api_testkit::{FakeBucket, Http};

const SIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIATESTKEY%2F20261122%2Fus-east-1%2Fs3%2Faws4_request\
    &X-Amz-Date=20261122T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test]
async fn only_signed_requests_reach_the_objects() {
    let bucket = FakeBucket::start().await;
    let [_, _, (_, endpoint), ..] = bucket.settings();
    let http = Http::new(endpoint);
    let path = format!("/files/a/b?{SIGNED}");

    assert_eq!(http.get(&path).send().await.status, 404);
    for unsigned in ["/files/a/b".to_owned(), path.replace("Signature=00", "Signature="), path.replace("AKIA", "BKIA")]
    {
        assert_eq!(http.put(&unsigned).body("bytes").send().await.status, 403, "{unsigned}");
    }
    assert!(bucket.objects().is_empty());

    assert_eq!(http.put(&path).body("bytes").send().await.status, 200);
    assert_eq!(bucket.objects()["a/b"], "bytes");
    assert_eq!(http.get(&path).send().await.text().await, "bytes");
    assert_eq!(http.get(&path.replace("files", "others")).send().await.status, 404);

    bucket.set_down(true);
    assert_eq!(http.get(&path).send().await.status, 503);
    bucket.set_down(false);
    assert_eq!(http.delete(&path).send().await.status, 204);
    assert_eq!(http.delete(&path).send().await.status, 204);
    assert!(bucket.objects().is_empty());

    assert_eq!(http.put(&path).body("bytes").send().await.status, 200);
    bucket.clear();
    assert_eq!(http.get(&path).send().await.status, 404);
}
