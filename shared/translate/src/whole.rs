//! Whole numbers, however they are written.

use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

/// Doubles hold every whole number up to this one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number, also one that is written with a fraction of zero, such as `87.0`.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| of_double(value.as_f64()?))
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
fn of_double(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// For `deserialize_with`: a count of tokens. Anything else is unknown and spoils nothing else.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(integer(&Value::deserialize(deserializer)?).filter(|count| *count >= 0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_whole_or_none() {
        for (value, whole) in [
            (json!(7), Some(7)),
            (json!(87.0), Some(87)),
            (json!(-5), Some(-5)),
            (json!(11.5), None),
            (json!(1e300), None),
            (json!("7"), None),
            (Value::Null, None),
        ] {
            assert_eq!(integer(&value), whole, "{value}");
        }
    }

    #[test]
    fn a_strange_count_is_unknown() {
        let read = |text: &str| count(&mut serde_json::Deserializer::from_str(text)).expect("never fails");
        assert_eq!(read("7.0"), Some(7));
        for text in ["-5", "11.5", "null", "\"many\"", "99999999999999999999999", "[1]", "{}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
