//! Devices that wait for somebody to let them in (RFC 8628).

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{ClientId, LegalEntityId, SessionId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// A waiting device as stored.
#[derive(Clone, Debug)]
pub(crate) struct DeviceRow {
    pub(crate) user_code: String,
    pub(crate) client: ClientId,
    pub(crate) scope: String,
    pub(crate) legal_entity: Option<LegalEntityId>,
    pub(crate) session: Option<SessionId>,
    pub(crate) state: String,
    pub(crate) expires_at: Timestamp,
}

fn device(row: &super::Row) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow {
        user_code: row.get(0)?,
        client: row.get(1)?,
        scope: row.get(2)?,
        legal_entity: row.get(3)?,
        session: row.get(4)?,
        state: row.get(5)?,
        expires_at: row.get(6)?,
    })
}

impl Reader {
    /// The device whose code a person typed in.
    pub(crate) async fn device_by_user_code(
        &mut self,
        tenant: &TenantId,
        user_code: &str,
    ) -> Result<Option<DeviceRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT user_code, client_id, scope, legal_entity_id, session_id, state, expires_at
                   FROM device_grants WHERE tenant_id = $1 AND user_code = $2",
                params![tenant, user_code],
            )
            .await?;
        row.map(|row| device(&row)).transpose()
    }
}

impl Tx<'_> {
    /// `false` when the code for people is in use.
    pub(crate) async fn insert_device(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        new: &DeviceRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO device_grants (tenant_id, hash, user_code, client_id, scope, legal_entity_id, state, state_at,
                                            polled_at, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, 0, $7, $8) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    hash,
                    &new.user_code,
                    &new.client,
                    &new.scope,
                    new.legal_entity.as_ref(),
                    now,
                    new.expires_at
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// The device that asks, and when it asked before; the present moment takes that place.
    pub(crate) async fn poll_device(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<(DeviceRow, Timestamp)>, StoreError> {
        let found = self
            .query_for_update(
                "SELECT user_code, client_id, scope, legal_entity_id, session_id, state, expires_at, polled_at
                   FROM device_grants WHERE tenant_id = $1 AND hash = $2",
                params![tenant, hash],
            )
            .await?;
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        self.execute(
            "UPDATE device_grants SET polled_at = $3 WHERE tenant_id = $1 AND hash = $2",
            params![tenant, hash, now],
        )
        .await?;
        Ok(Some((device(&row)?, row.get(7)?)))
    }

    /// Somebody lets a device in, or not; `false` when that was decided before or the device waits no more.
    pub(crate) async fn decide_device(
        &mut self,
        tenant: &TenantId,
        user_code: &str,
        state: &'static str,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE device_grants SET state = $3, state_at = $6, session_id = $4, legal_entity_id = $5
                  WHERE tenant_id = $1 AND user_code = $2 AND state = 'pending' AND expires_at > $6",
                params![tenant, user_code, state, session, entity, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Uses the code up; `false` when another request was faster.
    pub(crate) async fn use_device(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE device_grants SET state = 'used', state_at = $3
                  WHERE tenant_id = $1 AND hash = $2 AND state = 'allowed'",
                params![tenant, hash, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes devices that ended before `before`, at most `limit`.
    pub(crate) async fn forget_devices(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM device_grants WHERE (tenant_id, hash) IN
                (SELECT tenant_id, hash FROM device_grants WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
