//! Takes a caller's JSON object apart member by member; says where it is wrong.

use serde_json::{Map, Value};

use crate::{Malformed, whole::integer};

/// The members of an object that nobody has taken yet. `null` is as good as left out.
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    members: Map<String, Value>,
}

impl Fields {
    /// `path` is empty for the body itself.
    pub(super) fn of(path: String, value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(members) => Ok(Self { path, members }),
            _ if path.is_empty() => Err(Malformed { param: None, message: "The body must be a JSON object.".into() }),
            _ => Err(wrong(path, "an object")),
        }
    }

    /// Where a member is.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn wrong(&self, name: &str, expected: &str) -> Malformed {
        wrong(self.path(name), expected)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text that stays where it is.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        // The others keep their order.
        self.members.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    pub(super) fn required_string(&mut self, name: &str) -> Result<String, Malformed> {
        self.string(name)?.ok_or_else(|| self.wrong(name, "a string"))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// `87.0` is an integer too.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => integer(&value).map(Some).ok_or_else(|| self.wrong(name, "an integer")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| self.wrong(name, "a number")),
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    pub(super) fn map(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Malformed> {
        let path = self.path(name);
        Ok(self.map(name)?.map(|members| Self { path, members }))
    }

    pub(super) fn required_object(&mut self, name: &str) -> Result<Self, Malformed> {
        self.object(name)?.ok_or_else(|| self.wrong(name, "an object"))
    }

    /// All that is left, as one value.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }

    /// The paths of what nobody took.
    pub(super) fn rest_by_path(self) -> Vec<String> {
        let given = self.members.iter().filter(|(_, value)| !value.is_null());
        given.map(|(name, _)| self.path(name)).collect()
    }

    /// Keeps what nobody took, by its path.
    pub(super) fn keep_rest(mut self, extra: &mut Map<String, Value>) {
        for (name, value) in std::mem::take(&mut self.members) {
            if !value.is_null() {
                extra.insert(self.path(&name), value);
            }
        }
    }
}

/// An object of these members. Unlike `json!` it moves what it is given.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().collect()
}

pub(super) fn wrong(path: String, expected: &str) -> Malformed {
    let message = format!("`{path}` must be {expected}.");
    Malformed { param: Some(path), message }
}
