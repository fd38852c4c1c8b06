//! Objects out of values that are moved into them, in this order; `json!` copies what it is given.

use serde_json::{Map, Value};

pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(map(members))
}

pub(crate) fn map<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
