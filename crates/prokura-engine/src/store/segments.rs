//! Segments, as rows; their members and items are next door.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::{
    segment::{Segment, SegmentFilter},
    segment_view::SegmentViewer,
};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, SiteId, TenantId, Timestamp, Validity};

fn segment(row: &Row) -> Result<Segment, StoreError> {
    Ok(Segment {
        id: row.get(0)?,
        name: from_json(&row.get::<String>(1)?, "segments.name_json")?,
        description: from_json(&row.get::<String>(2)?, "segments.description_json")?,
        site: row.get(3)?,
        state: row.get(4)?,
        validity: Validity { from: row.get(5)?, until: row.get(6)? },
        details: from_json(&row.get::<String>(7)?, "segments.details_json")?,
        version: row.get(8)?,
        created_at: row.get(9)?,
        modified_at: row.get(10)?,
    })
}

impl Reader {
    pub(crate) async fn segment(&mut self, tenant: &TenantId, id: &SegmentId) -> Result<Option<Segment>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name_json, description_json, site_id, state, valid_from, valid_until, details_json, version,
                        created_at, modified_at
                   FROM segments WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| segment(&row)).transpose()
    }

    /// Segments after `after`, by id, that fit the filter.
    pub(crate) async fn segments(
        &mut self,
        tenant: &TenantId,
        filter: &SegmentFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Segment>, StoreError> {
        self.query(
            "SELECT s.id, s.name_json, s.description_json, s.site_id, s.state, s.valid_from, s.valid_until,
                    s.details_json, s.version, s.created_at, s.modified_at
               FROM segments s
              WHERE s.tenant_id = $1 AND s.id > $2 AND ($3 IS NULL OR s.state = $3)
                AND ($4 IS NULL OR s.site_id IS NULL OR s.site_id = $4)
                AND ($5 IS NULL OR (s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $5)
                                    AND (s.valid_until IS NULL OR s.valid_until > $5)))
                AND ($6 IS NULL OR s.id IN (SELECT m.segment_id FROM segment_members m
                                             WHERE m.tenant_id = $1 AND m.customer_id = $6
                                               AND ($7 IS NULL OR m.legal_entity_id = $7)))
                AND ($7 IS NULL OR s.id IN (SELECT m.segment_id FROM segment_members m
                                             WHERE m.tenant_id = $1 AND m.legal_entity_id = $7
                                               AND ($6 IS NULL OR m.customer_id = $6)))
              ORDER BY s.id LIMIT $8",
            params![
                tenant,
                after,
                filter.state,
                filter.site.as_ref(),
                filter.active_at,
                filter.customer.as_ref(),
                filter.legal_entity.as_ref(),
                limit
            ],
        )
        .await?
        .iter()
        .map(segment)
        .collect()
    }

    /// Segments after `after`, by id, that count at `now` and that the viewer belongs to.
    pub(crate) async fn segments_seen(
        &mut self,
        tenant: &TenantId,
        viewer: &SegmentViewer,
        site: Option<&SiteId>,
        now: Timestamp,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Segment>, StoreError> {
        self.query(
            "SELECT s.id, s.name_json, s.description_json, s.site_id, s.state, s.valid_from, s.valid_until,
                    s.details_json, s.version, s.created_at, s.modified_at
               FROM segments s
              WHERE s.tenant_id = $1 AND s.id > $2 AND ($3 IS NULL OR s.site_id IS NULL OR s.site_id = $3)
                AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $4)
                AND (s.valid_until IS NULL OR s.valid_until > $4)
                AND s.id IN (SELECT segment_id FROM segment_members
                              WHERE tenant_id = $1 AND customer_id = $5 AND legal_entity_id = $6
                             UNION ALL
                             SELECT segment_id FROM segment_members
                              WHERE tenant_id = $1 AND customer_id IS NULL AND legal_entity_id = $6
                             UNION ALL
                             SELECT segment_id FROM segment_members
                              WHERE tenant_id = $1 AND customer_id = $5 AND legal_entity_id IS NULL AND $7 = 1)
              ORDER BY s.id LIMIT $8",
            params![tenant, after, site, now, &viewer.customer, viewer.legal_entity.as_ref(), viewer.is_private, limit],
        )
        .await?
        .iter()
        .map(segment)
        .collect()
    }

    /// Whether the viewer belongs to a segment, whether it counts or not.
    pub(crate) async fn belongs_to_segment(
        &mut self,
        tenant: &TenantId,
        viewer: &SegmentViewer,
        id: &SegmentId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM segment_members
                  WHERE tenant_id = $1 AND segment_id = $2
                    AND ((customer_id = $3 AND legal_entity_id = $4) OR (customer_id IS NULL AND legal_entity_id = $4)
                         OR (customer_id = $3 AND legal_entity_id IS NULL AND $5 = 1))
                  LIMIT 1",
                params![tenant, id, &viewer.customer, viewer.legal_entity.as_ref(), viewer.is_private],
            )
            .await?;
        Ok(row.is_some())
    }

    pub(crate) async fn segment_has_members(&mut self, tenant: &TenantId, id: &SegmentId) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM segment_members WHERE tenant_id = $1 AND segment_id = $2 LIMIT 1",
                params![tenant, id],
            )
            .await?;
        Ok(row.is_some())
    }

    pub(crate) async fn segment_has_items(&mut self, tenant: &TenantId, id: &SegmentId) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM segment_items WHERE tenant_id = $1 AND segment_id = $2 LIMIT 1",
                params![tenant, id],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Whether the customer is assigned to the entity and it is enabled.
    pub(crate) async fn may_act_for(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM contact_assignments a
                   JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
                  WHERE a.tenant_id = $1 AND a.customer_id = $2 AND a.legal_entity_id = $3 AND e.state = 'active'",
                params![tenant, customer, entity],
            )
            .await?;
        Ok(row.is_some())
    }

    /// When the validity of one of the segments of (customer, entity), or of the customer alone, next begins or ends.
    pub(crate) async fn next_segment_change(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .query_one(
                "SELECT MIN(CASE WHEN s.valid_from > $4 THEN s.valid_from ELSE s.valid_until END)
                   FROM segments s
                  WHERE s.tenant_id = $1 AND s.state = 'active' AND (s.valid_from > $4 OR s.valid_until > $4)
                    AND s.id IN (SELECT segment_id FROM segment_members
                                  WHERE tenant_id = $1 AND customer_id = $2 AND legal_entity_id = $3
                                 UNION ALL
                                 SELECT segment_id FROM segment_members
                                  WHERE tenant_id = $1 AND customer_id IS NULL AND legal_entity_id = $3
                                 UNION ALL
                                 SELECT segment_id FROM segment_members
                                  WHERE tenant_id = $1 AND customer_id = $2 AND legal_entity_id IS NULL)",
                params![tenant, customer, entity, now],
            )
            .await?;
        row.map_or(Ok(None), |row| row.get(0))
    }

    /// Tenants with an active segment whose validity began or ended in `(since, now]`; all tenants at once, because it
    /// is nodes that ask.
    pub(crate) async fn tenants_with_segment_changes(
        &mut self,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<TenantId>, StoreError> {
        self.query(
            "SELECT tenant_id FROM segments WHERE state = 'active' AND valid_from > $1 AND valid_from <= $2
             UNION
             SELECT tenant_id FROM segments WHERE state = 'active' AND valid_until > $1 AND valid_until <= $2",
            params![since, now],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }
}

impl Tx<'_> {
    /// The segment, held for changing until the end of the transaction.
    pub(crate) async fn hold_segment(
        &mut self,
        tenant: &TenantId,
        id: &SegmentId,
    ) -> Result<Option<Segment>, StoreError> {
        let rows = self
            .query_for_update(
                "SELECT id, name_json, description_json, site_id, state, valid_from, valid_until, details_json, version,
                        created_at, modified_at
                   FROM segments WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(segment).transpose()
    }

    /// The segment, kept as it is until the end of the transaction.
    pub(crate) async fn share_segment(
        &mut self,
        tenant: &TenantId,
        id: &SegmentId,
    ) -> Result<Option<Segment>, StoreError> {
        let rows = self
            .query_locked(
                "SELECT id, name_json, description_json, site_id, state, valid_from, valid_until, details_json, version,
                        created_at, modified_at
                   FROM segments WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(segment).transpose()
    }

    /// `false` when the id is taken.
    pub(crate) async fn insert_segment(
        &mut self,
        tenant: &TenantId,
        new: &Segment,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO segments (tenant_id, id, name_json, description_json, site_id, state, valid_from, valid_until,
                                       details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    &new.id,
                    to_json(&new.name)?,
                    to_json(&new.description)?,
                    new.site.as_ref(),
                    new.state,
                    new.validity.from,
                    new.validity.until,
                    to_json(&new.details)?,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// `false` when there is no such segment or `version` is stale.
    pub(crate) async fn update_segment(
        &mut self,
        tenant: &TenantId,
        new: &Segment,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE segments
                    SET name_json = $3, description_json = $4, site_id = $5, state = $6, valid_from = $7, valid_until = $8,
                        details_json = $9, version = version + 1, modified_at = $10
                  WHERE tenant_id = $1 AND id = $2 AND ($11 IS NULL OR version = $11)",
                params![
                    tenant,
                    &new.id,
                    to_json(&new.name)?,
                    to_json(&new.description)?,
                    new.site.as_ref(),
                    new.state,
                    new.validity.from,
                    new.validity.until,
                    to_json(&new.details)?,
                    now,
                    version
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes at most `limit` members and `limit` items of a segment; returns the larger of both counts.
    pub(crate) async fn delete_segment_contents(
        &mut self,
        tenant: &TenantId,
        id: &SegmentId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let members = self
            .execute(
                "DELETE FROM segment_members
                  WHERE tenant_id = $1 AND segment_id = $2
                    AND (COALESCE(customer_id, ''), COALESCE(legal_entity_id, '')) IN
                        (SELECT COALESCE(customer_id, ''), COALESCE(legal_entity_id, '') FROM segment_members
                          WHERE tenant_id = $1 AND segment_id = $2 LIMIT $3)",
                params![tenant, id, limit],
            )
            .await?;
        let items = self
            .execute(
                "DELETE FROM segment_items
                  WHERE tenant_id = $1 AND segment_id = $2
                    AND (kind, item_id) IN (SELECT kind, item_id FROM segment_items
                                             WHERE tenant_id = $1 AND segment_id = $2 LIMIT $3)",
                params![tenant, id, limit],
            )
            .await?;
        Ok(members.max(items))
    }

    /// Deletes a segment to which nothing belongs any more.
    pub(crate) async fn delete_segment(&mut self, tenant: &TenantId, id: &SegmentId) -> Result<(), StoreError> {
        self.execute("DELETE FROM segments WHERE tenant_id = $1 AND id = $2", params![tenant, id]).await?;
        Ok(())
    }
}
