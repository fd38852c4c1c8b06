//! Conversations with the real program: they outlive it, also where it is stopped or killed in the middle of a reply.

use llm_api_testkit::{Database, Http, HttpReply, RealModel, each_db};
use serde_json::{Value, json};

use crate::support::{Site, eventually, get, sign_in, store_key};

async fn begin(http: &Http, token: &str) -> String {
    let made = http.post("/v1/sessions").bearer(token).json(json!({})).send().await;
    assert_eq!(made.status, 201);
    made.json().await["id"].as_str().expect("an id").to_owned()
}

async fn ask(http: &Http, token: &str, session: &str, model: &str, prompt: &str, stream: bool) -> HttpReply {
    let body = json!({
        "modality": "text", "model": model, "input": { "prompt": prompt }, "stream": stream,
        "parameters": { "temperature": 0, "max_tokens": 24 },
    });
    http.post(&format!("/v1/sessions/{session}/generate")).bearer(token).json(body).send().await
}

async fn messages(http: &Http, token: &str, session: &str) -> Vec<(String, String, String)> {
    let session = get(http, token, &format!("/v1/sessions/{session}")).await.json().await;
    let text = |message: &Value, name: &str| message[name].as_str().expect("a text").to_owned();
    let messages = session["messages"].as_array().unwrap_or_else(|| panic!("{session}"));
    messages.iter().map(|message| (text(message, "role"), text(message, "content"), text(message, "status"))).collect()
}

/// Reads until the reply has begun to come.
async fn read_some(reply: &mut HttpReply) {
    loop {
        let event = reply.next_event().await.expect("readable").expect("more events");
        if event.contains("choices") {
            return;
        }
    }
}

each_db! {
    async fn a_conversation_goes_on_after_a_restart(database: Database) {
        let model = RealModel::shared().await;
        let site = Site::with(database, &[("LOCAL_BASE_URL", model.base_url())]).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let mut server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        let session = begin(&server.http(), &ada).await;
        let first = ask(&server.http(), &ada, &session, "local:smollm2", RealModel::QUESTION, false).await.json().await;
        let answer = first["output"]["text"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
        assert!(answer.trim_start().starts_with(RealModel::ANSWER.trim_end_matches('.')), "{answer}");
        assert!(server.terminate().await.success());

        let server = site.start().await;
        let http = server.http();
        let events = ask(&http, &ada, &session, "local:smollm2", "Is it a large city?", true).await.data().await;
        let last: Value = serde_json::from_str(&events[events.len() - 2]).expect("JSON");
        assert_eq!((&last["event"], &last["session_id"]), (&json!("completed"), &json!(session)), "{last}");
        // The second question was sent with the first exchange before it.
        let tokens = |reply: &Value| reply["usage"]["prompt_tokens"].as_i64().expect("a count");
        assert!(tokens(&last) > tokens(&first) + 8, "{last} after {first}");
        let seen = messages(&http, &ada, &session).await;
        let roles: Vec<&str> = seen.iter().map(|(role, _, _)| role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
        assert_eq!((seen[0].1.as_str(), &seen[1].1), (RealModel::QUESTION, &answer));
        let list = get(&http, &ada, "/v1/sessions").await.json().await;
        assert_eq!(list["sessions"][0]["title"], RealModel::QUESTION);
    }

    async fn a_reply_that_a_stop_cuts_short_is_kept_as_far_as_it_came(database: Database) {
        let site = Site::with(database, &[("SHUTDOWN_REQUEST_SECONDS", "0"), ("SHUTDOWN_STREAM_SECONDS", "0")]).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let mut server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-good").await;
        let session = begin(&server.http(), &ada).await;
        let mut reply = ask(&server.http(), &ada, &session, "openai:slow-stream", "Tell me", true).await;
        read_some(&mut reply).await;
        let (ended, rest) = tokio::join!(server.terminate(), reply.text());
        assert!(ended.success() && rest.contains("server_stopping") && rest.ends_with("data: [DONE]\n\n"), "{rest}");

        let server = site.start().await;
        let seen = messages(&server.http(), &ada, &session).await;
        let text = |text: &str| text.to_owned();
        let asked = (text("user"), text("Tell me"), text("completed"));
        assert_eq!(seen, [asked, (text("assistant"), text("You "), text("incomplete"))]);
    }

    async fn other_families_and_pictures_are_served_by_the_program_too(database: Database) {
        let mut site = Site::new(database).await;
        let (anthropic, google) = (site.provider.anthropic_base_url(), site.provider.google_base_url());
        site.set("ANTHROPIC_BASE_URL", &anthropic);
        site.set("GOOGLE_BASE_URL", &google);
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let server = site.start().await;
        let http = server.http();
        let ada = sign_in(&http, "ada").await;
        store_key(&http, &ada, "sk-good").await;
        let session = begin(&http, &ada).await;
        for (number, provider) in ["anthropic", "google"].into_iter().enumerate() {
            let key = json!({ "provider": provider, "api_key": "good-key" });
            let stored = http.post("/v1/users/provider-keys").bearer(&ada).json(key).send().await;
            assert_eq!(stored.status, 201);
            let model = format!("{provider}:counts");
            let reply = ask(&http, &ada, &session, &model, "Well?", false).await.json().await;
            let turns = 2 * number + 1;
            let text = reply["output"]["text"].as_str().unwrap_or_else(|| panic!("{reply}"));
            assert!(text.starts_with(&format!("turns: {turns} ")), "{text}");
        }
        let body = json!({ "modality": "image", "model": "openai:big-image", "input": { "prompt": "a cat" } });
        let made = http.post("/v1/generate").bearer(&ada).json(body).send().await.json().await;
        let link = made["output"]["artifacts"][0]["url"].as_str().unwrap_or_else(|| panic!("{made}"));
        let path = link.strip_prefix(server.base_url()).expect("a link to the server");
        let picture = http.get(path).send().await;
        assert_eq!((picture.status.as_u16(), picture.header("content-type")), (200, "image/png"));
        assert!(picture.bytes().await.len() > 300 * 1024);
        assert_eq!(http.get(path.split('?').next().expect("a path")).send().await.status, 404);
    }

    async fn a_kill_leaves_every_whole_exchange(database: Database) {
        let site = Site::new(database).await;
        site.run(&["migrate"], "").await.expect(0);
        site.add_user("ada").await;
        let mut server = site.start().await;
        let ada = sign_in(&server.http(), "ada").await;
        store_key(&server.http(), &ada, "sk-good").await;
        let session = begin(&server.http(), &ada).await;
        for number in 0..5 {
            let (prompt, streamed) = (format!("number {number}"), number % 2 == 0);
            ask(&server.http(), &ada, &session, "openai:echo", &prompt, streamed).await.bytes().await;
        }
        let whole = ask(&server.http(), &ada, &session, "openai:echo", "the last", true).await.text().await;
        assert!(whole.ends_with("data: [DONE]\n\n"));
        let mut cut = ask(&server.http(), &ada, &session, "openai:slow-stream", "Tell me", true).await;
        read_some(&mut cut).await;
        server.kill9().await;

        let server = site.start().await;
        let seen = messages(&server.http(), &ada, &session).await;
        let prompts: Vec<&str> = seen.iter().filter(|(role, ..)| role == "user").map(|(_, text, _)| &**text).collect();
        assert!(prompts.contains(&"the last") && !prompts.contains(&"Tell me"), "{prompts:?}");
        assert!(seen.iter().all(|(.., status)| status == "completed"), "{seen:?}");
        let next = ask(&server.http(), &ada, &session, "openai:echo", "on we go", false).await;
        assert_eq!(next.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_ends_what_runs_in_another() {
    let site = Site::new(Database::Postgres).await;
    site.run(&["migrate"], "").await.expect(0);
    site.add_user("ada").await;
    let (here, there) = (site.start().await, site.start().await);
    let ada = sign_in(&here.http(), "ada").await;
    store_key(&here.http(), &ada, "sk-good").await;
    let session = begin(&here.http(), &ada).await;
    let mut reply = ask(&here.http(), &ada, &session, "openai:slow-stream", "Tell me", true).await;
    let selected = reply.next_event().await.expect("readable").expect("an event");
    let selected: Value = serde_json::from_str(selected.trim().trim_start_matches("data: ")).expect("JSON");
    read_some(&mut reply).await;
    let request = selected["request_id"].as_str().unwrap_or_else(|| panic!("{selected}"));

    let path = format!("/v1/requests/{request}");
    let status = get(&there.http(), &ada, &format!("{path}/status")).await.json().await;
    assert_eq!(status["status"], "running", "{status}");
    let cancelled = there.http().post(&format!("{path}/cancel")).bearer(&ada).send().await.json().await;
    assert_eq!(cancelled["cancelled"], true, "{cancelled}");
    let rest = reply.text().await;
    assert!(rest.contains("request_cancelled") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    site.provider.wait_until_closed().await;
    let seen = eventually("the exchange is there", async || {
        let seen = messages(&there.http(), &ada, &session).await;
        (seen.len() == 2).then_some(seen)
    });
    assert_eq!(seen.await[1].2, "incomplete");
}
