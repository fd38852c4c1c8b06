//! The operator's commands, one file each.

pub(crate) mod db;
pub(crate) mod import;
pub(crate) mod invite_create;
pub(crate) mod keys_generate;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod user_create;
