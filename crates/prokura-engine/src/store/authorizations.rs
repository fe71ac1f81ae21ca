//! Requests at the authorization endpoint, from their arrival to the exchange of their code, and the consents customers
//! gave.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::AuthorizationRequest;
use prokura_domain::{AuthorizationId, ClientId, CustomerId, FamilyId, LegalEntityId, SessionId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// An authorization as stored.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRow {
    pub(crate) id: AuthorizationId,
    pub(crate) client: ClientId,
    pub(crate) request: AuthorizationRequest,
    pub(crate) browser: Option<SecretHash>,
    pub(crate) session: Option<SessionId>,
    pub(crate) legal_entity: Option<LegalEntityId>,
    pub(crate) is_entity_chosen: bool,
    pub(crate) has_consented: bool,
    pub(crate) state: String,
    pub(crate) family: Option<FamilyId>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// An authorization to be stored: pushed by the client, or opened by a browser.
pub(crate) struct NewAuthorization<'a> {
    pub(crate) id: &'a AuthorizationId,
    pub(crate) client: &'a ClientId,
    pub(crate) request: &'a AuthorizationRequest,
    pub(crate) pushed: Option<&'a SecretHash>,
    pub(crate) browser: Option<&'a SecretHash>,
    pub(crate) expires_at: Timestamp,
}

fn authorization(row: &Row) -> Result<AuthorizationRow, StoreError> {
    Ok(AuthorizationRow {
        id: row.get(0)?,
        client: row.get(1)?,
        request: from_json(&row.get::<String>(2)?, "authorizations.request_json")?,
        browser: row.get(3)?,
        session: row.get(4)?,
        legal_entity: row.get(5)?,
        is_entity_chosen: row.get(6)?,
        has_consented: row.get(7)?,
        state: row.get(8)?,
        family: row.get(9)?,
        created_at: row.get(10)?,
        expires_at: row.get(11)?,
    })
}

impl Reader {
    pub(crate) async fn authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
    ) -> Result<Option<AuthorizationRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, client_id, request_json, browser_hash, session_id, legal_entity_id, is_entity_chosen,
                        has_consented, state, family_id, created_at, expires_at
                   FROM authorizations WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| authorization(&row)).transpose()
    }

    /// The authorization a code belongs to, used or not.
    pub(crate) async fn authorization_by_code(
        &mut self,
        tenant: &TenantId,
        code: &SecretHash,
    ) -> Result<Option<AuthorizationRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, client_id, request_json, browser_hash, session_id, legal_entity_id, is_entity_chosen,
                        has_consented, state, family_id, created_at, expires_at
                   FROM authorizations WHERE tenant_id = $1 AND code_hash = $2",
                params![tenant, code],
            )
            .await?;
        row.map(|row| authorization(&row)).transpose()
    }

    /// The enabled entities a customer may act for, by name, each with the code of the customer's group there; the one
    /// entity alone when it is named.
    pub(crate) async fn choices_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
        limit: u32,
    ) -> Result<Vec<(LegalEntityId, String, Option<String>)>, StoreError> {
        self.query(
            "SELECT e.id, e.name,
                    (SELECT MIN(g.code) FROM customer_groups g
                       JOIN customer_group_members m ON m.tenant_id = g.tenant_id AND m.group_id = g.id
                      WHERE g.tenant_id = e.tenant_id AND g.legal_entity_id = e.id AND m.member_id = $2
                        AND g.code IS NOT NULL)
               FROM contact_assignments a
               JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
              WHERE a.tenant_id = $1 AND a.customer_id = $2 AND e.state = 'active'
                AND ($3 IS NULL OR e.id = $3)
              ORDER BY e.name_key, e.id LIMIT $4",
            params![tenant, customer, entity, limit],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .collect()
    }

    /// The scopes a customer let a client have.
    pub(crate) async fn consent(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        client: &ClientId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .query_one(
                "SELECT scope FROM consents WHERE tenant_id = $1 AND customer_id = $2 AND client_id = $3",
                params![tenant, customer, client],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_authorization(
        &mut self,
        tenant: &TenantId,
        new: &NewAuthorization<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let state = if new.pushed.is_some() { "pushed" } else { "pending" };
        self.execute(
            "INSERT INTO authorizations (tenant_id, id, client_id, request_json, pushed_hash, browser_hash,
                                         is_entity_chosen, has_consented, state, state_at, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $8, $9)",
            params![
                tenant,
                new.id,
                new.client,
                to_json(new.request)?,
                new.pushed,
                new.browser,
                state,
                now,
                new.expires_at
            ],
        )
        .await?;
        Ok(())
    }

    /// Keeps a code that no page gave out.
    pub(crate) async fn insert_direct_code(
        &mut self,
        tenant: &TenantId,
        new: &NewAuthorization<'_>,
        (session, code): (Option<&SessionId>, &SecretHash),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO authorizations (tenant_id, id, client_id, request_json, session_id, code_hash,
                                         is_entity_chosen, has_consented, state, state_at, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, 1, 'fulfilled', $7, $7, $8)",
            params![tenant, new.id, new.client, to_json(new.request)?, session, code, now, new.expires_at],
        )
        .await?;
        Ok(())
    }

    /// Hands a pushed request to the browser that brings it; the same browser may bring it again while it lasts. `None`
    /// when it is unknown, over, another client's or another browser's.
    pub(crate) async fn open_pushed(
        &mut self,
        tenant: &TenantId,
        pushed: &SecretHash,
        client: &ClientId,
        browser: &SecretHash,
        open_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<AuthorizationId>, StoreError> {
        let row = self
            .query_one(
                "UPDATE authorizations
                    SET browser_hash = $4, state_at = CASE WHEN state = 'pushed' THEN $6 ELSE state_at END,
                        expires_at = CASE WHEN state = 'pushed' THEN $5 ELSE expires_at END, state = 'pending'
                  WHERE tenant_id = $1 AND pushed_hash = $2 AND client_id = $3 AND expires_at > $6
                    AND (state = 'pushed' OR (state = 'pending' AND browser_hash = $4))
                  RETURNING id",
                params![tenant, pushed, client, browser, open_until, now],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Takes a request that a browser opened out of its hands; nobody opens it again. `None` when it is unknown, over, taken
    /// or another browser's.
    pub(crate) async fn take_authorization(
        &mut self,
        tenant: &TenantId,
        pushed: &SecretHash,
        browser: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<AuthorizationRow>, StoreError> {
        let row = self
            .query_one(
                "UPDATE authorizations SET pushed_hash = NULL, state_at = $4
                  WHERE tenant_id = $1 AND pushed_hash = $2 AND browser_hash = $3 AND state = 'pending'
                    AND expires_at > $4
                  RETURNING id, client_id, request_json, browser_hash, session_id, legal_entity_id, is_entity_chosen,
                            has_consented, state, family_id, created_at, expires_at",
                params![tenant, pushed, browser, now],
            )
            .await?;
        row.map(|row| authorization(&row)).transpose()
    }

    /// Notes who logged in for it; what was decided for somebody else before no longer counts. `false` when it is over.
    pub(crate) async fn bind_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations
                    SET session_id = $3, state_at = $4, is_entity_chosen = 0, legal_entity_id = NULL, has_consented = 0
                  WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND expires_at > $4",
                params![tenant, id, session, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes the company that was chosen; `false` when it is over or somebody else logged in meanwhile.
    pub(crate) async fn choose_for_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET is_entity_chosen = 1, legal_entity_id = $4, state_at = $5
                  WHERE tenant_id = $1 AND id = $2 AND session_id = $3 AND state = 'pending' AND expires_at > $5",
                params![tenant, id, session, entity, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes the consent; `false` when it is over or somebody else logged in meanwhile.
    pub(crate) async fn consent_to_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET has_consented = 1, state_at = $4
                  WHERE tenant_id = $1 AND id = $2 AND session_id = $3 AND state = 'pending' AND expires_at > $4",
                params![tenant, id, session, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes what has become clear since the request arrived; `false` when it is over.
    pub(crate) async fn amend_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        request: &AuthorizationRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET request_json = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND expires_at > $4",
                params![tenant, id, to_json(request)?, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Gives the code out; `false` when it is over, has one already, or somebody else logged in meanwhile.
    pub(crate) async fn fulfil_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        session: &SessionId,
        code: &SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET state = 'fulfilled', state_at = $6, code_hash = $4, expires_at = $5
                  WHERE tenant_id = $1 AND id = $2 AND session_id = $3 AND state = 'pending' AND expires_at > $6",
                params![tenant, id, session, code, expires_at, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Ends it without a code; `false` when it was over.
    pub(crate) async fn cancel_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET state = 'cancelled', state_at = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'pending'",
                params![tenant, id, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Uses the code up; `false` when another request was faster or it is over (S-22).
    pub(crate) async fn exchange_authorization(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        keep_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE authorizations SET state = 'exchanged', state_at = $4, expires_at = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'fulfilled' AND expires_at > $4",
                params![tenant, id, keep_until, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Remembers which family the code led to, so that a replay can end it (S-21).
    pub(crate) async fn set_authorization_family(
        &mut self,
        tenant: &TenantId,
        id: &AuthorizationId,
        family: &FamilyId,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE authorizations SET family_id = $3 WHERE tenant_id = $1 AND id = $2",
            params![tenant, id, family],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn put_consent(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        client: &ClientId,
        scope: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO consents (tenant_id, customer_id, client_id, scope, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, customer_id, client_id) DO UPDATE SET scope = $4, at = $5",
            params![tenant, customer, client, scope, now],
        )
        .await?;
        Ok(())
    }

    /// Deletes authorizations that ended before `before`, at most `limit`.
    pub(crate) async fn forget_authorizations(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM authorizations WHERE (tenant_id, id) IN
                (SELECT tenant_id, id FROM authorizations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
