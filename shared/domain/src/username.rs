//! The rule for names of people, wherever one is made.

/// The longest name, in characters.
pub const MAX_USERNAME: usize = 255;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameProblem {
    Empty,
    /// Longer than [`MAX_USERNAME`].
    TooLong,
    ControlCharacter,
}

/// Checks a name; blanks around it are the caller's to take off. Names that were imported may break the rule.
pub fn check_username(name: &str) -> Result<(), UsernameProblem> {
    if name.trim().is_empty() {
        return Err(UsernameProblem::Empty);
    }
    if name.chars().count() > MAX_USERNAME {
        return Err(UsernameProblem::TooLong);
    }
    match name.chars().any(char::is_control) {
        true => Err(UsernameProblem::ControlCharacter),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_visible_text() {
        for good in ["a", "ada@example.org", "Ada Lovelace", "ä", &"ä".repeat(255)] {
            assert_eq!(check_username(good), Ok(()), "{good}");
        }
        assert_eq!(check_username(" \u{3000}"), Err(UsernameProblem::Empty));
        assert_eq!(check_username(&"a".repeat(256)), Err(UsernameProblem::TooLong));
        for bad in ["a\tb", "a\u{0}", "\u{7f}", "a\u{85}b"] {
            assert_eq!(check_username(bad), Err(UsernameProblem::ControlCharacter), "{bad:?}");
        }
    }
}
