//! Members of segments: a customer alone, a customer acting for an entity, or everybody who acts for an entity.

use super::{Reader, Row, StoreError, Tx, params};
use crate::{
    segment::SegmentMember,
    segment_member::{MemberFilter, SegmentMembership},
};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, TenantId, Timestamp};

fn membership(row: &Row) -> Result<SegmentMembership, StoreError> {
    Ok(SegmentMembership {
        member: SegmentMember { customer: row.get(0)?, legal_entity: row.get(1)? },
        is_automatic: row.get(2)?,
        given_name: row.get(3)?,
        family_name: row.get(4)?,
        email: row.get(5)?,
        legal_entity_name: row.get(6)?,
        created_at: row.get(7)?,
        modified_at: row.get(8)?,
    })
}

/// The two halves of a member's key; an absent one is the empty text, as in the unique index.
fn key(member: &SegmentMember) -> (&str, &str) {
    (
        member.customer.as_ref().map_or("", CustomerId::as_str),
        member.legal_entity.as_ref().map_or("", LegalEntityId::as_str),
    )
}

impl Reader {
    /// Members of a segment in the order of their keys.
    pub(crate) async fn segment_members(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        filter: &MemberFilter,
        limit: u32,
    ) -> Result<Vec<SegmentMembership>, StoreError> {
        let (after_customer, after_entity) = filter.after.as_ref().map_or(("", ""), key);
        self.query(
            "SELECT m.customer_id, m.legal_entity_id, m.is_automatic, c.given_name, c.family_name, c.email, e.name,
                    m.created_at, m.modified_at
               FROM segment_members m
               LEFT JOIN customers c ON c.tenant_id = m.tenant_id AND c.id = m.customer_id
               LEFT JOIN legal_entities e ON e.tenant_id = m.tenant_id AND e.id = m.legal_entity_id
              WHERE m.tenant_id = $1 AND m.segment_id = $2
                AND (COALESCE(m.customer_id, ''), COALESCE(m.legal_entity_id, '')) > ($3, $4)
                AND ($5 IS NULL OR m.customer_id = $5) AND ($6 IS NULL OR m.legal_entity_id = $6)
              ORDER BY COALESCE(m.customer_id, ''), COALESCE(m.legal_entity_id, '') LIMIT $7",
            params![
                tenant,
                segment,
                after_customer,
                after_entity,
                filter.customer.as_ref(),
                filter.legal_entity.as_ref(),
                limit
            ],
        )
        .await?
        .iter()
        .map(membership)
        .collect()
    }

    pub(crate) async fn segment_member(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        member: &SegmentMember,
    ) -> Result<Option<SegmentMembership>, StoreError> {
        let (customer, entity) = key(member);
        let row = self
            .query_one(
                "SELECT m.customer_id, m.legal_entity_id, m.is_automatic, c.given_name, c.family_name, c.email, e.name,
                        m.created_at, m.modified_at
                   FROM segment_members m
                   LEFT JOIN customers c ON c.tenant_id = m.tenant_id AND c.id = m.customer_id
                   LEFT JOIN legal_entities e ON e.tenant_id = m.tenant_id AND e.id = m.legal_entity_id
                  WHERE m.tenant_id = $1 AND m.segment_id = $2
                    AND COALESCE(m.customer_id, '') = $3 AND COALESCE(m.legal_entity_id, '') = $4",
                params![tenant, segment, customer, entity],
            )
            .await?;
        row.map(|row| membership(&row)).transpose()
    }
}

impl Tx<'_> {
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

    /// Notes that a member was written again, by hand.
    pub(crate) async fn touch_segment_member(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        member: &SegmentMember,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (customer, entity) = key(member);
        self.execute(
            "UPDATE segment_members SET is_automatic = 0, modified_at = $5
              WHERE tenant_id = $1 AND segment_id = $2
                AND COALESCE(customer_id, '') = $3 AND COALESCE(legal_entity_id, '') = $4",
            params![tenant, segment, customer, entity, now],
        )
        .await?;
        Ok(())
    }

    /// `false` when they are no member.
    pub(crate) async fn delete_segment_member(
        &mut self,
        tenant: &TenantId,
        segment: &SegmentId,
        member: &SegmentMember,
    ) -> Result<bool, StoreError> {
        let (customer, entity) = key(member);
        let changed = self
            .execute(
                "DELETE FROM segment_members
                  WHERE tenant_id = $1 AND segment_id = $2
                    AND COALESCE(customer_id, '') = $3 AND COALESCE(legal_entity_id, '') = $4",
                params![tenant, segment, customer, entity],
            )
            .await?;
        Ok(changed == 1)
    }
}
