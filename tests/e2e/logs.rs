//! The log: lines for machines, each request findable by its id, and no secret however much is logged.

use llm_api_testkit::{ENCRYPTION_KEY, each_db};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Site, chat, get, sign_in};

const PROVIDER_KEY: &str = "sk-a-secret-of-the-provider";
const BAD_KEY: &str = "sk-a-bad-secret-of-the-provider";
const STATIC_KEY: &str = "a-static-key-of-this-service";
const NEW_PASSWORD: &str = "a new and even longer password";
const PROMPT: &str = "a prompt that is nobody's business";

each_db! {
    async fn a_session_with_every_secret_leaves_none_in_the_log(database: Database) {
        let more = [("LOG_LEVEL", "DEBUG"), ("VERBOSE_LOGS", "true"), ("API_KEY", STATIC_KEY)];
        let site = Site::with(database, &more).await;
        let invite = site.run(&["invite", "create", "--admin"], "").await.expect(0);
        let mut server = site.start().await;
        let http = server.http();
        let mut ids = Vec::new();
        let mut answer = async |status: u16, reply: llm_api_testkit::HttpReply| {
            assert_eq!(reply.status, status);
            ids.push(reply.header("x-request-id").to_owned());
            reply.text().await
        };

        let body = json!({ "username": "ada", "password": PASSWORD, "invite_token": invite.stdout.trim() });
        answer(201, http.post("/v1/users/register").json(body).send().await).await;
        let ada = sign_in(&http, "ada").await;
        let body = json!({ "username": "ada", "password": "a wrong and long password" });
        answer(401, http.post("/v1/users/login").json(body).send().await).await;
        let made = answer(201, http.post("/v1/users/tokens").bearer(&ada).json(json!({})).send().await).await;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let personal = made["token"].as_str().expect("a token").to_owned();
        let made = answer(201, http.post("/v1/users/invites").bearer(&ada).json(json!({})).send().await).await;
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let second_invite = made["invite_token"].as_str().expect("an invite").to_owned();
        for key in [BAD_KEY, PROVIDER_KEY] {
            let body = json!({ "provider": "openai", "api_key": key });
            answer(201, http.post("/v1/users/provider-keys").bearer(&personal).json(body).send().await).await;
        }
        for (model, status) in [("echo", 200), ("rejects-key", 424), ("fails", 502), ("html", 502)] {
            let body = json!({ "model": format!("openai:{model}"), "messages": [{ "role": "user", "content": PROMPT }] });
            let request = http.post("/v1/chat/completions").header("x-api-key", &personal);
            answer(status, request.json(body).send().await).await;
        }
        answer(200, chat(&http, &personal, "echo", true).await).await;
        answer(200, http.get("/v1/users/provider-keys").header("x-api-key", STATIC_KEY).send().await).await;
        answer(401, get(&http, "lap_nonsense", "/v1/users/me").await).await;
        let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
        answer(200, http.post("/v1/users/change-password").bearer(&ada).json(body).send().await).await;
        server.terminate().await;

        let log = server.stderr();
        let lines: Vec<Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
        assert!(lines.iter().any(|line| line["level"] == "DEBUG"), "a log of everything");
        let routes = |line: &&Value| line["message"] == "answered" && line["route"] == "unmatched";
        assert_eq!(lines.iter().find(routes), None, "a refusal names its route, too");
        for id in &ids {
            let found = lines.iter().filter(|line| line["message"] == "answered" && line.to_string().contains(id));
            assert_eq!(found.count(), 1, "{id}");
        }
        let database_password = match &site.database {
            Some(_) => llm_api_testkit::Cluster::shared().await.password(),
            None => ENCRYPTION_KEY,
        };
        for secret in [
            PASSWORD, NEW_PASSWORD, "a wrong and long password", &ada, &personal, "lap_nonsense", invite.stdout.trim(),
            &second_invite, PROVIDER_KEY, BAD_KEY, STATIC_KEY, ENCRYPTION_KEY, database_password, PROMPT,
        ] {
            let leak = log.lines().find(|line| line.contains(secret));
            assert_eq!(leak, None, "{secret}");
        }
    }

    async fn administrators_read_the_log_over_http(database: Database) {
        let site = Site::new(database).await;
        let server = site.start().await;
        let http = server.http();
        site.run(&["user", "create", "--username", "root", "--admin", "--password-stdin"], &format!("{PASSWORD}\n"))
            .await
            .expect(0);
        let root = sign_in(&http, "root").await;
        let asked = get(&http, &root, "/v1/users/me").await.header("x-request-id").to_owned();
        let logs = get(&http, &root, "/v1/logs?n=1").await.json().await;
        let [line] = logs["logs"].as_array().expect("lines").as_slice() else { panic!("{logs}") };
        assert_eq!((&line["level"], &line["name"]), (&json!("INFO"), &json!("llm_api_web::edge")));
        let msg = line["msg"].as_str().expect("a message");
        assert!(msg.starts_with("answered method=GET ") && msg.ends_with(&format!("request_id={asked}")), "{msg}");
        assert!(line["ts"].as_f64().is_some_and(|ts| ts > 1_700_000_000.0), "{line}");
    }
}
