//! The key everything in the vault is derived from, and the refusal of keys that are not random.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{RandomError, fill};

const KEY_LEN: usize = 32;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// The AES-256 key of NIST SP 800-38A, copied into many examples.
const NIST_EXAMPLE: [u8; KEY_LEN] = [
    0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c,
    0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4,
];

/// Texts whose SHA-256 people paste as a key.
const HASHED_WORDS: [&str; 10] =
    ["", "\n", "password", "password\n", "secret", "secret\n", "changeme", "changeme\n", "test", "test\n"];

/// Why a text is no master key. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    #[error("the key is not 32 bytes in base64, base64url or hex")]
    Format,
    #[error("the key is printable text, not random bytes")]
    PrintableText,
    #[error("the key repeats itself, it is not random")]
    Repeats,
    #[error("the key is a counting sequence, it is not random")]
    Counting,
    #[error("the key is a published example")]
    Example,
}

/// 32 random bytes that all keys of the vault are derived from. Cannot print; wiped on drop.
pub struct MasterKey(SecretBox<[u8; KEY_LEN]>);

impl MasterKey {
    /// Reads base64 (padded or not), base64url or hex; blanks around it do not matter. Refuses keys that are not random.
    pub fn parse(text: &str) -> Result<Self, WeakKey> {
        let bytes = decode(text).ok_or(WeakKey::Format)?;
        weakness(&bytes).map_or_else(|| Ok(Self::from_bytes(&bytes)), Err)
    }

    /// A fresh key from the OS random source.
    pub fn generate() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        loop {
            fill(bytes.as_mut_slice())?;
            // One in 10^13 looks weak by chance; what we make must be readable again.
            if weakness(&bytes).is_none() {
                return Ok(Self::from_bytes(&bytes));
            }
        }
    }

    /// The form to store or print once: padded base64, 44 characters.
    pub fn to_base64(&self) -> SecretString {
        STANDARD.encode(self.bytes()).into()
    }

    /// Whether `other` is this key in any accepted form: no secret may serve twice.
    pub fn equals_text(&self, other: &str) -> bool {
        decode(other).is_some_and(|bytes| self.bytes().ct_eq(bytes.as_slice()).into())
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.expose_secret()
    }

    fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; KEY_LEN]| key.copy_from_slice(bytes)))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let text = text.trim();
    let mut key = Zeroizing::new([0; KEY_LEN]);
    match text.len() {
        64 => decode_hex(text.as_bytes(), &mut key)?,
        43 | 44 => {
            let engine = if text.contains(['-', '_']) { BASE64URL } else { BASE64 };
            // The decoder wants room for whole groups of three bytes.
            let mut bytes = Zeroizing::new([0; 36]);
            let len = engine.decode_slice(text, bytes.as_mut_slice()).ok()?;
            key.copy_from_slice(bytes.get(..len).filter(|_| len == KEY_LEN)?);
        }
        _ => return None,
    }
    Some(key)
}

fn decode_hex(text: &[u8], key: &mut [u8; KEY_LEN]) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

fn weakness(key: &[u8; KEY_LEN]) -> Option<WeakKey> {
    if key.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(WeakKey::PrintableText);
    }
    let step = key[1].wrapping_sub(key[0]);
    if step != 0 && key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        return Some(WeakKey::Counting);
    }
    let distinct = (0..KEY_LEN).filter(|at| !key[..*at].contains(&key[*at])).count();
    let periodic = (1..=KEY_LEN / 2).any(|period| key.iter().zip(&key[period..]).all(|(a, b)| a == b));
    if distinct < 8 || periodic {
        return Some(WeakKey::Repeats);
    }
    let published = *key == NIST_EXAMPLE || HASHED_WORDS.iter().any(|word| Sha256::digest(word).as_slice() == key);
    published.then_some(WeakKey::Example)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    const HEX: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";

    fn parse_bytes(bytes: &[u8]) -> Result<MasterKey, WeakKey> {
        MasterKey::parse(&STANDARD.encode(bytes))
    }

    #[test]
    fn every_form_of_one_key_is_the_same_key() {
        let key = MasterKey::parse(HEX).expect("hex");
        let bytes = key.bytes();
        let forms = [
            HEX.to_uppercase(),
            format!(" {HEX}\n"),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ];
        assert!(forms[2].contains(['+', '/']), "the two alphabets differ for this key");
        for form in &forms {
            assert_eq!(MasterKey::parse(form).expect("a form of the key").bytes(), bytes, "{form}");
            assert!(key.equals_text(form), "{form}");
        }
        assert_eq!(key.to_base64().expose_secret(), forms[2]);
        assert!(!key.equals_text(&HEX.replace('3', "4")) && !key.equals_text("") && !key.equals_text("an api key"));
    }

    #[test]
    fn what_is_not_32_bytes_is_refused() {
        let texts = [
            "",
            "short",
            &HEX[..62],
            &format!("{HEX}00"),
            &HEX.replace('3', "+"),
            &HEX.replace('3', "g"),
            &STANDARD.encode([7; 31]),
            &STANDARD.encode([7; 33]),
            &"ü".repeat(22),
            &"ü".repeat(32),
            // The last letter of 43 carries two bits that must be zero.
            &format!("{}B", "Ab0-".repeat(11).split_at(42).0),
        ];
        for text in texts {
            assert_eq!(MasterKey::parse(text).err(), Some(WeakKey::Format), "{text}");
        }
    }

    #[test]
    fn keys_that_are_not_random_are_refused() {
        let counting: Vec<u8> = (0..32).collect();
        let backwards: Vec<u8> = (0..32).rev().collect();
        let by_seven: Vec<u8> = (0..32_u8).map(|at| at.wrapping_mul(7)).collect();
        // Seven different bytes in no order.
        let seven_bytes: Vec<u8> = Sha256::digest("seven").iter().map(|byte| 200 + byte % 7).collect();
        let cases: [(&[u8], WeakKey); 10] = [
            (b"this is my secret passphrase 32!", WeakKey::PrintableText),
            (&[b'a'; 32], WeakKey::PrintableText),
            (&[0; 32], WeakKey::Repeats),
            (&seven_bytes, WeakKey::Repeats),
            (&counting, WeakKey::Counting),
            (&backwards, WeakKey::Counting),
            (&by_seven, WeakKey::Counting),
            (&NIST_EXAMPLE, WeakKey::Example),
            (&Sha256::digest("changeme\n"), WeakKey::Example),
            (&Sha256::digest(""), WeakKey::Example),
        ];
        for (bytes, reason) in cases {
            assert_eq!(parse_bytes(bytes).err(), Some(reason), "{bytes:02x?}");
        }
        for period in 1..=16 {
            let pattern: Vec<u8> = Sha256::digest("a pattern")[..period].to_vec();
            let bytes: Vec<u8> = pattern.iter().copied().cycle().take(32).collect();
            assert_eq!(parse_bytes(&bytes).err(), Some(WeakKey::Repeats), "period {period}");
        }
        let doubled = "0123456789abcdef".repeat(4);
        assert_eq!(MasterKey::parse(&doubled).err(), Some(WeakKey::Repeats));
    }

    #[test]
    fn generated_keys_differ_and_read_back() {
        let (one, two) = (MasterKey::generate().expect("random"), MasterKey::generate().expect("random"));
        assert_ne!(one.bytes(), two.bytes());
        assert_eq!(MasterKey::parse(one.to_base64().expose_secret()).expect("reads back").bytes(), one.bytes());
        assert_eq!(format!("{one:?} {:?}", one.to_base64()), "MasterKey(..) SecretBox<str>([REDACTED])");
    }
}
