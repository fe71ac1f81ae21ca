//! Categories of the shop, and the ways from those a customer may see up to their roots.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::{
    category::{Category, PutCategory},
    segment_view::SegmentViewer,
};
use prokura_domain::{MAX_HIERARCHY_DEPTH, SiteId, TenantId, Timestamp};

/// The levels a question walks up.
#[expect(clippy::cast_possible_wrap, reason = "the depth is a small constant")]
pub(super) const MAX_LEVELS: i64 = MAX_HIERARCHY_DEPTH as i64;

fn category(row: &Row) -> Result<Category, StoreError> {
    Ok(Category {
        id: row.get(0)?,
        parent: row.get(1)?,
        code: row.get(2)?,
        name: from_json(&row.get::<String>(3)?, "categories.name_json")?,
        position: row.get(4)?,
        is_published: row.get(5)?,
        details: from_json(&row.get::<String>(6)?, "categories.details_json")?,
        version: row.get(7)?,
        created_at: row.get(8)?,
        modified_at: row.get(9)?,
    })
}

impl Reader {
    pub(crate) async fn category(&mut self, tenant: &TenantId, id: &str) -> Result<Option<Category>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, parent_id, code, name_json, position, is_published, details_json, version, created_at,
                        modified_at
                   FROM categories WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| category(&row)).transpose()
    }

    /// Categories after `after`, by id; only those right under `parent` when one is named.
    pub(crate) async fn categories(
        &mut self,
        tenant: &TenantId,
        parent: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Category>, StoreError> {
        self.query(
            "SELECT id, parent_id, code, name_json, position, is_published, details_json, version, created_at,
                    modified_at
               FROM categories
              WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR parent_id = $3)
              ORDER BY id LIMIT $4",
            params![tenant, after, parent, limit],
        )
        .await?
        .iter()
        .map(category)
        .collect()
    }

    /// The category and those above it, nearest first; empty when there is no such category.
    pub(crate) async fn category_chain(&mut self, tenant: &TenantId, id: &str) -> Result<Vec<String>, StoreError> {
        self.query(
            "WITH RECURSIVE up (id, parent_id, level) AS (
                SELECT c.id, c.parent_id, 1 FROM categories c WHERE c.tenant_id = $1 AND c.id = $2
                UNION ALL
                SELECT p.id, p.parent_id, u.level + 1 FROM up u
                  JOIN categories p ON p.tenant_id = $1 AND p.id = u.parent_id
                 WHERE u.level <= $3)
             SELECT id FROM up ORDER BY level",
            params![tenant, id, MAX_LEVELS],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// The ids of categories in segments that count at `now` and that the viewer belongs to.
    pub(crate) async fn category_ids_seen(
        &mut self,
        tenant: &TenantId,
        viewer: &SegmentViewer,
        site: Option<&SiteId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.query(
            "SELECT DISTINCT i.item_id FROM segment_items i
               JOIN segments s ON s.tenant_id = i.tenant_id AND s.id = i.segment_id
              WHERE i.tenant_id = $1 AND i.kind = 'CATEGORY'
                AND ($2 IS NULL OR s.site_id IS NULL OR s.site_id = $2)
                AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $3)
                AND (s.valid_until IS NULL OR s.valid_until > $3)
                AND i.segment_id IN (SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id = $4 AND legal_entity_id = $5
                                     UNION ALL
                                     SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id IS NULL AND legal_entity_id = $5
                                     UNION ALL
                                     SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id = $4 AND legal_entity_id IS NULL
                                        AND $6 = 1)
              ORDER BY i.item_id LIMIT $7",
            params![tenant, site, now, &viewer.customer, viewer.legal_entity.as_ref(), viewer.is_private, limit],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// The categories of [`category_ids_seen`] that we know, and everything above them.
    ///
    /// [`category_ids_seen`]: Self::category_ids_seen
    pub(crate) async fn categories_to_root(
        &mut self,
        tenant: &TenantId,
        viewer: &SegmentViewer,
        site: Option<&SiteId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Category>, StoreError> {
        // UNION drops what was found before, so the recursion ends even where categories go round in a circle.
        self.query(
            "WITH RECURSIVE up (id, parent_id) AS (
                SELECT c.id, c.parent_id FROM categories c
                 WHERE c.tenant_id = $1
                   AND c.id IN (
                       SELECT i.item_id FROM segment_items i
                         JOIN segments s ON s.tenant_id = i.tenant_id AND s.id = i.segment_id
                        WHERE i.tenant_id = $1 AND i.kind = 'CATEGORY'
                          AND ($2 IS NULL OR s.site_id IS NULL OR s.site_id = $2)
                          AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $3)
                          AND (s.valid_until IS NULL OR s.valid_until > $3)
                          AND i.segment_id IN (SELECT segment_id FROM segment_members
                                                WHERE tenant_id = $1 AND customer_id = $4 AND legal_entity_id = $5
                                               UNION ALL
                                               SELECT segment_id FROM segment_members
                                                WHERE tenant_id = $1 AND customer_id IS NULL AND legal_entity_id = $5
                                               UNION ALL
                                               SELECT segment_id FROM segment_members
                                                WHERE tenant_id = $1 AND customer_id = $4
                                                  AND legal_entity_id IS NULL AND $6 = 1))
                UNION
                SELECT p.id, p.parent_id FROM up u JOIN categories p ON p.tenant_id = $1 AND p.id = u.parent_id)
             SELECT c.id, c.parent_id, c.code, c.name_json, c.position, c.is_published, c.details_json, c.version,
                    c.created_at, c.modified_at
               FROM up u JOIN categories c ON c.tenant_id = $1 AND c.id = u.id
              ORDER BY c.id LIMIT $7",
            params![tenant, site, now, &viewer.customer, viewer.legal_entity.as_ref(), viewer.is_private, limit],
        )
        .await?
        .iter()
        .map(category)
        .collect()
    }
}

impl Tx<'_> {
    /// The category, held for changing until the end of the transaction.
    pub(crate) async fn hold_category(&mut self, tenant: &TenantId, id: &str) -> Result<Option<Category>, StoreError> {
        let rows = self
            .query_for_update(
                "SELECT id, parent_id, code, name_json, position, is_published, details_json, version, created_at,
                        modified_at
                   FROM categories WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(category).transpose()
    }

    /// `false` when the id is taken.
    pub(crate) async fn insert_category(
        &mut self,
        tenant: &TenantId,
        new: &PutCategory,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO categories (tenant_id, id, parent_id, code, name_json, position, is_published,
                                         details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    &new.id,
                    new.parent.as_deref(),
                    &new.code,
                    to_json(&new.name)?,
                    new.position,
                    new.is_published,
                    to_json(&new.details)?,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces a category that is held.
    pub(crate) async fn update_category(
        &mut self,
        tenant: &TenantId,
        new: &PutCategory,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE categories
                SET parent_id = $3, code = $4, name_json = $5, position = $6, is_published = $7, details_json = $8,
                    version = version + 1, modified_at = $9
              WHERE tenant_id = $1 AND id = $2",
            params![
                tenant,
                &new.id,
                new.parent.as_deref(),
                &new.code,
                to_json(&new.name)?,
                new.position,
                new.is_published,
                to_json(&new.details)?,
                now
            ],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_category(&mut self, tenant: &TenantId, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM categories WHERE tenant_id = $1 AND id = $2", params![tenant, id]).await?;
        Ok(())
    }
}
