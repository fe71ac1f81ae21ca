//! Segments, their members and their items.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::segment::{Segment, SegmentItem, SegmentMember};
use prokura_domain::{SegmentId, TenantId, Timestamp, Validity};

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
}

impl Tx<'_> {
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

    /// `false` when they are a member already.
    pub(crate) async fn insert_segment_member(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        member: &SegmentMember,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO segment_members (tenant_id, segment_id, customer_id, legal_entity_id, is_automatic,
                                              details_json, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, 0, '{}', $5, $5) ON CONFLICT DO NOTHING",
                params![tenant, segment, member.customer.as_ref(), member.legal_entity.as_ref(), now],
            )
            .await?;
        Ok(changed == 1)
    }

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
                params![tenant, segment, &item.kind, &item.item, to_json(&item.details)?, now],
            )
            .await?;
        Ok(changed == 1)
    }
}
