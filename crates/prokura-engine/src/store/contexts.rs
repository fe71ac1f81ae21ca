//! Preferences of a session. The company in them is information, never authority.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{CustomerId, LegalEntityId, SessionId, TenantId, Timestamp};

/// A context as stored.
#[derive(Clone, Debug)]
pub(crate) struct ContextRow {
    pub(crate) session: SessionId,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) legal_entity: Option<LegalEntityId>,
    pub(crate) site: String,
    pub(crate) currency: String,
    pub(crate) language: String,
    pub(crate) target_location: String,
    pub(crate) cart: Option<String>,
    pub(crate) attributes_json: String,
    pub(crate) version: i64,
    pub(crate) used_at: Timestamp,
}

impl Reader {
    pub(crate) async fn context(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<ContextRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT session_id, customer_id, legal_entity_id, site_id, currency, language, target_location, cart_id,
                        attributes_json, version, used_at
                   FROM session_contexts WHERE tenant_id = $1 AND session_id = $2",
                params![tenant, session],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ContextRow {
            session: row.get(0)?,
            customer: row.get(1)?,
            legal_entity: row.get(2)?,
            site: row.get(3)?,
            currency: row.get(4)?,
            language: row.get(5)?,
            target_location: row.get(6)?,
            cart: row.get(7)?,
            attributes_json: row.get(8)?,
            version: row.get(9)?,
            used_at: row.get(10)?,
        }))
    }
}

impl Tx<'_> {
    /// `false` when the session has one already.
    pub(crate) async fn insert_context(&mut self, tenant: &TenantId, row: &ContextRow) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO session_contexts (tenant_id, session_id, customer_id, legal_entity_id, site_id, currency,
                                               language, target_location, cart_id, attributes_json, version, used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    &row.session,
                    row.customer.as_ref(),
                    row.legal_entity.as_ref(),
                    &row.site,
                    &row.currency,
                    &row.language,
                    &row.target_location,
                    row.cart.as_deref(),
                    &row.attributes_json,
                    row.version,
                    row.used_at
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Writes preferences, cart and attributes, and counts the change; owner and company stay as they are. `false` when
    /// the version is not `version` any more.
    pub(crate) async fn update_context(
        &mut self,
        tenant: &TenantId,
        row: &ContextRow,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE session_contexts
                    SET site_id = $3, currency = $4, language = $5, target_location = $6, cart_id = $7,
                        attributes_json = $8, used_at = $9, version = version + 1
                  WHERE tenant_id = $1 AND session_id = $2 AND version = $10",
                params![
                    tenant,
                    &row.session,
                    &row.site,
                    &row.currency,
                    &row.language,
                    &row.target_location,
                    row.cart.as_deref(),
                    &row.attributes_json,
                    now,
                    version
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Takes a context away.
    pub(crate) async fn drop_context(&mut self, tenant: &TenantId, session: &SessionId) -> Result<(), StoreError> {
        self.execute("DELETE FROM session_contexts WHERE tenant_id = $1 AND session_id = $2", params![tenant, session])
            .await?;
        Ok(())
    }

    /// Notes that somebody looked at it.
    pub(crate) async fn note_context_use(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session_contexts SET used_at = $3 WHERE tenant_id = $1 AND session_id = $2 AND used_at < $3",
            params![tenant, session, now],
        )
        .await?;
        Ok(())
    }

    /// Notes the company the session's newest family acts for.
    pub(crate) async fn set_context_entity(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session_contexts SET legal_entity_id = $3, version = version + 1
              WHERE tenant_id = $1 AND session_id = $2
                AND COALESCE(legal_entity_id, '') <> COALESCE($3, '')",
            params![tenant, session, entity],
        )
        .await?;
        Ok(())
    }

    /// Notes who owns the session. Company and cart go with the owner, and so does whatever they noted.
    /// `false` when the session has no context.
    pub(crate) async fn set_context_customer(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE session_contexts
                    SET customer_id = $3, legal_entity_id = NULL,
                        cart_id = CASE WHEN customer_id = $3 THEN cart_id ELSE NULL END,
                        attributes_json = CASE WHEN customer_id IS NULL OR customer_id = $3 THEN attributes_json ELSE '{}' END,
                        used_at = $4, version = version + 1
                  WHERE tenant_id = $1 AND session_id = $2",
                params![tenant, session, customer, now],
            )
            .await?;
        Ok(changed == 1)
    }
}
