//! The whole API in one process: every endpoint group behind one listener.

pub mod api;
