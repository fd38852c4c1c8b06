//! Room for files: a cap over all, and who goes first.

use std::time::Duration;

use llm_api_testkit::{Person, TestApp, each_db};

use super::{
    LIFE, assert_missing, assert_opens, files_on_disk, in_session, large, link_shown, made, messages, open,
    open_session, own_path, start,
};

/// Room for three.
const ONE_MEGABYTE: [(&str, &str); 1] = [("ARTIFACT_MAX_TOTAL_MB", "1")];

/// Makes images one second after the other.
async fn series<const N: usize>(app: &TestApp, person: &Person) -> [String; N] {
    let mut links = Vec::new();
    for _ in 0..N {
        app.advance(Duration::from_secs(1));
        links.push(made(app, person, large()).await);
    }
    links.try_into().expect("as many as were made")
}

each_db! {
    async fn the_oldest_file_makes_room_for_the_newest(database: Database) {
        let (app, ada) = start(database, &ONE_MEGABYTE).await;
        let [first, second, third] = series(&app, &ada).await;
        assert_eq!(files_on_disk(&app), 3);
        let [fourth] = series(&app, &ada).await;
        assert_eq!(files_on_disk(&app), 3);
        assert_missing(open(&app, &first).await).await;
        assert_missing(app.get(own_path(&first), &ada.token).await).await;
        for link in [&second, &third, &fourth] {
            assert_opens(&app, link).await;
        }
    }

    async fn what_has_expired_goes_before_what_is_older(database: Database) {
        let (app, ada) = start(database, &ONE_MEGABYTE).await;
        let session = open_session(&app, &ada).await;
        made(&app, &ada, in_session(large(), &session)).await;
        series::<2>(&app, &ada).await;
        app.advance(LIFE);
        let [new, newer] = series(&app, &ada).await;
        assert_eq!(files_on_disk(&app), 3);
        let kept = link_shown(&app, &ada, &session).await;
        for link in [&kept, &new, &newer] {
            assert_opens(&app, link).await;
        }
        // Nothing has expired any more: now it is the session's turn.
        let [newest] = series(&app, &ada).await;
        assert_missing(open(&app, &kept).await).await;
        assert_opens(&app, &newest).await;
        let shown = messages(&app, &ada, &session).await;
        assert_eq!((shown.len(), &shown[1]["content"]), (2, &"".into()), "the conversation stays");
        assert_missing(open(&app, &link_shown(&app, &ada, &session).await).await).await;
    }

    async fn the_cap_is_over_all_users(database: Database) {
        let (app, ada) = start(database, &ONE_MEGABYTE).await;
        let bob = app.person("bob").await;
        app.store_key(&bob.token, "openai", "sk-bobs-own-key").await;
        let [first, second, third] = series(&app, &ada).await;
        let [bobs] = series(&app, &bob).await;
        assert_missing(open(&app, &first).await).await;
        for link in [&second, &third, &bobs] {
            assert_opens(&app, link).await;
        }
    }
}
