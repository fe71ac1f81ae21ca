//! Passkeys, and ceremonies between their two halves.

use super::{Reader, Row, StoreError, Tx, params};
use prokura_domain::{CustomerId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// A passkey as stored.
pub(crate) struct PasskeyRow {
    pub(crate) id: String,
    pub(crate) customer: CustomerId,
    pub(crate) user_handle: String,
    pub(crate) credential: String,
    pub(crate) name: String,
    pub(crate) kept_json: String,
    pub(crate) created_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
}

/// The first half of a ceremony: of a customer who makes a passkey, or of a login of who knows whom.
pub(crate) struct CeremonyRow {
    pub(crate) browser: SecretHash,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) user_handle: Option<String>,
    pub(crate) state_json: String,
}

fn passkey(row: &Row) -> Result<PasskeyRow, StoreError> {
    Ok(PasskeyRow {
        id: row.get(0)?,
        customer: row.get(1)?,
        user_handle: row.get(2)?,
        credential: row.get(3)?,
        name: row.get(4)?,
        kept_json: row.get(5)?,
        created_at: row.get(6)?,
        used_at: row.get(7)?,
    })
}

impl Reader {
    /// A customer's passkeys, the oldest first.
    pub(crate) async fn passkeys(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<Vec<PasskeyRow>, StoreError> {
        self.query(
            "SELECT id, customer_id, user_handle, credential_id, name, kept_json, created_at, used_at
               FROM passkeys WHERE tenant_id = $1 AND customer_id = $2 ORDER BY id",
            params![tenant, customer],
        )
        .await?
        .iter()
        .map(passkey)
        .collect()
    }

    /// The passkey an authenticator names.
    pub(crate) async fn passkey_by_credential(
        &mut self,
        tenant: &TenantId,
        credential: &str,
    ) -> Result<Option<PasskeyRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, customer_id, user_handle, credential_id, name, kept_json, created_at, used_at
                   FROM passkeys WHERE tenant_id = $1 AND credential_id = $2",
                params![tenant, credential],
            )
            .await?;
        row.map(|row| passkey(&row)).transpose()
    }
}

impl Tx<'_> {
    /// Keeps a new passkey; `false` when there is one of that credential already.
    pub(crate) async fn insert_passkey(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        row: &PasskeyRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO passkeys (tenant_id, id, customer_id, user_handle, credential_id, name, kept_json, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                params![tenant, &row.id, customer, &row.user_handle, &row.credential, &row.name, &row.kept_json, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes that a passkey was used, and its counter; `false` when it is gone or another login was faster.
    pub(crate) async fn use_passkey(
        &mut self,
        tenant: &TenantId,
        id: &str,
        (before, kept_json): (&str, &str),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE passkeys SET kept_json = $4, used_at = $5
                  WHERE tenant_id = $1 AND id = $2 AND kept_json = $3",
                params![tenant, id, before, kept_json, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Forgets a passkey of a customer; `false` when they have no such one.
    pub(crate) async fn delete_passkey(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &str,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "DELETE FROM passkeys WHERE tenant_id = $1 AND customer_id = $2 AND id = $3",
                params![tenant, customer, id],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Forgets every passkey of a customer.
    pub(crate) async fn delete_passkeys(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<u64, StoreError> {
        self.execute("DELETE FROM passkeys WHERE tenant_id = $1 AND customer_id = $2", params![tenant, customer]).await
    }

    pub(crate) async fn insert_ceremony(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        ceremony: &CeremonyRow,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO passkey_ceremonies (tenant_id, hash, browser_hash, customer_id, user_handle, state_json, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            params![
                tenant,
                hash,
                &ceremony.browser,
                ceremony.customer.as_ref(),
                ceremony.user_handle.as_deref(),
                &ceremony.state_json,
                expires_at
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes the first half away, for the browser that began it; `None` when it is unknown, over or was taken.
    pub(crate) async fn take_ceremony(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        browser: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<CeremonyRow>, StoreError> {
        let row = self
            .query_one(
                "DELETE FROM passkey_ceremonies
                  WHERE tenant_id = $1 AND hash = $2 AND browser_hash = $3 AND expires_at > $4
                 RETURNING customer_id, user_handle, state_json",
                params![tenant, hash, browser, now],
            )
            .await?;
        row.map(|row| {
            Ok(CeremonyRow {
                browser: browser.clone(),
                customer: row.get(0)?,
                user_handle: row.get(1)?,
                state_json: row.get(2)?,
            })
        })
        .transpose()
    }

    /// Deletes ceremonies that ended before `before`, at most `limit`.
    pub(crate) async fn forget_ceremonies(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM passkey_ceremonies WHERE (tenant_id, hash) IN
                (SELECT tenant_id, hash FROM passkey_ceremonies WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
