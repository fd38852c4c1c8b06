//! Vectors come in one piece, so that a second request meets the first one only while the provider is silent.

use http::StatusCode;
use llm_api_testkit::{TestApp, each_db};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{EMBEDDINGS, ask, hello_at, is_replay};

const VECTORS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,2]}],"model":"m"}"#;

each_db! {
    async fn while_vectors_are_made_their_key_is_in_use(database: Database) {
        let provider = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}/v1", provider.local_addr().expect("bound"));
        let settings = [("OPENAI_BASE_URL", address.as_str()), ("OPENAI_API_KEY", "sk-of-the-house")];
        let app = TestApp::start_with(database, &settings).await;
        let ada = app.person("ada").await;
        let body = hello_at(EMBEDDINGS, "openai:m", false);
        let first = ask(&app, &ada, EMBEDDINGS, "k", body.clone());
        let meanwhile = async {
            let (mut provider, _) = provider.accept().await.expect("it is asked");
            let mut heard = Vec::new();
            while !heard.ends_with(b"}") {
                provider.read_buf(&mut heard).await.expect("a request");
            }
            let second = ask(&app, &ada, EMBEDDINGS, "k", body.clone()).await;
            assert_eq!((second.status, second.header("retry-after")), (StatusCode::CONFLICT, "1"));
            assert_eq!(second.json().await["error"]["code"], "idempotency_key_in_use");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
            let reply = format!("{head} {}\r\n\r\n{VECTORS}", VECTORS.len());
            provider.write_all(reply.as_bytes()).await.expect("it listens");
        };
        let (first, ()) = tokio::join!(first, meanwhile);
        assert_eq!((first.status, first.text().await.as_str()), (StatusCode::OK, VECTORS));
        // The provider answers nobody any more.
        let third = ask(&app, &ada, EMBEDDINGS, "k", body).await;
        assert!(is_replay(&third));
        assert_eq!(third.text().await, VECTORS);
    }
}
