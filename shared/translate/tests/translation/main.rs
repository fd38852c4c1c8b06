//! Golden files of the translation between formats, the official schemas that what is written must keep, and the tables
//! of `docs/PROVIDERS.md`, which are made from both. `UPDATE=1` writes what is otherwise compared.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod golden;
mod places;
mod providers;
mod replies;
mod requests;
mod round_trips;
mod said;
mod schemas;
mod streams;
mod told;
mod unknown;
