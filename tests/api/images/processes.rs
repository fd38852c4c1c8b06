//! Several processes, and what a change of the vault's key leaves of links.

use llm_api_testkit::{Database, ENCRYPTION_KEY};

use super::{
    assert_missing, assert_opens, in_session, large, link_shown, made, messages, open, open_session, own_path, start,
};

/// Not the one of every test.
const NEW_KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_a_disk_of_its_own_lacks_the_others_files() {
    let (app, ada) = start(Database::Postgres, &[]).await;
    let session = open_session(&app, &ada).await;
    let link = made(&app, &ada, in_session(large(), &session)).await;
    let beside = app.start_beside().await;
    assert_missing(open(&beside, &link).await).await;
    assert_missing(beside.get(own_path(&link), &ada.token).await).await;
    // The conversation itself is in the database; the link works where the file is.
    assert_eq!(messages(&beside, &ada, &session).await.len(), 2);
    assert_opens(&app, &link_shown(&beside, &ada, &session).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_share_a_folder_open_each_others_links() {
    let (app, ada) = start(Database::Postgres, &[]).await;
    let link = made(&app, &ada, large()).await;
    let folder = app.data_dir().to_str().expect("a path in UTF-8");
    let beside = app.start_beside_with(&[("DATA_DIR", folder)]).await;
    assert_opens(&beside, &link).await;
    // Its makers of images are others: a key is good for the address that it was stored for.
    beside.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    assert_opens(&app, &made(&beside, &ada, large()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_outlives_the_key_that_signed_it_while_that_is_in_the_ring() {
    let (app, ada) = start(Database::Postgres, &[]).await;
    let link = made(&app, &ada, large()).await;
    let folder = app.data_dir().to_str().expect("a path in UTF-8");
    let ring = [("DATA_DIR", folder), ("ENCRYPTION_KEY", NEW_KEY), ("ENCRYPTION_KEYS_OLD", ENCRYPTION_KEY)];
    let renewed = app.start_beside_with(&ring).await;
    assert_opens(&renewed, &link).await;
    // New links are signed by the new key, which the old process does not have.
    renewed.store_key(&ada.token, "openai", "sk-adas-own-key").await;
    let new = made(&renewed, &ada, large()).await;
    assert_opens(&renewed, &new).await;
    assert_missing(open(&app, &new).await).await;
    assert_eq!(app.get(own_path(&new), &ada.token).await.status, 200, "its owner needs no signature");
}
