//! The members of a JSON object, taken out one by one.

use serde_json::{Map, Value};

use crate::{Malformed, whole::integer};

/// What is left of an object; each mistake is told with its path.
#[derive(Debug)]
pub(super) struct Members {
    map: Map<String, Value>,
    path: String,
}

impl Members {
    /// `path` is empty for the body itself.
    pub(super) fn of(value: Value, path: impl Into<String>) -> Result<Self, Malformed> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ if path.is_empty() => Err(Malformed { param: None, message: "The body must be a JSON object.".into() }),
            _ => Err(wrong(path, "an object")),
        }
    }

    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn wrong(&self, name: &str, should: &str) -> Malformed {
        wrong(self.at(name), should)
    }

    fn missing(&self, name: &str) -> Malformed {
        let path = self.at(name);
        let message = format!("`{path}` is required.");
        Malformed::new(path, message)
    }

    /// `null` counts as left out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, name: &str) -> Result<Value, Malformed> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    pub(super) fn required_string(&mut self, name: &str) -> Result<String, Malformed> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    /// `87.0` is an integer too.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Malformed> {
        let Some(value) = self.take(name) else { return Ok(None) };
        integer(&value).map(Some).ok_or_else(|| self.wrong(name, "an integer"))
    }

    pub(super) fn required_integer(&mut self, name: &str) -> Result<i64, Malformed> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Malformed> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(name, "a number"))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(name, "true or false"))
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Malformed> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    pub(super) fn strings(&mut self, name: &str) -> Result<Vec<String>, Malformed> {
        let texts = self.list(name)?.into_iter().map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        texts.collect::<Option<_>>().ok_or_else(|| self.wrong(name, "a list of strings"))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Malformed> {
        let path = self.at(name);
        self.take(name).map(|value| Self::of(value, path)).transpose()
    }

    /// What nobody took, without members that are `null`.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.map.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    /// For objects that have nowhere to keep what we do not know.
    pub(super) fn nothing_else(self) -> Result<(), Malformed> {
        let Some(name) = self.map.iter().find(|(_, value)| !value.is_null()).map(|(name, _)| name) else {
            return Ok(());
        };
        let path = self.at(name);
        let message = format!("`{path}` is not known.");
        Err(Malformed::new(path, message))
    }
}

pub(super) fn wrong(path: String, should: &str) -> Malformed {
    let message = format!("`{path}` must be {should}.");
    Malformed::new(path, message)
}
