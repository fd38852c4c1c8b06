//! JSON as Python writes and reads it, made into JSON that everybody reads: only what strict readers refuse is replaced.

use std::fmt;

use serde_json::value::RawValue;

/// Readers stop at 128; what is read is put into a reply that is a little deeper.
const MAX_DEPTH: usize = 120;

/// What was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    /// `NaN`, `Infinity` and numbers beyond what a float holds became null.
    pub(super) numbers: bool,
    /// Halves of surrogate pairs became U+FFFD.
    pub(super) surrogates: bool,
    /// What was nested too deep became null.
    pub(super) depth: bool,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            (self.numbers, "numbers that are none (NaN, Infinity) became null"),
            (self.surrogates, "halves of characters became U+FFFD"),
            (self.depth, "what was nested deeper than 120 became null"),
        ];
        let told: Vec<&str> = told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect();
        f.write_str(&told.join(", "))
    }
}

/// The strict form of `text`; `None` when it is no JSON in any reading.
pub(super) fn strict(text: &str) -> Option<(String, Replaced)> {
    let mut cleaner =
        Cleaner { rest: text, out: String::with_capacity(text.len()), depth: 0, done: Replaced::default() };
    while cleaner.token()? {}
    // Reads any depth without recursion, and everything else strictly.
    serde_json::from_str::<&RawValue>(&cleaner.out).ok()?;
    Some((cleaner.out, cleaner.done))
}

struct Cleaner<'t> {
    rest: &'t str,
    out: String,
    depth: usize,
    done: Replaced,
}

impl<'t> Cleaner<'t> {
    /// Takes one token over; false at the end.
    fn token(&mut self) -> Option<bool> {
        let Some(first) = self.rest.bytes().next() else { return Some(false) };
        match first {
            b'"' => self.string()?,
            b'[' | b'{' => self.open(first),
            b']' | b'}' => self.close(first)?,
            b'-' | b'+' | b'0'..=b'9' | b'N' | b'I' => self.number(),
            _ => {
                let end = self.rest.find(['"', '[', '{', ']', '}', '-', '+', 'N', 'I']).unwrap_or(self.rest.len());
                let digits = self.rest.find(|c: char| c.is_ascii_digit()).unwrap_or(end);
                let plain = self.take(end.min(digits).max(1))?;
                self.push(plain);
            }
        }
        Some(true)
    }

    fn take(&mut self, length: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn push(&mut self, text: &str) {
        if self.depth <= MAX_DEPTH {
            self.out.push_str(text);
        }
    }

    fn open(&mut self, bracket: u8) {
        self.depth += 1;
        if self.depth == MAX_DEPTH + 1 {
            self.out.push_str("null");
            self.done.depth = true;
        }
        self.push(if bracket == b'[' { "[" } else { "{" });
        self.rest = &self.rest[1..];
    }

    fn close(&mut self, bracket: u8) -> Option<()> {
        self.push(if bracket == b']' { "]" } else { "}" });
        self.depth = self.depth.checked_sub(1)?;
        self.rest = &self.rest[1..];
        Some(())
    }

    fn number(&mut self) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        let is_word = matches!(number, "NaN" | "Infinity" | "-Infinity");
        if is_word || number.parse::<f64>().is_ok_and(|value| !value.is_finite()) {
            self.push("null");
            self.done.numbers |= self.depth <= MAX_DEPTH;
        } else {
            self.push(number);
        }
    }

    fn string(&mut self) -> Option<()> {
        self.push("\"");
        self.take(1)?;
        loop {
            let end = self.rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ')?;
            let plain = self.take(end)?;
            self.push(plain);
            match self.rest.bytes().next()? {
                b'"' => {
                    self.take(1)?;
                    self.push("\"");
                    return Some(());
                }
                b'\\' => self.escape()?,
                control => {
                    self.take(1)?;
                    self.push(&format!("\\u{control:04x}"));
                }
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let Some(unit) = code_unit(self.rest) else {
            // One character, of whatever length.
            let length = 1 + self.rest[1..].chars().next()?.len_utf8();
            let escape = self.take(length)?;
            self.push(escape);
            return Some(());
        };
        let escape = self.take(6)?;
        let is_pair = (0xD800..0xDC00).contains(&unit)
            && code_unit(self.rest).is_some_and(|second| (0xDC00..0xE000).contains(&second));
        if is_pair {
            let second = self.take(6)?;
            self.push(escape);
            self.push(second);
        } else if (0xD800..0xE000).contains(&unit) {
            self.push("\\ufffd");
            self.done.surrogates |= self.depth <= MAX_DEPTH;
        } else {
            self.push(escape);
        }
        Some(())
    }
}

/// The value of the escape, `\u` and four digits, that `text` begins with.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> String {
        strict(text).map_or_else(|| "no JSON".to_owned(), |(text, _)| text)
    }

    #[test]
    fn what_is_strict_already_stays_as_it_is() {
        for text in [
            "null",
            "{}",
            " [1, 2.5, -3e-7, 123456789012345678901234567890, true, false, null] ",
            r#"{"a": "\ud83e\udd86 \u00e9 \" \\ \/ \n", "b": {"c": [[]]}, "NaN": "Infinity -1 [}"}"#,
            r#""Grüße 🦆""#,
            r#"{"a": 1, "a": 2}"#,
        ] {
            assert_eq!(strict(text), Some((text.to_owned(), Replaced::default())), "{text}");
        }
    }

    #[test]
    fn what_strict_readers_refuse_is_replaced() {
        for (text, expected) in [
            ("[NaN, Infinity, -Infinity, 1e999, 1]", "[null, null, null, null, 1]"),
            (&format!("[{}]", "9".repeat(400)), "[null]"),
            (r#""a\ud83db""#, r#""a\ufffdb""#),
            (r#""\udd86\ud83e""#, r#""\ufffd\ufffd""#),
            (r#""\ud83e\ud83e\udd86""#, r#""\ufffd\ud83e\udd86""#),
            ("\"tab\there\"", r#""tab\u0009here""#),
        ] {
            assert_eq!(cleaned(text), expected);
        }
        let (_, replaced) = strict(r#"{"a": NaN, "b": "\ud83d"}"#).expect("JSON");
        assert_eq!(
            replaced.to_string(),
            "numbers that are none (NaN, Infinity) became null, halves of characters became U+FFFD"
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_cut_where_it_begins_to_be() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(cleaned(&nested(120)), nested(120));
        assert_eq!(cleaned(&nested(121)), nested(120).replace('1', "null"));
        assert_eq!(cleaned(&nested(100_000)), nested(120).replace('1', "null"));
        let text = format!(r#"{{"deep": {}, "kept": "yes \ud83d"}}"#, nested(500).replace('1', r#"{"x": NaN}"#));
        let (text, replaced) = strict(&text).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("not too deep");
        assert_eq!(value["kept"], "yes \u{fffd}");
        assert_eq!(replaced, Replaced { numbers: false, surrogates: true, depth: true });
    }

    #[test]
    fn what_is_no_json_is_told() {
        for text in
            ["", "{", "]", "[1,]", "{'a': 1}", "nul", "None", "\"open", "\"\\", "\"\\u12", "1 2", "[1}", "ünï", "+1"]
        {
            assert_eq!(strict(text), None, "{text}");
        }
    }
}
