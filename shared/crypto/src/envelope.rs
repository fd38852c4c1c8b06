//! The vault: one AES-256-GCM key per record, and a ciphertext that opens only where it was sealed for.

use std::{fmt, iter, sync::Arc};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{MasterKey, RandomError, Signer, fill};

const VERSION: u8 = 1;
pub(crate) const KEY_ID_LEN: usize = 4;
pub(crate) const COMMITMENT_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + COMMITMENT_LEN + NONCE_LEN;

/// The context of the row that tells a wrong master key at start.
pub const CANARY: SealContext<'static> =
    SealContext { purpose: "canary", record: Uuid::nil(), owner: Uuid::nil(), provider: "", origin: "" };
const CANARY_TEXT: &[u8] = b"llm-api canary";

/// The purpose of a provider credential.
pub const PROVIDER_KEY: &str = "provider-key";

/// Which master key: as it stands in envelopes, and not secret. Shown in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; KEY_ID_LEN]);

impl KeyId {
    /// Whose envelope begins with these bytes, which may be cut short; `None` when it is no envelope of this version.
    pub fn of(sealed: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        rest.first_chunk().copied().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Where a secret belongs. All of it is bound into the envelope: it opens only for the same values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// What kind of secret it is: `provider-key`, `canary`.
    pub purpose: &'static str,
    /// The id of the row.
    pub record: Uuid,
    /// The id of the user it belongs to.
    pub owner: Uuid,
    pub provider: &'a str,
    /// Scheme, host and port of the only address that the secret may be sent to.
    pub origin: &'a str,
}

/// Why an envelope does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the stored secret is not an envelope of this version")]
    Malformed,
    #[error("the stored secret was sealed with a master key that is not configured")]
    UnknownKey,
    #[error("the stored secret was sealed for another record, or is damaged")]
    Commitment,
    #[error("the stored secret was sealed for another owner, provider or origin, or is damaged")]
    Refused,
}

/// Why an envelope could not be sealed again.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// An opened envelope.
#[derive(Debug)]
pub struct Opened {
    pub plaintext: SecretSlice<u8>,
    /// False: an old key of the ring opened it, so it waits to be sealed again.
    pub sealed_with_current: bool,
}

/// Seals with the current master key; opens with it and with the old ones. Cheap to clone.
///
/// The format of an envelope (`|` joins bytes, ids are their 16 bytes, integers are big-endian):
///
/// ```text
/// prk      = HKDF-Extract(SHA-256, salt "llm-api/v1", ikm = the 32 bytes of the master key)
/// kid      = HKDF-Expand(prk, "kid", 4)
/// k        = HKDF-Expand(prk, "enc|" purpose "|" record, 32)       the record's AES-256-GCM key
/// c        = HKDF-Expand(prk, "commit|" purpose "|" record, 32)    commitment to that key
/// envelope = 0x01 | kid (4) | c (32) | nonce (12) | ciphertext | tag (16)
/// aad      = f("llm-api") | f(0x01) | f(purpose) | f(owner) | f(record) | f(provider) | f(origin) | f(kid)
///            where f(x) = the length of x in bytes as u32 | x
/// s        = HKDF-Expand(prk, "sign|" purpose, 32)                 the key of a [`Signer`], which seals nothing
/// ```
///
/// Streams have a format of their own: see [`Vault::seal_stream`].
#[derive(Clone, Debug)]
pub struct Vault(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    current: DerivedKey,
    old: Vec<DerivedKey>,
}

pub(crate) struct DerivedKey {
    pub(crate) kid: [u8; KEY_ID_LEN],
    pub(crate) hkdf: Hkdf<Sha256>,
}

impl Vault {
    /// `old` only opens.
    pub fn new(current: MasterKey, old: Vec<MasterKey>) -> Self {
        let old = old.into_iter().map(DerivedKey::new).collect();
        Self(Arc::new(Ring { current: DerivedKey::new(current), old }))
    }

    /// The current master key's id, as it stands in envelopes; not secret.
    pub fn key_id(&self) -> [u8; KEY_ID_LEN] {
        self.0.current.kid
    }

    pub(crate) fn current(&self) -> &DerivedKey {
        &self.0.current
    }

    pub(crate) fn old(&self) -> &[DerivedKey] {
        &self.0.old
    }

    /// The ids of the keys that only open.
    pub fn old_key_ids(&self) -> Vec<KeyId> {
        self.0.old.iter().map(|key| KeyId(key.kid)).collect()
    }

    /// Seals `plaintext` for `ctx` with the current key.
    pub fn seal(&self, ctx: &SealContext<'_>, plaintext: &[u8]) -> Result<Vec<u8>, RandomError> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        Ok(self.0.current.seal(ctx, plaintext, nonce))
    }

    /// Opens what [`Vault::seal`] made for the same context.
    pub fn open(&self, ctx: &SealContext<'_>, sealed: &[u8]) -> Result<Opened, OpenError> {
        let envelope = Envelope::parse(sealed).ok_or(OpenError::Malformed)?;
        let current = iter::once((&self.0.current, true));
        let mut refusal = OpenError::UnknownKey;
        // Key ids are short: two master keys may share one, so the commitment decides.
        for (key, sealed_with_current) in current.chain(self.0.old.iter().map(|key| (key, false))) {
            if key.kid != *envelope.kid {
                continue;
            }
            if key.expand("commit|", ctx).ct_eq(envelope.commitment).into() {
                let plaintext = key.decrypt(ctx, &envelope)?;
                return Ok(Opened { plaintext, sealed_with_current });
            }
            refusal = OpenError::Commitment;
        }
        Err(refusal)
    }

    /// Seals anew what an old key has sealed; `None` when the current one has.
    pub fn reseal(&self, ctx: &SealContext<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, ResealError> {
        let opened = self.open(ctx, sealed)?;
        if opened.sealed_with_current {
            return Ok(None);
        }
        Ok(Some(self.seal(ctx, opened.plaintext.expose_secret())?))
    }

    /// Signs texts of one kind with keys of their own: its signatures are good for no other purpose.
    pub fn signer(&self, purpose: &'static str) -> Signer {
        let keys = iter::once(&self.0.current).chain(&self.0.old).map(|key| key.signing_key(purpose));
        Signer::new(keys)
    }

    /// An envelope of a known text, to store beside the data.
    pub fn seal_canary(&self) -> Result<Vec<u8>, RandomError> {
        self.seal(&CANARY, CANARY_TEXT)
    }

    /// Whether this vault's keys are the ones that the data was sealed with.
    pub fn open_canary(&self, sealed: &[u8]) -> Result<(), OpenError> {
        self.open(&CANARY, sealed).map(drop)
    }
}

impl DerivedKey {
    #[expect(clippy::needless_pass_by_value, reason = "the master key is wiped once its keys are derived")]
    fn new(master: MasterKey) -> Self {
        let hkdf = Hkdf::new(Some(b"llm-api/v1"), master.bytes());
        let mut kid = [0; KEY_ID_LEN];
        expand(&hkdf, &[b"kid"], &mut kid);
        Self { kid, hkdf }
    }

    fn seal(&self, ctx: &SealContext<'_>, plaintext: &[u8], nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.kid);
        sealed.extend_from_slice(self.expand("commit|", ctx).as_slice());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let text = (&mut sealed[HEADER_LEN..]).into();
        let Ok(tag) = self.cipher(ctx).encrypt_inout_detached(&nonce.into(), &self.associated_data(ctx), text) else {
            unreachable!("AES-GCM refuses only texts beyond 64 GiB");
        };
        sealed.extend_from_slice(&tag);
        sealed
    }

    fn decrypt(&self, ctx: &SealContext<'_>, envelope: &Envelope<'_>) -> Result<SecretSlice<u8>, OpenError> {
        let mut text = Zeroizing::new(envelope.ciphertext.to_vec());
        let (nonce, tag) = ((*envelope.nonce).into(), (*envelope.tag).into());
        self.cipher(ctx)
            .decrypt_inout_detached(&nonce, &self.associated_data(ctx), text.as_mut_slice().into(), &tag)
            .map_err(|_| OpenError::Refused)?;
        Ok(std::mem::take(&mut *text).into())
    }

    fn cipher(&self, ctx: &SealContext<'_>) -> Aes256Gcm {
        Aes256Gcm::new((&*self.expand("enc|", ctx)).into())
    }

    fn expand(&self, label: &str, ctx: &SealContext<'_>) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let info = [label.as_bytes(), ctx.purpose.as_bytes(), b"|", ctx.record.as_bytes()];
        expand(&self.hkdf, &info, key.as_mut_slice());
        key
    }

    fn signing_key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        expand(&self.hkdf, &[b"sign|", purpose.as_bytes()], key.as_mut_slice());
        key
    }

    fn associated_data(&self, ctx: &SealContext<'_>) -> Vec<u8> {
        let fields: [&[u8]; 8] = [
            b"llm-api",
            &[VERSION],
            ctx.purpose.as_bytes(),
            ctx.owner.as_bytes(),
            ctx.record.as_bytes(),
            ctx.provider.as_bytes(),
            ctx.origin.as_bytes(),
            &self.kid,
        ];
        let mut data = Vec::with_capacity(fields.iter().map(|field| 4 + field.len()).sum());
        for field in fields {
            let Ok(len) = u32::try_from(field.len()) else { unreachable!("a provider or origin beyond 4 GiB") };
            data.extend_from_slice(&len.to_be_bytes());
            data.extend_from_slice(field);
        }
        data
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivedKey(id {:02x?})", self.kid)
    }
}

pub(crate) fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]], key: &mut [u8]) {
    let Ok(()) = hkdf.expand_multi_info(info, key) else { unreachable!("HKDF refuses only more than 8,160 bytes") };
}

/// The parts of a stored envelope.
struct Envelope<'a> {
    kid: &'a [u8; KEY_ID_LEN],
    commitment: &'a [u8],
    nonce: &'a [u8; NONCE_LEN],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Envelope<'a> {
    fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (kid, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_at_checked(COMMITMENT_LEN)?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        Some(Self { kid, commitment, nonce, ciphertext, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";
    const OTHER_KEY: &str = "9bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1312d6e503ae7c4b7";
    const TEXT: &[u8] = br#"{"api_key":"sk-test-123456"}"#;

    /// Made with another implementation (Python `cryptography`) from the format as it is documented above.
    const KNOWN: &str = "01a2dd9aff494e56fa7952069a6b8703fdc4feb06248e396450b1618163bc17245c6b78bd2000102030405060708090a0b\
                         753b7aaa21e7ac063cf5fce9dae5bcb4465d4ad48f023deed9a7b2a924c562470e1890697b9f4d5cf342fbae";

    fn key(text: &str) -> MasterKey {
        MasterKey::parse(text).expect("a strong key")
    }

    fn vault(current: &str, old: &[&str]) -> Vault {
        Vault::new(key(current), old.iter().map(|text| key(text)).collect())
    }

    fn context() -> SealContext<'static> {
        SealContext {
            purpose: "provider-key",
            record: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
            owner: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_0000_0000_0001),
            provider: "openai",
            origin: "https://api.openai.com",
        }
    }

    /// The text, or why it does not open.
    fn opened(vault: &Vault, ctx: &SealContext<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        vault.open(ctx, sealed).map(|opened| opened.plaintext.expose_secret().to_vec())
    }

    #[test]
    fn the_format_stays_what_it_is() {
        let vault = vault(KEY, &[]);
        let nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let sealed = vault.0.current.seal(&context(), TEXT, nonce);
        assert_eq!(format!("{sealed:02x?}").replace(['[', ']', ',', ' '], ""), KNOWN);
        assert_eq!(sealed.capacity(), sealed.len(), "no second allocation, so no copy of the text is left behind");
        assert_eq!(vault.key_id(), [0xa2, 0xdd, 0x9a, 0xff]);
        assert_eq!(opened(&vault, &context(), &sealed), Ok(TEXT.to_vec()));
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let vault = vault(KEY, &[OTHER_KEY]);
        let sealed = vault.seal(&context(), TEXT).expect("random");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => OpenError::Malformed,
                1..5 => OpenError::UnknownKey,
                5..37 => OpenError::Commitment,
                _ => OpenError::Refused,
            };
            assert_eq!(opened(&vault, &context(), &damaged), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn any_truncation_and_any_addition_is_refused() {
        let vault = vault(KEY, &[]);
        let mut sealed = vault.seal(&context(), TEXT).expect("random");
        for len in 0..sealed.len() {
            let expected = if len < HEADER_LEN + TAG_LEN { OpenError::Malformed } else { OpenError::Refused };
            assert_eq!(opened(&vault, &context(), &sealed[..len]), Err(expected), "length {len}");
        }
        sealed.push(0);
        assert_eq!(opened(&vault, &context(), &sealed), Err(OpenError::Refused));
    }

    #[test]
    fn a_secret_opens_only_where_it_was_sealed_for() {
        let vault = vault(KEY, &[]);
        let right = context();
        let sealed = vault.seal(&right, TEXT).expect("random");
        let other = Uuid::from_u128(7);
        for (wrong, expected) in [
            (SealContext { purpose: "canary", ..right }, OpenError::Commitment),
            (SealContext { record: other, ..right }, OpenError::Commitment),
            (SealContext { owner: other, ..right }, OpenError::Refused),
            (SealContext { provider: "openrouter", ..right }, OpenError::Refused),
            (SealContext { origin: "https://api.openai.com.attacker.example", ..right }, OpenError::Refused),
            (SealContext { origin: "http://api.openai.com", ..right }, OpenError::Refused),
            (SealContext { owner: right.record, record: right.owner, ..right }, OpenError::Commitment),
            // The same letters, divided otherwise.
            (SealContext { provider: "openaih", origin: "ttps://api.openai.com", ..right }, OpenError::Refused),
        ] {
            assert_eq!(opened(&vault, &wrong, &sealed), Err(expected), "{wrong:?}");
        }
    }

    #[test]
    fn old_keys_open_and_say_so() {
        let sealed = vault(KEY, &[]).seal(&context(), TEXT).expect("random");
        let rotated = vault(OTHER_KEY, &[KEY]);
        let by_old = rotated.open(&context(), &sealed).expect("the ring has its key");
        assert!(!by_old.sealed_with_current);
        assert_eq!(by_old.plaintext.expose_secret(), TEXT);

        let again = rotated.seal(&context(), TEXT).expect("random");
        assert!(rotated.open(&context(), &again).expect("sealed just now").sealed_with_current);
        assert_eq!(opened(&vault(KEY, &[]), &context(), &again), Err(OpenError::UnknownKey));
        assert_ne!(rotated.key_id(), vault(KEY, &[]).key_id());
    }

    #[test]
    fn what_an_old_key_sealed_is_sealed_anew() {
        let old = vault(KEY, &[]);
        let sealed = old.seal(&context(), TEXT).expect("random");
        let rotated = vault(OTHER_KEY, &[KEY]);
        assert_eq!((KeyId::of(&sealed), rotated.old_key_ids()), (Some(KeyId(old.key_id())), vec![KeyId(old.key_id())]));
        assert_eq!((KeyId(old.key_id()).to_string().as_str(), KeyId::of(&sealed[..4])), ("a2dd9aff", None));

        let anew = rotated.reseal(&context(), &sealed).expect("the ring has its key").expect("another envelope");
        assert_eq!(KeyId::of(&anew[..5]), Some(KeyId(rotated.key_id())));
        assert_eq!(opened(&vault(OTHER_KEY, &[]), &context(), &anew), Ok(TEXT.to_vec()));
        assert!(rotated.reseal(&context(), &anew).expect("its own").is_none());

        let elsewhere = SealContext { origin: "https://other.example", ..context() };
        let refused = rotated.reseal(&elsewhere, &sealed);
        assert!(matches!(refused, Err(ResealError::Open(OpenError::Refused))), "{refused:?}");
    }

    #[test]
    fn master_keys_that_share_an_id_are_told_apart_by_the_commitment() {
        let sealed = vault(KEY, &[]).seal(&context(), TEXT).expect("random");
        let mut twin = DerivedKey::new(key(OTHER_KEY));
        twin.kid = vault(KEY, &[]).key_id();
        let alone = Vault(Arc::new(Ring { current: twin, old: Vec::new() }));
        assert_eq!(opened(&alone, &context(), &sealed), Err(OpenError::Commitment));

        let mut twin = DerivedKey::new(key(OTHER_KEY));
        twin.kid = vault(KEY, &[]).key_id();
        let both = Vault(Arc::new(Ring { current: twin, old: vec![DerivedKey::new(key(KEY))] }));
        assert_eq!(opened(&both, &context(), &sealed), Ok(TEXT.to_vec()));
    }

    #[test]
    fn the_canary_tells_a_wrong_key() {
        let vault_a = vault(KEY, &[]);
        let canary = vault_a.seal_canary().expect("random");
        assert_eq!(vault_a.open_canary(&canary), Ok(()));
        assert_eq!(vault(OTHER_KEY, &[KEY]).open_canary(&canary), Ok(()));
        assert_eq!(vault(OTHER_KEY, &[]).open_canary(&canary), Err(OpenError::UnknownKey));
        let key_row = vault_a.seal(&context(), TEXT).expect("random");
        assert_eq!(vault_a.open_canary(&key_row), Err(OpenError::Commitment));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let vault = vault(KEY, &[]);
        let sealed = vault.seal(&context(), TEXT).expect("random");
        let printed = format!("{vault:?} {:?}", vault.open(&context(), &sealed));
        assert_eq!(
            printed,
            "Vault(Ring { current: DerivedKey(id [a2, dd, 9a, ff]), old: [] }) \
             Ok(Opened { plaintext: SecretBox<[u8]>([REDACTED]), sealed_with_current: true })"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sealed_opens_again(
            text in proptest::collection::vec(any::<u8>(), 0..400),
            record in any::<u128>(),
            owner in any::<u128>(),
            provider in "\\PC{0,20}",
            origin in "\\PC{0,80}",
        ) {
            let vault = vault(KEY, &[OTHER_KEY]);
            let (record, owner) = (Uuid::from_u128(record), Uuid::from_u128(owner));
            let ctx = SealContext { purpose: "provider-key", record, owner, provider: &provider, origin: &origin };
            let sealed = vault.seal(&ctx, &text).expect("random");
            prop_assert_eq!(sealed.len(), text.len() + 65);
            let longer = format!("{origin}x");
            prop_assert_eq!(opened(&vault, &SealContext { origin: &longer, ..ctx }, &sealed), Err(OpenError::Refused));
            prop_assert_ne!(&sealed, &vault.seal(&ctx, &text).expect("random"), "the nonce is fresh");
            prop_assert_eq!(opened(&vault, &ctx, &sealed), Ok(text));
        }

        #[test]
        fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(vault(KEY, &[]).open(&context(), &bytes).is_err());
        }
    }
}
