//! One pass over JSON text for what its parser does not refuse: U+0000, which Postgres cannot store, and nesting so
//! deep that a later reader fails on it.

/// Deeper nesting than this is refused; the same bound as `serde_json`'s for parsed values.
const MAX_DEPTH: usize = 128;

/// Checks JSON text that is otherwise taken as it is.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_json(bytes: &[u8]) -> Result<(), &'static str> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = check_string(bytes, at + 1)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err("the JSON is nested deeper than 128 levels");
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Runs through a string from the byte after its opening quote; gives the position after the closing one.
fn check_string(bytes: &[u8], mut at: usize) -> Result<usize, &'static str> {
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return Ok(at + 1);
        }
        if bytes.get(at + 1..at + 6) == Some(b"u0000") {
            return Err("text must not contain the character U+0000");
        }
        at += 2;
    }
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_nul_and_depth_but_not_their_look_alikes() {
        assert!(check_json(br#"{"a":"x\u0000y"}"#).is_err());
        assert!(check_json(br#"{"a\u0000":1}"#).is_err());
        assert!(check_json(br#"{"a":"x\\u0000y \" [[["}"#).is_ok());
        assert!(check_json(br#"{"a":"\u00001"}"#).is_err());
        assert!(check_json("[".repeat(128).as_bytes()).is_ok());
        assert!(check_json("[".repeat(129).as_bytes()).is_err());
        assert!(check_json(format!("\"{}\"", "[".repeat(500)).as_bytes()).is_ok());
        assert!(check_json(br#""unclosed \"#).is_ok());
    }
}
