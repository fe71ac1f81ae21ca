//! The audit trail: entries are written in the transaction of the change they tell of, each with a keyed code of its
//! own; seals chain them afterwards, in batches, so that writers of one tenant never wait for each other.

use super::{Reader, Row, StoreError, Tx, params};
use crate::audit::{AuditEvent, Outcome};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{TenantId, Timestamp};

/// A seal over a batch of entries.
pub(crate) struct SealRow {
    pub(crate) number: i64,
    pub(crate) at: Timestamp,
    pub(crate) entries_json: String,
    pub(crate) mac: String,
}

/// The keyed code of one entry: over every column, length-prefixed, so that no two entries read the same.
pub(crate) fn entry_mac(key: &[u8; 32], tenant: &TenantId, event: &AuditEvent) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    let mut field = |text: Option<&str>| {
        let text = text.unwrap_or("\u{0}");
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    field(Some(tenant.as_str()));
    field(Some(&event.id));
    field(Some(&event.at.millis().to_string()));
    for text in [&event.actor_kind, &event.actor_id, &event.verb, &event.subject_kind, &event.subject_id] {
        field(Some(text));
    }
    for text in [&event.legal_entity, &event.client, &event.session] {
        field(text.as_deref());
    }
    field(Some(event.outcome.as_str()));
    field(event.refusal.as_deref());
    field(Some(&event.request_id));
    field(event.address.as_deref());
    field(event.user_agent.as_deref());
    field(Some(&event.detail_json));
    URL_SAFE_NO_PAD.encode(context.sign().as_ref())
}

pub(super) fn event(row: &Row) -> Result<(AuditEvent, String), StoreError> {
    let event = AuditEvent {
        id: row.get(0)?,
        at: row.get(1)?,
        actor_kind: row.get(2)?,
        actor_id: row.get(3)?,
        verb: row.get(4)?,
        subject_kind: row.get(5)?,
        subject_id: row.get(6)?,
        legal_entity: row.get(7)?,
        client: row.get(8)?,
        session: row.get(9)?,
        outcome: row
            .get::<String>(10)?
            .parse::<Outcome>()
            .map_err(|()| StoreError::Corrupt { what: "audit_events.outcome".to_owned() })?,
        refusal: row.get(11)?,
        request_id: row.get(12)?,
        address: row.get(13)?,
        user_agent: row.get(14)?,
        detail_json: row.get(15)?,
    };
    Ok((event, row.get(16)?))
}

impl Tx<'_> {
    /// Writes an entry. Without it there is no change (S-143).
    pub(crate) async fn insert_audit_event(&mut self, tenant: &TenantId, event: &AuditEvent) -> Result<(), StoreError> {
        let mac = entry_mac(self.audit_key(), tenant, event);
        self.execute(
            "INSERT INTO audit_events (tenant_id, id, at, actor_kind, actor_id, verb, subject_kind, subject_id,
                                       legal_entity_id, client_id, session_id, outcome, refusal, request_id, address,
                                       user_agent, detail_json, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            params![
                tenant,
                &event.id,
                event.at,
                &event.actor_kind,
                &event.actor_id,
                &event.verb,
                &event.subject_kind,
                &event.subject_id,
                &event.legal_entity,
                &event.client,
                &event.session,
                event.outcome.as_str(),
                &event.refusal,
                &event.request_id,
                &event.address,
                &event.user_agent,
                &event.detail_json,
                &mac
            ],
        )
        .await?;
        let open = "INSERT INTO audit_unsealed (tenant_id, id, mac) VALUES ($1, $2, $3)";
        self.execute(open, params![tenant, &event.id, &mac]).await?;
        Ok(())
    }

    /// Closes a batch under a seal; `false` when another node was faster with this number.
    pub(crate) async fn insert_seal(&mut self, tenant: &TenantId, seal: &SealRow) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO audit_seals (tenant_id, number, at, entries_json, mac) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
                params![tenant, seal.number, seal.at, &seal.entries_json, &seal.mac],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes that the first `count` open entries, up to `last`, are under a seal; `false` when there are others by now.
    pub(crate) async fn mark_sealed(
        &mut self,
        tenant: &TenantId,
        last: &str,
        count: usize,
    ) -> Result<bool, StoreError> {
        let changed =
            self.execute("DELETE FROM audit_unsealed WHERE tenant_id = $1 AND id <= $2", params![tenant, last]).await?;
        Ok(changed == count as u64)
    }
}

impl Reader {
    /// One entry, with its code.
    pub(crate) async fn audit_event(
        &mut self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<(AuditEvent, String)>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, at, actor_kind, actor_id, verb, subject_kind, subject_id, legal_entity_id, client_id, session_id,
                        outcome, refusal, request_id, address, user_agent, detail_json, mac
                   FROM audit_events WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| event(&row)).transpose()
    }

    /// Entries after `after` (time-ordered id), oldest first, with their code. Filters are optional.
    pub(crate) async fn audit_events(
        &mut self,
        tenant: &TenantId,
        after: &str,
        subject: Option<(&str, &str)>,
        verb: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(AuditEvent, String)>, StoreError> {
        let (kind, id) = subject.unzip();
        self.query(
            "SELECT id, at, actor_kind, actor_id, verb, subject_kind, subject_id, legal_entity_id, client_id, session_id,
                    outcome, refusal, request_id, address, user_agent, detail_json, mac
               FROM audit_events
              WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR subject_kind = $3) AND ($4 IS NULL OR subject_id = $4)
                AND ($5 IS NULL OR verb = $5)
              ORDER BY id LIMIT $6",
            params![tenant, after, kind, id, verb, limit],
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// Entries in `[since, before)` by id, newest first.
    pub(crate) async fn audit_events_before(
        &mut self,
        tenant: &TenantId,
        verb: Option<&str>,
        since: &str,
        before: &str,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.query(
            "SELECT id, at, actor_kind, actor_id, verb, subject_kind, subject_id, legal_entity_id, client_id, session_id,
                    outcome, refusal, request_id, address, user_agent, detail_json, mac
               FROM audit_events
              WHERE tenant_id = $1 AND id >= $2 AND id < $3 AND ($4 IS NULL OR verb = $4)
              ORDER BY id DESC LIMIT $5",
            params![tenant, since, before, verb, limit],
        )
        .await?
        .iter()
        .map(|row| Ok(event(row)?.0))
        .collect()
    }

    /// The same about one thing; an index of its own leads to it.
    pub(crate) async fn audit_events_about(
        &mut self,
        tenant: &TenantId,
        (kind, id): (&str, &str),
        verb: Option<&str>,
        since: &str,
        before: &str,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.query(
            "SELECT id, at, actor_kind, actor_id, verb, subject_kind, subject_id, legal_entity_id, client_id, session_id,
                    outcome, refusal, request_id, address, user_agent, detail_json, mac
               FROM audit_events
              WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3 AND id >= $4 AND id < $5
                AND ($6 IS NULL OR verb = $6)
              ORDER BY id DESC LIMIT $7",
            params![tenant, kind, id, since, before, verb, limit],
        )
        .await?
        .iter()
        .map(|row| Ok(event(row)?.0))
        .collect()
    }

    /// Entries that no seal has closed over yet, oldest first.
    pub(crate) async fn unsealed_audit_events(
        &mut self,
        tenant: &TenantId,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.query(
            "SELECT id, mac FROM audit_unsealed WHERE tenant_id = $1 ORDER BY id LIMIT $2",
            params![tenant, limit],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
    }

    /// Whether an entry waits for its seal.
    pub(crate) async fn is_audit_event_unsealed(&mut self, tenant: &TenantId, id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM audit_unsealed WHERE tenant_id = $1 AND id = $2";
        Ok(self.query_one(sql, params![tenant, id]).await?.is_some())
    }

    /// Tenants with entries that no seal has closed over.
    pub(crate) async fn tenants_with_unsealed_events(&mut self) -> Result<Vec<TenantId>, StoreError> {
        self.query("SELECT DISTINCT tenant_id FROM audit_unsealed ORDER BY tenant_id", params![])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// Seals from number `from` on.
    pub(crate) async fn seals(&mut self, tenant: &TenantId, from: i64, limit: u32) -> Result<Vec<SealRow>, StoreError> {
        self.query(
            "SELECT number, at, entries_json, mac FROM audit_seals WHERE tenant_id = $1 AND number >= $2
              ORDER BY number LIMIT $3",
            params![tenant, from, limit],
        )
        .await?
        .iter()
        .map(seal)
        .collect()
    }

    /// The newest seal.
    pub(crate) async fn last_seal(&mut self, tenant: &TenantId) -> Result<Option<SealRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT number, at, entries_json, mac FROM audit_seals WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1",
                params![tenant],
            )
            .await?;
        row.map(|row| seal(&row)).transpose()
    }
}

fn seal(row: &Row) -> Result<SealRow, StoreError> {
    Ok(SealRow { number: row.get(0)?, at: row.get(1)?, entries_json: row.get(2)?, mac: row.get(3)? })
}
