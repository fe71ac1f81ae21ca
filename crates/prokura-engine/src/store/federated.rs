//! Who customers are elsewhere: the subject a partner knows them by.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{CustomerId, TenantId, Timestamp};

impl Reader {
    /// The customer a partner's subject is.
    pub(crate) async fn federated_identity(
        &mut self,
        tenant: &TenantId,
        partner: &str,
        subject: &str,
    ) -> Result<Option<CustomerId>, StoreError> {
        let row = self
            .query_one(
                "SELECT customer_id FROM federated_identities WHERE tenant_id = $1 AND partner = $2 AND subject = $3",
                params![tenant, partner, subject],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    /// Whether some subject of the partner is this customer.
    pub(crate) async fn is_federated(
        &mut self,
        tenant: &TenantId,
        partner: &str,
        customer: &CustomerId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM federated_identities WHERE tenant_id = $1 AND customer_id = $2 AND partner = $3",
                params![tenant, customer, partner],
            )
            .await?;
        Ok(row.is_some())
    }

    /// `false` when the subject is somebody already, or the customer has a subject of the partner already.
    pub(crate) async fn insert_federated_identity(
        &mut self,
        tenant: &TenantId,
        partner: &str,
        subject: &str,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO federated_identities (tenant_id, partner, subject, customer_id, created_at)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                params![tenant, partner, subject, customer, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Forgets who a customer is elsewhere.
    pub(crate) async fn forget_federated_identities(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM federated_identities WHERE tenant_id = $1 AND customer_id = $2",
            params![tenant, customer],
        )
        .await?;
        Ok(())
    }
}
