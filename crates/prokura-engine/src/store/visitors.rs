//! Visitors: the names under which people come back, as guests and as customers.

use super::{Reader, StoreError, params};
use prokura_domain::{CustomerId, SessionId, TenantId, Timestamp, VisitorId};

impl Reader {
    /// Whether somebody but `customer` is logged in under a visitor's name.
    pub(crate) async fn is_visitor_taken(
        &mut self,
        tenant: &TenantId,
        visitor: &VisitorId,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM sessions
                  WHERE tenant_id = $1 AND visitor_id = $2 AND customer_id IS NOT NULL AND state = 'active'
                    AND expires_at > $4 AND ($3 IS NULL OR customer_id <> $3) LIMIT 1",
                params![tenant, visitor, customer, now],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Guests' sessions of a visitor that stand, but for the newest ones.
    pub(crate) async fn older_guest_sessions_of(
        &mut self,
        tenant: &TenantId,
        visitor: &VisitorId,
        newest: u32,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.query(
            "SELECT id FROM sessions
              WHERE tenant_id = $1 AND visitor_id = $2 AND customer_id IS NULL AND state = 'active' AND expires_at > $3
                AND id NOT IN (SELECT id FROM sessions
                                WHERE tenant_id = $1 AND visitor_id = $2 AND customer_id IS NULL AND state = 'active'
                                  AND expires_at > $3 ORDER BY id DESC LIMIT $4)",
            params![tenant, visitor, now, newest],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }
}
