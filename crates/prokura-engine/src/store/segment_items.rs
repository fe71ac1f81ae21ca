//! Items of segments, by the shop's ids.

use super::{Reader, Row, StoreError, Tx, categories::MAX_LEVELS, from_json, params, to_json};
use crate::{
    segment::SegmentItem,
    segment_item::{ItemFilter, ItemKey, SegmentEntry},
    segment_view::SegmentViewer,
};
use prokura_domain::{SegmentId, SegmentItemKind, SiteId, TenantId, Timestamp};

fn entry(row: &Row) -> Result<SegmentEntry, StoreError> {
    let category_name: Option<String> = row.get(5)?;
    Ok(SegmentEntry {
        segment: row.get(0)?,
        item: SegmentItem {
            kind: row.get(1)?,
            item: row.get(2)?,
            details: from_json(&row.get::<String>(3)?, "segment_items.details_json")?,
        },
        category_code: row.get(4)?,
        category_name: category_name.map(|name| from_json(&name, "categories.name_json")).transpose()?,
        created_at: row.get(6)?,
        modified_at: row.get(7)?,
    })
}

/// The three parts of a key, for `>`; without one everything is after it.
fn parts(after: Option<&ItemKey>) -> (&str, &str, &str) {
    after.map_or(("", "", ""), |key| (key.segment.as_str(), key.kind.as_str(), key.item.as_str()))
}

impl Reader {
    /// Items in the order of their keys that fit the filter.
    pub(crate) async fn segment_items(
        &mut self,
        tenant: &TenantId,
        filter: &ItemFilter,
        limit: u32,
    ) -> Result<Vec<SegmentEntry>, StoreError> {
        let (segment, kind, item) = parts(filter.after.as_ref());
        self.query(
            "SELECT i.segment_id, i.kind, i.item_id, i.details_json, c.code, c.name_json, i.created_at, i.modified_at
               FROM segment_items i
               JOIN segments s ON s.tenant_id = i.tenant_id AND s.id = i.segment_id
               LEFT JOIN categories c ON c.tenant_id = i.tenant_id AND c.id = i.item_id AND i.kind = 'CATEGORY'
              WHERE i.tenant_id = $1 AND (i.segment_id, i.kind, i.item_id) > ($2, $3, $4)
                AND ($5 IS NULL OR i.segment_id = $5) AND ($6 IS NULL OR i.kind = $6)
                AND ($7 IS NULL OR i.item_id = $7)
                AND ($8 IS NULL OR s.site_id IS NULL OR s.site_id = $8)
                AND ($9 IS NULL OR (s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $9)
                                    AND (s.valid_until IS NULL OR s.valid_until > $9)))
                AND ($10 IS NULL OR i.segment_id IN (SELECT m.segment_id FROM segment_members m
                                                      WHERE m.tenant_id = $1 AND m.customer_id = $10
                                                        AND ($11 IS NULL OR m.legal_entity_id = $11)))
                AND ($11 IS NULL OR i.segment_id IN (SELECT m.segment_id FROM segment_members m
                                                      WHERE m.tenant_id = $1 AND m.legal_entity_id = $11
                                                        AND ($10 IS NULL OR m.customer_id = $10)))
              ORDER BY i.segment_id, i.kind, i.item_id LIMIT $12",
            params![
                tenant,
                segment,
                kind,
                item,
                filter.segment.as_ref(),
                filter.kind,
                filter.item.as_deref(),
                filter.site.as_ref(),
                filter.active_at,
                filter.customer.as_ref(),
                filter.legal_entity.as_ref(),
                limit
            ],
        )
        .await?
        .iter()
        .map(entry)
        .collect()
    }

    /// Items in the order of their keys, of segments that count at `now` and that the viewer belongs to.
    pub(crate) async fn items_seen(
        &mut self,
        tenant: &TenantId,
        viewer: &SegmentViewer,
        filter: &ItemFilter,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SegmentEntry>, StoreError> {
        let (segment, kind, item) = parts(filter.after.as_ref());
        self.query(
            "SELECT i.segment_id, i.kind, i.item_id, i.details_json, c.code, c.name_json, i.created_at, i.modified_at
               FROM segment_items i
               JOIN segments s ON s.tenant_id = i.tenant_id AND s.id = i.segment_id
               LEFT JOIN categories c ON c.tenant_id = i.tenant_id AND c.id = i.item_id AND i.kind = 'CATEGORY'
              WHERE i.tenant_id = $1 AND (i.segment_id, i.kind, i.item_id) > ($2, $3, $4)
                AND ($5 IS NULL OR i.segment_id = $5) AND ($6 IS NULL OR i.kind = $6)
                AND ($7 IS NULL OR i.item_id = $7)
                AND ($8 IS NULL OR s.site_id IS NULL OR s.site_id = $8)
                AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $9)
                AND (s.valid_until IS NULL OR s.valid_until > $9)
                AND i.segment_id IN (SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id = $10 AND legal_entity_id = $11
                                     UNION ALL
                                     SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id IS NULL AND legal_entity_id = $11
                                     UNION ALL
                                     SELECT segment_id FROM segment_members
                                      WHERE tenant_id = $1 AND customer_id = $10 AND legal_entity_id IS NULL
                                        AND $12 = 1)
              ORDER BY i.segment_id, i.kind, i.item_id LIMIT $13",
            params![
                tenant,
                segment,
                kind,
                item,
                filter.segment.as_ref(),
                filter.kind,
                filter.item.as_deref(),
                filter.site.as_ref(),
                now,
                &viewer.customer,
                viewer.legal_entity.as_ref(),
                viewer.is_private,
                limit
            ],
        )
        .await?
        .iter()
        .map(entry)
        .collect()
    }

    /// Segments that count at `now` and hold the item: as a product, as a category, or as a category below theirs.
    pub(crate) async fn segments_holding(
        &mut self,
        tenant: &TenantId,
        item: &str,
        site: Option<&SiteId>,
        now: Timestamp,
    ) -> Result<Vec<SegmentId>, StoreError> {
        self.query(
            "WITH RECURSIVE up (id, parent_id, level) AS (
                SELECT c.id, c.parent_id, 1 FROM categories c WHERE c.tenant_id = $1 AND c.id = $2
                UNION ALL
                SELECT p.id, p.parent_id, u.level + 1 FROM up u
                  JOIN categories p ON p.tenant_id = $1 AND p.id = u.parent_id
                 WHERE u.level <= $5)
             SELECT DISTINCT s.id FROM segment_items i
               JOIN segments s ON s.tenant_id = i.tenant_id AND s.id = i.segment_id
              WHERE i.tenant_id = $1
                AND ((i.kind = 'PRODUCT' AND i.item_id = $2) OR (i.kind = 'CATEGORY' AND i.item_id = $2)
                     OR (i.kind = 'CATEGORY' AND i.item_id IN (SELECT id FROM up)))
                AND ($3 IS NULL OR s.site_id IS NULL OR s.site_id = $3)
                AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $4)
                AND (s.valid_until IS NULL OR s.valid_until > $4)
              ORDER BY s.id",
            params![tenant, item, site, now, MAX_LEVELS],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }
}

impl Tx<'_> {
    /// `false` when it is in the segment already.
    pub(crate) async fn insert_segment_item(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        item: &SegmentItem,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO segment_items (tenant_id, segment_id, kind, item_id, details_json, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
                params![tenant, segment, item.kind, &item.item, to_json(&item.details)?, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces what else is known about an item.
    pub(crate) async fn update_segment_item(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        item: &SegmentItem,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE segment_items SET details_json = $5, modified_at = $6
              WHERE tenant_id = $1 AND segment_id = $2 AND kind = $3 AND item_id = $4",
            params![tenant, segment, item.kind, &item.item, to_json(&item.details)?, now],
        )
        .await?;
        Ok(())
    }

    /// `false` when it is not in the segment.
    pub(crate) async fn delete_segment_item(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        kind: SegmentItemKind,
        item: &str,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "DELETE FROM segment_items WHERE tenant_id = $1 AND segment_id = $2 AND kind = $3 AND item_id = $4",
                params![tenant, segment, kind, item],
            )
            .await?;
        Ok(changed == 1)
    }
}
