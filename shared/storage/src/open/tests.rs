use llm_api_domain::Clock;

use super::*;

/// What a full disk answers, by a limit on the pages of the file.
#[test]
fn after_a_full_disk_the_same_store_writes_again() {
    let folder = std::env::temp_dir().join(format!("llm-api-full-{}", Uuid::now_v7()));
    std::fs::create_dir(&folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = OpenOptions {
            address: DatabaseAddress::sqlite(folder.join("full.db")),
            migration_address: None,
            pool_mode: PoolMode::Auto,
            schema: None,
            max_connections: 1,
            mode: OpenMode::Server,
            expect_receipt: None,
            clock: Clock::system(),
        };
        let store = Store::open(options).await.expect("it opens");
        write(&store, "CREATE TABLE filler (bytes BLOB)").await.expect("written");
        let Backend::Sqlite(pools) = &store.backend else { panic!("SQLite") };
        sqlx::query("PRAGMA max_page_count = 1").execute(&pools.write).await.expect("a limit");
        let full = write(&store, "INSERT INTO filler VALUES (zeroblob(1000000))").await;
        assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
        // The limit went with the connection that had it.
        write(&store, "INSERT INTO filler VALUES (zeroblob(1000000))").await.expect("written");
        store.close().await;
    });
    std::fs::remove_dir_all(&folder).expect("it goes");
}

async fn write(store: &Store, statement: &'static str) -> Result<u64, StoreError> {
    Ok(on_write_uncached!(store, db => db.execute(sqlx::query(statement)).await?))
}
