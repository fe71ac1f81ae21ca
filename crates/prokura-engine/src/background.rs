//! What a node does by itself: hears what other nodes revoked, closes seals over the audit trail, lets published keys
//! take over, forgets what is over. Each job is supervised: one that fails or panics is logged and comes back.

use crate::{
    Engine, Error,
    feed::{OVERLAP_SECONDS, OVERLAP_SECONDS_ALONE},
    store::driver::Engine as Database,
};
use prokura_domain::{Revocation, Timestamp};
use std::{future::Future, sync::atomic::Ordering, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

/// How often the feed is read without a notification. Well inside the five seconds a revocation may take.
const FEED_INTERVAL: Duration = Duration::from_secs(1);
/// How often seals are closed.
const SEAL_INTERVAL: Duration = Duration::from_secs(1);
/// How often the outbox is looked into.
const ERRAND_INTERVAL: Duration = Duration::from_secs(1);
/// How long a handle in a browser's cookie is remembered after its end, so that a guest who comes back is the same one.
const KEEP_COOKIES_SECONDS: i64 = 86_400;
/// For how long errands are kept, done or not.
const KEEP_ERRANDS_SECONDS: i64 = 7 * 86_400;
/// For how long invitations are kept after their end, so that who invited sees what became of them.
const KEEP_INVITATIONS_SECONDS: i64 = 30 * 86_400;
/// How often segments are looked through for those that begin or end to count.
const SEGMENT_INTERVAL: Duration = Duration::from_secs(1);
/// How often keys and leftovers are looked after.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// The most rows a page of the feed or a sweep takes.
const PAGE: u32 = 1_000;
/// How far the clock may be off the database's (S-136).
const MAX_SKEW_MILLIS: i64 = 30_000;
/// For how long a node may hear nothing and still take traffic.
const MAX_SILENCE_MILLIS: i64 = 30_000;
/// For how long ended things are kept before they are deleted.
const KEEP_SECONDS: i64 = 86_400;

impl Engine {
    /// Runs the background jobs until `stop` turns true.
    pub async fn run_background(&self, mut stop: watch::Receiver<bool>) {
        let mut jobs = JoinSet::new();
        let engine = self.clone();
        jobs.spawn(async move { engine.follow_feed().await });
        let engine = self.clone();
        jobs.spawn(async move { every(SEAL_INTERVAL, "seal the audit trail", || engine.seal_audit()).await });
        let engine = self.clone();
        jobs.spawn(async move {
            every(SEGMENT_INTERVAL, "announce segments", || engine.announce_segment_changes()).await;
        });
        let engine = self.clone();
        jobs.spawn(async move { every(SWEEP_INTERVAL, "look after keys", || engine.advance_keys()).await });
        let engine = self.clone();
        jobs.spawn(async move { every(SWEEP_INTERVAL, "sweep", || engine.sweep()).await });
        let engine = self.clone();
        jobs.spawn(async move {
            every(SWEEP_INTERVAL, "end what ran out", || engine.end_run_out_sessions()).await;
        });
        let engine = self.clone();
        jobs.spawn(async move { every(ERRAND_INTERVAL, "send mails", || engine.send_mails()).await });
        let engine = self.clone();
        jobs.spawn(async move { every(ERRAND_INTERVAL, "make calls", || engine.make_calls()).await });
        // An error means that whoever could say stop is gone.
        let _ = stop.wait_for(|stop| *stop).await;
        jobs.shutdown().await;
    }

    /// How far back the feed is read again. Alone on its database this node hears nothing but itself: what it dated
    /// waited for its turn to write and for the disk, and no clock differs.
    fn overlap_seconds(&self) -> i64 {
        match self.store.driver().engine() {
            Database::Sqlite => OVERLAP_SECONDS_ALONE,
            Database::Postgres => OVERLAP_SECONDS,
        }
    }

    /// Reads the feed once, whole on the first call and with an overlap later.
    ///
    /// # Errors
    /// Only faults.
    pub async fn poll_feed(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let is_first = self.verifier().last_contact().is_none();
        let mut since = if is_first { Timestamp::from_millis(0) } else { now.plus_seconds(-self.overlap_seconds()) };
        let mut after = String::new();
        let mut changed = Vec::new();
        loop {
            let page = self.store.read().await?.revocations(since, &after, now, PAGE).await?;
            changed.extend(self.feed.apply(&page));
            let Some(last) = page.last().filter(|_| page.len() == PAGE as usize) else { break };
            since = last.at;
            after.clone_from(&last.id);
        }
        changed.sort_unstable();
        changed.dedup();
        for tenant in changed {
            if self.tenants.read().contains_key(&tenant) {
                self.load_tenant(&tenant).await?;
            }
        }
        self.feed.forget(now);
        self.verifier().contacted(now);
        Ok(())
    }

    /// The feed for gateways elsewhere: every entry written at or after `since` that still matters, oldest first, and
    /// the present moment.
    ///
    /// # Errors
    /// Only faults.
    pub async fn revocations_since(&self, since: Timestamp) -> Result<(Timestamp, Vec<Revocation>), Error> {
        let now = self.clock.now();
        let mut entries = Vec::new();
        let (mut from, mut after) = (since, String::new());
        loop {
            let page = self.store.read().await?.revocations(from, &after, now, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            entries.extend(page);
            let Some(last) = entries.last().filter(|_| !is_last) else { return Ok((now, entries)) };
            from = last.at;
            after.clone_from(&last.id);
        }
    }

    /// Whether this node should get traffic: the database answers, the clock agrees with the database's, every tenant
    /// has keys, and the feed is fresh.
    ///
    /// # Errors
    /// What is wrong, in words for an operator.
    pub async fn readiness(&self) -> Result<(), String> {
        self.store.driver().ping().await.map_err(|error| error.to_string())?;
        let skew = self.skew_millis().await.map_err(|error| error.to_string())?;
        if skew.abs() > MAX_SKEW_MILLIS {
            return Err(format!("the clock is {} s off the database's", skew / 1000));
        }
        if let Some(tenant) = self.loaded_tenants().iter().find(|tenant| tenant.public_keys().is_empty()) {
            return Err(format!("the tenant {} has no key to sign with", tenant.id));
        }
        let silent = self.verifier().last_contact().map(|at| self.clock.now().millis_since(at));
        match silent {
            Some(millis) if millis.abs() < MAX_SILENCE_MILLIS => Ok(()),
            _ => Err("the revocation feed is stale".to_owned()),
        }
    }

    /// How far this machine's clock is ahead of the database's; 0 where that is the same clock.
    async fn skew_millis(&self) -> Result<i64, Error> {
        let there = self.store.database_now().await?;
        Ok(there.map_or(0, |there| self.clock.now().millis_since(there)))
    }

    /// Ends work with the database in an orderly way.
    ///
    /// # Errors
    /// Only faults.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.store.driver().close().await?)
    }

    /// Goes on without notifications, as when the channel to the database is cut: polling must carry everything.
    pub fn stop_listening(&self) {
        self.is_deaf.store(true, Ordering::Relaxed);
    }

    async fn follow_feed(&self) {
        let mut heard = self.store.driver().listen(crate::store::FEED_CHANNEL);
        let mut ticks = tokio::time::interval(FEED_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Some(_) = heard.recv(), if !self.is_deaf.load(Ordering::Relaxed) => {}
            }
            if let Err(error) = self.poll_feed().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the revocation feed could not be read");
            }
        }
    }

    /// Forgets what is over; done by the background jobs. By a wrong clock nothing is: other nodes would lose what they
    /// still need (S-136).
    ///
    /// # Errors
    /// Only faults.
    pub async fn sweep(&self) -> Result<(), Error> {
        let skew = self.skew_millis().await?;
        if skew.abs() > MAX_SKEW_MILLIS {
            tracing::warn!(skew_milliseconds = skew, "nothing is swept: our clock and the database's differ");
            return Ok(());
        }
        let now = self.clock.now();
        let before = now.plus_seconds(-KEEP_SECONDS);
        self.end_sessions_of_disabled_partners().await?;
        loop {
            let mut tx = self.store.write().await?;
            let mut gone = tx.forget_sessions(before, PAGE).await?;
            gone += tx.forget_revocations(now, PAGE).await?;
            gone += tx.forget_attempts(before, now.plus_seconds(-180 * KEEP_SECONDS)).await?;
            gone += tx.forget_links(before, PAGE).await?;
            gone += tx.forget_codes(before, PAGE).await?;
            gone += tx.forget_invitations(now.plus_seconds(-KEEP_INVITATIONS_SECONDS), PAGE).await?;
            gone += tx.forget_authorizations(before, PAGE).await?;
            gone += tx.forget_devices(now, PAGE).await?;
            gone += tx.forget_cookies(now.plus_seconds(-KEEP_COOKIES_SECONDS), PAGE).await?;
            gone += tx.forget_pending_logins(now, PAGE).await?;
            gone += tx.forget_ceremonies(now, PAGE).await?;
            gone += tx.forget_guards(now, PAGE).await?;
            gone += tx.forget_errands(now.plus_seconds(-KEEP_ERRANDS_SECONDS), PAGE).await?;
            tx.commit().await?;
            if gone < u64::from(PAGE) {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Runs `job` again and again; what goes wrong is logged, and the next turn comes all the same.
async fn every<F: Future<Output = Result<(), Error>>>(
    interval: Duration,
    name: &'static str,
    mut job: impl FnMut() -> F,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = job().await {
            tracing::warn!(job = name, error = &error as &dyn std::error::Error, "a background job failed");
        }
    }
}
