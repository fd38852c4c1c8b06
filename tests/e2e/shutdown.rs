//! SIGTERM: what runs may finish, nothing new comes in, and the end is in order.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{Server, each_db};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{Site, chat, eventually, sign_in, store_key};

/// Sends SIGTERM and waits until the port is closed.
async fn ask_to_stop(server: &Server) {
    server.signal("TERM").await;
    let address = server.base_url().strip_prefix("http://").expect("an address").to_owned();
    eventually("the port closes", async || TcpStream::connect(&address).await.is_err().then_some(())).await;
}

each_db! {
    async fn what_runs_may_finish(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let mut server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        let mut stream = chat(&http, &ada, "slow-stream", true).await;
        stream.next_event().await.expect("a stream").expect("an event");
        let plain = chat(&http, &ada, "slow-head", false);
        let stop = async {
            site.asked_for("slow-head").await;
            ask_to_stop(&server).await;
            site.provider.release();
            site.provider.release();
        };
        let (plain, ()) = tokio::join!(plain, stop);
        assert_eq!(plain.status, 200);
        let plain = plain.json().await;
        assert_eq!(plain["choices"][0]["message"]["content"], "You said: Hello there, how are you?");
        assert_eq!(stream.data().await.last().map(String::as_str), Some("[DONE]"));

        assert_eq!(server.terminate().await.code(), Some(0));
        let rows = site.rows(ada_id).await;
        let done: Vec<_> = rows.iter().map(|row| (row.status, row.usage.total_tokens)).collect();
        assert_eq!(done, [(RequestStatus::Completed, Some(18)); 2]);
        assert!(server.stderr().contains("\"message\":\"stopped\""), "{}", server.stderr());
    }

    async fn what_goes_on_without_its_client_may_finish_too(database: Database) {
        let site = Site::new(database).await;
        let ada_id = site.add_user("ada").await;
        let mut server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        let body = json!({ "model": "openai:slow-stream", "messages": [{ "role": "user", "content": "Hi" }], "stream": true });
        let drained = http.post("/v1/chat/completions").bearer(&ada).header("x-llm-api-on-disconnect", "drain").json(body);
        let mut stream = drained.send().await;
        stream.next_event().await.expect("a stream").expect("an event");
        drop(stream);
        ask_to_stop(&server).await;
        site.provider.release();
        assert_eq!(server.terminate().await.code(), Some(0));
        let rows = site.rows(ada_id).await;
        let done: Vec<_> = rows.iter().map(|row| (row.status, row.usage.total_tokens)).collect();
        assert_eq!(done, [(RequestStatus::Completed, Some(18))]);
    }

    async fn streams_that_take_too_long_end_with_an_error_event(database: Database) {
        let site = Site::with(database, &[("SHUTDOWN_REQUEST_SECONDS", "0"), ("SHUTDOWN_STREAM_SECONDS", "0")]).await;
        let ada_id = site.add_user("ada").await;
        let mut server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;

        let mut compatible = chat(&http, &ada, "slow-stream", true).await;
        compatible.next_event().await.expect("a stream").expect("an event");
        let body = json!({ "model": "openai:slow-stream", "modality": "text", "stream": true, "input": { "prompt": "Hi" } });
        let mut native = http.post("/v1/generate").bearer(&ada).json(body).send().await;
        // The first event names the model: the provider's own first word may come later.
        for _ in 0..2 {
            native.next_event().await.expect("a stream").expect("an event");
        }

        assert_eq!(server.terminate().await.code(), Some(0));
        let last = |events: &[String]| serde_json::from_str::<Value>(events.last().expect("an event")).expect("JSON");
        let compatible = last(&compatible.data().await);
        assert_eq!(compatible["error"]["code"], "server_stopping", "{compatible}");
        let mut native = native.data().await;
        assert_eq!(native.pop().as_deref(), Some("[DONE]"));
        assert_eq!(last(&native)["error"]["code"], "server_stopping", "{native:?}");

        for row in site.rows(ada_id).await {
            assert_eq!((row.status, row.error_code.as_deref()), (RequestStatus::Incomplete, Some("server_stopping")));
        }
    }

    async fn an_idle_server_ends_at_once_and_an_interrupt_is_as_good(database: Database) {
        let site = Site::new(database).await;
        let mut server = site.start().await;
        server.signal("INT").await;
        // A second signal changes nothing.
        assert_eq!(server.terminate().await.code(), Some(0));
    }
}
