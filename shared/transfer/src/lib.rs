//! Brings the data of the Python service over.

pub mod import;
