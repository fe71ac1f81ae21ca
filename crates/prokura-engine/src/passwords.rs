//! Hashing and checking passwords: Argon2id as PHC strings, on threads of their own, never more at once than there are
//! cores, and behind everything else that wants one (S-103, S-104).

use crate::{Error, Fault, Refusal};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use prokura_credentials::normalized;
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

/// Memory in KiB, passes and lanes of a new hash (OWASP: 19 MiB, t=2, p=1).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The most bytes that are ever hashed; longer input is a wrong password.
const MAX_BYTES: usize = 1024;
/// Checks that may wait for each one that runs.
const QUEUE_PER_WORKER: usize = 32;

type Job = Box<dyn FnOnce() + Send>;

/// What checking a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// It is wrong.
    No,
    /// It is right.
    Yes,
    /// It is right, and the stored hash is weaker than today's.
    YesButWeak,
}

/// The bounded pool that passwords are hashed on.
#[derive(Clone)]
pub(crate) struct Passwords {
    jobs: mpsc::Sender<Job>,
    workers: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
    params: Params,
    /// Stands in for unknown customers, so that they cost the same (S-102).
    dummy: Arc<str>,
}

impl Passwords {
    /// A pool of `workers` threads.
    pub(crate) fn new(workers: usize, cost: Option<(u32, u32, u32)>) -> Result<Self, Error> {
        let cost = cost.unwrap_or(COST);
        let (memory, passes, lanes) = cost;
        let params = Params::new(memory, passes, lanes, None).map_err(Error::crypto)?;
        let limit = workers * (QUEUE_PER_WORKER + 1);
        Ok(Self {
            jobs: start_workers(workers)?,
            workers: Arc::new(Semaphore::new(workers)),
            waiting: Arc::new(AtomicUsize::new(0)),
            limit,
            params,
            dummy: nobody(cost).into(),
        })
    }

    /// A PHC string for `password` with `salt`.
    pub(crate) async fn hash(&self, password: &str, salt: [u8; 16]) -> Result<String, Error> {
        let params = self.params.clone();
        let password = Zeroizing::new(normalized(password));
        self.run(move || hash(&params, &password, &salt)).await?
    }

    /// Checks `password` against `stored`; `None` costs the same and never matches.
    pub(crate) async fn check(&self, password: &str, stored: Option<&str>) -> Result<Match, Error> {
        if password.len() > MAX_BYTES {
            return Ok(Match::No);
        }
        let is_known = stored.is_some();
        let stored = stored.map_or_else(|| self.dummy.to_string(), str::to_owned);
        let params = self.params.clone();
        let (raw, password) = (Zeroizing::new(password.to_owned()), Zeroizing::new(normalized(password)));
        let found = self
            .run(move || match verify(&params, &password, &stored) {
                // Hashed elsewhere, as a keyboard composed it.
                Match::No if raw != password => match verify(&params, &raw, &stored) {
                    Match::No => Match::No,
                    Match::Yes | Match::YesButWeak => Match::YesButWeak,
                },
                found @ (Match::No | Match::Yes | Match::YesButWeak) => found,
            })
            .await?;
        Ok(if is_known { found } else { Match::No })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = Place::take(&self.waiting, self.limit).ok_or(Refusal::Throttled { retry_after_seconds: 1 })?;
        let permit = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Fault::Worker)?;
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Nobody waits any more when the request was given up.
            let _ = answer.send(work());
            drop((permit, place));
        };
        self.jobs.send(Box::new(job)).map_err(|_| Fault::Worker)?;
        Ok(answered.await.map_err(|_| Fault::Worker)?)
    }
}

/// A hash no password has, for the price of one: what it ends in was never computed.
fn nobody((memory, passes, lanes): (u32, u32, u32)) -> String {
    let (salt, output) = (STANDARD_NO_PAD.encode([7; 16]), STANDARD_NO_PAD.encode([7; 32]));
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}")
}

/// Threads that live as long as somebody may give them work.
fn start_workers(count: usize) -> Result<mpsc::Sender<Job>, Error> {
    let (jobs, waiting) = mpsc::channel::<Job>();
    let waiting = Arc::new(parking_lot::Mutex::new(waiting));
    for _ in 0..count {
        let waiting = Arc::clone(&waiting);
        let work = move || {
            stand_back();
            loop {
                let next = waiting.lock().recv();
                let Ok(job) = next else { break };
                // A panic is told by the answer that never comes.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
            }
        };
        thread::Builder::new().name("prokura-hash".to_owned()).spawn(work).map_err(|_| Fault::Worker)?;
    }
    Ok(jobs)
}

/// Lets other threads go first: a hash takes milliseconds and may take some more, a token takes microseconds and may not.
/// On Linux a priority is a thread's; elsewhere it would be the whole process's.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::warn!(%error, "the threads that hash passwords keep the priority of all others");
    }
}

/// A place in the bounded queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        (waiting.fetch_add(1, Ordering::AcqRel) < limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether `stored` is a hash this server can check: Argon2 or bcrypt.
pub(crate) fn is_supported(stored: &str) -> bool {
    is_bcrypt(stored) || (stored.starts_with("$argon2") && PasswordHash::new(stored).is_ok())
}

fn is_bcrypt(stored: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix)) && stored.len() == 60
}

fn hash(params: &Params, password: &str, salt: &[u8]) -> Result<String, Error> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_with_salt(password.as_bytes(), salt)
        .map(|hash| hash.to_string())
        .map_err(Error::crypto)
}

fn verify(params: &Params, password: &str, stored: &str) -> Match {
    if is_bcrypt(stored) {
        return if bcrypt::verify(password, stored).unwrap_or(false) { Match::YesButWeak } else { Match::No };
    }
    let Ok(parsed) = PasswordHash::new(stored) else { return Match::No };
    if Argon2::default().verify_password(password.as_bytes(), &parsed).is_err() {
        return Match::No;
    }
    let is_strong = parsed.algorithm.as_str() == "argon2id"
        && Params::try_from(&parsed).is_ok_and(|used| {
            used.m_cost() >= params.m_cost() && used.t_cost() >= params.t_cost() && used.p_cost() >= params.p_cost()
        });
    if is_strong { Match::Yes } else { Match::YesButWeak }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Passwords {
        Passwords::new(1, Some((64, 1, 1))).unwrap()
    }

    #[tokio::test]
    async fn s103_weak_and_imported_hashes_are_right_but_named_weak() {
        let pool = pool();
        let strong = pool.hash("correct horse", [1; 16]).await.unwrap();
        assert!(strong.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{strong}");
        assert_eq!(pool.check("correct horse", Some(&strong)).await.unwrap(), Match::Yes);
        assert_eq!(pool.check("wrong horse", Some(&strong)).await.unwrap(), Match::No);
        let imported = bcrypt::hash("correct horse", 4).unwrap();
        assert!(is_supported(&imported));
        assert_eq!(pool.check("correct horse", Some(&imported)).await.unwrap(), Match::YesButWeak);
        let stronger = Passwords::new(1, Some((128, 1, 1))).unwrap();
        assert_eq!(stronger.check("correct horse", Some(&strong)).await.unwrap(), Match::YesButWeak);
    }

    #[tokio::test]
    async fn s105_a_password_is_the_same_however_it_was_composed() {
        let pool = pool();
        let stored = pool.hash("Z\u{fc}rich im Regen", [1; 16]).await.unwrap();
        assert_eq!(pool.check("Zu\u{308}rich im Regen", Some(&stored)).await.unwrap(), Match::Yes);
        let imported = bcrypt::hash("Zu\u{308}rich im Regen", 4).unwrap();
        assert_eq!(pool.check("Zu\u{308}rich im Regen", Some(&imported)).await.unwrap(), Match::YesButWeak);
        assert_eq!(pool.check("Zurich im Regen", Some(&stored)).await.unwrap(), Match::No);
    }

    #[tokio::test]
    async fn s102_an_unknown_customer_costs_a_hash_and_never_matches() {
        assert_eq!(pool().check("no such customer", None).await.unwrap(), Match::No);
    }

    #[tokio::test]
    async fn s104_the_queue_is_bounded() {
        let pool = pool();
        let hash = pool.hash("p", [1; 16]).await.unwrap();
        pool.waiting.store(pool.limit, Ordering::Release);
        let refused = pool.check("p", Some(&hash)).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Throttled { .. }))), "{refused:?}");
        assert_eq!(pool.check(&"x".repeat(2000), Some(&hash)).await.unwrap(), Match::No);
    }
}
