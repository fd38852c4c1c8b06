//! Ids of calls: Anthropic takes letters, digits, `_` and `-`.

/// The same id for the same text, wherever it stands: a call and its result keep each other.
pub(super) fn call_id(id: String) -> String {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !id.is_empty() && id.as_bytes().iter().all(fits) {
        return id;
    }
    // FNV-1a, so that ids that differ in what was replaced stay different.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let kept: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    format!("{kept}_{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_to_fit_and_stay_apart() {
        assert_eq!(call_id("toolu_01-A".into()), "toolu_01-A");
        let (dot, colon) = (call_id("functions.get:0".into()), call_id("functions:get.0".into()));
        assert!(dot.starts_with("functions_get_0_"), "{dot}");
        assert_ne!(dot, colon);
        assert_eq!(dot, call_id("functions.get:0".into()));
        for id in ["", "é", "a b"] {
            let id = call_id(id.into());
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') && !id.is_empty(), "{id}");
        }
    }
}
