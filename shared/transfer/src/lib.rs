//! Brings data from one place to another: that of the Python service over, ours into a backup and back.

pub mod backup;
pub mod import;
