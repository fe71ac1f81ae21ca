//! Budgets of attempts, and the devices that have a budget of their own.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{TenantId, Timestamp};

/// What is spent of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Slots, that of this attempt among them.
    pub(crate) slots: i64,
    /// When a slot last came back, or would have.
    pub(crate) since: Timestamp,
}

impl Tx<'_> {
    /// Takes one slot of the budget `key` before anything is checked, and returns what is spent then. A slot is given
    /// back every `refill_millis` (a leaking bucket).
    pub(crate) async fn take_attempt(
        &mut self,
        tenant: &TenantId,
        key: &str,
        refill_millis: i64,
        now: Timestamp,
    ) -> Result<Spent, StoreError> {
        let row = self
            .query_one(
                "INSERT INTO login_failures (tenant_id, key_hash, failures, window_at) VALUES ($1, $2, 1, $3)
                 ON CONFLICT (tenant_id, key_hash) DO UPDATE
                    SET failures = CASE
                            WHEN login_failures.failures <= ($3 - login_failures.window_at) / $4 THEN 1
                            ELSE login_failures.failures - ($3 - login_failures.window_at) / $4 + 1 END,
                        window_at = login_failures.window_at + (($3 - login_failures.window_at) / $4) * $4
                 RETURNING failures, window_at",
                params![tenant, key, now, refill_millis],
            )
            .await?;
        match row {
            Some(row) => Ok(Spent { slots: row.get(0)?, since: row.get(1)? }),
            None => Ok(Spent { slots: 1, since: now }),
        }
    }

    /// Gives one slot back: the attempt was right.
    pub(crate) async fn give_back_attempt(&mut self, tenant: &TenantId, key: &str) -> Result<(), StoreError> {
        self.execute(
            "UPDATE login_failures SET failures = failures - 1 WHERE tenant_id = $1 AND key_hash = $2 AND failures > 0",
            params![tenant, key],
        )
        .await?;
        Ok(())
    }

    /// Remembers that the account has come in from this device.
    pub(crate) async fn remember_device(
        &mut self,
        tenant: &TenantId,
        account: &str,
        device: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO known_devices (tenant_id, account_hash, device_hash, last_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, account_hash, device_hash) DO UPDATE SET last_at = excluded.last_at",
            params![tenant, account, device, now],
        )
        .await?;
        Ok(())
    }

    /// Forgets budgets and devices not touched since `budgets` and `devices`.
    pub(crate) async fn forget_attempts(&mut self, budgets: Timestamp, devices: Timestamp) -> Result<u64, StoreError> {
        let gone = self.execute("DELETE FROM login_failures WHERE window_at < $1", params![budgets]).await?;
        Ok(gone + self.execute("DELETE FROM known_devices WHERE last_at < $1", params![devices]).await?)
    }
}

impl Reader {
    /// How many attempts of the budget are spent, without taking one.
    pub(crate) async fn attempts(&mut self, tenant: &TenantId, key: &str) -> Result<i64, StoreError> {
        let row = self
            .query_one(
                "SELECT failures FROM login_failures WHERE tenant_id = $1 AND key_hash = $2",
                params![tenant, key],
            )
            .await?;
        row.map_or(Ok(0), |row| row.get(0))
    }

    /// Whether the account has come in from this device before.
    pub(crate) async fn is_known_device(
        &mut self,
        tenant: &TenantId,
        account: &str,
        device: &str,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM known_devices WHERE tenant_id = $1 AND account_hash = $2 AND device_hash = $3",
                params![tenant, account, device],
            )
            .await?;
        Ok(row.is_some())
    }
}
