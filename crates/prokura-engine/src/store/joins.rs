//! Requests to join a company, and what a sign-up asks about companies.

use super::{Reader, Row, StoreError, Tx, params};
use crate::join_request::{JoinRequest, JoinState};
use prokura_domain::{CustomerId, LegalEntityId, TenantId, Timestamp};
use prokura_jose::SecretHash;

fn join_request(row: &Row) -> Result<JoinRequest, StoreError> {
    let word: String = row.get(3)?;
    let state = JoinState::parse(&word).ok_or(StoreError::Corrupt { what: "join_requests.state".to_owned() })?;
    Ok(JoinRequest {
        id: row.get(0)?,
        customer: row.get(1)?,
        legal_entity: row.get(2)?,
        state,
        decided_at: if state == JoinState::Pending { None } else { Some(row.get(4)?) },
        created_at: row.get(5)?,
    })
}

impl Reader {
    /// Requests after `after`, by id; those of one entity and in one state when named.
    pub(crate) async fn join_requests(
        &mut self,
        tenant: &TenantId,
        entity: Option<&LegalEntityId>,
        state: Option<JoinState>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<JoinRequest>, StoreError> {
        self.query(
            "SELECT id, customer_id, legal_entity_id, state, state_at, created_at FROM join_requests
              WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR legal_entity_id = $3) AND ($4 IS NULL OR state = $4)
              ORDER BY id LIMIT $5",
            params![tenant, after, entity, state.map(JoinState::as_str), limit],
        )
        .await?
        .iter()
        .map(join_request)
        .collect()
    }

    pub(crate) async fn join_request(
        &mut self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<JoinRequest>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, customer_id, legal_entity_id, state, state_at, created_at FROM join_requests
                  WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| join_request(&row)).transpose()
    }

    /// The oldest active entity with this registration id.
    pub(crate) async fn entity_by_registration(
        &mut self,
        tenant: &TenantId,
        registration: &str,
    ) -> Result<Option<LegalEntityId>, StoreError> {
        let row = self
            .query_one(
                "SELECT id FROM legal_entities
                  WHERE tenant_id = $1 AND registration_id = $2 AND state = 'active' ORDER BY created_at, id LIMIT 1",
                params![tenant, registration],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    /// Asks to join; nothing happens when they have asked already.
    pub(crate) async fn insert_join_request(
        &mut self,
        tenant: &TenantId,
        id: &str,
        customer: &CustomerId,
        entity: &LegalEntityId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO join_requests (tenant_id, id, customer_id, legal_entity_id, state, state_at, created_at)
             VALUES ($1, $2, $3, $4, 'pending', $5, $5) ON CONFLICT DO NOTHING",
            params![tenant, id, customer, entity, now],
        )
        .await?;
        Ok(())
    }

    /// Decides a pending request; `false` when somebody was faster.
    pub(crate) async fn decide_join_request(
        &mut self,
        tenant: &TenantId,
        id: &str,
        state: JoinState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE join_requests SET state = $3, state_at = $4
                  WHERE tenant_id = $1 AND id = $2 AND state = 'pending'",
                params![tenant, id, state.as_str(), now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Makes others who do something of the same `kind` and `name` wait until this transaction ends.
    pub(crate) async fn take_turn(
        &mut self,
        tenant: &TenantId,
        kind: &'static str,
        name: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO replay_guard (tenant_id, kind, value_hash, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, kind, value_hash) DO UPDATE SET expires_at = excluded.expires_at",
            params![tenant, kind, name, expires_at],
        )
        .await?;
        Ok(())
    }

    /// Uses a value up; `false` when it was used before.
    pub(crate) async fn use_once(
        &mut self,
        tenant: &TenantId,
        kind: &'static str,
        value: &SecretHash,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO replay_guard (tenant_id, kind, value_hash, expires_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                params![tenant, kind, value, expires_at],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Uses a value up until `expires_at`; `false` while somebody else has it.
    pub(crate) async fn use_for_now(
        &mut self,
        tenant: &TenantId,
        kind: &'static str,
        value: &SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO replay_guard (tenant_id, kind, value_hash, expires_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant_id, kind, value_hash)
                 DO UPDATE SET expires_at = excluded.expires_at WHERE replay_guard.expires_at <= $5",
                params![tenant, kind, value, expires_at, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes guards that no longer guard anything, at most `limit`.
    pub(crate) async fn forget_guards(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM replay_guard WHERE (tenant_id, kind, value_hash) IN
                (SELECT tenant_id, kind, value_hash FROM replay_guard WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
