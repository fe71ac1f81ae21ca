//! Second factors, and logins that wait for one.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{CustomerId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// An authenticator app, as stored.
pub(crate) struct TotpRow {
    pub(crate) secret_sealed: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: Timestamp,
}

/// A login whose password was right.
pub(crate) struct PendingLoginRow {
    pub(crate) customer: CustomerId,
    pub(crate) credential: String,
    pub(crate) expires_at: Timestamp,
}

impl Reader {
    /// A customer's app, whether it is confirmed or waits for its first code.
    pub(crate) async fn totp(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<Option<TotpRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT secret_sealed, state, created_at FROM totp_factors WHERE tenant_id = $1 AND customer_id = $2",
                params![tenant, customer],
            )
            .await?;
        row.map(|row| {
            Ok(TotpRow {
                secret_sealed: row.get(0)?,
                is_active: row.get::<String>(1)? == "active",
                created_at: row.get(2)?,
            })
        })
        .transpose()
    }

    /// How many recovery codes are left.
    pub(crate) async fn recovery_codes_left(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<i64, StoreError> {
        let row = self
            .query_one(
                "SELECT COUNT(*) FROM recovery_codes
                  WHERE tenant_id = $1 AND customer_id = $2 AND used_at IS NULL",
                params![tenant, customer],
            )
            .await?;
        row.map_or(Ok(0), |row| row.get(0))
    }

    /// The login a browser is in the middle of.
    pub(crate) async fn pending_login(
        &mut self,
        tenant: &TenantId,
        browser: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<PendingLoginRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT customer_id, credential_id, expires_at FROM pending_logins
                  WHERE tenant_id = $1 AND browser_hash = $2 AND expires_at > $3",
                params![tenant, browser, now],
            )
            .await?;
        row.map(|row| pending(&row)).transpose()
    }
}

fn pending(row: &super::Row) -> Result<PendingLoginRow, StoreError> {
    Ok(PendingLoginRow { customer: row.get(0)?, credential: row.get(1)?, expires_at: row.get(2)? })
}

impl Tx<'_> {
    /// Puts down the secret of an app that waits for its first code; `false` when there is a confirmed one.
    pub(crate) async fn begin_totp(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        secret_sealed: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO totp_factors (tenant_id, customer_id, secret_sealed, state, last_step, created_at)
                 VALUES ($1, $2, $3, 'pending', 0, $4)
                 ON CONFLICT (tenant_id, customer_id) DO UPDATE
                    SET secret_sealed = excluded.secret_sealed, created_at = excluded.created_at
                  WHERE totp_factors.state = 'pending'",
                params![tenant, customer, secret_sealed, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// The app showed its first code, of `step`; `false` when it was confirmed before.
    pub(crate) async fn confirm_totp(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        step: i64,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE totp_factors SET state = 'active', last_step = $3
                  WHERE tenant_id = $1 AND customer_id = $2 AND state = 'pending'",
                params![tenant, customer, step],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Takes a code's step; `false` when it, or a later one, was taken before.
    pub(crate) async fn use_totp_step(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        step: i64,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE totp_factors SET last_step = $3
                  WHERE tenant_id = $1 AND customer_id = $2 AND state = 'active' AND last_step < $3",
                params![tenant, customer, step],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Forgets a customer's app; `false` when there is none.
    pub(crate) async fn delete_totp(&mut self, tenant: &TenantId, customer: &CustomerId) -> Result<bool, StoreError> {
        let changed = self
            .execute("DELETE FROM totp_factors WHERE tenant_id = $1 AND customer_id = $2", params![tenant, customer])
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn insert_recovery_code(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        digest: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO recovery_codes (tenant_id, customer_id, digest, created_at) VALUES ($1, $2, $3, $4)",
            params![tenant, customer, digest, now],
        )
        .await?;
        Ok(())
    }

    /// Uses a recovery code up; `false` when it is unknown or was used.
    pub(crate) async fn use_recovery_code(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        digest: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE recovery_codes SET used_at = $4
                  WHERE tenant_id = $1 AND customer_id = $2 AND digest = $3 AND used_at IS NULL",
                params![tenant, customer, digest, now],
            )
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn delete_recovery_codes(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<u64, StoreError> {
        self.execute("DELETE FROM recovery_codes WHERE tenant_id = $1 AND customer_id = $2", params![tenant, customer])
            .await
    }

    /// Notes that a browser's password was right; whatever it was in the middle of before is over.
    pub(crate) async fn put_pending_login(
        &mut self,
        tenant: &TenantId,
        browser: &SecretHash,
        login: &PendingLoginRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO pending_logins (tenant_id, browser_hash, customer_id, credential_id, tries, created_at, expires_at)
             VALUES ($1, $2, $3, $4, 0, $5, $6)
             ON CONFLICT (tenant_id, browser_hash) DO UPDATE
                SET customer_id = excluded.customer_id, credential_id = excluded.credential_id, tries = 0,
                    created_at = excluded.created_at, expires_at = excluded.expires_at",
            params![tenant, browser, &login.customer, &login.credential, now, login.expires_at],
        )
        .await?;
        Ok(())
    }

    /// Takes one of `most` tries at the code; `None` when the login is over.
    pub(crate) async fn try_pending_login(
        &mut self,
        tenant: &TenantId,
        browser: &SecretHash,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<PendingLoginRow>, StoreError> {
        let row = self
            .query_one(
                "UPDATE pending_logins SET tries = tries + 1
                  WHERE tenant_id = $1 AND browser_hash = $2 AND tries < $3 AND expires_at > $4
                 RETURNING customer_id, credential_id, expires_at",
                params![tenant, browser, most, now],
            )
            .await?;
        row.map(|row| pending(&row)).transpose()
    }

    /// Ends the login a browser is in the middle of; `false` when there is none.
    pub(crate) async fn delete_pending_login(
        &mut self,
        tenant: &TenantId,
        browser: &SecretHash,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute("DELETE FROM pending_logins WHERE tenant_id = $1 AND browser_hash = $2", params![tenant, browser])
            .await?;
        Ok(changed == 1)
    }

    /// Deletes logins that ended before `before`, at most `limit`.
    pub(crate) async fn forget_pending_logins(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM pending_logins WHERE (tenant_id, browser_hash) IN
                (SELECT tenant_id, browser_hash FROM pending_logins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
