//! Links that are good without a credential, for a while.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use llm_api_crypto::Signer;
use llm_api_domain::{ArtifactId, Timestamp};

/// A way to one file that whoever holds it may go, until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: ArtifactId,
    /// Path and query, for the client's address of this server.
    pub path: String,
    /// In whole seconds.
    pub expires_at: Timestamp,
}

/// What a link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Expired,
    /// We never made it.
    Forged,
}

/// Makes links and judges them.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) signer: Signer,
    pub(crate) life: Duration,
}

impl Links {
    pub(crate) fn make(&self, id: ArtifactId, now: Timestamp) -> Link {
        let expires = (now + self.life).as_secs();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.signer.sign(signed(id, expires).as_bytes()));
        let path = format!("/v1/artifacts/{id}?expires={expires}&signature={signature}");
        Link { id, path, expires_at: moment(expires) }
    }

    /// `expires` are seconds since the epoch. An expired link that we never made is forged.
    pub(crate) fn judge(&self, id: ArtifactId, expires: i64, signature: &str, now: Timestamp) -> Verdict {
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if !self.signer.verify(signed(id, expires).as_bytes(), &signature) {
            return Verdict::Forged;
        }
        if now < moment(expires) { Verdict::Good } else { Verdict::Expired }
    }
}

/// What a signature is over. Neither part has a `|` in it.
fn signed(id: ArtifactId, expires: i64) -> String {
    format!("{id}|{expires}")
}

pub(crate) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use llm_api_crypto::{MasterKey, Vault};

    use super::*;

    const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";
    const OTHER_KEY: &str = "9bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1312d6e503ae7c4b7";
    const NOW: Timestamp = Timestamp::from_micros(1_795_348_800_250_000);
    const EXPIRES: i64 = 1_795_352_400;

    fn links(current: &str, old: &[&str]) -> Links {
        let key = |text: &str| MasterKey::parse(text).expect("a strong key");
        let vault = Vault::new(key(current), old.iter().map(|text| key(text)).collect());
        Links { signer: vault.signer("artifact-link"), life: Duration::from_hours(1) }
    }

    fn id() -> ArtifactId {
        "0193a5d0-ac96-774b-bcce-b302099a8057".parse().expect("an id")
    }

    fn signature(link: &Link) -> &str {
        link.path.split_once("signature=").expect("a signature").1
    }

    #[test]
    fn a_link_is_good_until_it_expires() {
        let links = links(KEY, &[]);
        let link = links.make(id(), NOW);
        assert_eq!(link.path, format!("/v1/artifacts/{}?expires={EXPIRES}&signature={}", id(), signature(&link)));
        assert_eq!(signature(&link).len(), 43);
        assert_eq!(link.expires_at, moment(EXPIRES));
        let judged = |now| links.judge(id(), EXPIRES, signature(&link), now);
        assert_eq!(judged(NOW), Verdict::Good);
        assert_eq!(judged(moment(EXPIRES) - Duration::from_micros(1)), Verdict::Good);
        assert_eq!(judged(moment(EXPIRES)), Verdict::Expired);
        assert_eq!(judged(moment(i64::MAX)), Verdict::Expired);
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let links = links(KEY, &[]);
        let link = links.make(id(), NOW);
        let signature = signature(&link);
        let other = ArtifactId::new(NOW);
        let swapped = |from: char, to: char| signature.replacen(from, &to.to_string(), 1);
        let first = signature.chars().next().expect("a letter");
        let forged = [
            (other, EXPIRES, signature.to_owned()),
            (id(), EXPIRES + 1, signature.to_owned()),
            (id(), i64::MAX, signature.to_owned()),
            (id(), EXPIRES, swapped(first, if first == 'A' { 'B' } else { 'A' })),
            (id(), EXPIRES, signature[..42].to_owned()),
            (id(), EXPIRES, format!("{signature}=")),
            (id(), EXPIRES, format!("{signature}A")),
            (id(), EXPIRES, String::new()),
            (id(), EXPIRES, "not base64 at all!".to_owned()),
        ];
        for (id, expires, signature) in forged {
            assert_eq!(links.judge(id, expires, &signature, NOW), Verdict::Forged, "{id} {expires} {signature}");
            assert_eq!(links.judge(id, expires, &signature, moment(i64::MAX)), Verdict::Forged, "forged, not expired");
        }
    }

    #[test]
    fn a_link_of_a_former_key_of_the_ring_stays_good_and_one_of_another_key_is_not() {
        let link = links(KEY, &[]).make(id(), NOW);
        let judged = |links: &Links| links.judge(id(), EXPIRES, signature(&link), NOW);
        assert_eq!(judged(&links(OTHER_KEY, &[KEY])), Verdict::Good);
        assert_eq!(judged(&links(OTHER_KEY, &[])), Verdict::Forged);
    }
}
