//! What a client insists on in a reply: a small language for it, and the judge.

use llm_api_domain::Timestamp;
use serde_json::{Value, json};

/// What a client takes as a value.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Anything,
    Text,
    /// Without fraction and exponent: Dart tells `1` from `1.0`.
    Whole,
    Number,
    Flag,
    /// With its zone: a client takes a time without one for its own local time.
    Time,
    /// One of these texts.
    Word(&'static [&'static str]),
    List(Box<Self>),
    /// Any keys.
    Map(Box<Self>),
    Object(Vec<Field>),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    name: &'static str,
    need: Need,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Need {
    Required,
    /// Missing or null is as good.
    Optional,
    /// May be missing; null is a failure.
    Defaulted,
}

pub(super) const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Required, shape }
}

pub(super) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Optional, shape }
}

pub(super) const fn defaulted(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Defaulted, shape }
}

pub(super) fn list(shape: Shape) -> Shape {
    Shape::List(Box::new(shape))
}

pub(super) fn map(shape: Shape) -> Shape {
    Shape::Map(Box::new(shape))
}

pub(super) fn object<const N: usize>(fields: [Field; N]) -> Shape {
    Shape::Object(fields.into())
}

impl Shape {
    /// Gives the value back when a client of this shape reads it; else panics with the place of what it fails on.
    #[track_caller]
    pub(super) fn read(&self, value: Value) -> Value {
        if let Err(fault) = self.judge(&value, "reply") {
            panic!("{fault} in {value}");
        }
        value
    }

    fn judge(&self, value: &Value, at: &str) -> Result<(), String> {
        let is_right = match self {
            Self::Anything => true,
            Self::Text => value.is_string(),
            Self::Whole => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Flag => value.is_boolean(),
            Self::Time => {
                let is_utc = value.as_str().is_some_and(|text| text.ends_with('Z'));
                is_utc && serde_json::from_value::<Timestamp>(value.clone()).is_ok()
            }
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::List(item) => {
                let items = value.as_array().ok_or_else(|| format!("{at} is no list"))?;
                return items.iter().enumerate().try_for_each(|(i, value)| item.judge(value, &format!("{at}[{i}]")));
            }
            Self::Map(item) => {
                let entries = value.as_object().ok_or_else(|| format!("{at} is no object"))?;
                return entries.iter().try_for_each(|(name, value)| item.judge(value, &format!("{at}.{name}")));
            }
            Self::Object(fields) => {
                let members = value.as_object().ok_or_else(|| format!("{at} is no object"))?;
                return fields.iter().try_for_each(|field| field.judge(members.get(field.name), at));
            }
        };
        if is_right { Ok(()) } else { Err(format!("{at} is not {self:?}: {value}")) }
    }
}

impl Field {
    fn judge(&self, value: Option<&Value>, object: &str) -> Result<(), String> {
        let at = format!("{object}.{}", self.name);
        match (value, self.need) {
            (None, Need::Required) => Err(format!("{at} is missing")),
            (None, Need::Optional | Need::Defaulted) | (Some(Value::Null), Need::Optional) => Ok(()),
            (Some(value), _) => self.shape.judge(value, &at),
        }
    }
}

#[test]
fn the_judge_finds_what_a_client_would_fail_on() {
    let shape = object([
        required("id", Shape::Text),
        optional("count", Shape::Whole),
        defaulted("words", list(Shape::Word(&["a", "b"]))),
        optional("at", Shape::Time),
        optional("any", map(Shape::Number)),
    ]);
    let fault = |value: Value| shape.judge(&value, "reply").expect_err("a fault");
    for good in [
        json!({ "id": "x" }),
        json!({ "id": "x", "count": null, "at": null, "unknown": {} }),
        json!({ "id": "x", "count": 1, "words": ["b"], "at": "2026-11-22T12:00:00Z", "any": { "x": 1.5 } }),
    ] {
        assert_eq!(shape.judge(&good, "reply"), Ok(()));
    }
    assert_eq!(fault(json!({})), "reply.id is missing");
    assert_eq!(fault(json!([])), "reply is no object");
    assert_eq!(fault(json!({ "id": null })), "reply.id is not Text: null");
    assert_eq!(fault(json!({ "id": "x", "count": 1.0 })), "reply.count is not Whole: 1.0");
    assert_eq!(fault(json!({ "id": "x", "words": null })), "reply.words is no list");
    let wrong_word = fault(json!({ "id": "x", "words": ["a", "c"] }));
    assert_eq!(wrong_word, r#"reply.words[1] is not Word(["a", "b"]): "c""#);
    assert_eq!(fault(json!({ "id": "x", "any": { "y": "2" } })), r#"reply.any.y is not Number: "2""#);
    for local in ["2026-11-22T12:00:00", "2026-11-22T12:00:00+00:00", "yesterdayZ"] {
        assert!(fault(json!({ "id": "x", "at": local })).contains("is not Time"), "{local}");
    }
}
