//! JSON schemas as Anthropic's structured output takes them: objects must be closed, and keywords that bound values are
//! refused. The bounds are told in the description instead, as Anthropic's own SDKs do.

use serde_json::{Map, Value};

/// What fitting a schema took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fitted {
    /// Bounds became words: the model reads them, nothing enforces them.
    pub(super) is_looser: bool,
    /// It allows members of any name, which cannot be had.
    pub(super) is_open: bool,
}

/// Refused, wherever they stand.
const BOUNDS: [&str; 19] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "contains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "not",
];

/// The `format`s of strings that are kept.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

pub(super) fn fit(schema: &mut Value) -> Fitted {
    let mut fitted = Fitted::default();
    visit(schema, &mut fitted);
    fitted
}

fn visit(schema: &mut Value, fitted: &mut Fitted) {
    let Value::Object(schema) = schema else { return };
    close(schema, fitted);
    tell_bounds(schema, fitted);
    if let Some(variants) = schema.shift_remove("oneOf") {
        // Both say that one variant fits; that no second one does is not enforced.
        schema.entry("anyOf").or_insert(variants);
    }
    for (name, value) in schema.iter_mut() {
        match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                for schema in named.values_mut() {
                    visit(schema, fitted);
                }
            }
            ("anyOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                for schema in list {
                    visit(schema, fitted);
                }
            }
            ("items", value) => visit(value, fitted),
            _ => {}
        }
    }
}

fn close(schema: &mut Map<String, Value>, fitted: &mut Fitted) {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    };
    if !is_object {
        return;
    }
    let others = schema.get("additionalProperties");
    // Without properties of its own an object that is not closed is a dictionary.
    let is_dictionary = schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    fitted.is_open |= match others {
        None => is_dictionary,
        Some(Value::Bool(is_open)) => *is_open && is_dictionary,
        Some(_) => true,
    };
    fitted.is_looser |= others == Some(&Value::Bool(true));
    schema.insert("additionalProperties".to_owned(), false.into());
}

fn tell_bounds(schema: &mut Map<String, Value>, fitted: &mut Fitted) {
    let mut told = Vec::new();
    let mut tell = |schema: &mut Map<String, Value>, name: &str| {
        if let Some(value) = schema.shift_remove(name) {
            told.push(format!("{name}: {value}"));
        }
    };
    for name in BOUNDS {
        tell(schema, name);
    }
    // A list of at least none or one is enforced.
    if schema.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 1) {
        tell(schema, "minItems");
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        tell(schema, "format");
    }
    if told.is_empty() {
        return;
    }
    fitted.is_looser = true;
    let told = format!("{{{}}}", told.join(", "));
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(given) if !given.is_empty() => format!("{given}\n\n{told}"),
        _ => told,
    };
    schema.insert("description".to_owned(), description.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strict_schema_stays_as_it_is() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "format": "date"},
            "pattern": {"type": ["string", "null"]}}, "required": ["a"], "additionalProperties": false});
        let mut fitted = schema.clone();
        assert_eq!(fit(&mut fitted), Fitted::default());
        assert_eq!(fitted, schema);
    }

    #[test]
    fn bounds_become_words_and_objects_are_closed() {
        let mut schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "description": "A digit."},
            "l": {"type": "array", "minItems": 2, "items": {"oneOf": [{"type": "string", "maxLength": 3}]}}}});
        assert_eq!(fit(&mut schema), Fitted { is_looser: true, is_open: false });
        let expected = json!({"type": "object", "properties": {
            "n": {"type": "integer", "description": "A digit.\n\n{minimum: 1, maximum: 9}"},
            "l": {"type": "array", "items": {"anyOf": [{"type": "string", "description": "{maxLength: 3}"}]},
                "description": "{minItems: 2}"}}, "additionalProperties": false});
        assert_eq!(schema, expected);
    }

    #[test]
    fn a_dictionary_is_told() {
        for mut open in
            [json!({"type": "object"}), json!({"type": "object", "additionalProperties": {"type": "string"}})]
        {
            assert!(fit(&mut open).is_open);
        }
    }
}
