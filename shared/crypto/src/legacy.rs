//! What the Python service stored: PBKDF2 password hashes and Fernet texts. Both are only read; nothing new is made in them.

use std::fmt;

use aes::Aes128;
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use cbc::{
    Decryptor,
    cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const ROUNDS: u32 = 100_000;
const HASH_LEN: usize = 32;
/// A stored text that a person edited could hold a book; ours has 32 characters.
const MAX_SALT: usize = 255;

/// PBKDF2-HMAC-SHA256 as the Python service stored it: `salt:hash`, where the salt's text itself is the salt.
#[derive(Clone)]
pub(crate) struct LegacyHash {
    salt: String,
    hash: [u8; HASH_LEN],
}

impl LegacyHash {
    /// What stands in for a hash where there is none: it costs the same, and no password has it.
    pub(crate) fn nobody() -> Self {
        Self { salt: "0".repeat(32), hash: [0; HASH_LEN] }
    }

    pub(crate) fn parse(stored: &str) -> Option<Self> {
        let (salt, hex) = stored.split_once(':')?;
        let is_salt = !salt.is_empty() && salt.len() <= MAX_SALT && salt.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_salt || salt.starts_with('$') || hex.len() != 2 * HASH_LEN {
            return None;
        }
        let mut hash = [0; HASH_LEN];
        for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = 16 * nibble(digits[0])? + nibble(digits[1])?;
        }
        Some(Self { salt: salt.to_owned(), hash })
    }

    pub(crate) fn matches(&self, password: &SecretString) -> bool {
        let mut computed = Zeroizing::new([0; HASH_LEN]);
        let password = password.expose_secret().as_bytes();
        pbkdf2::pbkdf2_hmac::<Sha256>(password, self.salt.as_bytes(), ROUNDS, computed.as_mut_slice());
        computed.ct_eq(&self.hash).into()
    }
}

/// Whether a stored text is a password hash of the Python service that [`crate::PasswordGate`] can check.
pub fn is_legacy_hash(stored: &str) -> bool {
    LegacyHash::parse(stored).is_some()
}

/// The value of a digit of lower-case hex: the old service compared texts, so it knew no other.
const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Python's decoder does not mind missing padding, nor do we.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const FERNET_VERSION: u8 = 0x80;
/// Version, time and initialisation vector.
const FERNET_HEADER: usize = 1 + 8 + FERNET_IV;
const FERNET_IV: usize = 16;
const FERNET_MAC: usize = 32;

/// A file that should hold a Fernet key does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Fernet key: expected 44 characters of base64url")]
pub struct NotAFernetKey;

/// Why a Fernet text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FernetError {
    #[error("it is no Fernet text")]
    Malformed,
    #[error("it was sealed with another key, or is damaged")]
    Refused,
}

/// The key of the Python service's vault. It opens, and never seals.
pub struct FernetKey {
    signing: Zeroizing<[u8; 16]>,
    encryption: Zeroizing<[u8; 16]>,
}

impl FernetKey {
    /// The key that the old `ENCRYPTION_KEY` stood for: the SHA-256 of its text, blanks included.
    pub fn from_passphrase(text: &SecretString) -> Self {
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(text.expose_secret().as_bytes()).into());
        Self::from_bytes(&digest)
    }

    /// The key in the old `.llm_api_enc.key`: 44 characters, with blanks around them or without.
    pub fn from_key_file(text: &SecretString) -> Result<Self, NotAFernetKey> {
        let text = text.expose_secret().trim();
        let mut bytes = Zeroizing::new([0; 33]);
        match (text.len(), BASE64.decode_slice(text, bytes.as_mut_slice())) {
            (44, Ok(32)) => bytes.first_chunk().map(Self::from_bytes).ok_or(NotAFernetKey),
            _ => Err(NotAFernetKey),
        }
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (mut signing, mut encryption) = (Zeroizing::new([0; 16]), Zeroizing::new([0; 16]));
        signing.copy_from_slice(&bytes[..16]);
        encryption.copy_from_slice(&bytes[16..]);
        Self { signing, encryption }
    }

    /// Opens a Fernet text. Its time is not looked at: the old service never did.
    pub fn open(&self, token: &str) -> Result<SecretSlice<u8>, FernetError> {
        let bytes = BASE64.decode(token.trim()).map_err(|_| FernetError::Malformed)?;
        let (signed, mac) = bytes.split_last_chunk::<FERNET_MAC>().ok_or(FernetError::Malformed)?;
        let (header, ciphertext) = signed.split_at_checked(FERNET_HEADER).ok_or(FernetError::Malformed)?;
        if header[0] != FERNET_VERSION || ciphertext.is_empty() || !ciphertext.len().is_multiple_of(16) {
            return Err(FernetError::Malformed);
        }
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.signing.as_slice()) else {
            unreachable!("HMAC takes keys of any length")
        };
        hmac.update(signed);
        hmac.verify_slice(mac).map_err(|_| FernetError::Refused)?;
        let iv = header.last_chunk::<FERNET_IV>().ok_or(FernetError::Malformed)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let decryptor = Decryptor::<Aes128>::new((&*self.encryption).into(), iv.into());
        let length = decryptor.decrypt_padded::<Pkcs7>(&mut text).map_err(|_| FernetError::Refused)?.len();
        text.truncate(length);
        Ok(std::mem::take(&mut *text).into())
    }
}

impl fmt::Debug for FernetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FernetKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "00112233445566778899aabbccddeeff";
    const HORSE: &str = "5788797bd00217541915bc05dec5f00379ee7a1156b24ba01dc36886c9fc9ea7";
    const UNICODE: &str = "bd49535c1d7f8beebe35e9b028f3bd6c2a67ea4a6756db7b5c64c209d59a926c";
    const API_KEY: &str = "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD4opngwNHkecHi3TinGSgf4kIPgMpNpm22Ls90e9lcyqqCe-xMlW80T1v-FATPa2nSxXyvwEVkMQvtM7LkkszT4=";
    const ENDPOINT_KEY: &str = "gAAAAABlU_EBEBESExQVFhcYGRobHB0eH8J1OAKW7b_7mG5_KyMyw9IDc49rmx_NeMLcImT0sXPkz1m_rmOsH0Iqx5-cnxFYIa4sN0gNvyPrxBKERI-VbO4CRWX5BYMq8RR4K7R0sYzHdN04s7dTBE3vT5H3xc8jE6sPndW3ApoJKaEPn89iyg8=";
    const OAUTH_TOKEN: &str = "gAAAAABlU_ECICEiIyQlJicoKSorLC0uL9h1ZXSJ5YH-3YaoDPYyYSLcwO4pCWonGTJcKdO8ZHAnTerzM26_7Hkq_TqHZT89RKraR70597tCq5vVQWwDta4=";
    const KEY_FILE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn hash(hex: &str) -> LegacyHash {
        LegacyHash::parse(&format!("{SALT}:{hex}")).expect("a hash")
    }

    fn opened(key: &FernetKey, token: &str) -> Result<String, FernetError> {
        key.open(token).map(|text| String::from_utf8(text.expose_secret().to_vec()).expect("UTF-8"))
    }

    fn passphrase() -> FernetKey {
        FernetKey::from_passphrase(&"legacy-secret".into())
    }

    #[test]
    fn hashes_of_the_old_service_verify() {
        assert!(hash(HORSE).matches(&"correct horse".into()));
        assert!(hash(UNICODE).matches(&"pässwörd-ünïcode".into()));
        assert!(!hash(HORSE).matches(&"correct horse ".into()));
        assert!(!hash(UNICODE).matches(&"pa\u{308}sswo\u{308}rd-u\u{308}ni\u{308}code".into()), "not normalised");
        let other_salt = LegacyHash::parse(&format!("x{SALT}:{HORSE}")).expect("a hash");
        assert!(!other_salt.matches(&"correct horse".into()));
    }

    #[test]
    fn texts_that_are_no_hash_are_told() {
        assert!(is_legacy_hash(&format!("{SALT}:{HORSE}")) && is_legacy_hash(&format!("salt:{HORSE}")));
        for text in [
            String::new(),
            SALT.to_owned(),
            format!("{SALT}{HORSE}"),
            format!("{SALT}:{}", &HORSE[1..]),
            format!("{SALT}:{HORSE}0"),
            format!("{SALT}:{}", HORSE.to_uppercase()),
            format!("{SALT}:x{}", &HORSE[1..]),
            format!("{SALT}::{}", &HORSE[1..]),
            format!(":{HORSE}"),
            format!("ü:{HORSE}"),
            format!("{}:{HORSE}", "a".repeat(256)),
            format!("$argon2id$v=19$:{HORSE}"),
        ] {
            assert!(!is_legacy_hash(&text), "{text}");
        }
    }

    #[test]
    fn fernet_texts_open_with_either_kind_of_key() {
        assert_eq!(opened(&passphrase(), API_KEY).as_deref(), Ok(r#"{"api_key": "sk-test-123456"}"#));
        let endpoint = r#"{"api_key": "azk-9876", "endpoint": "https://x.openai.azure.com/"}"#;
        assert_eq!(opened(&passphrase(), ENDPOINT_KEY).as_deref(), Ok(endpoint));
        let file = FernetKey::from_key_file(&format!(" {KEY_FILE}\n").into()).expect("a key");
        assert_eq!(opened(&file, OAUTH_TOKEN).as_deref(), Ok(r#"{"oauth_token": "ya29.abc"}"#));
        assert_eq!(opened(&file, OAUTH_TOKEN.trim_end_matches('=')), opened(&file, OAUTH_TOKEN));
    }

    #[test]
    fn the_passphrase_is_hashed_with_its_blanks_and_never_taken_as_a_key() {
        let derived = "_cvIB9gPYMbxXvZE1cNyrJJ2C9X0FMw9SMOzINnR5ok=";
        let key = FernetKey::from_key_file(&derived.into()).expect("a key");
        assert!(opened(&key, API_KEY).is_ok(), "the key that the passphrase stands for");
        let text = FernetKey::from_passphrase(&derived.into());
        assert_eq!(opened(&text, API_KEY), Err(FernetError::Refused));
        let blank = FernetKey::from_passphrase(&"legacy-secret ".into());
        assert_eq!(opened(&blank, API_KEY), Err(FernetError::Refused));
    }

    #[test]
    fn a_key_file_that_holds_no_key_is_refused() {
        for text in ["", "AAEC", &KEY_FILE[1..], &format!("{KEY_FILE}A"), &KEY_FILE.replace('A', "!"), &"A".repeat(44)]
        {
            assert!(matches!(FernetKey::from_key_file(&text.into()), Err(NotAFernetKey)), "{text}");
        }
    }

    #[test]
    fn a_changed_letter_is_refused_wherever_it_stands() {
        let key = passphrase();
        for at in 0..API_KEY.len() - 2 {
            let mut text = API_KEY.as_bytes().to_vec();
            text[at] = if text[at] == b'Q' { b'R' } else { b'Q' };
            let text = String::from_utf8(text).expect("ASCII");
            assert!(key.open(&text).is_err(), "{text}");
        }
        for text in ["", "gAAAAA", "sk-test-123456", "ü", &API_KEY[..80], &format!("{API_KEY}{API_KEY}")] {
            assert!(key.open(text).is_err(), "{text}");
        }
        assert_eq!(opened(&FernetKey::from_passphrase(&"another".into()), API_KEY), Err(FernetError::Refused));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        assert_eq!(format!("{:?}", passphrase()), "FernetKey(..)");
    }
}
