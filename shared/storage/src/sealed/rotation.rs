//! Every sealed value is opened, and on a rotation sealed again under the current key. A batch at a time: it can be
//! killed at any moment and run again, beside servers and beside another one.

use std::collections::HashSet;

use llm_api_crypto::{KeyId, OpenError, RandomError, ResealError, Vault};
use llm_api_domain::{Clock, UserId};
use uuid::Uuid;

use super::{Bound, SEALED_COLUMNS, SealedColumn, SealedValue, Swap};
use crate::{AuditContext, Store, StoreError};

/// How often everything is looked through for what was sealed behind our back, by a server with earlier settings.
const MOST_PASSES: usize = 5;

/// What a rotation needs to know.
#[derive(Debug)]
pub struct Rotation<'a> {
    pub store: &'a Store,
    pub vault: &'a Vault,
    /// Values in one transaction, from 1 on.
    pub batch: u32,
    /// Opens everything, and writes nothing.
    pub dry_run: bool,
    pub clock: &'a Clock,
}

/// What is told on the way.
#[derive(Debug)]
pub enum Told {
    /// So many values of `of` were looked at.
    Progress {
        done: u64,
        of: u64,
    },
    /// No process was ever started with what is now the current key.
    FirstUse,
    Unopened(Unopened),
}

/// A value that no configured key opens. It is left as it is.
#[derive(Debug)]
pub struct Unopened {
    pub table: &'static str,
    /// The primary key.
    pub id: String,
    /// Whose secret it is, and the provider that it is for; `None` for a canary.
    pub of: Option<(UserId, String)>,
    pub reason: String,
}

/// What a rotation did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Sealed again under the current key.
    pub resealed: u64,
    /// Under the current key before.
    pub current: u64,
    pub unopened: u64,
    /// Under an old key in the end: somebody goes on sealing with it.
    pub left: u64,
    /// Canaries of keys that nothing is sealed under any more.
    pub canaries_removed: u64,
}

/// What a verification saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Values that the current key opens.
    pub current: u64,
    /// Values that an old key of the ring opens.
    pub old: u64,
    pub unopened: u64,
}

/// Why a rotation stopped. What it did until then stays, and running it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Tells, as it happens.
type Tell<'t> = &'t mut (dyn FnMut(Told) + Send);

/// Opens every value, and changes none.
pub async fn verify(store: &Store, vault: &Vault, batch: u32, tell: Tell<'_>) -> Result<Verified, StoreError> {
    let of = total(store, |_| true).await?;
    let mut verified = Verified::default();
    for column in SEALED_COLUMNS {
        let mut pages = Pages::new(column, batch);
        loop {
            let page = pages.next(store).await?;
            if page.is_empty() {
                break;
            }
            for value in page {
                match vault.open(&value.context(), &value.sealed) {
                    Ok(opened) if opened.sealed_with_current => verified.current += 1,
                    Ok(_) => verified.old += 1,
                    Err(error) => {
                        verified.unopened += 1;
                        tell(Told::Unopened(unopened(column, value, error)));
                    }
                }
            }
            let done = verified.current + verified.old + verified.unopened;
            tell(Told::Progress { done, of });
        }
    }
    Ok(verified)
}

/// Seals everything again that an old key has sealed.
pub async fn rotate(rotation: &Rotation<'_>, tell: Tell<'_>) -> Result<Rotated, RotateError> {
    let Rotation { store, vault, dry_run, clock, .. } = *rotation;
    let mut told = HashSet::new();
    if begin(rotation).await? {
        tell(Told::FirstUse);
    }
    let mut all = pass(rotation, &mut told, tell).await?;
    for _ in 1..MOST_PASSES {
        if dry_run || all.left == 0 {
            break;
        }
        let again = pass(rotation, &mut told, tell).await?;
        all = Rotated { resealed: all.resealed + again.resealed, current: all.current, ..again };
    }
    let stale = stale_canaries(store, vault).await?;
    if dry_run {
        return Ok(Rotated { left: 0, canaries_removed: stale, ..all });
    }
    if all.resealed > 0 || stale > 0 {
        let context = AuditContext::operator(clock.now());
        all.canaries_removed = store.sealed().end_rotation(KeyId(vault.key_id()), &context).await?;
    }
    Ok(all)
}

/// Keeps the canary of the current key before anything is sealed under it. True when it is the first.
async fn begin(rotation: &Rotation<'_>) -> Result<bool, RotateError> {
    let Rotation { store, vault, dry_run, clock, .. } = *rotation;
    let counts = store.sealed().by_key().await?;
    let waits = |column: &SealedColumn| matches!(column.bound, Bound::Row { .. });
    if !counts.iter().any(|count| waits(count.column) && is_old(vault, count.key)) {
        return Ok(false);
    }
    let current = vault.key_id();
    if store.vault_canaries().list().await?.iter().any(|(id, _)| *id == current) {
        return Ok(false);
    }
    if !dry_run {
        store.vault_canaries().put(&current, &vault.seal_canary()?, clock.now()).await?;
    }
    Ok(true)
}

/// Once through everything; `left` is what an old key has sealed in the end, whoever did.
async fn pass(rotation: &Rotation<'_>, told: &mut HashSet<Uuid>, tell: Tell<'_>) -> Result<Rotated, RotateError> {
    let Rotation { store, vault, batch, dry_run, .. } = *rotation;
    let of = total(store, |column| matches!(column.bound, Bound::Row { .. })).await?;
    let (mut seen, mut done) = (Rotated::default(), 0);
    let mut unopened_of_old = 0;
    for column in SEALED_COLUMNS.iter().filter(|column| matches!(column.bound, Bound::Row { .. })) {
        let mut pages = Pages::new(column, batch);
        loop {
            let page = pages.next(store).await?;
            if page.is_empty() {
                break;
            }
            done += page.len() as u64;
            let mut swaps = Vec::new();
            for value in page {
                let resealed = match vault.reseal(&value.context(), &value.sealed) {
                    Ok(resealed) => resealed,
                    Err(ResealError::Random(error)) => return Err(error.into()),
                    Err(ResealError::Open(error)) => {
                        seen.unopened += 1;
                        unopened_of_old += u64::from(is_old(vault, KeyId::of(&value.sealed)));
                        if value.of.as_ref().is_some_and(|of| told.insert(of.record)) {
                            tell(Told::Unopened(unopened(column, value, error)));
                        }
                        continue;
                    }
                };
                match (resealed, value.of) {
                    (Some(new), Some(of)) => swaps.push(Swap { record: of.record, old: value.sealed, new }),
                    _ => seen.current += 1,
                }
            }
            seen.resealed += match dry_run {
                true => swaps.len() as u64,
                false => store.sealed().swap(column, &swaps).await?,
            };
            tell(Told::Progress { done, of });
        }
    }
    let counts = store.sealed().by_key().await?;
    let under_old = counts.iter().filter(|count| matches!(count.column.bound, Bound::Row { .. }));
    let under_old: u64 = under_old.filter(|count| is_old(vault, count.key)).map(|count| count.values).sum();
    // What does not open stays under its key.
    seen.left = under_old.saturating_sub(unopened_of_old);
    Ok(seen)
}

fn is_old(vault: &Vault, key: Option<KeyId>) -> bool {
    key.is_some_and(|key| key.0 != vault.key_id() && vault.old_key_ids().contains(&key))
}

async fn total(store: &Store, counts: impl Fn(&SealedColumn) -> bool) -> Result<u64, StoreError> {
    let by_key = store.sealed().by_key().await?;
    Ok(by_key.iter().filter(|count| counts(count.column)).map(|count| count.values).sum())
}

/// How many canaries belong to keys that seal nothing else.
async fn stale_canaries(store: &Store, vault: &Vault) -> Result<u64, StoreError> {
    let counts = store.sealed().by_key().await?;
    let in_use = |id: &[u8]| {
        let mut rows = counts.iter().filter(|count| matches!(count.column.bound, Bound::Row { .. }));
        rows.any(|count| count.key.is_some_and(|key| key.0 == id))
    };
    let canaries = store.vault_canaries().list().await?;
    Ok(canaries.iter().filter(|(id, _)| *id != vault.key_id() && !in_use(id)).count() as u64)
}

fn unopened(column: &SealedColumn, value: SealedValue, error: OpenError) -> Unopened {
    let reason = match (error, KeyId::of(&value.sealed)) {
        (OpenError::UnknownKey, Some(key)) => format!("it is sealed under key {key}, which is not configured"),
        (error, _) => error.to_string(),
    };
    let of = value.of.map(|of| (of.owner.into(), of.provider));
    Unopened { table: column.table, id: value.id, of, reason }
}

/// A column's values, batch by batch.
struct Pages<'c> {
    column: &'c SealedColumn,
    batch: u32,
    after: Option<Uuid>,
    is_over: bool,
}

impl<'c> Pages<'c> {
    fn new(column: &'c SealedColumn, batch: u32) -> Self {
        Self { column, batch, after: None, is_over: false }
    }

    /// Empty at the end.
    async fn next(&mut self, store: &Store) -> Result<Vec<SealedValue>, StoreError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let page = store.sealed().page(self.column, self.after, self.batch).await?;
        self.after = page.last().and_then(|value| value.of.as_ref()).map(|of| of.record);
        // Canaries come all at once.
        self.is_over = self.after.is_none();
        Ok(page)
    }
}
