use serde::{Deserialize, Serialize};

/// Money as whole millionths of a US dollar: sums stay exact on both databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);
