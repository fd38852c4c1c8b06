//! Signatures of our own texts, such as links that are good without a credential.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Signs with a key derived from the current master key; verifies with it and with those of the old ones. Made by
/// [`crate::Vault::signer`]. Cheap to clone, and cannot be printed.
#[derive(Clone)]
pub struct Signer(Arc<[Hmac<Sha256>]>);

impl Signer {
    /// The length of a signature in bytes (HMAC-SHA256).
    pub const LEN: usize = 32;

    /// The first key signs.
    pub(crate) fn new(keys: impl Iterator<Item = Zeroizing<[u8; 32]>>) -> Self {
        let keys = keys.map(|key| {
            let Ok(key) = Hmac::new_from_slice(key.as_slice()) else { unreachable!("HMAC takes keys of any length") };
            key
        });
        Self(keys.collect())
    }

    pub fn sign(&self, text: &[u8]) -> [u8; Self::LEN] {
        let Some(current) = self.0.first() else { unreachable!("a vault has a current key") };
        current.clone().chain_update(text).finalize().into_bytes().into()
    }

    /// Whether one of the keys signed exactly this text. Compares in constant time.
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| key.clone().chain_update(text).verify_slice(signature).is_ok())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

#[cfg(test)]
mod tests {
    use crate::{MasterKey, Vault};

    const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";
    const OTHER_KEY: &str = "9bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1312d6e503ae7c4b7";

    /// Made with another implementation (Python `hmac`) from the derivation as the vault documents it.
    const KNOWN: &str = "326eced2d3ff754b601c8842fb66b5befec48b4fa587e77590df729911fa38f6";

    fn vault(current: &str, old: &[&str]) -> Vault {
        let key = |text: &str| MasterKey::parse(text).expect("a strong key");
        Vault::new(key(current), old.iter().map(|text| key(text)).collect())
    }

    #[test]
    fn the_derivation_stays_what_it_is() {
        let signature = vault(KEY, &[]).signer("link").sign(b"a text");
        assert_eq!(format!("{signature:02x?}").replace(['[', ']', ',', ' '], ""), KNOWN);
    }

    #[test]
    fn a_signature_is_good_for_its_text_key_and_purpose_alone() {
        let signer = vault(KEY, &[]).signer("link");
        let signature = signer.sign(b"a text");
        assert!(signer.verify(b"a text", &signature));
        assert!(!signer.verify(b"a text.", &signature) && !signer.verify(b"", &signature));
        assert!(!signer.verify(b"a text", &signature[..31]) && !signer.verify(b"a text", b""));
        for bit in 0..signature.len() * 8 {
            let mut damaged = signature;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!signer.verify(b"a text", &damaged), "bit {bit}");
        }
        assert!(!vault(OTHER_KEY, &[]).signer("link").verify(b"a text", &signature));
        assert!(!vault(KEY, &[]).signer("other").verify(b"a text", &signature));
    }

    #[test]
    fn what_an_old_key_signed_stays_good_and_the_current_one_signs() {
        let old = vault(KEY, &[]).signer("link");
        let rotated = vault(OTHER_KEY, &[KEY]).signer("link");
        assert!(rotated.verify(b"a text", &old.sign(b"a text")));
        assert!(!old.verify(b"a text", &rotated.sign(b"a text")));
        assert_eq!(rotated.sign(b"a text"), vault(OTHER_KEY, &[]).signer("link").sign(b"a text"));
        assert_eq!(format!("{rotated:?}"), "Signer(..)");
    }
}
