//! Tokens: made from the OS random source, refused by their checksum before any database read, stored only as a hash.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{RandomError, fill};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The largest multiple of 62 in a byte: what lies above is drawn again, so every letter is equally likely.
const UNBIASED: u8 = 62 * 4;

const PREFIX_LEN: usize = 4;
const BODY_LEN: usize = 32;
const CHECK_LEN: usize = 6;
const TOKEN_LEN: usize = PREFIX_LEN + BODY_LEN + CHECK_LEN;
/// The old service's tokens: 32 random bytes as base64url without padding, no prefix.
const IMPORTED_LEN: usize = 43;

/// What a token is for; its prefix says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Made by a user for programs.
    Personal,
    /// Made by a login; ends with a changed password.
    Login,
    /// Lets one person register.
    Invite,
}

impl TokenKind {
    pub const ALL: [Self; 3] = [Self::Personal, Self::Login, Self::Invite];

    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Personal => "lap_",
            Self::Login => "las_",
            Self::Invite => "lai_",
        }
    }
}

/// A token as its owner sees it, once: prefix, 32 base62 letters, 6 base62 letters of CRC-32. Wiped on drop.
pub struct PlainToken(SecretString);

impl PlainToken {
    /// A fresh token; about 190 bits from the OS random source.
    pub fn generate(kind: TokenKind) -> Result<Self, RandomError> {
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_LEN));
        text.push_str(kind.prefix());
        let mut random = Zeroizing::new([0; 2 * BODY_LEN]);
        while text.len() < PREFIX_LEN + BODY_LEN {
            fill(random.as_mut_slice())?;
            let missing = PREFIX_LEN + BODY_LEN - text.len();
            let unbiased = random.iter().filter(|byte| **byte < UNBIASED).take(missing);
            text.extend(unbiased.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        let check = checksum(text.as_bytes());
        text.extend(check.map(char::from));
        Ok(Self(text.as_str().into()))
    }

    /// The text to hand to the owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(..)")
    }
}

/// SHA-256 of a token's ASCII text: all that is stored of it. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of any text, well-formed or not.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The hash to look up for a presented token; `None` for junk and for kinds that are not allowed here.
    /// Imported tokens of the old service do not show their kind: they pass for every kind. Does not allocate.
    pub fn of_presented(kind_allowed: &[TokenKind], text: &str) -> Option<Self> {
        let well_formed = match text.len() {
            TOKEN_LEN => kind_allowed.iter().any(|kind| text.starts_with(kind.prefix())) && is_intact(text.as_bytes()),
            IMPORTED_LEN => !kind_allowed.is_empty() && text.bytes().all(is_base64url),
            _ => false,
        };
        well_formed.then(|| Self::of(text))
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for TokenHash {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// The CRC-32 of prefix and body, in base62 with the highest digit first.
fn checksum(signed: &[u8]) -> [u8; CHECK_LEN] {
    let mut rest = crc32fast::hash(signed);
    let mut digits = [ALPHABET[0]; CHECK_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Whether body and checksum of a text of [`TOKEN_LEN`] bytes fit together.
fn is_intact(text: &[u8]) -> bool {
    let (signed, check) = text.split_at(PREFIX_LEN + BODY_LEN);
    signed[PREFIX_LEN..].iter().all(u8::is_ascii_alphanumeric) && check == checksum(signed)
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const IMPORTED: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";

    #[test]
    fn the_hash_is_the_one_that_the_old_service_stored() {
        let hex = "cf4010a222820897c674b3247f8a1cb04b3a0b71ef6930384f6320a7d28e38df";
        let hash = TokenHash::of("test-token-abc123");
        assert_eq!(format!("{:02x?}", hash.as_bytes()).replace(['[', ']', ',', ' '], ""), hex);
        assert_eq!(hash, TokenHash::from(*hash.as_bytes()));
        assert_ne!(hash, TokenHash::of("test-token-abc124"));
    }

    #[test]
    fn the_token_format_stays_what_it_is() {
        // CRC-32 made with another implementation (zlib).
        for (kind, text) in [
            (TokenKind::Personal, "lap_0123456789ABCDEFGHIJabcdefghij011rHqdm"),
            (TokenKind::Login, "las_0123456789ABCDEFGHIJabcdefghij01099Km8"),
            (TokenKind::Invite, "lai_0123456789ABCDEFGHIJabcdefghij012qyNbC"),
        ] {
            assert_eq!(TokenHash::of_presented(&[kind], text), Some(TokenHash::of(text)));
        }
    }

    #[test]
    fn generated_tokens_are_accepted_for_their_kind_only() {
        for kind in TokenKind::ALL {
            let token = PlainToken::generate(kind).expect("random");
            assert_eq!(token.expose().len(), 42);
            assert!(token.expose().starts_with(kind.prefix()));
            assert_eq!(TokenHash::of_presented(&TokenKind::ALL, token.expose()), Some(token.hash()));
            for other in TokenKind::ALL {
                let seen = TokenHash::of_presented(&[other], token.expose());
                assert_eq!(seen.is_some(), other == kind, "{kind:?} presented as {other:?}");
            }
            assert_eq!(TokenHash::of_presented(&[], token.expose()), None);
        }
    }

    #[test]
    fn every_letter_of_the_alphabet_is_drawn_about_equally() {
        let mut counts = [0_u32; 62];
        let mut seen = HashSet::new();
        for _ in 0..2000 {
            let token = PlainToken::generate(TokenKind::Personal).expect("random");
            for byte in token.expose().bytes().skip(PREFIX_LEN).take(BODY_LEN) {
                let letter = ALPHABET.iter().position(|known| *known == byte).expect("base62");
                counts[letter] += 1;
            }
            assert!(seen.insert(token.expose().to_owned()), "a token came twice");
        }
        // 1032 expected of each; a plain modulo would give the first eight letters 1250. 190 is six standard deviations.
        assert!(counts.iter().all(|count| (842..1222).contains(count)), "{counts:?}");
    }

    #[test]
    fn imported_tokens_pass_for_every_kind() {
        for kind in TokenKind::ALL {
            assert_eq!(TokenHash::of_presented(&[kind], IMPORTED), Some(TokenHash::of(IMPORTED)));
        }
        assert_eq!(TokenHash::of_presented(&[], IMPORTED), None);
        for junk in [&IMPORTED[1..], &format!("{IMPORTED}A"), &IMPORTED.replace('-', "+"), &IMPORTED.replace("-_", "ü")]
        {
            assert_eq!(TokenHash::of_presented(&TokenKind::ALL, junk), None, "{junk}");
        }
    }

    #[test]
    fn nothing_of_a_token_is_printed() {
        let token = PlainToken::generate(TokenKind::Login).expect("random");
        assert_eq!(format!("{token:?} {:?}", token.hash()), "PlainToken(..) TokenHash(..)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn junk_is_refused(text in "\\PC{0,60}") {
            prop_assume!(text.len() != IMPORTED_LEN);
            prop_assert_eq!(TokenHash::of_presented(&TokenKind::ALL, &text), None);
        }

        #[test]
        fn a_changed_letter_is_refused(at in 0..TOKEN_LEN, letter in 0x20_u8..0x7f) {
            let token = PlainToken::generate(TokenKind::Personal).expect("random");
            let mut text = token.expose().as_bytes().to_vec();
            prop_assume!(text[at] != letter);
            text[at] = letter;
            let text = String::from_utf8(text).expect("ASCII");
            prop_assert_eq!(TokenHash::of_presented(&TokenKind::ALL, &text), None);
        }
    }
}
