//! What every request asks the store for carries nothing of the rare ways through the database: a future is copied as a
//! whole, and a request's holds all of its parts.

use std::mem::size_of_val;

use llm_api_crypto::TokenHash;
use llm_api_domain::{ProviderId, UserId};
use llm_api_testkit::each_db;

use super::House;

/// Bytes. The ways through the database take tens of thousands.
const LARGEST: usize = 512;

each_db! {
    async fn its_futures_are_small(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (now, hash) = (house.now(), TokenHash::of("nobody's"));
        let (tokens, keys, freezes) = (store.tokens(), store.provider_keys(), store.freezes());
        let aliases = store.aliases();
        let sizes = [
            ("authenticate", size_of_val(&tokens.authenticate(&hash, now))),
            ("sealed", size_of_val(&keys.sealed(UserId::new(now), ProviderId::Openai))),
            ("find", size_of_val(&aliases.find(UserId::new(now), "fast"))),
            ("recent", size_of_val(&freezes.recent())),
        ];
        assert!(sizes.iter().all(|(_, size)| *size <= LARGEST), "{sizes:?}");
    }
}
