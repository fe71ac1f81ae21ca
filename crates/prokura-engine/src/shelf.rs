//! A document of another server, remembered: fresh for as long as it says, fetched by one at a time, and kept a day longer
//! when the server is away.

use parking_lot::Mutex;
use prokura_domain::{Clock, Timestamp};
use std::{error::Error, sync::Arc};

/// How long a document is fresh that does not say, and how short and long one may say, in seconds.
const USUAL_SECONDS: u32 = 3_600;
const LEAST_SECONDS: u32 = 300;
const MOST_SECONDS: u32 = 86_400;
/// How long after it was fetched a document still does when no newer one can be had.
const STALE_SECONDS: i64 = 86_400;
/// How long after a failure nobody tries again.
const RETRY_SECONDS: i64 = 10;
/// How often a fresh document may be asked for anew.
const ANEW_SECONDS: i64 = 60;

/// The place of one document.
pub(crate) struct Shelf<T, F> {
    there: Mutex<There<T, F>>,
    turn: tokio::sync::Mutex<()>,
}

struct There<T, F> {
    document: Option<Document<T>>,
    /// The last failure since the document was fetched.
    failure: Option<(Timestamp, F)>,
    anew_at: Option<Timestamp>,
}

struct Document<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
    fresh_until: Timestamp,
}

impl<T, F> Default for Shelf<T, F> {
    fn default() -> Self {
        Self {
            there: Mutex::new(There { document: None, failure: None, anew_at: None }),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl<T, F: Clone> There<T, F> {
    fn fresh(&self, now: Timestamp) -> Option<Arc<T>> {
        let document = self.document.as_ref()?;
        (now < document.fresh_until).then(|| Arc::clone(&document.value))
    }

    /// The document, fresh or not, while it does at all.
    fn usable(&self, now: Timestamp) -> Option<Arc<T>> {
        let document = self.document.as_ref()?;
        (now < document.fetched_at.plus_seconds(STALE_SECONDS)).then(|| Arc::clone(&document.value))
    }

    /// What a failure a moment ago leaves to say.
    fn after_failure(&self, now: Timestamp) -> Option<Result<Arc<T>, F>> {
        let (at, fault) = self.failure.as_ref()?;
        (now < at.plus_seconds(RETRY_SECONDS)).then(|| self.usable(now).ok_or_else(|| fault.clone()))
    }

    fn keep(&mut self, value: T, max_age_seconds: Option<u32>, now: Timestamp) -> Arc<T> {
        let value = Arc::new(value);
        let seconds = max_age_seconds.unwrap_or(USUAL_SECONDS).clamp(LEAST_SECONDS, MOST_SECONDS);
        let fresh_until = now.plus_seconds(seconds.into());
        self.document = Some(Document { value: Arc::clone(&value), fetched_at: now, fresh_until });
        self.failure = None;
        value
    }
}

impl<T, F: Clone + Error + 'static> Shelf<T, F> {
    /// The document, fetched when it is not fresh.
    pub(crate) async fn current<A>(&self, clock: &dyn Clock, fetch: impl FnOnce() -> A) -> Result<Arc<T>, F>
    where
        A: Future<Output = Result<(T, Option<u32>), F>>,
    {
        let known = |now| {
            let there = self.there.lock();
            there.fresh(now).map(Ok).or_else(|| there.after_failure(now))
        };
        if let Some(known) = known(clock.now()) {
            return known;
        }
        let _turn = self.turn.lock().await;
        // Somebody may have fetched it, or failed to, while this one waited.
        if let Some(known) = known(clock.now()) {
            return known;
        }
        let fetched = fetch().await;
        let now = clock.now();
        let mut there = self.there.lock();
        match fetched {
            Ok((value, max_age_seconds)) => Ok(there.keep(value, max_age_seconds, now)),
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn Error, "a document of another server is missing");
                there.failure = Some((now, fault.clone()));
                there.usable(now).ok_or(fault)
            }
        }
    }

    /// The document, fetched anew because `known` was not enough; `known` itself when that comes too soon. What is there stays
    /// for others when it fails.
    pub(crate) async fn newer<A>(
        &self,
        clock: &dyn Clock,
        known: &Arc<T>,
        fetch: impl FnOnce() -> A,
    ) -> Result<Arc<T>, F>
    where
        A: Future<Output = Result<(T, Option<u32>), F>>,
    {
        let _turn = self.turn.lock().await;
        {
            let now = clock.now();
            let mut there = self.there.lock();
            if let Some(other) = there.document.as_ref().filter(|document| !Arc::ptr_eq(&document.value, known)) {
                return Ok(Arc::clone(&other.value));
            }
            if there.anew_at.is_some_and(|at| now < at.plus_seconds(ANEW_SECONDS)) {
                return Ok(Arc::clone(known));
            }
            there.anew_at = Some(now);
        }
        let (value, max_age_seconds) = fetch().await?;
        Ok(self.there.lock().keep(value, max_age_seconds, clock.now()))
    }
}

#[cfg(test)]
mod tests;
