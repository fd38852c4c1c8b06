//! The main job by the functions as a developer runs them: `cargo lambda watch` at the paths of a server.

use llm_api_testkit::{LambdaWatch, each_db};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, chat, get, sign_in, store_key};

each_db! {
    async fn the_main_job_is_done_under_cargo_lambda(database: Database) {
        let site = Site::with(database, &[("RESPONSE_MODE", "stream")]).await;
        site.run(&["migrate"], "").await.expect(0);
        let invite = site.run(&["invite", "create", "--json"], "").await.expect(0);
        let invite: Value = serde_json::from_str(&invite.stdout).expect("JSON");
        let watch = LambdaWatch::start(&site.envs()).await;
        let http = watch.http();

        let body = json!({ "username": "ada", "password": PASSWORD, "invite_token": invite["invite_token"] });
        let joined = http.post("/v1/users/register").json(body).send().await;
        assert_eq!(joined.status, 201, "{}", watch.output());
        let ada = sign_in(&http, "ada").await;
        // A path of the group `provider-keys` below one of `users`.
        store_key(&http, &ada, "sk-good").await;
        let models = get(&http, &ada, "/v1/models?limit=1").await;
        assert_eq!(models.status, 200, "{}", watch.output());

        let whole = chat(&http, &ada, "echo", false).await.json().await;
        let said = &whole["choices"][0]["message"]["content"];
        assert_eq!(said, "You said: Hello there, how are you?", "{whole} {}", watch.output());

        let mut stream = chat(&http, &ada, "slow-stream", true).await;
        let kind = stream.header("content-type").to_owned();
        assert_eq!((stream.status.as_u16(), kind.as_str()), (200, "text/event-stream; charset=utf-8"));
        let mut seen = String::new();
        while !seen.contains("\"You \"") {
            seen.push_str(&stream.next_event().await.expect("readable").expect("events before the provider is done"));
        }
        assert!(!seen.contains("[DONE]"), "{seen}");
        site.provider.release();
        let rest = stream.text().await;
        assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");

        assert_eq!(http.get("/v1/users/me").bearer("las_nonsense").send().await.status, 401);
    }
}
