//! What a new password must be: long enough, and not one that everybody tries first.

const MIN_CHARS: usize = 12;
/// Also what the gate refuses to hash: longer ones only cost time.
pub(crate) const MAX_BYTES: usize = 1024;

/// Lower case, one a line, each long enough to pass the length rule.
const COMMON: &str = include_str!("common_passwords.txt");

/// Why a new password is refused; the sentence may be shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    #[error("The password must have at least 12 characters.")]
    TooShort,
    #[error("The password must have at most 1,024 bytes.")]
    TooLong,
    #[error("The password must not be the username.")]
    EqualsUsername,
    #[error("The password is on the list of common passwords; choose another one.")]
    Common,
}

/// Checks a password that a user wants to set. No composition rules and no normalisation.
pub fn check_new_password(username: &str, password: &str) -> Result<(), PasswordProblem> {
    if password.len() > MAX_BYTES {
        return Err(PasswordProblem::TooLong);
    }
    if password.chars().count() < MIN_CHARS {
        return Err(PasswordProblem::TooShort);
    }
    let lower = zeroize::Zeroizing::new(password.to_lowercase());
    if *lower == username.to_lowercase() {
        return Err(PasswordProblem::EqualsUsername);
    }
    if COMMON.lines().any(|common| common == lower.as_str()) {
        return Err(PasswordProblem::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_match() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.len() > 200);
        assert!(lines.is_sorted_by(|a, b| a < b), "sorted, each once");
        for line in lines {
            assert!(line.chars().count() >= MIN_CHARS && line == line.to_lowercase() && line == line.trim(), "{line}");
        }
    }

    #[test]
    fn each_rule_has_its_answer() {
        let check = |password: &str| check_new_password("Long.Username-Anna", password);
        assert_eq!(check("eleven char"), Err(PasswordProblem::TooShort));
        assert_eq!(check("twelve chars"), Ok(()));
        assert_eq!(check("äöüäöüäöüäö"), Err(PasswordProblem::TooShort), "characters count, not bytes");
        assert_eq!(check("äöüäöüäöüäöü"), Ok(()));
        assert_eq!(check(&"ab3".repeat(341)), Ok(()));
        assert_eq!(check(&"ä".repeat(513)), Err(PasswordProblem::TooLong));
        assert_eq!(check("long.username-ANNA"), Err(PasswordProblem::EqualsUsername));
        for common in ["password1234", "PassWord1234", "123456789012", "qwertyuiop123"] {
            assert_eq!(check(common), Err(PasswordProblem::Common), "{common}");
        }
    }
}
