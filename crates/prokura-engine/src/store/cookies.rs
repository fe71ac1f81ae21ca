//! The handles of sessions in browsers' cookies.

use super::{Reader, StoreError, Tx, params};
use crate::assurance::is_multi_factor;
use prokura_domain::{CustomerId, FamilyId, LegalEntityId, SessionId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// A cookie session whose session stands, as stored.
#[derive(Clone, Debug)]
pub(crate) struct CookieRow {
    pub(crate) session: SessionId,
    pub(crate) customer: CustomerId,
    pub(crate) authenticated_at: Option<Timestamp>,
    /// The company that was chosen last; in a locked session, the one it is locked to.
    pub(crate) legal_entity: Option<LegalEntityId>,
    pub(crate) is_locked: bool,
    pub(crate) is_multi_factor: bool,
}

impl Reader {
    /// The cookie session of `hash`, if it and a customer's session behind it stand at `now`.
    pub(crate) async fn cookie_session(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<CookieRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT s.id, s.customer_id, s.authenticated_at,
                        CASE WHEN s.is_entity_locked = 1 THEN s.locked_entity_id ELSE k.legal_entity_id END, s.amr,
                        s.is_entity_locked
                   FROM cookie_sessions k
                   JOIN sessions s ON s.tenant_id = k.tenant_id AND s.id = k.session_id
                   JOIN customers u ON u.tenant_id = s.tenant_id AND u.id = s.customer_id
                  WHERE k.tenant_id = $1 AND k.hash = $2 AND k.kind = 'sso' AND k.idle_until > $3 AND k.expires_at > $3
                    AND s.state = 'active' AND s.expires_at > $3 AND u.state = 'active'",
                params![tenant, hash, now],
            )
            .await?;
        row.map(|row| {
            Ok(CookieRow {
                session: row.get(0)?,
                customer: row.get(1)?,
                authenticated_at: row.get(2)?,
                legal_entity: row.get(3)?,
                is_multi_factor: is_multi_factor(row.get::<Option<String>>(4)?.as_deref()),
                is_locked: row.get::<i64>(5)? == 1,
            })
        })
        .transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_cookie_session(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        session: &SessionId,
        idle_until: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO cookie_sessions (tenant_id, hash, kind, session_id, issued_at, idle_until, expires_at)
             VALUES ($1, $2, 'sso', $3, $4, $5, $6)",
            params![tenant, hash, session, now, idle_until, expires_at],
        )
        .await?;
        Ok(())
    }

    /// Moves the idle end on, and remembers the company that was chosen last when one is named.
    pub(crate) async fn touch_cookie_session(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        entity: Option<&LegalEntityId>,
        idle_until: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE cookie_sessions SET idle_until = $4, legal_entity_id = COALESCE($3, legal_entity_id)
              WHERE tenant_id = $1 AND hash = $2",
            params![tenant, hash, entity, idle_until],
        )
        .await?;
        Ok(())
    }

    /// Remembers the company that was chosen, or that none was; `false` when the cookie is gone.
    pub(crate) async fn choose_for_cookie(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        entity: Option<&LegalEntityId>,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE cookie_sessions SET legal_entity_id = $3 WHERE tenant_id = $1 AND hash = $2",
                params![tenant, hash, entity],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes the cookies of a customer's sessions, but for those of the session `family` is in.
    pub(crate) async fn delete_cookies_but(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        family: &FamilyId,
    ) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM cookie_sessions
              WHERE tenant_id = $1
                AND session_id IN (SELECT id FROM sessions WHERE tenant_id = $1 AND customer_id = $2)
                AND session_id NOT IN (SELECT session_id FROM token_families WHERE tenant_id = $1 AND id = $3)",
            params![tenant, customer, family],
        )
        .await
    }

    /// Gives a browser's session another handle; the one before is dead. `false` when it is gone.
    pub(crate) async fn renew_cookie_session(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        new: &SecretHash,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE cookie_sessions SET hash = $3 WHERE tenant_id = $1 AND hash = $2",
                params![tenant, hash, new],
            )
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn delete_cookie_session(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute("DELETE FROM cookie_sessions WHERE tenant_id = $1 AND hash = $2", params![tenant, hash])
            .await?;
        Ok(changed == 1)
    }
}
