//! Password hashes: argon2id behind a gate, so that a crowd of logins costs neither the memory nor the other requests.

use std::{
    fmt,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task, time,
};

use crate::{RandomError, fill, legacy::LegacyHash, new_password::MAX_BYTES};

/// OWASP's minimum: 19 MiB, two passes, one lane; 32 bytes of output.
const PARAMS: Params = Params::DEFAULT;
const SALT_LEN: usize = 16;
const HASH_LEN: usize = Params::DEFAULT_OUTPUT_LEN;

/// What a stored hash may cost us at most: 64 MiB, ten passes, four lanes.
const MAX_M_COST: u32 = 64 * 1024;
const MAX_T_COST: u32 = 10;
const MAX_P_COST: u32 = 4;

const MAX_WAITERS: usize = 16;
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Why no password was hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The queue is full, or the wait in it was too long.
    #[error("too many passwords are being checked, try again in {} s", retry_after.as_secs())]
    Busy { retry_after: Duration },
    #[error("the password is longer than 1,024 bytes")]
    PasswordTooLong,
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The hashing itself ended early: the process is shutting down, or a defect.
    #[error("the password could not be hashed")]
    Failed,
}

/// The outcome of a login's password check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    No,
    Yes,
    /// Right, but stored in an imported form or with other parameters than ours: store [`PasswordGate::hash`] of it again.
    YesButRehash,
}

/// Hashes passwords on blocking threads: as many at once as there are permits, 16 more wait up to 2 s. Cheap to clone.
#[derive(Clone)]
pub struct PasswordGate(Arc<Gate>);

struct Gate {
    permits: Arc<Semaphore>,
    waiters: Semaphore,
    /// 19 MiB each, one per permit at most; kept, so that a crowd of logins does not make memory grow.
    memory: Mutex<Vec<Vec<Block>>>,
}

impl Default for PasswordGate {
    /// Half of the processors, so that logins never take them all.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZero::get) / 2)
    }
}

impl PasswordGate {
    /// A gate that `permits` hashes (at least one) pass at a time.
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Gate {
            permits: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
            waiters: Semaphore::new(MAX_WAITERS),
            memory: Mutex::default(),
        }))
    }

    /// The PHC string to store for a new password.
    pub async fn hash(&self, password: &SecretString) -> Result<String, GateError> {
        if password.expose_secret().len() > MAX_BYTES {
            return Err(GateError::PasswordTooLong);
        }
        let mut salt = [0; SALT_LEN];
        fill(&mut salt)?;
        let password = password.clone();
        self.run(move |memory| hash_with_salt(&password, &salt, memory)).await?
    }

    /// Checks a password against what is stored. `None` (an unknown or disabled user) costs the same and answers `No`.
    ///
    /// A wrong password costs one hash of each form, whatever is stored: the time tells neither whether a name exists nor
    /// in which form its password is kept.
    pub async fn verify(&self, password: &SecretString, stored: Option<&str>) -> Result<Verified, GateError> {
        // Whoever sends it knows its length, so a quick answer tells nothing.
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(Verified::No);
        }
        let stored = stored.and_then(Stored::parse);
        let password = password.clone();
        self.run(move |memory| stored.unwrap_or(Stored::Nobody).verify(&password, memory)).await
    }

    /// Runs `work` on a blocking thread with a block of memory that is ours until it ends.
    async fn run<T, F>(&self, work: F) -> Result<T, GateError>
    where
        T: Send + 'static,
        F: FnOnce(&mut [Block]) -> T + Send + 'static,
    {
        let permit = self.enter().await?;
        let gate = Arc::clone(&self.0);
        let running = task::spawn_blocking(move || {
            // Held here, not by the caller: who leaves does not stop the work, nor free its place.
            let _permit = permit;
            let mut memory = gate.take_memory();
            let outcome = work(&mut memory);
            gate.keep_memory(memory);
            outcome
        });
        running.await.map_err(|_| GateError::Failed)
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, GateError> {
        let busy = GateError::Busy { retry_after: MAX_WAIT };
        if let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let Ok(_place) = self.0.waiters.try_acquire() else { return Err(busy) };
        match time::timeout(MAX_WAIT, Arc::clone(&self.0.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(GateError::Failed),
            Err(_elapsed) => Err(busy),
        }
    }
}

impl fmt::Debug for PasswordGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGate").field("free", &self.0.permits.available_permits()).finish_non_exhaustive()
    }
}

impl Gate {
    fn take_memory(&self) -> Vec<Block> {
        let kept = self.memory.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![Block::new(); PARAMS.block_count()])
    }

    fn keep_memory(&self, memory: Vec<Block>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

/// What a login is checked against.
enum Stored {
    Argon2id {
        params: Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// As the Python service stored it.
    Legacy(LegacyHash),
    /// No user, or a stored text that we do not trust ourselves to compute: the same work, and never right.
    Nobody,
}

impl Stored {
    fn parse(stored: &str) -> Option<Self> {
        let Some(tagged) = stored.strip_prefix('$') else {
            return LegacyHash::parse(stored).map(Self::Legacy);
        };
        match tagged.split('$').next()? {
            "argon2id" => Self::parse_argon2id(stored),
            _ => None,
        }
    }

    fn parse_argon2id(stored: &str) -> Option<Self> {
        let phc = PasswordHash::new(stored).ok()?;
        let params = Params::try_from(&phc).ok()?;
        let bounded = params.m_cost() <= MAX_M_COST && params.t_cost() <= MAX_T_COST && params.p_cost() <= MAX_P_COST;
        if !bounded || phc.version != Some(Version::V0x13.into()) {
            return None;
        }
        Some(Self::Argon2id { params, salt: phc.salt?.to_vec(), hash: phc.hash?.as_bytes().to_vec() })
    }

    fn verify(&self, password: &SecretString, memory: &mut [Block]) -> Verified {
        match self {
            Self::Argon2id { params, salt, hash } => {
                let mut computed = vec![0; hash.len()];
                let done = derive(params, password, salt, &mut computed, memory);
                match done.is_ok() && bool::from(computed.ct_eq(hash)) {
                    true if is_ours(params, salt, hash) => Verified::Yes,
                    true => Verified::YesButRehash,
                    false => {
                        waste_legacy(password);
                        Verified::No
                    }
                }
            }
            Self::Legacy(stored) => {
                if stored.matches(password) {
                    return Verified::YesButRehash;
                }
                waste(password, memory);
                Verified::No
            }
            Self::Nobody => {
                waste(password, memory);
                waste_legacy(password);
                Verified::No
            }
        }
    }
}

/// The work of checking a hash of ours.
fn waste(password: &SecretString, memory: &mut [Block]) {
    let mut computed = [0; HASH_LEN];
    let done = derive(&PARAMS, password, &[0; SALT_LEN], &mut computed, memory);
    std::hint::black_box((done.is_ok(), computed));
}

/// The work of checking an imported hash.
fn waste_legacy(password: &SecretString) {
    std::hint::black_box(LegacyHash::nobody().matches(password));
}

fn is_ours(params: &Params, salt: &[u8], hash: &[u8]) -> bool {
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    costs(params) == costs(&PARAMS) && salt.len() == SALT_LEN && hash.len() == HASH_LEN
}

fn hash_with_salt(password: &SecretString, salt: &[u8; SALT_LEN], memory: &mut [Block]) -> Result<String, GateError> {
    let mut hash = [0; HASH_LEN];
    derive(&PARAMS, password, salt, &mut hash, memory).map_err(|_| GateError::Failed)?;
    let (m, t, p) = (PARAMS.m_cost(), PARAMS.t_cost(), PARAMS.p_cost());
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}"))
}

/// argon2id in `memory`; a hash that needs more than ours gets memory of its own, which is not kept.
fn derive(
    params: &Params,
    password: &SecretString,
    salt: &[u8],
    out: &mut [u8],
    memory: &mut [Block],
) -> argon2::Result<()> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let password = password.expose_secret().as_bytes();
    if params.block_count() <= memory.len() {
        argon2.hash_password_into_with_memory(password, salt, out, memory)
    } else {
        argon2.hash_password_into(password, salt, out)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        sync::mpsc,
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// Made with another implementation (OpenSSL): password `correct horse battery`, salt 00..0f.
    const KNOWN: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$quyusfeeuAGbpiw09i+j4VKJ+I/5h3mugd4HghmS/x8";
    const SALT_AND_HASH: &str = "AAECAwQFBgcICQoLDA0ODw$quyusfeeuAGbpiw09i+j4VKJ+I/5h3mugd4HghmS/x8";

    fn right() -> SecretString {
        "correct horse battery".into()
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Starts work that ends when the returned sender speaks; returns once it runs on its thread.
    fn occupy(gate: &PasswordGate) -> (Pin<Box<impl Future<Output = Result<(), GateError>>>>, mpsc::Sender<()>) {
        let (started, running) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let gate = gate.clone();
        let mut work = Box::pin(async move {
            gate.run(move |_| {
                started.send(()).expect("the test waits");
                // An error means that the test is over.
                let _ = released.recv();
            })
            .await
        });
        assert!(poll(work.as_mut()).is_pending());
        running.recv().expect("the work starts");
        (work, release)
    }

    #[tokio::test]
    async fn the_hash_format_stays_what_it_is() {
        let salt = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let mut memory = PasswordGate::new(1).0.take_memory();
        assert_eq!(hash_with_salt(&right(), &salt, &mut memory).as_deref(), Ok(KNOWN));
        assert_eq!(hash_with_salt(&right(), &salt, &mut memory).as_deref(), Ok(KNOWN), "used memory changes nothing");
        assert_eq!(PasswordGate::new(1).verify(&right(), Some(KNOWN)).await, Ok(Verified::Yes));
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_password_only() {
        let gate = PasswordGate::new(1);
        let (one, two) = (gate.hash(&right()).await.expect("hashed"), gate.hash(&right()).await.expect("hashed"));
        assert_ne!(one, two, "each hash has its own salt");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for stored in [&one, &two] {
            assert_eq!(gate.verify(&right(), Some(stored)).await, Ok(Verified::Yes));
            assert_eq!(gate.verify(&"Correct horse battery".into(), Some(stored)).await, Ok(Verified::No));
            assert_eq!(gate.verify(&"".into(), Some(stored)).await, Ok(Verified::No));
        }
        assert_eq!(gate.verify(&right(), None).await, Ok(Verified::No));
        assert_eq!(gate.0.memory.lock().expect("unpoisoned").len(), 1, "one permit, one piece of memory, reused");
    }

    #[tokio::test]
    async fn other_parameters_ask_for_a_new_hash() {
        let gate = PasswordGate::new(1);
        for (m, t, p, hash_len) in
            [(8, 1, 1, 32), (19_456, 1, 1, 32), (19_456, 2, 2, 32), (19_456, 2, 1, 16), (32_768, 1, 4, 32)]
        {
            let params = Params::new(m, t, p, Some(hash_len)).expect("valid");
            let (salt, mut hash) = ([9; SALT_LEN], vec![0; hash_len]);
            derive(&params, &right(), &salt, &mut hash, &mut []).expect("derived");
            let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
            let stored = format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}");
            assert_eq!(gate.verify(&right(), Some(&stored)).await, Ok(Verified::YesButRehash), "{stored}");
            assert_eq!(gate.verify(&"wrong".into(), Some(&stored)).await, Ok(Verified::No), "{stored}");
        }
        let memory = gate.0.memory.lock().expect("unpoisoned");
        assert!(memory.iter().all(|kept| kept.len() == PARAMS.block_count()), "larger memory is given back");
    }

    #[tokio::test]
    async fn stored_texts_that_we_do_not_trust_are_wrong_passwords() {
        let gate = PasswordGate::new(1);
        for costs in [
            "m=65537,t=2,p=1",
            "m=4194304,t=2,p=1",
            "m=19456,t=11,p=1",
            "m=19456,t=2,p=5",
            "m=7,t=2,p=1",
            "m=4294967296,t=2,p=1",
        ] {
            let stored = format!("$argon2id$v=19${costs}${SALT_AND_HASH}");
            assert!(Stored::parse(&stored).is_none(), "{stored}");
            assert_eq!(gate.verify(&right(), Some(&stored)).await, Ok(Verified::No), "{stored}");
        }
        let edge = format!("$argon2id$v=19$m=65536,t=10,p=4${SALT_AND_HASH}");
        assert!(Stored::parse(&edge).is_some(), "the bounds themselves are allowed");
        for stored in [
            "",
            "$",
            "correct horse battery",
            "00112233445566778899aabbccddeeff:5788797b",
            &KNOWN.replace("argon2id", "argon2i"),
            &KNOWN.replace("v=19", "v=16"),
            &KNOWN.replace("v=19$", ""),
            KNOWN.rsplit_once('$').expect("has a hash").0,
            "$argon2id$v=19$m=19456,t=2,p=1",
        ] {
            assert!(Stored::parse(stored).is_none(), "{stored}");
        }
        assert_eq!(gate.verify(&right(), Some("")).await, Ok(Verified::No));
    }

    #[tokio::test]
    async fn a_hash_of_the_old_service_verifies_and_asks_for_a_new_one() {
        let gate = PasswordGate::new(1);
        let stored =
            "00112233445566778899aabbccddeeff:5788797bd00217541915bc05dec5f00379ee7a1156b24ba01dc36886c9fc9ea7";
        assert_eq!(gate.verify(&"correct horse".into(), Some(stored)).await, Ok(Verified::YesButRehash));
        let mut memory = vec![Block::new(); PARAMS.block_count()];
        let parsed = Stored::parse(stored).expect("known");
        assert_eq!(parsed.verify(&right(), &mut memory), Verified::No);
        assert!(is_filled(&memory), "a wrong password costs a hash of ours, too");
    }

    /// argon2 leaves no block empty.
    fn is_filled(memory: &[Block]) -> bool {
        memory.iter().all(|block| block.as_ref().iter().any(|word| *word != 0))
    }

    #[tokio::test]
    async fn long_passwords_never_reach_argon2() {
        let gate = PasswordGate::new(1);
        let longest = SecretString::from("x".repeat(1024));
        let stored = gate.hash(&longest).await.expect("1,024 bytes are allowed");
        assert_eq!(gate.verify(&longest, Some(&stored)).await, Ok(Verified::Yes));

        // A closed gate answers `Failed` to all that reaches it.
        let gate = PasswordGate::new(1);
        gate.0.permits.close();
        let too_long = SecretString::from("x".repeat(1025));
        assert_eq!(gate.hash(&too_long).await, Err(GateError::PasswordTooLong));
        assert_eq!(gate.verify(&too_long, Some(&stored)).await, Ok(Verified::No));
        assert_eq!(gate.verify(&too_long, None).await, Ok(Verified::No));
    }

    #[tokio::test]
    async fn an_unknown_user_costs_what_a_known_one_does() {
        let gate = PasswordGate::new(1);
        let (_work, _release) = occupy(&gate);
        for stored in [Some(KNOWN), None, Some("not a hash")] {
            let password = right();
            let mut attempt = pin!(gate.verify(&password, stored));
            assert!(poll(attempt.as_mut()).is_pending(), "{stored:?} waits for the same gate");
        }
        // The memory shows that the work was done.
        let mut memory = vec![Block::new(); PARAMS.block_count()];
        assert_eq!(Stored::Nobody.verify(&right(), &mut memory), Verified::No);
        assert!(is_filled(&memory));
    }

    #[tokio::test(start_paused = true)]
    async fn sixteen_wait_and_the_next_is_refused_at_once() {
        let gate = PasswordGate::new(1);
        let busy = Err(GateError::Busy { retry_after: Duration::from_secs(2) });
        let (mut work, release) = occupy(&gate);
        let mut waiting: Vec<_> = (0..16).map(|_| Box::pin(gate.run(|_| ()))).collect();
        assert!(waiting.iter_mut().all(|waiter| poll(waiter.as_mut()).is_pending()));
        assert_eq!(poll(pin!(gate.run(|_| ()))), Poll::Ready(busy.clone()), "the 18th attempt");

        drop(waiting.pop());
        let mut successor = Box::pin(gate.run(|_| ()));
        assert!(poll(successor.as_mut()).is_pending(), "who leaves the queue makes room");

        time::advance(Duration::from_millis(1999)).await;
        assert!(waiting.iter_mut().all(|waiter| poll(waiter.as_mut()).is_pending()));
        time::advance(Duration::from_millis(2)).await;
        for waiter in waiting {
            assert_eq!(waiter.await, busy, "two seconds are enough");
        }
        assert_eq!(successor.await, busy);

        release.send(()).expect("the work waits");
        assert_eq!(work.as_mut().await, Ok(()));
        assert_eq!(gate.run(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn the_next_waiter_gets_the_place() {
        let gate = PasswordGate::new(1);
        let (work, release) = occupy(&gate);
        let mut waiter = Box::pin(gate.run(|_| "served"));
        assert!(poll(waiter.as_mut()).is_pending());
        release.send(()).expect("the work waits");
        assert_eq!(waiter.await, Ok("served"));
        assert_eq!(work.await, Ok(()));
    }

    #[tokio::test]
    async fn a_caller_who_leaves_does_not_free_the_place_of_running_work() {
        let gate = PasswordGate::new(1);
        let (work, release) = occupy(&gate);
        drop(work);
        assert_eq!(gate.0.permits.available_permits(), 0);
        let mut next = Box::pin(gate.run(|_| ()));
        assert!(poll(next.as_mut()).is_pending());
        release.send(()).expect("the work still waits");
        assert_eq!(next.await, Ok(()), "once the abandoned work has ended");
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_place_back() {
        let gate = PasswordGate::new(1);
        assert_eq!(gate.run(|_| panic!("on purpose")).await, Err::<(), _>(GateError::Failed));
        assert_eq!(gate.run(|_| 7).await, Ok(7));
    }

    #[test]
    fn a_gate_has_at_least_one_permit() {
        assert_eq!(PasswordGate::new(0).0.permits.available_permits(), 1);
        assert!(PasswordGate::default().0.permits.available_permits() >= 1);
    }
}
