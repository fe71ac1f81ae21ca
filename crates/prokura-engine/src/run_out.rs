//! Sessions that run out: at their end, or when no cookie and no token of them is good any more. Refusing them costs
//! nothing, but their clients are to hear of it (OpenID Connect Back-Channel Logout 1.0), so somebody has to look.

use crate::{Actor, Engine, Error, Origin, audit::Entry, retrying, store::FadingSession};
use prokura_domain::Timestamp;

/// How long after its end a session is taken for over: what another node with a slower clock lets through is not cut off.
const SLACK_SECONDS: i64 = 60;
/// When to look again at a session of a tenant that is suspended.
const SUSPENDED_SECONDS: i64 = 3_600;
/// How many sessions are read at a time.
const PAGE: u32 = 200;

impl FadingSession {
    /// From when on it counts as over, and why.
    fn over_at(&self) -> (Timestamp, &'static str) {
        let (end, reason) = match self.usable_until {
            Some(until) if until >= self.expires_at => (self.expires_at, "expired"),
            Some(until) => (until, "idle"),
            None => (Timestamp::from_millis(0), "idle"),
        };
        (end.plus_seconds(SLACK_SECONDS), reason)
    }
}

impl Engine {
    /// Ends the sessions that ran out, and tells their clients. Done by the background jobs of any node.
    ///
    /// # Errors
    /// Only faults.
    pub async fn end_run_out_sessions(&self) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let page = self.store.read().await?.fading_sessions(now, PAGE).await?;
            for session in &page {
                retrying!(self.look_at_session(session, now))?;
            }
            if page.len() < PAGE as usize {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    async fn look_at_session(&self, session: &FadingSession, now: Timestamp) -> Result<(), Error> {
        let tenant = match self.tenant(&session.tenant).await {
            Ok(tenant) => Some(tenant),
            Err(Error::Refused(_)) => None,
            Err(fault) => return Err(fault),
        };
        let (over_at, reason) = session.over_at();
        let mut tx = self.store.write().await?;
        match tenant {
            Some(tenant) if over_at <= now => {
                if self.end_session_in(&mut tx, &tenant, &session.id, reason, now).await? {
                    let entry = Entry::new(&Actor::System, "session.run_out", "session", session.id.as_str())
                        .session(Some(&session.id))
                        .detail(serde_json::json!({ "reason": reason }));
                    self.audit(&mut tx, &tenant.id, &Origin::local("sessions"), entry, now).await?;
                }
            }
            Some(_) => tx.look_at_session(&session.tenant, &session.id, over_at).await?,
            None => {
                let later = now.plus_seconds(SUSPENDED_SECONDS);
                tx.look_at_session(&session.tenant, &session.id, later).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}
