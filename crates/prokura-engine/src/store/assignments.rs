//! Contact assignments. The row of the legal entity is the lock for everything about the people in it.

use super::{Reader, Row, StoreError, Tx, companies::id_list, from_json, params, to_json};
use crate::assignment::{Assignment, AssignmentDetails, Contact, ContactFilter, NewAssignment};
use prokura_domain::{AssignmentId, AssignmentKind, CustomerId, GrantId, LegalEntityId, TenantId, Timestamp};

fn assignment(row: &Row) -> Result<Assignment, StoreError> {
    Ok(Assignment {
        id: row.get(0)?,
        grant: row.get(1)?,
        legal_entity: row.get(2)?,
        customer: row.get(3)?,
        kind: row.get(4)?,
        is_primary: row.get(5)?,
        origin: row.get(6)?,
        details: from_json(&row.get::<String>(7)?, "contact_assignments.details_json")?,
        version: row.get(8)?,
        created_at: row.get(9)?,
        modified_at: row.get(10)?,
    })
}

fn contact(row: &Row) -> Result<Contact, StoreError> {
    let profile: crate::Profile = from_json(&row.get::<String>(16)?, "customers.profile_json")?;
    Ok(Contact {
        assignment: assignment(row)?,
        entity_name: row.get(11)?,
        entity_kind: row.get(12)?,
        given_name: row.get(13)?,
        family_name: row.get(14)?,
        email: row.get(15)?,
        phone: profile.phone,
    })
}

impl Reader {
    pub(crate) async fn assignment(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
    ) -> Result<Option<Assignment>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, details_json, version,
                        created_at, modified_at
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
            "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, details_json, version,
                    created_at, modified_at
               FROM contact_assignments WHERE tenant_id = $1 AND customer_id = $2 ORDER BY created_at, id",
            params![tenant, customer],
        )
        .await?
        .iter()
        .map(assignment)
        .collect()
    }

    /// Some of an entity's assignments.
    pub(crate) async fn assignments_of_entity(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        self.query(
            "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, details_json, version,
                    created_at, modified_at
               FROM contact_assignments WHERE tenant_id = $1 AND legal_entity_id = $2 ORDER BY id LIMIT $3",
            params![tenant, entity, limit],
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
            "SELECT id, grant_id, legal_entity_id, customer_id, kind, is_primary, origin_id, details_json, version,
                    created_at, modified_at
               FROM contact_assignments WHERE tenant_id = $1 AND origin_id = $2 ORDER BY id",
            params![tenant, id],
        )
        .await?
        .iter()
        .map(assignment)
        .collect()
    }

    /// Whether a customer is assigned to an entity.
    pub(crate) async fn is_assigned(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT id FROM contact_assignments WHERE tenant_id = $1 AND customer_id = $2 AND legal_entity_id = $3",
                params![tenant, customer, entity],
            )
            .await?;
        Ok(row.is_some())
    }

    /// Assignments after `after`, by id, that fit the filter, with the names of both ends.
    pub(crate) async fn contacts(
        &mut self,
        tenant: &TenantId,
        filter: &ContactFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Contact>, StoreError> {
        self.query(
            "SELECT a.id, a.grant_id, a.legal_entity_id, a.customer_id, a.kind, a.is_primary, a.origin_id, a.details_json,
                    a.version, a.created_at, a.modified_at, e.name, e.kind, c.given_name, c.family_name, c.email,
                    c.profile_json
               FROM contact_assignments a
               JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
               JOIN customers c ON c.tenant_id = a.tenant_id AND c.id = a.customer_id
              WHERE a.tenant_id = $1 AND a.id > $2
                AND ($3 IS NULL OR a.legal_entity_id = $3)
                AND ($4 IS NULL OR a.customer_id = $4)
                AND ($5 IS NULL OR a.kind = $5)
                AND ($6 IS NULL OR a.is_primary = $6)
              ORDER BY a.id LIMIT $7",
            params![
                tenant,
                after,
                filter.legal_entity.as_ref(),
                filter.customer.as_ref(),
                filter.kind,
                filter.is_primary,
                limit
            ],
        )
        .await?
        .iter()
        .map(contact)
        .collect()
    }

    /// The named assignments, as far as they are there.
    pub(crate) async fn contacts_by_id(&mut self, tenant: &TenantId, ids: &[&str]) -> Result<Vec<Contact>, StoreError> {
        let (list, count) = id_list(ids);
        self.query(
            "WITH RECURSIVE wanted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM wanted WHERE n + 1 < $3)
             SELECT a.id, a.grant_id, a.legal_entity_id, a.customer_id, a.kind, a.is_primary, a.origin_id, a.details_json,
                    a.version, a.created_at, a.modified_at, e.name, e.kind, c.given_name, c.family_name, c.email,
                    c.profile_json
               FROM wanted w
               JOIN contact_assignments a ON a.tenant_id = $1
                    AND a.id = rtrim(substr(CAST($2 AS TEXT), w.n * 66 + 1, 66))
               JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
               JOIN customers c ON c.tenant_id = a.tenant_id AND c.id = a.customer_id
              ORDER BY w.n",
            params![tenant, list, count],
        )
        .await?
        .iter()
        .map(contact)
        .collect()
    }
}

impl Tx<'_> {
    /// `false` when the id is taken or the customer is assigned to the entity already.
    pub(crate) async fn insert_assignment(
        &mut self,
        tenant: &TenantId,
        (id, grant): (&AssignmentId, &GrantId),
        new: &NewAssignment,
        details: &AssignmentDetails,
        origin: Option<&AssignmentId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO contact_assignments (tenant_id, id, grant_id, legal_entity_id, customer_id, kind, is_primary,
                                                  origin_id, details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    id,
                    grant,
                    &new.legal_entity,
                    &new.customer,
                    new.kind,
                    new.is_primary,
                    origin,
                    to_json(details)?,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces what the person is to the company. The entity must be held.
    pub(crate) async fn update_assignment(
        &mut self,
        tenant: &TenantId,
        id: &AssignmentId,
        kind: AssignmentKind,
        is_primary: bool,
        details: &AssignmentDetails,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE contact_assignments
                SET kind = $3, is_primary = $4, details_json = $5, version = version + 1, modified_at = $6
              WHERE tenant_id = $1 AND id = $2",
            params![tenant, id, kind, is_primary, to_json(details)?, now],
        )
        .await?;
        Ok(())
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

    /// What a deleted customer leaves behind besides assignments. Erased, not hidden: the row keeps its id alone.
    pub(crate) async fn forget_customer_details(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
    ) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM customer_addresses WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM credentials WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM passkey_ceremonies WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM passkeys WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM pending_logins WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM recovery_codes WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM totp_factors WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM segment_members WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM customer_group_members WHERE tenant_id = $1 AND member_id = $2",
            "DELETE FROM join_requests WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM invitations WHERE tenant_id = $1
                AND (customer_id = $2 OR email_key IN (SELECT email_key FROM customers WHERE tenant_id = $1 AND id = $2))",
            "DELETE FROM login_tokens WHERE tenant_id = $1 AND customer_id = $2",
            "DELETE FROM one_time_codes WHERE tenant_id = $1 AND customer_id = $2",
            "UPDATE customers SET email = NULL, email_key = NULL, email_verified_at = NULL, given_name = '', family_name = '', company_name = '',
                    language = NULL, currency = NULL, profile_json = '{}'
              WHERE tenant_id = $1 AND id = $2",
        ] {
            self.execute(statement, params![tenant, id]).await?;
        }
        Ok(())
    }
}
