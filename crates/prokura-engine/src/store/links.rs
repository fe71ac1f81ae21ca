//! One-time links: what a mail hands out and exactly one request redeems.

use super::{Reader, StoreError, Tx, params};
use crate::one_time_link::Purpose;
use prokura_domain::{CustomerId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// A link to be stored.
pub(crate) struct NewLink<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) customer: &'a CustomerId,
    pub(crate) payload_json: &'a str,
    pub(crate) expires_at: Timestamp,
}

impl Reader {
    /// Whether the link could be redeemed, so that nobody makes us hash passwords without one.
    pub(crate) async fn is_link_open(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM login_tokens
                  WHERE tenant_id = $1 AND hash = $2 AND purpose = $3 AND state = 'open' AND expires_at > $4",
                params![tenant, hash.as_str(), purpose.as_str(), now],
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Reader {
    /// Whose link it is, if it could be redeemed.
    pub(crate) async fn link_customer(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<CustomerId>, StoreError> {
        let row = self
            .query_one(
                "SELECT customer_id FROM login_tokens
                  WHERE tenant_id = $1 AND hash = $2 AND purpose = $3 AND state = 'open' AND expires_at > $4",
                params![tenant, hash.as_str(), purpose.as_str(), now],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_link(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        link: &NewLink<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO login_tokens (tenant_id, hash, purpose, customer_id, payload_json, state, state_at, created_at,
                                       expires_at)
             VALUES ($1, $2, $3, $4, $5, 'open', $6, $6, $7)",
            params![
                tenant,
                hash.as_str(),
                link.purpose.as_str(),
                link.customer,
                link.payload_json,
                now,
                link.expires_at
            ],
        )
        .await?;
        Ok(())
    }

    /// Uses a link up; `None` when it is unknown, over, or another request was faster.
    pub(crate) async fn redeem_link(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<(CustomerId, String)>, StoreError> {
        let row = self
            .query_one(
                "UPDATE login_tokens SET state = 'used', state_at = $4
                  WHERE tenant_id = $1 AND hash = $2 AND purpose = $3 AND state = 'open' AND expires_at > $4
                  RETURNING customer_id, payload_json",
                params![tenant, hash.as_str(), purpose.as_str(), now],
            )
            .await?;
        row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
    }

    /// Ends the open links of a customer, those of one purpose when named.
    pub(crate) async fn revoke_links(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        purpose: Option<Purpose>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE login_tokens SET state = 'revoked', state_at = $4
              WHERE tenant_id = $1 AND customer_id = $2 AND state = 'open' AND ($3 IS NULL OR purpose = $3)",
            params![tenant, customer, purpose.map(Purpose::as_str), now],
        )
        .await?;
        Ok(())
    }

    /// Deletes links that ended before `before`, at most `limit`.
    pub(crate) async fn forget_links(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM login_tokens WHERE (tenant_id, hash) IN
                (SELECT tenant_id, hash FROM login_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
