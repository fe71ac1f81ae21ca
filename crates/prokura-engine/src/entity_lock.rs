//! Sessions that act for one company and no other, because whoever opened them said so: a punch-out, a login token with
//! switching off (S-34). The lock is the session's, so it holds for every family, door and page of it, and nothing lifts it.

use crate::{Actor, Engine, Error, Origin, Refusal, Tenant, audit::Entry, retrying, store::Tx};
use prokura_domain::{LegalEntityId, SessionId};

impl Engine {
    /// Locks a session to `entity`, or to acting for nobody. Whoever opens a locked session does so before it gets tokens;
    /// tokens of another company in it are refreshed no more.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the session is over or locked already.
    pub async fn lock_session(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.lock_session(&tenant.id, session, entity).await? {
                return Err(Refusal::NotFound("session").into());
            }
            let entry =
                Entry::new(actor, "session.lock", "session", session.as_str()).entity(entity).session(Some(session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Refuses a choice that a lock of the session does not leave.
    pub(crate) async fn check_lock(
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
    ) -> Result<(), Error> {
        match tx.session_lock(&tenant.id, session).await? {
            Some(locked) if locked.as_ref() != entity => Err(Refusal::EntityLocked.into()),
            Some(_) | None => Ok(()),
        }
    }
}
