//! Legal entities, contact assignments and the predefined groups that come with an entity.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::{
    GroupTemplate,
    company::{Assignment, CreateLegalEntity, LegalEntity, NewAssignment},
};
use prokura_domain::{
    AssignmentId, AssignmentKind, CustomerId, GrantId, GroupId, LegalEntityId, MAX_HIERARCHY_DEPTH, TenantId, Timestamp,
};

fn legal_entity(row: &Row) -> Result<LegalEntity, StoreError> {
    Ok(LegalEntity {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        parent: row.get(3)?,
        is_active: row.get::<String>(4)? == "active",
        details: from_json(&row.get::<String>(5)?, "legal_entities.details_json")?,
        version: row.get(6)?,
        created_at: row.get(7)?,
        modified_at: row.get(8)?,
    })
}

fn assignment(row: &Row) -> Result<Assignment, StoreError> {
    Ok(Assignment {
        id: row.get(0)?,
        grant: row.get(1)?,
        legal_entity: row.get(2)?,
        customer: row.get(3)?,
        kind: row.get(4)?,
        is_primary: row.get(5)?,
        origin: row.get(6)?,
        version: row.get(7)?,
        created_at: row.get(8)?,
        modified_at: row.get(9)?,
    })
}

impl Reader {
    pub(crate) async fn legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<Option<LegalEntity>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name, kind, parent_id, state, details_json, version, created_at, modified_at
                   FROM legal_entities WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| legal_entity(&row)).transpose()
    }

    /// The entity and its ancestors, nearest first; empty when there is no such entity.
    pub(crate) async fn parent_chain(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<Vec<LegalEntityId>, StoreError> {
        self.query(
            "WITH RECURSIVE chain (id, parent_id, level) AS (
                SELECT e.id, e.parent_id, 1 FROM legal_entities e WHERE e.tenant_id = $1 AND e.id = $2
                UNION ALL
                SELECT p.id, p.parent_id, c.level + 1 FROM chain c
                  JOIN legal_entities p ON p.tenant_id = $1 AND p.id = c.parent_id
                 WHERE c.level <= $3)
             SELECT id FROM chain ORDER BY level",
            params![tenant, id, MAX_HIERARCHY_DEPTH as i64],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// Everything under the entity, without it.
    pub(crate) async fn subsidiaries(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<Vec<LegalEntityId>, StoreError> {
        self.query(
            "WITH RECURSIVE tree (id, level) AS (
                SELECT e.id, 1 FROM legal_entities e WHERE e.tenant_id = $1 AND e.parent_id = $2
                UNION ALL
                SELECT c.id, t.level + 1 FROM tree t
                  JOIN legal_entities c ON c.tenant_id = $1 AND c.parent_id = t.id
                 WHERE t.level <= $3)
             SELECT id FROM tree ORDER BY level, id",
            params![tenant, id, MAX_HIERARCHY_DEPTH as i64],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// How many levels of subsidiaries hang under the entity.
    pub(crate) async fn levels_below(&mut self, tenant: &TenantId, id: &LegalEntityId) -> Result<usize, StoreError> {
        let row = self
            .query_one(
                "WITH RECURSIVE tree (id, level) AS (
                    SELECT e.id, 1 FROM legal_entities e WHERE e.tenant_id = $1 AND e.parent_id = $2
                    UNION ALL
                    SELECT c.id, t.level + 1 FROM tree t
                      JOIN legal_entities c ON c.tenant_id = $1 AND c.parent_id = t.id
                     WHERE t.level <= $3)
                 SELECT COALESCE(MAX(level), 0) FROM tree",
                params![tenant, id, MAX_HIERARCHY_DEPTH as i64],
            )
            .await?;
        let levels: u32 = row.map_or(Ok(0), |row| row.get(0))?;
        Ok(levels as usize)
    }

    /// The predefined group (Admin, Buyer, Requester, Contact) of a customer in an entity, the strongest first.
    pub(crate) async fn predefined_group_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .query_one(
                "SELECT g.code FROM customer_group_members m
                   JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
                  WHERE m.tenant_id = $1 AND m.member_id = $2 AND g.legal_entity_id = $3 AND g.code IS NOT NULL
                  ORDER BY CASE g.code WHEN 'B2B_CONTACT' THEN 1 ELSE 0 END, g.code LIMIT 1",
                params![tenant, customer, entity],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    pub(crate) async fn assignment(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
    ) -> Result<Option<Assignment>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, version, created_at,
                        modified_at
                   FROM contact_assignments WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| assignment(&row)).transpose()
    }

    /// A customer's assignments, oldest first.
    pub(crate) async fn assignments_of_customer(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.query(
            "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, version, created_at, modified_at
               FROM contact_assignments WHERE tenant_id = $1 AND customer_id = $2 ORDER BY created_at, id",
            params![tenant, customer],
        )
        .await?
        .iter()
        .map(assignment)
        .collect()
    }

    /// The assignments that were propagated from this one.
    pub(crate) async fn assignments_following(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.query(
            "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, version, created_at, modified_at
               FROM contact_assignments WHERE tenant_id = $1 AND origin_id = $2 ORDER BY id",
            params![tenant, id],
        )
        .await?
        .iter()
        .map(assignment)
        .collect()
    }
}

impl Tx<'_> {
    /// `false` when the id is taken.
    pub(crate) async fn insert_legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
        new: &CreateLegalEntity,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO legal_entities (tenant_id, id, name, name_key, kind, parent_id, registration_id, state,
                                             details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, 1, $9, $9) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    id,
                    &new.name,
                    new.name.to_lowercase(),
                    new.kind,
                    new.parent.as_ref(),
                    new.details.registration_id.as_deref(),
                    to_json(&new.details)?,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// `false` when the entity is gone or changed meanwhile.
    pub(crate) async fn update_legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
        new: &CreateLegalEntity,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE legal_entities
                    SET name = $3, name_key = $4, kind = $5, parent_id = $6, registration_id = $7, details_json = $8,
                        version = version + 1, modified_at = $9
                  WHERE tenant_id = $1 AND id = $2 AND version = $10",
                params![
                    tenant,
                    id,
                    &new.name,
                    new.name.to_lowercase(),
                    new.kind,
                    new.parent.as_ref(),
                    new.details.registration_id.as_deref(),
                    to_json(&new.details)?,
                    now,
                    version
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Makes an assignment one of its own (not propagated), of this kind.
    pub(crate) async fn own_assignment(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
        kind: AssignmentKind,
        is_primary: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE contact_assignments
                SET kind = $3, is_primary = $4, origin_id = NULL, version = version + 1, modified_at = $5
              WHERE tenant_id = $1 AND id = $2",
            params![tenant, id, kind, is_primary, now],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_predefined_group(
        &mut self,
        tenant: &TenantId,
        id: &GroupId,
        entity: &LegalEntityId,
        template: &GroupTemplate,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = to_json(&serde_json::json!({ "en": template.name }))?;
        self.execute(
            "INSERT INTO customer_groups (tenant_id, id, legal_entity_id, code, member_kind, name_json, description_json,
                                          scopes, details_json, version, created_at, modified_at)
             VALUES ($1, $2, $3, $4, 'customer', $5, '{}', $6, '{}', 1, $7, $7) ON CONFLICT DO NOTHING",
            params![tenant, id, entity, &template.code, name, &template.scopes, now],
        )
        .await?;
        Ok(())
    }

    /// `false` when the id is taken or the customer is assigned to the entity already.
    pub(crate) async fn insert_assignment(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
        grant: &GrantId,
        new: &NewAssignment,
        origin: Option<&AssignmentId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO contact_assignments (tenant_id, id, grant_id, legal_entity_id, customer_id, kind, is_primary,
                                                  origin_id, details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '{}', 1, $9, $9) ON CONFLICT DO NOTHING",
                params![tenant, id, grant, &new.legal_entity, &new.customer, new.kind, new.is_primary, origin, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Nobody is the entity's one main person any more.
    pub(crate) async fn clear_primary(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE contact_assignments SET is_primary = 0, version = version + 1, modified_at = $3
              WHERE tenant_id = $1 AND legal_entity_id = $2 AND is_primary = 1",
            params![tenant, entity, now],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_assignment(&mut self, tenant: &TenantId, id: &AssignmentId) -> Result<bool, StoreError> {
        let changed = self
            .execute("DELETE FROM contact_assignments WHERE tenant_id = $1 AND id = $2", params![tenant, id])
            .await?;
        Ok(changed == 1)
    }

    /// Out of the entity's Admin, Buyer or Requester group, whichever it is.
    pub(crate) async fn leave_predefined_groups(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND member_id = $2 AND group_id IN
                (SELECT id FROM customer_groups
                  WHERE tenant_id = $1 AND legal_entity_id = $3 AND code IN ('B2B_ADMIN', 'B2B_BUYER', 'B2B_REQUESTER'))",
            params![tenant, customer, entity],
        )
        .await?;
        Ok(())
    }

    /// Into the entity's predefined group; nothing happens when they are in it or the tenant has no such group.
    pub(crate) async fn join_predefined_group(
        &mut self,
        tenant: &TenantId,
        id: &str,
        customer: &CustomerId,
        entity: &LegalEntityId,
        code: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO customer_group_members (tenant_id, id, group_id, member_id, member_kind, created_at)
             SELECT $1, $2, g.id, $3, 'customer', $6 FROM customer_groups g
              WHERE g.tenant_id = $1 AND g.legal_entity_id = $4 AND g.code = $5
             ON CONFLICT DO NOTHING",
            params![tenant, id, customer, entity, code, now],
        )
        .await?;
        Ok(())
    }

    /// Out of every group of an entity.
    pub(crate) async fn leave_groups_of_entity(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND member_id = $2 AND group_id IN
                (SELECT id FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $3)",
            params![tenant, customer, entity],
        )
        .await?;
        Ok(())
    }

    /// What a deleted customer leaves behind besides assignments. Erased, not hidden: the row keeps its id alone.
    pub(crate) async fn forget_customer_details(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
    ) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM customer_addresses WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM credentials WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM segment_members WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND member_id = $2",
            "DELETE FROM join_requests WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM login_tokens WHERE tenant_id = $1 AND customer_id = $2",
            "UPDATE customers SET email = NULL, email_key = NULL, given_name = '', family_name = '', company_name = '',
                    language = NULL, currency = NULL, profile_json = '{}'
              WHERE tenant_id = $1 AND id = $2",
        ] {
            self.execute(statement, params![tenant, id]).await?;
        }
        Ok(())
    }
}
