//! Images to models that see, in each provider's format.

use llm_api_testkit::each_db;
use serde_json::{Value, json};

use super::{ANTHROPIC, AZURE, Account, GOOGLE, HUGGINGFACE, OPENAI, PROVIDERS, seen, start};
use crate::{
    asking::{answer, ask, ask_streamed, events, generations, refused, said},
    usage_rows::rows_of,
};

const PNG: &str = "iVBORw0KGgo=";
const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD";
const LINK: &str = "https://pictures.example/cat.png";

fn look(account: Account, model: &str, images: &[&str]) -> Value {
    let mut body = account.hello(model);
    body["input"] = json!({ "prompt": "What is this?", "images": images });
    body
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

each_db! {
    async fn models_that_see_get_images_in_their_format(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let png = data_url("image/png", PNG);
        let openai = json!([
            { "type": "text", "text": "What is this?" },
            { "type": "image_url", "image_url": { "url": png } },
        ]);
        for (account, place, expected) in [
            (OPENAI, "/messages/0/content", openai.clone()),
            (AZURE, "/messages/0/content", openai.clone()),
            (HUGGINGFACE, "/messages/0/content", openai),
            (ANTHROPIC, "/messages/0/content", json!([
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": PNG } },
                { "type": "text", "text": "What is this?" },
            ])),
            (GOOGLE, "/contents/0/parts", json!([
                { "inlineData": { "mimeType": "image/png", "data": PNG } },
                { "text": "What is this?" },
            ])),
        ] {
            let body = look(account, "sees-images", &[&png]);
            let reply = answer(ask(&app, &ada, body.clone()).await).await;
            assert_eq!(reply["output"]["text"], "images: 1 image/png", "{account:?}");
            let content = seen(&app).body.pointer(place).cloned();
            assert_eq!(content, Some(expected), "{account:?}");
            let events = events(ask_streamed(&app, &ada, body).await).await;
            assert_eq!(said(&events), "images: 1 image/png", "{account:?}");
        }
    }

    async fn what_an_image_is_called_wrongly_is_put_right(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        let images = [data_url("image/png", JPEG), data_url("application/octet-stream", PNG)];
        for account in PROVIDERS {
            let body = look(account, "sees-images", &[&images[0], &images[1]]);
            let reply = answer(ask(&app, &ada, body).await).await;
            assert_eq!(reply["output"]["text"], "images: 2 image/jpeg image/png", "{account:?}");
        }
    }

    async fn a_link_goes_to_those_who_can_follow_it(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in [OPENAI, ANTHROPIC, AZURE, HUGGINGFACE] {
            let reply = answer(ask(&app, &ada, look(account, "sees-images", &[LINK])).await).await;
            assert_eq!(reply["output"]["text"], "images: 1 url", "{account:?}");
        }
        let (asked, rows) = (generations(&app.provider).len(), rows_of(&app, &ada).await.len());
        let body = look(GOOGLE, "sees-images", &[LINK]);
        for reply in [ask(&app, &ada, body.clone()).await, ask_streamed(&app, &ada, body).await] {
            let (status, code, message) = refused(reply).await;
            assert_eq!((status, code.as_str()), (400, "invalid_parameter"));
            assert!(message.starts_with("input.images: ") && !message.contains("pictures.example"), "{message}");
        }
        assert_eq!((generations(&app.provider).len(), rows_of(&app, &ada).await.len()), (asked, rows));
    }

    async fn what_is_no_image_is_refused_before_anything_is_sent(database: Database) {
        let (app, ada) = start(database, &PROVIDERS, &[]).await;
        for account in PROVIDERS {
            for image in ["hello", "data:text/plain;base64,aGVsbG8=", "data:image/png;base64,aGVsbG8gd29ybGQ="] {
                let body = look(account, "sees-images", &[&data_url("image/png", PNG), image]);
                let (status, code, message) = refused(ask(&app, &ada, body).await).await;
                assert_eq!((status, code.as_str()), (400, "invalid_parameter"), "{account:?} {image}");
                assert!(message.contains("Image 2 is no image"), "{message}");
            }
        }
        assert!(generations(&app.provider).is_empty());
    }

    async fn a_model_that_is_known_to_be_blind_gets_no_images(database: Database) {
        let (app, ada) = start(database, &[OPENAI], &[]).await;
        app.provider.serve_also("o3-mini");
        let png = data_url("image/png", PNG);
        let body = look(OPENAI, "o3-mini", &[&png]);
        for reply in [ask(&app, &ada, body.clone()).await, ask_streamed(&app, &ada, body).await] {
            let (status, code, message) = refused(reply).await;
            assert_eq!((status, code.as_str()), (400, "invalid_parameter"));
            assert!(message.starts_with("input.images: ") && message.contains("o3-mini"), "{message}");
        }
        assert!(generations(&app.provider).is_empty() && rows_of(&app, &ada).await.is_empty());
        answer(ask(&app, &ada, OPENAI.hello("o3-mini")).await).await;
    }
}
