//! Legal entities and their hierarchy.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::company::{CreateLegalEntity, LegalEntity, LegalEntityFilter};
use prokura_domain::{CustomerId, LegalEntityId, MAX_HIERARCHY_DEPTH, TenantId, Timestamp};

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

/// The pattern that finds `part` in a column kept in lower case.
pub(super) fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Where walking a hierarchy stops, should the stored one be too deep.
const MAX_LEVELS: u32 = 20;
const _: () = assert!(MAX_LEVELS as usize == MAX_HIERARCHY_DEPTH);

/// The widest an id can be; see [`id_list`].
const ID_WIDTH: usize = 66;

/// Ids in one parameter, each padded to 66 characters so that SQL cuts them apart by position, and how many there are.
pub(super) fn id_list(ids: &[&str]) -> (String, i64) {
    let mut list = String::with_capacity(ids.len() * ID_WIDTH);
    for id in ids {
        list.push_str(id);
        list.extend(std::iter::repeat_n(' ', ID_WIDTH.saturating_sub(id.len())));
    }
    (list, i64::try_from(ids.len()).unwrap_or(i64::MAX))
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

    /// Entities after `after`, by id, that fit the filter.
    pub(crate) async fn legal_entities(
        &mut self,
        tenant: &TenantId,
        filter: &LegalEntityFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<LegalEntity>, StoreError> {
        self.query(
            "SELECT id, name, kind, parent_id, state, details_json, version, created_at, modified_at
               FROM legal_entities
              WHERE tenant_id = $1 AND id > $2
                AND ($3 IS NULL OR lower(id) = $3)
                AND ($4 IS NULL OR name_key LIKE $4 ESCAPE '\\')
                AND ($5 IS NULL OR kind = $5)
                AND ($6 IS NULL OR parent_id = $6)
                AND ($7 IS NULL OR registration_id = $7)
              ORDER BY id LIMIT $8",
            params![
                tenant,
                after,
                filter.id.as_deref().map(str::to_ascii_lowercase),
                filter.name_part.as_deref().map(containing),
                filter.kind,
                filter.parent.as_ref(),
                filter.registration_id.as_deref(),
                limit
            ],
        )
        .await?
        .iter()
        .map(legal_entity)
        .collect()
    }

    /// The enabled entities a customer is assigned to: `first` first, then where they are the main person, then by age.
    pub(crate) async fn legal_entities_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        first: Option<&LegalEntityId>,
        limit: u32,
    ) -> Result<Vec<LegalEntity>, StoreError> {
        self.query(
            "SELECT e.id, e.name, e.kind, e.parent_id, e.state, e.details_json, e.version, e.created_at, e.modified_at
               FROM contact_assignments a
               JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
              WHERE a.tenant_id = $1 AND a.customer_id = $2 AND e.state = 'active'
              ORDER BY CASE WHEN e.id = $3 THEN 0 ELSE 1 END, a.is_primary DESC, a.created_at, e.id LIMIT $4",
            params![tenant, customer, first, limit],
        )
        .await?
        .iter()
        .map(legal_entity)
        .collect()
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
            params![tenant, id, MAX_LEVELS],
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
            params![tenant, id, MAX_LEVELS],
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
                params![tenant, id, MAX_LEVELS],
            )
            .await?;
        let levels: i64 = row.map_or(Ok(0), |row| row.get(0))?;
        Ok(usize::try_from(levels).unwrap_or(MAX_HIERARCHY_DEPTH))
    }

    pub(crate) async fn has_subsidiaries(&mut self, tenant: &TenantId, id: &LegalEntityId) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT id FROM legal_entities WHERE tenant_id = $1 AND parent_id = $2 LIMIT 1",
                params![tenant, id],
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    /// The entity, held until the end of the transaction: whoever changes it or the people in it waits.
    pub(crate) async fn hold_legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<Option<LegalEntity>, StoreError> {
        let rows = self
            .query_for_update(
                "SELECT id, name, kind, parent_id, state, details_json, version, created_at, modified_at
                   FROM legal_entities WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(legal_entity).transpose()
    }

    /// The entity and its ancestors, nearest first, none of which moves until the end of the transaction.
    pub(crate) async fn hold_parent_chain(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<Vec<LegalEntityId>, StoreError> {
        let mut chain = Vec::new();
        let mut next = Some(id.clone());
        while let Some(id) = next {
            let rows = self
                .query_locked(
                    "SELECT parent_id FROM legal_entities WHERE tenant_id = $1 AND id = $2",
                    params![tenant, &id],
                )
                .await?;
            let Some(row) = rows.first() else { break };
            next = row.get(0)?;
            chain.push(id);
            if chain.len() > MAX_HIERARCHY_DEPTH {
                break;
            }
        }
        Ok(chain)
    }

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

    /// Replaces everything but id and state. The moment of the last change never goes back: the feed counts on it. `false` when the entity is gone or changed meanwhile.
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
                        version = version + 1, modified_at = CASE WHEN modified_at > $9 THEN modified_at ELSE $9 END
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

    pub(crate) async fn move_legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
        is_active: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE legal_entities SET state = $3, version = version + 1, modified_at = $4
              WHERE tenant_id = $1 AND id = $2",
            params![tenant, id, if is_active { "active" } else { "disabled" }, now],
        )
        .await?;
        Ok(())
    }

    /// Deletes the entity with everything that is only its own; its assignments must be gone. Returns whether anybody
    /// was left in its groups or segments.
    pub(crate) async fn forget_legal_entity(
        &mut self,
        tenant: &TenantId,
        id: &LegalEntityId,
    ) -> Result<bool, StoreError> {
        let mut left = 0;
        for statement in [
            "DELETE FROM segment_members WHERE tenant_id = $1 AND legal_entity_id = $2",
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND origin_id IN
                (SELECT m.id FROM customer_group_members m JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
                  WHERE g.tenant_id = $1 AND g.legal_entity_id = $2)",
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND group_id IN
                (SELECT id FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $2)",
        ] {
            left += self.execute(statement, params![tenant, id]).await?;
        }
        // Places that served nobody else go, too: named before their links are cut.
        let lonely = self
            .query(
                "SELECT l.location_id FROM legal_entity_locations l
                  WHERE l.tenant_id = $1 AND l.legal_entity_id = $2 AND NOT EXISTS
                        (SELECT 1 FROM legal_entity_locations o
                          WHERE o.tenant_id = $1 AND o.location_id = l.location_id AND o.legal_entity_id <> $2)",
                params![tenant, id],
            )
            .await?;
        for statement in [
            "DELETE FROM customer_groups WHERE tenant_id = $1 AND legal_entity_id = $2",
            "DELETE FROM join_requests WHERE tenant_id = $1 AND legal_entity_id = $2",
            "DELETE FROM invitations WHERE tenant_id = $1 AND legal_entity_id = $2",
            "DELETE FROM legal_entity_locations WHERE tenant_id = $1 AND legal_entity_id = $2",
            "DELETE FROM legal_entities WHERE tenant_id = $1 AND id = $2",
        ] {
            self.execute(statement, params![tenant, id]).await?;
        }
        for row in &lonely {
            self.delete_location(tenant, &row.get(0)?).await?;
        }
        Ok(left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_its_text_and_nothing_else() {
        assert_eq!(containing("A_b%\\"), "%a\\_b\\%\\\\%");
    }

    #[test]
    fn ids_lie_side_by_side() {
        let (list, count) = id_list(&["a", "le-2"]);
        assert_eq!((list.len(), count), (132, 2));
        assert_eq!(list.get(66..70), Some("le-2"));
    }
}
