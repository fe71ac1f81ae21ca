//! What is to be told to the world outside, written in the transaction that makes it true and worked off later, by
//! whichever node claims it first.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{TenantId, Timestamp};

/// The way errands leave by; each is worked off for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// To the mail server.
    Mail,
    /// Over HTTP, to addresses that clients registered.
    Call,
}

impl Lane {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Call => "call",
        }
    }
}

/// An errand to be stored.
pub(crate) struct NewErrand<'a> {
    pub(crate) id: &'a str,
    pub(crate) lane: Lane,
    pub(crate) kind: &'a str,
    /// Whom it calls.
    pub(crate) target: Option<&'a str>,
    pub(crate) payload_sealed: &'a str,
}

/// A claimed errand.
pub(crate) struct OutboxRow {
    pub(crate) tenant: TenantId,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) target: Option<String>,
    pub(crate) payload_sealed: String,
    /// How often it was tried, this time included.
    pub(crate) attempts: i64,
    pub(crate) created_at: Timestamp,
}

impl Reader {
    /// Whether anything waits to be claimed, so that an idle node changes nothing.
    pub(crate) async fn has_due_errand(&mut self, lane: Lane, now: Timestamp) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM outbox
                  WHERE state = 'waiting' AND lane = $2 AND due_at <= $1
                    AND (claimed_until IS NULL OR claimed_until <= $1) LIMIT 1",
                params![now, lane.as_str()],
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_errand(
        &mut self,
        tenant: &TenantId,
        errand: &NewErrand<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO outbox (tenant_id, id, lane, kind, target, payload_sealed, state, attempts, due_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, $7)",
            params![
                tenant,
                errand.id,
                errand.lane.as_str(),
                errand.kind,
                errand.target,
                errand.payload_sealed,
                now
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes what is due, for this node alone until `until`. A node that dies leaves it to the next one then.
    pub(crate) async fn claim_errands(
        &mut self,
        lane: Lane,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.query(
            "UPDATE outbox SET claimed_until = $2, attempts = attempts + 1
              WHERE (tenant_id, id) IN
                    (SELECT tenant_id, id FROM outbox
                      WHERE state = 'waiting' AND lane = $4 AND due_at <= $1
                        AND (claimed_until IS NULL OR claimed_until <= $1)
                      ORDER BY due_at, id LIMIT $3)
                AND state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= $1)
              RETURNING tenant_id, id, kind, target, payload_sealed, attempts, created_at",
            params![now, until, limit, lane.as_str()],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(OutboxRow {
                tenant: row.get(0)?,
                id: row.get(1)?,
                kind: row.get(2)?,
                target: row.get(3)?,
                payload_sealed: row.get(4)?,
                attempts: row.get(5)?,
                created_at: row.get(6)?,
            })
        })
        .collect()
    }

    /// Done, or given up with a reason. What it said is erased; `false` when the claim was lost, and then nothing happens.
    pub(crate) async fn finish_errand(
        &mut self,
        errand: &OutboxRow,
        claimed_until: Timestamp,
        failure: Option<&str>,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE outbox SET state = CASE WHEN $4 IS NULL THEN 'done' ELSE 'failed' END, payload_sealed = '-',
                        claimed_until = NULL, last_error = $4
                  WHERE tenant_id = $1 AND id = $2 AND claimed_until = $3 AND state = 'waiting'",
                params![&errand.tenant, &errand.id, claimed_until, failure],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Lets what else calls `target` wait until `until`, the longest due first, at most `limit`: who does not answer one
    /// is not asked by all.
    pub(crate) async fn pause_errands(
        &mut self,
        tenant: &TenantId,
        target: &str,
        until: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.execute(
            "UPDATE outbox SET due_at = $3
              WHERE (tenant_id, id) IN
                    (SELECT tenant_id, id FROM outbox
                      WHERE tenant_id = $1 AND target = $2 AND state = 'waiting' AND due_at < $3
                        AND claimed_until IS NULL
                      ORDER BY due_at LIMIT $4)
                AND state = 'waiting' AND claimed_until IS NULL",
            params![tenant, target, until, limit],
        )
        .await
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
