//! Links to large images: whom they let in, and for how long.

use std::time::Duration;

use llm_api_testkit::{HttpReply, TestApp, each_db};
use serde_json::{Value, json};

use super::{
    LIFE, PNG, assert_expired, assert_missing, assert_opens, image, large, large_bytes, large_text, link_in, made,
    open, open_session, own_path, path_in, start,
};
use crate::asking::{answer, ask};

/// The three parts of a link: id, expiry and signature.
fn parts(link: &str) -> [String; 3] {
    let (id, query) = own_path(link).rsplit_once('/').map(|(_, id)| (id, path_in(link))).expect("an id");
    let (expires, signature) = query
        .split_once("?expires=")
        .and_then(|(_, rest)| rest.split_once("&signature="))
        .expect("an expiry and a signature");
    [id, expires, signature].map(str::to_owned)
}

/// The body of a refusal without what differs between any two.
async fn anonymous(reply: HttpReply) -> Value {
    let mut body = reply.json().await;
    assert!(body["request_id"].take().is_string());
    body
}

each_db! {
    async fn a_large_image_is_a_file_behind_a_link(database: Database) {
        let (app, ada) = start(database, &[]).await;
        for model in ["openai:big-image", "huggingface:big/image"] {
            let reply = answer(ask(&app, &ada, image(model)).await).await;
            let link = link_in(&reply);
            let [id, expires, signature] = parts(&link);
            let end = app.clock.now() + LIFE;
            assert_eq!(reply["output"], json!({
                "text": null, "images": null, "mesh": null,
                "artifacts": [{ "id": id, "type": "image", "url": link, "expires_at": end.to_string() }],
            }));
            assert_eq!(reply["warnings"], Value::Null);
            assert_eq!((expires, signature.len()), (end.as_secs().to_string(), 43));

            let file = open(&app, &link).await;
            assert_eq!(file.status, 200);
            for (header, value) in [
                ("content-type", "image/png"),
                ("cache-control", "public, max-age=3600"),
                ("content-disposition", "inline"),
                ("x-content-type-options", "nosniff"),
                ("content-length", &large_bytes().len().to_string()),
            ] {
                assert_eq!(file.header(header), value, "{header}");
            }
            assert!(file.bytes().await == large_bytes());
        }
    }

    async fn the_operator_says_what_is_large(database: Database) {
        for (kilobytes, model, inline) in [
            // A pixel more than 300.
            ("300", "openai:big-image", None),
            ("301", "openai:big-image", Some(large_text())),
            ("0", "dall-e-3", None),
            ("1", "dall-e-3", Some(PNG.to_owned())),
        ] {
            let (app, ada) = start(database, &[("ARTIFACT_INLINE_THRESHOLD_KB", kilobytes)]).await;
            let reply = answer(ask(&app, &ada, image(model)).await).await;
            match inline {
                Some(text) => assert!(reply["output"]["images"] == json!([text]), "{kilobytes} {model}"),
                None => assert_eq!(open(&app, &link_in(&reply)).await.status, 200, "{kilobytes} {model}"),
            }
        }
    }

    async fn links_begin_with_the_address_that_the_client_called(database: Database) {
        let begins = async |settings: &[(&str, &str)], proto: Option<&str>| {
            let (app, ada) = start(database, settings).await;
            let session = open_session(&app, &ada).await;
            let called = |path: &str, post: bool| {
                let request = if post { app.http().post(path) } else { app.http().get(path) };
                let request = request.host("llm.example:8443").bearer(&ada.token);
                match proto {
                    Some(proto) => request.header("x-forwarded-proto", proto),
                    None => request,
                }
            };
            let path = format!("/v1/sessions/{session}");
            let reply = answer(called(&format!("{path}/generate"), true).json(large()).send().await).await;
            let link = link_in(&reply);
            let shown = answer(called(&path, false).send().await).await;
            assert_eq!(shown["messages"][1]["artifact_urls"], json!([link]), "the clock stands still");
            link.split_once("/v1/artifacts/").expect("our path").0.to_owned()
        };
        let behind_a_proxy = [("TRUSTED_PROXIES", "127.0.0.1")];
        let public = [("PUBLIC_URL", "https://pictures.example/api/"), ("TRUSTED_PROXIES", "127.0.0.1")];
        assert_eq!(begins(&[], None).await, "http://llm.example:8443");
        assert_eq!(begins(&[], Some("https")).await, "http://llm.example:8443", "anybody could say so");
        assert_eq!(begins(&behind_a_proxy, None).await, "http://llm.example:8443");
        assert_eq!(begins(&behind_a_proxy, Some("https")).await, "https://llm.example:8443");
        assert_eq!(begins(&public, Some("http")).await, "https://pictures.example/api");
    }

    async fn a_link_is_good_as_it_is_or_not_at_all(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let (link, other) = (made(&app, &ada, large()).await, made(&app, &ada, large()).await);
        let [id, expires, signature] = parts(&link);
        let [other_id, _, other_signature] = parts(&other);
        let later = (app.clock.now() + LIFE * 2).as_secs();
        let changed = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
        let nothing = "0190a000-0000-7000-8000-000000000000";
        let path = |id: &str, query: String| format!("/v1/artifacts/{id}{query}");
        let signed =
            |id: &str, expires: &str, signature: &str| path(id, format!("?expires={expires}&signature={signature}"));
        let forged = [
            signed(&other_id, &expires, &signature),
            signed(nothing, &expires, &signature),
            signed(&id, &later.to_string(), &signature),
            signed(&id, &format!("0{expires}0"), &signature),
            signed(&id, "soon", &signature),
            signed(&id, "", &signature),
            signed(&id, &expires, &changed),
            signed(&id, &expires, &other_signature),
            signed(&id, &expires, &signature[..42]),
            signed(&id, &expires, &format!("{signature}A")),
            signed(&id, &expires, "%00"),
            signed(&id, &expires, ""),
            path(&id, format!("?expires={expires}")),
            path(&id, format!("?signature={signature}")),
            path(&id, String::new()),
            path(nothing, String::new()),
            signed("nonsense", &expires, &signature),
        ];
        let missing = json!({ "detail": "Artifact not found", "code": "not_found", "request_id": null });
        for moment in ["before", "after"] {
            for path in &forged {
                let reply = app.http().get(path).send().await;
                assert_eq!(reply.status, 404, "{moment} {path}");
                assert_eq!(anonymous(reply).await, missing, "{path}");
            }
            if moment == "before" {
                assert_opens(&app, &link).await;
                app.advance(LIFE * 2);
            } else {
                // What we never made did not expire either.
                assert_expired(open(&app, &link).await).await;
            }
        }
    }

    async fn a_link_ends_when_its_time_is_over(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let link = made(&app, &ada, large()).await;
        app.advance(Duration::from_secs(3599));
        let last = open(&app, &link).await;
        assert_eq!((last.status.as_u16(), last.header("cache-control")), (200, "public, max-age=1"));
        app.advance(Duration::from_secs(1));
        assert_expired(open(&app, &link).await).await;
        // Without a session the file ends with its first link, for its owner as well.
        assert_expired(app.get(own_path(&link), &ada.token).await).await;
        let bob = app.person("bob").await;
        assert_missing(app.get(own_path(&link), &bob.token).await).await;
    }

    async fn the_operator_says_how_long_links_are_good(database: Database) {
        let (app, ada) = start(database, &[("ARTIFACT_EXPIRY_SECS", "86400")]).await;
        let link = made(&app, &ada, large()).await;
        let fresh = open(&app, &link).await;
        assert_eq!(fresh.header("cache-control"), "public, max-age=3600", "caches let go sooner than links end");
        app.advance(Duration::from_secs(86_400 - 90));
        assert_eq!(open(&app, &link).await.header("cache-control"), "public, max-age=90");
        app.advance(Duration::from_secs(90));
        assert_expired(open(&app, &link).await).await;
    }

    async fn the_owner_needs_no_link_and_nobody_else_gets_in(database: Database) {
        let (app, ada) = start(database, &[("API_KEY", "the-static-key")]).await;
        let (bob, root) = (app.person("bob").await, app.admin("root").await);
        let link = made(&app, &ada, large()).await;
        let path = own_path(&link);
        for request in [app.http().get(path).bearer(&ada.token), app.http().get(path).header("x-api-key", &ada.token)] {
            let reply = request.send().await;
            assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "image/png"));
            assert_eq!(reply.header("cache-control"), "private, max-age=3600");
            assert!(reply.bytes().await == large_bytes());
        }
        let narrow = token_with(&app, &ada.token, json!(["account"])).await;
        for token in [bob.token.as_str(), &root.token, "the-static-key", "lap_nonsense", &narrow] {
            assert_missing(app.get(path, token).await).await;
        }
        assert_missing(app.http().get(path).send().await).await;
        // A link is judged by itself, whoever shows it.
        for token in [bob.token.as_str(), "lap_nonsense"] {
            assert_eq!(app.get(path_in(&link), token).await.status, 200);
        }
    }

    async fn a_files_address_answers_nothing_but_reading(database: Database) {
        let (app, ada) = start(database, &[]).await;
        let link = made(&app, &ada, large()).await;
        assert_eq!(app.post(path_in(&link), &ada.token, json!({})).await.status, 405);
        assert_eq!(app.delete(path_in(&link), &ada.token).await.status, 405);
        assert_eq!(app.http().put(path_in(&link)).bearer(&ada.token).body("x").send().await.status, 405);
        assert_opens(&app, &link).await;
    }
}

async fn token_with(app: &TestApp, token: &str, scopes: Value) -> String {
    let reply = app.post("/v1/users/tokens", token, json!({ "scopes": scopes })).await;
    assert_eq!(reply.status, 201);
    reply.json().await["token"].as_str().expect("a token").to_owned()
}
