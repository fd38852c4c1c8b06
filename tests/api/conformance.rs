//! The contract, row by row: each story is told as a transcript of what was asked and what came back.

mod errors;
mod failures;
mod generation;
mod keys;
mod local;
mod models;
mod operations;
mod search;
mod service;
mod sessions;
mod streams;
mod talk;
mod tokens;
mod users;
