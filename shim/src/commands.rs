//! The operator's commands: one file each, or one for each group with a folder beside it.

pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod doctor;
pub(crate) mod freeze;
pub(crate) mod import;
pub(crate) mod invite;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod restore;
pub(crate) mod smoke;
pub(crate) mod user;
pub(crate) mod watch;
