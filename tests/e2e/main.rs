//! The real binaries as black boxes: the server, its commands and the cloud functions, on both databases.

#![expect(clippy::expect_used, clippy::panic, reason = "a story fails by panicking")]

mod accounts;
mod backup;
mod commands;
mod conversation;
pub(crate) mod db_copy;
mod doctor;
mod edge;
mod expect_receipt;
mod first_run;
mod freeze;
mod handover;
mod import;
mod keys;
mod kill9;
mod lambda;
mod lambda_watch;
mod logs;
mod nginx;
mod outage;
mod pooler;
mod postgres;
mod real_model;
mod refusals;
mod runbook;
mod same_names;
mod sdk;
mod shared_limits;
mod shutdown;
mod smoke;
mod support;
mod telemetry;
mod units;
mod watch;
