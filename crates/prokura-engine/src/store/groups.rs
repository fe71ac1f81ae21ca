//! Customer groups and who is in them.

use super::{
    Reader, Row, StoreError, Tx,
    companies::{containing, id_list},
    from_json, params, to_json,
};
use crate::{
    GroupTemplate,
    group::{Group, GroupFilter, GroupMember, PutGroup},
};
use prokura_domain::{CustomerId, GroupId, LegalEntityId, TenantId, Timestamp};
use serde_json::{Map, Value};

fn group(row: &Row) -> Result<Group, StoreError> {
    Ok(Group {
        id: row.get(0)?,
        legal_entity: row.get(1)?,
        code: row.get(2)?,
        member_kind: row.get(3)?,
        name: from_json(&row.get::<String>(4)?, "customer_groups.name_json")?,
        description: from_json(&row.get::<String>(5)?, "customer_groups.description_json")?,
        scopes: row.get(6)?,
        details: from_json(&row.get::<String>(7)?, "customer_groups.details_json")?,
        version: row.get(8)?,
        created_at: row.get(9)?,
        modified_at: row.get(10)?,
    })
}

fn member(row: &Row) -> Result<GroupMember, StoreError> {
    Ok(GroupMember {
        id: row.get(0)?,
        group: row.get(1)?,
        member: row.get(2)?,
        kind: row.get(3)?,
        created_at: row.get(4)?,
    })
}

/// What a group is found by: its names in every language and its code, in lower case, a line each.
fn name_key(name: &Map<String, Value>, code: Option<&str>) -> String {
    let names = name.values().filter_map(Value::as_str);
    names.chain(code).collect::<Vec<_>>().join("\n").to_lowercase()
}

impl Reader {
    pub(crate) async fn group(&mut self, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, legal_entity_id, code, member_kind, name_json, description_json, scopes, details_json, version,
                        created_at, modified_at
                   FROM customer_groups WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| group(&row)).transpose()
    }

    /// Groups after `after`, by id, that fit the filter.
    pub(crate) async fn groups(
        &mut self,
        tenant: &TenantId,
        filter: &GroupFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Group>, StoreError> {
        self.query(
            "SELECT id, legal_entity_id, code, member_kind, name_json, description_json, scopes, details_json, version,
                    created_at, modified_at
               FROM customer_groups
              WHERE tenant_id = $1 AND id > $2
                AND ($3 IS NULL OR legal_entity_id = $3)
                AND ($4 IS NULL OR member_kind = $4)
                AND ($5 IS NULL OR name_key LIKE $5 ESCAPE '\\')
                AND ($6 IS NULL OR code = $6)
              ORDER BY id LIMIT $7",
            params![
                tenant,
                after,
                filter.legal_entity.as_ref(),
                filter.member_kind,
                filter.name_part.as_deref().map(containing),
                filter.code.as_deref(),
                limit
            ],
        )
        .await?
        .iter()
        .map(group)
        .collect()
    }

    /// The groups of the named entities, predefined ones first.
    pub(crate) async fn groups_of_entities(
        &mut self,
        tenant: &TenantId,
        entities: &[&str],
    ) -> Result<Vec<Group>, StoreError> {
        let (list, count) = id_list(entities);
        self.query(
            "WITH RECURSIVE wanted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM wanted WHERE n + 1 < $3)
             SELECT g.id, g.legal_entity_id, g.code, g.member_kind, g.name_json, g.description_json, g.scopes,
                    g.details_json, g.version, g.created_at, g.modified_at
               FROM wanted w
              CROSS JOIN customer_groups g
              WHERE g.tenant_id = $1 AND g.legal_entity_id = rtrim(substr(CAST($2 AS TEXT), w.n * 66 + 1, 66))
              ORDER BY w.n, CASE WHEN g.code IS NULL THEN 1 ELSE 0 END, g.code, g.id",
            params![tenant, list, count],
        )
        .await?
        .iter()
        .map(group)
        .collect()
    }

    /// The groups somebody is in, by id.
    pub(crate) async fn groups_of_member(
        &mut self,
        tenant: &TenantId,
        member: &str,
        limit: u32,
    ) -> Result<Vec<Group>, StoreError> {
        self.query(
            "SELECT g.id, g.legal_entity_id, g.code, g.member_kind, g.name_json, g.description_json, g.scopes,
                    g.details_json, g.version, g.created_at, g.modified_at
               FROM customer_group_members m
               JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
              WHERE m.tenant_id = $1 AND m.member_id = $2 ORDER BY g.id LIMIT $3",
            params![tenant, member, limit],
        )
        .await?
        .iter()
        .map(group)
        .collect()
    }

    /// The predefined group of an entity.
    pub(crate) async fn predefined_group(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        code: &str,
    ) -> Result<Option<Group>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, legal_entity_id, code, member_kind, name_json, description_json, scopes, details_json, version,
                        created_at, modified_at
                   FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $2 AND code = $3",
                params![tenant, entity, code],
            )
            .await?;
        row.map(|row| group(&row)).transpose()
    }

    /// Members of a group after `after`, by their id.
    pub(crate) async fn group_members(
        &mut self,
        tenant: &TenantId,
        group: &GroupId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<GroupMember>, StoreError> {
        self.query(
            "SELECT id, group_id, member_id, member_kind, created_at FROM customer_group_members
              WHERE tenant_id = $1 AND group_id = $2 AND member_id > $3 ORDER BY member_id LIMIT $4",
            params![tenant, group, after, limit],
        )
        .await?
        .iter()
        .map(member)
        .collect()
    }

    /// The id of somebody's membership in a group.
    pub(crate) async fn membership(
        &mut self,
        tenant: &TenantId,
        group: &GroupId,
        member: &str,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .query_one(
                "SELECT id FROM customer_group_members WHERE tenant_id = $1 AND group_id = $2 AND member_id = $3",
                params![tenant, group, member],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// The code of the one Admin, Buyer or Requester group of an entity a customer is in.
    pub(crate) async fn role_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .query_one(
                "SELECT g.code FROM customer_groups g
                   JOIN customer_group_members m ON m.tenant_id = g.tenant_id AND m.group_id = g.id
                  WHERE g.tenant_id = $1 AND g.legal_entity_id = $3 AND m.member_id = $2
                    AND g.code IN ('B2B_ADMIN', 'B2B_BUYER', 'B2B_REQUESTER') LIMIT 1",
                params![tenant, customer, entity],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Whether somebody is in the predefined group of an entity.
    pub(crate) async fn is_in_predefined_group(
        &mut self,
        tenant: &TenantId,
        member: &str,
        entity: &LegalEntityId,
        code: &str,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT m.id FROM customer_groups g
                   JOIN customer_group_members m ON m.tenant_id = g.tenant_id AND m.group_id = g.id
                  WHERE g.tenant_id = $1 AND g.legal_entity_id = $3 AND g.code = $4 AND m.member_id = $2",
                params![tenant, member, entity, code],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Whether somebody besides `member` is in the predefined group of an entity, is assigned to it and may log in.
    pub(crate) async fn has_other_member(
        &mut self,
        tenant: &TenantId,
        member: &str,
        entity: &LegalEntityId,
        code: &str,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT m.id FROM customer_groups g
                   JOIN customer_group_members m ON m.tenant_id = g.tenant_id AND m.group_id = g.id
                   JOIN contact_assignments a
                        ON a.tenant_id = g.tenant_id AND a.customer_id = m.member_id AND a.legal_entity_id = g.legal_entity_id
                   JOIN customers c ON c.tenant_id = g.tenant_id AND c.id = m.member_id
                  WHERE g.tenant_id = $1 AND g.legal_entity_id = $3 AND g.code = $4 AND m.member_id <> $2
                    AND c.state = 'active' LIMIT 1",
                params![tenant, member, entity, code],
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    /// The group, held until the end of the transaction.
    pub(crate) async fn hold_group(&mut self, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>, StoreError> {
        let rows = self
            .query_for_update(
                "SELECT id, legal_entity_id, code, member_kind, name_json, description_json, scopes, details_json, version,
                        created_at, modified_at
                   FROM customer_groups WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(group).transpose()
    }

    pub(crate) async fn insert_predefined_group(
        &mut self,
        tenant: &TenantId,
        id: &GroupId,
        entity: &LegalEntityId,
        template: &GroupTemplate,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut name = Map::new();
        name.insert("en".to_owned(), Value::from(template.name.as_str()));
        self.execute(
            "INSERT INTO customer_groups (tenant_id, id, legal_entity_id, code, member_kind, name_json, name_key,
                                          description_json, scopes, details_json, version, created_at, modified_at)
             VALUES ($1, $2, $3, $4, 'customer', $5, $6, '{}', $7, '{}', 1, $8, $8) ON CONFLICT DO NOTHING",
            params![
                tenant,
                id,
                entity,
                &template.code,
                to_json(&name)?,
                name_key(&name, Some(&template.code)),
                &template.scopes,
                now
            ],
        )
        .await?;
        Ok(())
    }

    /// `false` when the id is taken, or the entity has a group of that code.
    pub(crate) async fn insert_group(
        &mut self,
        tenant: &TenantId,
        id: &GroupId,
        new: &PutGroup,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO customer_groups (tenant_id, id, legal_entity_id, code, member_kind, name_json, name_key,
                                              description_json, scopes, details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    id,
                    new.legal_entity.as_ref(),
                    new.code.as_deref(),
                    new.member_kind,
                    to_json(&new.name)?,
                    name_key(&new.name, new.code.as_deref()),
                    to_json(&new.description)?,
                    &new.scopes,
                    to_json(&new.details)?,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces everything but id, entity and kind of members. The row must be held.
    pub(crate) async fn update_group(
        &mut self,
        tenant: &TenantId,
        id: &GroupId,
        new: &PutGroup,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE customer_groups
                SET code = $3, name_json = $4, name_key = $5, description_json = $6, scopes = $7, details_json = $8,
                    version = version + 1, modified_at = $9
              WHERE tenant_id = $1 AND id = $2",
            params![
                tenant,
                id,
                new.code.as_deref(),
                to_json(&new.name)?,
                name_key(&new.name, new.code.as_deref()),
                to_json(&new.description)?,
                &new.scopes,
                to_json(&new.details)?,
                now
            ],
        )
        .await?;
        Ok(())
    }

    /// Deletes a group with its memberships and those that followed them; returns how many were in it.
    pub(crate) async fn delete_group(&mut self, tenant: &TenantId, id: &GroupId) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND origin_id IN
                (SELECT id FROM customer_group_members WHERE tenant_id = $1 AND group_id = $2)",
            params![tenant, id],
        )
        .await?;
        let count = self
            .execute("DELETE FROM customer_group_members WHERE tenant_id = $1 AND group_id = $2", params![tenant, id])
            .await?;
        self.execute("DELETE FROM customer_groups WHERE tenant_id = $1 AND id = $2", params![tenant, id]).await?;
        Ok(count)
    }

    /// `false` when they are in the group already.
    pub(crate) async fn insert_member(
        &mut self,
        tenant: &TenantId,
        id: &str,
        group: &Group,
        member: &str,
        origin: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO customer_group_members (tenant_id, id, group_id, member_id, member_kind, origin_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                params![tenant, id, &group.id, member, group.member_kind, origin, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Out of a group, and out of those they got into by it; `false` when they were not in it.
    pub(crate) async fn delete_member(
        &mut self,
        tenant: &TenantId,
        group: &GroupId,
        member: &str,
    ) -> Result<bool, StoreError> {
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND origin_id IN
                (SELECT id FROM customer_group_members WHERE tenant_id = $1 AND group_id = $2 AND member_id = $3)",
            params![tenant, group, member],
        )
        .await?;
        let changed = self
            .execute(
                "DELETE FROM customer_group_members WHERE tenant_id = $1 AND group_id = $2 AND member_id = $3",
                params![tenant, group, member],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Out of the entity's Admin, Buyer or Requester group, whichever it is, but for `except`.
    pub(crate) async fn leave_roles(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
        except: &GroupId,
    ) -> Result<(), StoreError> {
        let groups = self
            .query(
                "SELECT id FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $2 AND id <> $3
                    AND code IN ('B2B_ADMIN', 'B2B_BUYER', 'B2B_REQUESTER')",
                params![tenant, entity, except],
            )
            .await?;
        for row in &groups {
            self.delete_member(tenant, &row.get(0)?, customer.as_str()).await?;
        }
        Ok(())
    }

    /// Out of every group of an entity, and out of those they got into by them.
    pub(crate) async fn leave_groups_of_entity(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND origin_id IN
                (SELECT m.id FROM customer_group_members m
                   JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
                  WHERE m.tenant_id = $1 AND m.member_id = $2 AND g.legal_entity_id = $3)",
            params![tenant, customer, entity],
        )
        .await?;
        self.execute(
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND member_id = $2 AND group_id IN
                (SELECT id FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $3)",
            params![tenant, customer, entity],
        )
        .await?;
        Ok(())
    }
}
