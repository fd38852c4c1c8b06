//! Providers that do everything wrong that can be done wrong, in every format, for every caller: whole and streamed.
//! Each is one of the right error in the caller's format, within the clocks, with nothing left open behind it, or a good
//! answer in spite of it.

mod answer;
mod body;
mod connection;
mod content;
mod events;
mod play;
mod slowness;
mod upstream;
mod wire;

use std::time::Duration;

use llm_api_testkit::{Database, each_db};

use self::{
    answer::Case,
    play::{Matrix, Play, run_refused},
};

/// A fault's name, and what a provider with it does; nothing where it can not happen.
type Fault = (&'static str, fn(Case) -> Option<Play>);

/// The whole answer within two seconds, and no silence longer than one.
const HASTY: &[(&str, &str)] = &[
    ("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "1"),
    ("UPSTREAM_IDLE_TIMEOUT_SECONDS", "1"),
    ("UPSTREAM_TOTAL_TIMEOUT_SECONDS", "2"),
];
const HASTY_LIMIT: Duration = Duration::from_secs(3);
/// Where no clock is to run out.
const LIMIT: Duration = Duration::from_secs(30);

/// How many servers work on a matrix, and how many of its questions they ask: all of them on one database.
const fn effort(database: Database) -> (usize, usize) {
    match database {
        Database::Sqlite => (8, 1),
        Database::Postgres => (2, 13),
    }
}

async fn run(database: Database, faults: &'static [Fault]) {
    let (servers, every) = effort(database);
    let faults = faults.iter().collect();
    Matrix { faults, every, servers, settings: &[], limit: LIMIT }.run(database).await;
}

each_db! {
    async fn a_connection_that_is_refused(database: Database) {
        run_refused(database, effort(database).1).await;
    }

    async fn a_fault_before_or_in_the_head(database: Database) {
        run(database, connection::FAULTS).await;
    }

    async fn a_fault_of_the_body(database: Database) {
        run(database, body::FAULTS).await;
    }

    async fn a_fault_of_the_content(database: Database) {
        run(database, content::FAULTS).await;
    }

    async fn a_fault_of_the_events(database: Database) {
        run(database, events::FAULTS).await;
    }

    async fn a_provider_that_keeps_its_callers_waiting(database: Database) {
        let (servers, every) = effort(database);
        let faults = slowness::FAULTS.iter().collect();
        Matrix { faults, every, servers: servers * 3, settings: HASTY, limit: HASTY_LIMIT }.run(database).await;
    }
}
