//! The kit's own promises; one binary, because every further one is linked anew.

mod counterparts;
mod lambda;
mod postgres;
mod process;
mod provider;
