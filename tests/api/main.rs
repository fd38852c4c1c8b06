//! Every endpoint on every database, through HTTP, as stories of the people who use it.

#![expect(clippy::expect_used, clippy::panic, reason = "stories and their helpers fail by panicking")]

mod accounts;
mod aliases;
mod asking;
mod auth;
mod chat_completions;
mod chat_stream;
mod clients;
mod compatible;
mod conformance;
mod cors;
mod database;
mod document;
mod fallback;
mod families;
mod faults;
mod generate;
mod generate_stream;
mod health;
mod idempotency;
mod images;
mod invites;
mod isolation;
mod local_models;
mod models;
mod odd_input;
mod operations;
mod provider_keys;
mod raw_provider;
mod removal;
mod requests;
mod routes;
mod selection;
mod sessions;
mod store;
mod tokens;
mod upstream_failures;
mod usage_rows;
mod users;
