//! The people of one company, with what they are in it, and what was done for it.

use super::{Reader, Row, StoreError, companies::containing, params};
use crate::{AuditEvent, colleague::Colleague};
use prokura_domain::{LegalEntityId, TenantId};

fn colleague(row: &Row) -> Result<Colleague, StoreError> {
    Ok(Colleague {
        assignment: row.get(0)?,
        customer: row.get(1)?,
        given_name: row.get(2)?,
        family_name: row.get(3)?,
        email: row.get(4)?,
        state: row.get(5)?,
        role: row.get(6)?,
        is_self: false,
        is_changeable: false,
    })
}

impl Reader {
    /// People who may act for an entity, longest there first, of whom `sought` is a part of the name or address.
    pub(crate) async fn colleagues(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        sought: Option<&str>,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<Colleague>, StoreError> {
        self.query(
            "SELECT a.id, a.customer_id, c.given_name, c.family_name, c.email, c.state,
                    (SELECT g.code FROM customer_group_members m
                       JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
                      WHERE m.tenant_id = a.tenant_id AND m.member_id = a.customer_id
                        AND g.legal_entity_id = a.legal_entity_id
                        AND g.code IN ('B2B_ADMIN', 'B2B_BUYER', 'B2B_REQUESTER', 'B2B_CONTACT')
                      ORDER BY CASE g.code WHEN 'B2B_CONTACT' THEN 1 ELSE 0 END LIMIT 1)
               FROM contact_assignments a
               JOIN customers c ON c.tenant_id = a.tenant_id AND c.id = a.customer_id
              WHERE a.tenant_id = $1 AND a.legal_entity_id = $2
                AND ($3 IS NULL OR lower(c.given_name || ' ' || c.family_name) LIKE $3 ESCAPE '\\'
                     OR c.email_key LIKE $3 ESCAPE '\\')
              ORDER BY a.id LIMIT $4 OFFSET $5",
            params![tenant, entity, sought.map(containing), limit, skip],
        )
        .await?
        .iter()
        .map(colleague)
        .collect()
    }

    /// How many there are.
    pub(crate) async fn count_colleagues(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        sought: Option<&str>,
    ) -> Result<u32, StoreError> {
        let row = self
            .query_one(
                "SELECT COUNT(*) FROM contact_assignments a
                   JOIN customers c ON c.tenant_id = a.tenant_id AND c.id = a.customer_id
                  WHERE a.tenant_id = $1 AND a.legal_entity_id = $2
                    AND ($3 IS NULL OR lower(c.given_name || ' ' || c.family_name) LIKE $3 ESCAPE '\\'
                         OR c.email_key LIKE $3 ESCAPE '\\')",
                params![tenant, entity, sought.map(containing)],
            )
            .await?;
        row.map_or(Ok(0), |row| row.get(0))
    }

    /// What was done for an entity before `before` (an id), newest first. Refreshing tokens is not among it: the
    /// index leaves it out, for it is most of the trail and says nothing new.
    pub(crate) async fn audit_events_for_entity(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        before: &str,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.query(
            "SELECT id, at, actor_kind, actor_id, verb, subject_kind, subject_id, legal_entity_id, client_id, session_id,
                    outcome, refusal, request_id, address, user_agent, detail_json, mac
               FROM audit_events
              WHERE tenant_id = $1 AND legal_entity_id = $2 AND legal_entity_id IS NOT NULL
                AND verb <> 'customer.refresh' AND id < $3
              ORDER BY id DESC LIMIT $4",
            params![tenant, entity, before, limit],
        )
        .await?
        .iter()
        .map(|row| Ok(super::audit::event(row)?.0))
        .collect()
    }
}
