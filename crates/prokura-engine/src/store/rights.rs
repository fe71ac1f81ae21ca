//! What a customer may do and see, for one company or as a private person: the scopes of their groups and the segments
//! they belong to.

use super::{Reader, StoreError, params};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, TenantId, Timestamp};

impl Reader {
    /// The scope texts of the customer's groups that count when acting for `entity`: groups of that entity and groups
    /// of none.
    pub(crate) async fn group_scopes(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Result<Vec<String>, StoreError> {
        self.query(
            "SELECT g.scopes FROM customer_group_members m
               JOIN customer_groups g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
              WHERE m.tenant_id = $1 AND m.member_id = $2 AND m.member_kind = 'customer'
                AND (g.legal_entity_id IS NULL OR g.legal_entity_id = $3)",
            params![tenant, customer, entity],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// Active segments, valid at `now`, of the customer acting for `entity` (or privately), at most `limit`.
    ///
    /// With an entity: members named as (customer, entity), and entities named whole. Without one: members named alone.
    pub(crate) async fn segments_for(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SegmentId>, StoreError> {
        self.query(
            "SELECT DISTINCT s.id FROM segment_members m
               JOIN segments s ON s.tenant_id = m.tenant_id AND s.id = m.segment_id
              WHERE m.tenant_id = $1
                AND ((m.customer_id = $2 AND m.legal_entity_id = $3)
                     OR (m.customer_id IS NULL AND m.legal_entity_id = $3)
                     OR ($3 IS NULL AND m.customer_id = $2 AND m.legal_entity_id IS NULL))
                AND s.state = 'active' AND (s.valid_from IS NULL OR s.valid_from <= $4)
                AND (s.valid_until IS NULL OR s.valid_until > $4)
              ORDER BY s.id LIMIT $5",
            params![tenant, customer, entity, now, limit],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// The entities the customer is assigned to and that are enabled, oldest assignment first, at most `limit`.
    pub(crate) async fn entities_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        limit: u32,
    ) -> Result<Vec<LegalEntityId>, StoreError> {
        self.query(
            "SELECT a.legal_entity_id FROM contact_assignments a
               JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
              WHERE a.tenant_id = $1 AND a.customer_id = $2 AND e.state = 'active'
              ORDER BY a.created_at, a.id LIMIT $3",
            params![tenant, customer, limit],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }
}
