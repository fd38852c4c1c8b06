//! Takes members out of a JSON object, each with the type it must have.

use serde_json::{Map, Value};

use crate::{Malformed, whole::integer};

/// An object of a request, and the path to it.
#[derive(Debug)]
pub(super) struct Members {
    map: Map<String, Value>,
    path: String,
}

impl Members {
    pub(super) fn new(value: Value, path: impl Into<String>) -> Result<Self, Malformed> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(wrong(path, "an object")),
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The member, taken out; nothing where it is missing or null.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(self.path(name), "a string")),
        }
    }

    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(_) => Err(wrong(self.path(name), "true or false")),
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Malformed> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => integer(&value).map(Some).ok_or_else(|| wrong(self.path(name), "an integer")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Malformed> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(self.path(name), "a number")),
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Malformed> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(wrong(self.path(name), "a list")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Malformed> {
        let path = self.path(name);
        self.value(name).map(|value| Self::new(value, path)).transpose()
    }

    pub(super) fn required_string(&mut self, name: &str) -> Result<String, Malformed> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> Malformed {
        let path = self.path(name);
        let message = format!("`{path}` is missing.");
        Malformed::new(path, message)
    }

    /// What was not taken, as it was sent.
    pub(super) fn whole(self) -> Map<String, Value> {
        self.map
    }

    /// What was not taken, without nulls.
    pub(super) fn rest(mut self) -> Map<String, Value> {
        self.map.retain(|_, value| !value.is_null());
        self.map
    }
}

/// `path` must be `what`.
pub(super) fn wrong(path: impl Into<String>, what: &str) -> Malformed {
    let path = path.into();
    let message = format!("`{path}` must be {what}.");
    Malformed::new(path, message)
}

/// `path` must be one of `words`, and is another one.
pub(super) fn not_one_of(path: String, found: &str, words: &[&str]) -> Malformed {
    let message = format!("`{path}` is `{found}`; it must be one of {}.", words.join(", "));
    Malformed::new(path, message)
}
