//! The kit's own promises; one binary, because every further one is linked anew.

mod bucket;
mod counterparts;
mod lambda;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod provider;
