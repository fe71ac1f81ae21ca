//! The revocation feed: written in the transaction that takes something away, read by every node and gateway.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{Revocation, Timestamp};

impl Reader {
    /// Entries written at or after `since` that still matter at `now`, oldest first, at most `limit` after `after`.
    ///
    /// All tenants at once: the feed is read by nodes, not by tenants.
    pub(crate) async fn revocations(
        &mut self,
        since: Timestamp,
        after: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        self.query(
            "SELECT id, tenant_id, kind, value, is_lifted, at, effective_at, expires_at FROM revocations
              WHERE (at, id) > ($1, $2) AND expires_at > $3 ORDER BY at, id LIMIT $4",
            params![since, after, now, limit],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(Revocation {
                id: row.get(0)?,
                tenant: row.get(1)?,
                kind: row.get(2)?,
                value: row.get(3)?,
                is_lifted: row.get(4)?,
                at: row.get(5)?,
                effective_at: row.get(6)?,
                expires_at: row.get(7)?,
            })
        })
        .collect()
    }
}

impl Tx<'_> {
    /// Writes an entry of the feed; this node applies it once the transaction is durable.
    pub(crate) async fn revoke(&mut self, entry: Revocation) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO revocations (tenant_id, id, kind, value, is_lifted, at, effective_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            params![
                &entry.tenant,
                &entry.id,
                entry.kind,
                &entry.value,
                entry.is_lifted,
                entry.at,
                entry.effective_at,
                entry.expires_at
            ],
        )
        .await?;
        self.feed.push(entry);
        Ok(())
    }

    /// Forgets entries whose last token has expired; returns how many, at most `limit`.
    pub(crate) async fn forget_revocations(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM revocations WHERE (tenant_id, id) IN
                (SELECT tenant_id, id FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![now, limit],
        )
        .await
    }
}
