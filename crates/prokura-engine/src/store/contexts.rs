//! Preferences of a session. The company in them is information, never authority.

use super::{StoreError, Tx, params};
use prokura_domain::{CustomerId, LegalEntityId, SessionId, TenantId};

impl Tx<'_> {
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

    /// Notes who owns the session; without an owner it holds neither company nor cart.
    pub(crate) async fn set_context_customer(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        customer: Option<&CustomerId>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session_contexts
                SET customer_id = $3, legal_entity_id = NULL,
                    cart_id = CASE WHEN customer_id = $3 THEN cart_id ELSE NULL END, version = version + 1
              WHERE tenant_id = $1 AND session_id = $2",
            params![tenant, session, customer],
        )
        .await?;
        Ok(())
    }
}
