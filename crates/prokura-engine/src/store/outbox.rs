//! What is to be told to the world outside, written in the transaction that makes it true and worked off later, by
//! whichever node claims it first.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{TenantId, Timestamp};

/// A claimed errand.
pub(crate) struct OutboxRow {
    pub(crate) tenant: TenantId,
    pub(crate) id: String,
    pub(crate) payload_sealed: String,
    /// How often it was tried, this time included.
    pub(crate) attempts: i64,
    pub(crate) created_at: Timestamp,
}

impl Reader {
    /// Whether anything waits to be claimed, so that an idle node changes nothing.
    pub(crate) async fn has_due_errand(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM outbox
                  WHERE state = 'waiting' AND due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) LIMIT 1",
                params![now],
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_errand(
        &mut self,
        tenant: &TenantId,
        id: &str,
        kind: &str,
        payload_sealed: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO outbox (tenant_id, id, kind, payload_sealed, state, attempts, due_at, created_at)
             VALUES ($1, $2, $3, $4, 'waiting', 0, $5, $5)",
            params![tenant, id, kind, payload_sealed, now],
        )
        .await?;
        Ok(())
    }

    /// Takes what is due, for this node alone until `until`. A node that dies leaves it to the next one then.
    pub(crate) async fn claim_errands(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.query(
            "UPDATE outbox SET claimed_until = $2, attempts = attempts + 1
              WHERE (tenant_id, id) IN
                    (SELECT tenant_id, id FROM outbox
                      WHERE state = 'waiting' AND due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)
                      ORDER BY due_at, id LIMIT $3)
                AND state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $1)
              RETURNING tenant_id, id, payload_sealed, attempts, created_at",
            params![now, until, limit],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(OutboxRow {
                tenant: row.get(0)?,
                id: row.get(1)?,
                payload_sealed: row.get(2)?,
                attempts: row.get(3)?,
                created_at: row.get(4)?,
            })
        })
        .collect()
    }

    /// Done, or given up with a reason. What it said is erased; nothing happens when the claim was lost.
    pub(crate) async fn finish_errand(
        &mut self,
        errand: &OutboxRow,
        claimed_until: Timestamp,
        failure: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET state = CASE WHEN $4 IS NULL THEN 'done' ELSE 'failed' END, payload_sealed = '-',
                    claimed_until = NULL, last_error = $4
              WHERE tenant_id = $1 AND id = $2 AND claimed_until = $3 AND state = 'waiting'",
            params![&errand.tenant, &errand.id, claimed_until, failure],
        )
        .await?;
        Ok(())
    }

    /// To be tried again at `due_at`; nothing happens when the claim was lost.
    pub(crate) async fn postpone_errand(
        &mut self,
        errand: &OutboxRow,
        claimed_until: Timestamp,
        due_at: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET due_at = $4, claimed_until = NULL, last_error = $5
              WHERE tenant_id = $1 AND id = $2 AND claimed_until = $3 AND state = 'waiting'",
            params![&errand.tenant, &errand.id, claimed_until, due_at, error],
        )
        .await?;
        Ok(())
    }

    /// Deletes errands written before `before`, whatever became of them, at most `limit`.
    pub(crate) async fn forget_errands(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM outbox WHERE (tenant_id, id) IN
                (SELECT tenant_id, id FROM outbox WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
