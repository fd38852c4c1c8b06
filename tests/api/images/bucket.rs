//! Files in S3-compatible storage.

use llm_api_testkit::{Database, FakeBucket, each_db};
use serde_json::{Value, json};

use super::{
    assert_missing, assert_opens, files_on_disk, in_session, large, large_bytes, large_text, link_shown, made,
    messages, open, open_session, own_path, start,
};
use crate::asking::{answer, ask, refused};

const WARNING: &str = "An image could not be stored as a file: it is in this reply and is not kept";

/// The name in the bucket of the file behind a link.
fn object_of(link: &str) -> String {
    let id = own_path(link).rsplit_once('/').expect("an id").1;
    format!("artifacts/{}/{id}", &id[id.len() - 2..])
}

each_db! {
    async fn files_lie_in_the_bucket_and_go_with_their_session(database: Database) {
        let bucket = FakeBucket::start().await;
        let (app, ada) = start(database, &bucket.settings()).await;
        let session = open_session(&app, &ada).await;
        let link = made(&app, &ada, in_session(large(), &session)).await;
        let objects = bucket.objects();
        assert_eq!(objects.keys().collect::<Vec<_>>(), [&object_of(&link)]);
        assert!(objects[&object_of(&link)] == large_bytes());
        assert_eq!(files_on_disk(&app), 0);

        assert_opens(&app, &link).await;
        assert_opens(&app, &link_shown(&app, &ada, &session).await).await;
        assert_eq!(app.get(own_path(&link), &ada.token).await.status, 200);
        assert!(!link.contains("X-Amz") && link.contains("/v1/artifacts/"), "clients come to us: {link}");

        let other = made(&app, &ada, large()).await;
        let path = format!("/v1/sessions/{session}?purge=true");
        assert_eq!(answer(app.delete(&path, &ada.token).await).await["deleted"], true);
        assert_missing(open(&app, &link).await).await;
        assert_eq!(bucket.objects().into_keys().collect::<Vec<_>>(), [object_of(&other)]);
        assert_opens(&app, &other).await;
    }

    async fn while_the_bucket_is_down_images_come_in_the_reply(database: Database) {
        let bucket = FakeBucket::start().await;
        let (app, ada) = start(database, &bucket.settings()).await;
        let session = open_session(&app, &ada).await;
        let earlier = made(&app, &ada, in_session(large(), &session)).await;

        bucket.set_down(true);
        let reply = answer(ask(&app, &ada, in_session(large(), &session)).await).await;
        assert!(reply["output"]["images"] == json!([large_text()]), "it was paid for");
        assert_eq!((&reply["output"]["artifacts"], &reply["warnings"]), (&Value::Null, &json!([WARNING])));
        let shown = messages(&app, &ada, &session).await;
        let roles: Vec<_> = shown.iter().map(|message| message["role"].as_str().expect("a role")).collect();
        assert_eq!(roles, ["user", "assistant", "user"], "the second image is not kept");
        let (status, code, message) = refused(open(&app, &earlier).await).await;
        assert_eq!((status, code.as_str()), (503, "artifact_store_unavailable"));
        assert!(!message.contains("127.0.0.1") && !message.contains("X-Amz"), "{message}");

        bucket.set_down(false);
        assert_opens(&app, &earlier).await;
        let later = made(&app, &ada, in_session(large(), &session)).await;
        assert_opens(&app, &later).await;
        assert_eq!(bucket.objects().len(), 2);
    }

    async fn a_session_can_be_deleted_while_the_bucket_is_down(database: Database) {
        let bucket = FakeBucket::start().await;
        let settings = [bucket.settings().as_slice(), &[("ARTIFACT_MAX_TOTAL_MB", "1")]].concat();
        let (app, ada) = start(database, &settings).await;
        let session = open_session(&app, &ada).await;
        let link = made(&app, &ada, in_session(large(), &session)).await;
        bucket.set_down(true);
        let path = format!("/v1/sessions/{session}?purge=true");
        assert_eq!(answer(app.delete(&path, &ada.token).await).await["deleted"], true);
        bucket.set_down(false);
        assert_eq!(open(&app, &link).await.status, 410, "nobody gets in");
        // It goes as soon as its room is needed.
        for _ in 0..3 {
            made(&app, &ada, large()).await;
        }
        assert!(!bucket.objects().contains_key(&object_of(&link)));
        assert_eq!(bucket.objects().len(), 3);
        assert_missing(open(&app, &link).await).await;
    }

    async fn an_object_that_somebody_else_deleted_is_missing(database: Database) {
        let bucket = FakeBucket::start().await;
        let (app, ada) = start(database, &bucket.settings()).await;
        let link = made(&app, &ada, large()).await;
        bucket.clear();
        assert_missing(open(&app, &link).await).await;
        assert_missing(app.get(own_path(&link), &ada.token).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_bucket_listens_images_come_in_the_reply() {
    let bucket = FakeBucket::start().await;
    // Nothing listens on the discard port.
    let settings = [bucket.settings().as_slice(), &[("ARTIFACT_S3_ENDPOINT", "http://127.0.0.1:9")]].concat();
    let (app, ada) = start(Database::Sqlite, &settings).await;
    let reply = answer(ask(&app, &ada, large()).await).await;
    assert!(reply["output"]["images"] == json!([large_text()]));
    assert_eq!(reply["warnings"], json!([WARNING]));
}

/// What functions stand on: each call may reach another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_with_one_bucket_open_each_others_links() {
    let bucket = FakeBucket::start().await;
    let (app, ada) = start(Database::Postgres, &bucket.settings()).await;
    let session = open_session(&app, &ada).await;
    let link = made(&app, &ada, in_session(large(), &session)).await;
    let beside = app.start_beside_with(&bucket.settings()).await;
    assert_opens(&beside, &link).await;
    assert_opens(&app, &link_shown(&beside, &ada, &session).await).await;
    answer(beside.delete(&format!("/v1/sessions/{session}?purge=true"), &ada.token).await).await;
    assert_missing(open(&app, &link).await).await;
    assert!(bucket.objects().is_empty());
}
