//! Every endpoint on every database, through HTTP, as stories of the people who use it.

#![expect(clippy::expect_used, clippy::panic, reason = "stories and their helpers fail by panicking")]

mod accounts;
mod auth;
mod chat_completions;
mod chat_stream;
mod database;
mod generate;
mod generate_stream;
mod health;
mod invites;
mod models;
mod provider_keys;
mod raw_provider;
mod routes;
mod store;
mod tokens;
mod upstream_failures;
mod usage_rows;
mod users;
