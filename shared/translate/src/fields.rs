//! Takes a caller's JSON object apart, member by member.
//!
//! What no reader takes is never lost: when an object is done with, the rest of it goes, by its path, to where the whole
//! request keeps what nobody knows.

use std::{cell::RefCell, rc::Rc};

use serde_json::{Map, Value};

use crate::{Cache, Malformed, whole::integer};

/// The members of an object that nobody has taken yet. `null` is as good as left out.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    members: Map<String, Value>,
    /// Of the whole request.
    unknown: Rc<RefCell<Map<String, Value>>>,
}

impl Drop for Fields {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.members);
        if rest.is_empty() {
            return;
        }
        let mut unknown = self.unknown.borrow_mut();
        for (name, value) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
            unknown.insert(self.path(&name), value);
        }
    }
}

impl Fields {
    /// Those of a request's body.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Malformed> {
        let wrong = |message| Malformed { param: None, message };
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self { path: String::new(), members, unknown: Rc::default() }),
            Ok(_) => Err(wrong("The body must be a JSON object.".to_owned())),
            Err(error) => Err(wrong(format!("The body is not valid JSON: {error}."))),
        }
    }

    /// Those of an object within, at `path`.
    pub(crate) fn within(&self, path: String, value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(members) => Ok(Self { path, members, unknown: Rc::clone(&self.unknown) }),
            _ => Err(wrong(path, "an object")),
        }
    }

    /// Of the body: all that nobody took of any object, by its path.
    pub(crate) fn into_unknown(self) -> Map<String, Value> {
        let unknown = Rc::clone(&self.unknown);
        drop(self);
        unknown.take()
    }

    /// All that is left.
    pub(crate) fn into_members(mut self) -> Map<String, Value> {
        std::mem::take(&mut self.members)
    }

    /// All that is left, as one value.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.into_members())
    }

    /// The object's own path.
    pub(crate) fn place(&self) -> &str {
        &self.path
    }

    /// Where a member is.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn wrong(&self, name: &str, expected: &str) -> Malformed {
        wrong(self.path(name), expected)
    }

    fn missing(&self, name: &str) -> Malformed {
        let path = self.path(name);
        let message = format!("`{path}` is missing.");
        Malformed::new(path, message)
    }

    /// `name` must be one of `words`, and is another one.
    pub(crate) fn not_one_of(&self, name: &str, found: &str, words: &[&str]) -> Malformed {
        let path = self.path(name);
        let message = format!("`{path}` is `{found}`; it must be one of {}.", words.join(", "));
        Malformed::new(path, message)
    }

    /// A member that stays where it is.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// A text that stays where it is.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.peek(name).and_then(Value::as_str)
    }

    /// What `type` says; it stays where it is.
    pub(crate) fn kind(&self) -> Result<String, Malformed> {
        match self.peek("type") {
            None => Err(self.missing("type")),
            Some(Value::String(kind)) => Ok(kind.clone()),
            Some(_) => Err(self.wrong("type", "a string")),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        // The others keep their order.
        self.members.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Members that say nothing beside the others.
    pub(crate) fn forget(&mut self, names: &[&str]) {
        for name in names {
            self.members.shift_remove(*name);
        }
    }

    /// A member that says what is meant without it anyway; any other value of it stays.
    pub(crate) fn forget_where(&mut self, name: &str, means_nothing: impl FnOnce(&Value) -> bool) {
        if self.members.get(name).is_some_and(means_nothing) {
            self.members.shift_remove(name);
        }
    }

    /// The same of a member of an object within.
    pub(crate) fn forget_in(&mut self, object: &str, name: &str, means_nothing: impl FnOnce(&Value) -> bool) {
        if let Some(Value::Object(inner)) = self.members.get_mut(object)
            && inner.get(name).is_some_and(means_nothing)
        {
            inner.shift_remove(name);
        }
        self.forget_where(object, |inner| inner.as_object().is_some_and(Map::is_empty));
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value, Malformed> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    pub(crate) fn required_string(&mut self, name: &str) -> Result<String, Malformed> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// `87.0` is an integer too.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i64>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => integer(&value).map(Some).ok_or_else(|| self.wrong(name, "an integer")),
        }
    }

    pub(crate) fn required_integer(&mut self, name: &str) -> Result<i64, Malformed> {
        self.integer(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| self.wrong(name, "a number")),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// The objects of a list; none where it is missing.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<Self>, Malformed> {
        let items = self.list(name)?.unwrap_or_default().into_iter().enumerate();
        items.map(|(index, item)| self.within(self.path(&format!("{name}.{index}")), item)).collect()
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, Malformed> {
        let items = self.list(name)?.unwrap_or_default();
        let text = |(index, item)| match item {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(&format!("{name}.{index}"), "a string")),
        };
        items.into_iter().enumerate().map(text).collect()
    }

    /// An object whose members are the sender's own, such as a JSON schema.
    pub(crate) fn map(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    pub(crate) fn required_map(&mut self, name: &str) -> Result<Map<String, Value>, Malformed> {
        self.map(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, Malformed> {
        self.take(name).map(|value| self.within(self.path(name), value)).transpose()
    }

    pub(crate) fn required_object(&mut self, name: &str) -> Result<Self, Malformed> {
        self.object(name)?.ok_or_else(|| self.missing(name))
    }

    /// Anthropic's mark, which several compatible providers take too. It is of one type so far.
    pub(crate) fn cache_control(&mut self) -> Result<Option<Cache>, Malformed> {
        let Some(mut mark) = self.object("cache_control")? else { return Ok(None) };
        mark.forget_where("type", |kind| kind == "ephemeral");
        Ok(Some(Cache { ttl: mark.string("ttl")? }))
    }
}

pub(crate) fn wrong(path: impl Into<String>, expected: &str) -> Malformed {
    let path = path.into();
    let message = format!("`{path}` must be {expected}.");
    Malformed::new(path, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: &Value) -> Fields {
        Fields::of_body(value.to_string().as_bytes()).expect("an object")
    }

    #[test]
    fn what_nobody_takes_is_kept_by_its_path() {
        let mut fields = body(&json!({"a": {"b": [{"c": 1, "d": null, "e": 2}]}, "f": 3, "g": null}));
        let mut items = fields.required_object("a").expect("an object").objects("b").expect("objects");
        assert_eq!(items[0].integer("c"), Ok(Some(1)));
        drop(items);
        assert_eq!(Value::Object(fields.into_unknown()), json!({"a.b.0.e": 2, "f": 3}));
    }

    #[test]
    fn mistakes_are_told_by_their_path() {
        let mut fields = body(&json!({"a": {"b": ["x", 1], "n": 1.5}}));
        let mut inner = fields.required_object("a").expect("an object");
        assert_eq!(inner.strings("b").expect_err("a number").param.as_deref(), Some("a.b.1"));
        assert_eq!(inner.integer("n").expect_err("a fraction").message, "`a.n` must be an integer.");
        assert_eq!(inner.required_string("m").expect_err("nothing").message, "`a.m` is missing.");
        assert_eq!(Fields::of_body(b"[]").expect_err("a list").param, None);
    }

    #[test]
    fn a_mark_of_another_type_is_told() {
        let mut fields = body(&json!({"cache_control": {"type": "lasting", "ttl": "1h", "x": 1}}));
        assert_eq!(fields.cache_control(), Ok(Some(Cache { ttl: Some("1h".to_owned()) })));
        let unknown = json!({"cache_control.type": "lasting", "cache_control.x": 1});
        assert_eq!(Value::Object(fields.into_unknown()), unknown);
    }
}
