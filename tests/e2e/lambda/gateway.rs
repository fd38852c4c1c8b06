//! Functions behind the gateway that template.yaml describes, over HTTP.

use llm_api_domain::RequestStatus;
use llm_api_testkit::{HttpReply, LambdaGateway, each_db};
use serde_json::Value;

use crate::support::{Site, chat, eventually, get, question, sign_in, store_key};

/// A process's state as the kernel names it; `None` for none.
fn state(pid: u32) -> Option<char> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which may hold anything.
    line.rsplit(')').next()?.trim_start().chars().next()
}

each_db! {
    async fn a_function_goes_on_for_a_client_that_has_left(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        let user = site.add_user("ada").await;
        let gateway = LambdaGateway::start(&site.envs()).await;
        let http = gateway.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        assert_eq!(get(&http, &ada, "/v1/models?limit=1").await.status, 200);
        let unknown = get(&http, &ada, "/v2/models").await;
        assert_eq!((unknown.status.as_u16(), &unknown.json().await["message"]), (403, &"Missing Authentication Token".into()));

        let ask = async || -> HttpReply {
            let mut body = question("openai:slow-stream");
            body["stream"] = true.into();
            http.post("/v1/chat/completions").bearer(&ada).header("idempotency-key", "k").json(body).send().await
        };
        let mut stream = ask().await;
        assert_eq!(stream.status, 200);
        assert!(stream.next_event().await.expect("readable").is_some());
        drop(stream);
        let departure = gateway.departure_url();
        assert_eq!(http.get(departure.trim_start_matches(&gateway.base_url())).send().await.status, 200);

        // It is busy: somebody else gets another process.
        let other: Value = chat(&http, &ada, "echo", false).await.json().await;
        assert_eq!(other["choices"][0]["message"]["content"], "You said: Hello there, how are you?", "{other}");
        let running = gateway.running();
        let names: Vec<_> = running.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["users", "provider-keys", "models", "openai", "openai"]);
        // Nothing is left to do after the last byte: all but the busy one are stopped.
        eventually("idle functions are stopped", async || {
            let is_stopped: Vec<_> = running.iter().map(|(_, pid)| state(*pid) == Some('T')).collect();
            (is_stopped == [true, true, true, false, true]).then_some(())
        })
        .await;

        site.provider.release();
        let replayed = eventually("the reply is kept", async || {
            let reply = ask().await;
            assert!(matches!(reply.status.as_u16(), 200 | 409), "{}", reply.status);
            (reply.status == 200).then_some(reply)
        });
        let replayed = replayed.await;
        assert_eq!(replayed.header("idempotency-replayed"), "true");
        assert_eq!(replayed.data().await.last().map(String::as_str), Some("[DONE]"));
        let rows = site.rows(user).await;
        assert!(rows.len() == 2 && rows.iter().all(|row| row.status == RequestStatus::Completed), "{rows:?}");

        // The processes end with it.
        drop(gateway);
        for (name, pid) in running {
            assert_eq!(state(pid), None, "{name}");
        }
    }
}
