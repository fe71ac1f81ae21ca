//! Who customers are elsewhere: the subject a partner's identity provider knows them by.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{CustomerId, PartnerIdpId, TenantId, Timestamp};

impl Reader {
    /// The customer a provider's subject is.
    pub(crate) async fn federated_identity(
        &mut self,
        tenant: &TenantId,
        partner: &str,
        subject: &str,
    ) -> Result<Option<CustomerId>, StoreError> {
        let row = self
            .query_one(
                "SELECT customer_id FROM federated_identities
                  WHERE tenant_id = $1 AND partner_idp_id = $2 AND subject = $3",
                params![tenant, partner, subject],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    /// Whether some subject of the provider is this customer.
    pub(crate) async fn is_federated(
        &mut self,
        tenant: &TenantId,
        partner: &str,
        customer: &CustomerId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM federated_identities WHERE tenant_id = $1 AND customer_id = $2 AND partner_idp_id = $3",
                params![tenant, customer, partner],
            )
            .await?;
        Ok(row.is_some())
    }

    /// `false` when the subject is somebody already, or the customer has a subject of the provider already.
    pub(crate) async fn insert_federated_identity(
        &mut self,
        tenant: &TenantId,
        (partner, subject): (&str, &str),
        customer: &CustomerId,
        email_key: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO federated_identities (tenant_id, partner_idp_id, subject, customer_id, email_key,
                                                   created_at, last_login_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
                params![tenant, partner, subject, customer, email_key, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes a login; `false` when the subject is this customer no more.
    pub(crate) async fn touch_federated_identity(
        &mut self,
        tenant: &TenantId,
        (partner, subject): (&str, &str),
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE federated_identities SET last_login_at = $5
                  WHERE tenant_id = $1 AND partner_idp_id = $2 AND subject = $3 AND customer_id = $4",
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

    /// Whether anybody is known by the provider.
    pub(crate) async fn has_federated_identities(
        &mut self,
        tenant: &TenantId,
        partner_idp: &PartnerIdpId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM federated_identities WHERE tenant_id = $1 AND partner_idp_id = $2 LIMIT 1",
                params![tenant, partner_idp],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Forgets people a provider knows, at most `limit`; how many.
    pub(crate) async fn forget_identities_of_partner_idp(
        &mut self,
        tenant: &TenantId,
        partner_idp: &PartnerIdpId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM federated_identities WHERE tenant_id = $1 AND partner_idp_id = $2 AND subject IN
                (SELECT subject FROM federated_identities
                  WHERE tenant_id = $1 AND partner_idp_id = $2 ORDER BY subject LIMIT $3)",
            params![tenant, partner_idp, limit],
        )
        .await
    }
}
