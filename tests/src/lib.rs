//! This crate holds tests alone: `api/` in process, `e2e/` against the real binaries.
