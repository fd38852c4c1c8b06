//! The YAML file as a flat list of dotted keys and texts.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// `server: {port: 80}` becomes `("server.port", "80")`; lists are joined by commas, empty values left out.
/// The error names a place and never quotes the file, which may hold secrets.
pub(crate) fn flatten(text: &str) -> Result<Vec<(String, String)>, String> {
    let shape: Value = serde_saphyr::from_str(text).map_err(|error| place(&error))?;
    if shape.is_null() {
        return Ok(Vec::new());
    }
    if !shape.is_object() {
        return Err("is not a YAML mapping of settings".to_owned());
    }
    // Read again, now knowing where the scalars are: an untyped reading turns `1.10` into 1.1 and long digits into floats.
    let mut flat = Vec::new();
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        Flatten { shape: &shape, path: String::new(), out: &mut flat }.deserialize(deserializer)
    })
    .map_err(|error| place(&error))?;
    Ok(flat)
}

fn place(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(at) => format!("is not valid YAML at line {}, column {}", at.line(), at.column()),
        None => "is not valid YAML".to_owned(),
    }
}

struct Flatten<'a> {
    shape: &'a Value,
    path: String,
    out: &'a mut Vec<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Value::Object(_) => deserializer.deserialize_map(self),
            Value::Array(_) => deserializer.deserialize_seq(self),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                if let Some(text) = Option::<String>::deserialize(deserializer)? {
                    self.out.push((self.path, text));
                }
                Ok(())
            }
        }
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let lower = key.to_ascii_lowercase();
            let path = if self.path.is_empty() { lower } else { format!("{}.{lower}", self.path) };
            let shape = self.shape.get(&key).unwrap_or(&Value::Null);
            map.next_value_seed(Flatten { shape, path, out: self.out })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<String>()? {
            items.push(item);
        }
        self.out.push((self.path, items.join(",")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_spelling() {
        let text = "app_version: 1.10\nAuth:\n  api_key: 0123456789012345678901234567890\nserver: {port: 8081, host: ~}\n\
                    cors_origins: [https://a.example, https://b.example]\nverbose_logs: yes\nsame: &x 1e5\nagain: *x\n";
        let flat = flatten(text).expect("valid");
        let expected = [
            ("app_version", "1.10"),
            ("auth.api_key", "0123456789012345678901234567890"),
            ("server.port", "8081"),
            ("cors_origins", "https://a.example,https://b.example"),
            ("verbose_logs", "yes"),
            ("same", "1e5"),
            ("again", "1e5"),
        ];
        assert_eq!(flat, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn empty_files_are_fine_and_broken_ones_are_not_quoted() {
        assert_eq!(flatten(""), Ok(Vec::new()));
        assert_eq!(flatten("# only a comment\n"), Ok(Vec::new()));
        for broken in ["api_key: [hunter2", "- hunter2", "hunter2", "a: hunter2\na: hunter3\n", "a: {b: hunter2"] {
            let error = flatten(broken).expect_err(broken);
            assert!(error.contains("YAML") && !error.contains("hunter"), "{error}");
        }
    }
}
