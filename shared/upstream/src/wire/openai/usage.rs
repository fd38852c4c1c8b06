use std::fmt;

use llm_api_domain::TokenUsage;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A token count: an integer, also written as `87.0`. Anything else is unknown and spoils nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count(pub(crate) Option<i64>);

struct CountVisitor;

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token count")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Count, E> {
        Ok(Count(i64::try_from(count).ok()))
    }

    fn visit_f64<E: de::Error>(self, count: f64) -> Result<Count, E> {
        Ok(Count(whole_number(count).filter(|count| *count >= 0)))
    }

    fn visit_i64<E: de::Error>(self, _negative: i64) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Count, E> {
        Ok(Count(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Count, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(None))
    }
}

/// `number` as an integer where it is a whole one that a double holds exactly.
#[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
pub(crate) fn whole_number(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage<'a> {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Count,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
}

/// A `usage` object; `None` where it is none.
pub(crate) fn parse(raw: &RawValue) -> Option<TokenUsage> {
    let usage: Usage<'_> = serde_json::from_str(raw.get()).ok()?;
    let prompt = details(usage.prompt_tokens_details);
    let completion = details(usage.completion_tokens_details);
    Some(TokenUsage {
        prompt_tokens: usage.prompt_tokens.0,
        completion_tokens: usage.completion_tokens.0,
        total_tokens: usage.total_tokens.0,
        cached_tokens: prompt.cached_tokens.0.or(usage.prompt_cache_hit_tokens.0),
        reasoning_tokens: completion.reasoning_tokens.0,
    })
}

fn details(raw: Option<&RawValue>) -> Details {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<TokenUsage> {
        parse(serde_json::from_str(text).expect("JSON"))
    }

    #[test]
    fn counts_are_read_and_the_unknown_stays_unknown() {
        let full = read(
            r#"{"prompt_tokens":87.0,"completion_tokens":7,"total_tokens":94,"queue_time":0.1,
                "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5}}"#,
        );
        let expected = TokenUsage {
            prompt_tokens: Some(87),
            completion_tokens: Some(7),
            total_tokens: Some(94),
            cached_tokens: Some(64),
            reasoning_tokens: Some(5),
        };
        assert_eq!(full, Some(expected));
        let odd = r#"{"prompt_tokens":1.5,"completion_tokens":-3,"total_tokens":"9","prompt_tokens_details":7,"completion_tokens_details":null}"#;
        assert_eq!(read(odd), Some(TokenUsage::default()));
        let nested =
            r#"{"prompt_tokens":[1],"completion_tokens":{"a":1},"total_tokens":true,"prompt_cache_hit_tokens":2}"#;
        assert_eq!(read(nested), Some(TokenUsage { cached_tokens: Some(2), ..TokenUsage::default() }));
        assert_eq!(read(r#""none""#), None);
    }
}
