//! Places, and which legal entities they serve.

use super::{
    Reader, Row, StoreError, Tx,
    companies::{containing, id_list},
    from_json, params, to_json,
};
use crate::location::{Location, LocationFilter, PutLocation};
use prokura_domain::{LegalEntityId, LocationId, TenantId, Timestamp};

fn location(row: &Row) -> Result<Location, StoreError> {
    Ok(Location {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        details: from_json(&row.get::<String>(3)?, "locations.details_json")?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        modified_at: row.get(6)?,
    })
}

impl Reader {
    pub(crate) async fn location(
        &mut self,
        tenant: &TenantId,
        id: &LocationId,
    ) -> Result<Option<Location>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name, kind, details_json, version, created_at, modified_at
                   FROM locations WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| location(&row)).transpose()
    }

    /// Places after `after`, by id, that fit the filter.
    pub(crate) async fn locations(
        &mut self,
        tenant: &TenantId,
        filter: &LocationFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Location>, StoreError> {
        self.query(
            "SELECT l.id, l.name, l.kind, l.details_json, l.version, l.created_at, l.modified_at
               FROM locations l
              WHERE l.tenant_id = $1 AND l.id > $2
                AND ($3 IS NULL OR l.id IN (SELECT location_id FROM legal_entity_locations
                                             WHERE tenant_id = $1 AND legal_entity_id = $3))
                AND ($4 IS NULL OR l.name_key LIKE $4 ESCAPE '\\')
                AND ($5 IS NULL OR l.kind = $5)
              ORDER BY l.id LIMIT $6",
            params![
                tenant,
                after,
                filter.legal_entity.as_ref(),
                filter.name_part.as_deref().map(containing),
                filter.kind,
                limit
            ],
        )
        .await?
        .iter()
        .map(location)
        .collect()
    }

    /// The places of the named entities. SQLite keeps the order of a `CROSS JOIN`; left to itself it reads all links of
    /// the tenant for each name.
    pub(crate) async fn locations_of_entities(
        &mut self,
        tenant: &TenantId,
        entities: &[&str],
    ) -> Result<Vec<(LegalEntityId, Location)>, StoreError> {
        let (list, count) = id_list(entities);
        self.query(
            "WITH RECURSIVE wanted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM wanted WHERE n + 1 < $3)
             SELECT l.id, l.name, l.kind, l.details_json, l.version, l.created_at, l.modified_at, e.legal_entity_id
               FROM wanted w
              CROSS JOIN legal_entity_locations e
              CROSS JOIN locations l
              WHERE e.tenant_id = $1 AND e.legal_entity_id = rtrim(substr(CAST($2 AS TEXT), w.n * 66 + 1, 66))
                AND l.tenant_id = e.tenant_id AND l.id = e.location_id
              ORDER BY w.n, l.id",
            params![tenant, list, count],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(7)?, location(row)?)))
        .collect()
    }
}

impl Tx<'_> {
    /// The place, held until the end of the transaction.
    pub(crate) async fn hold_location(
        &mut self,
        tenant: &TenantId,
        id: &LocationId,
    ) -> Result<Option<Location>, StoreError> {
        let rows = self
            .query_for_update(
                "SELECT id, name, kind, details_json, version, created_at, modified_at
                   FROM locations WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        rows.first().map(location).transpose()
    }

    /// `false` when the id is taken.
    pub(crate) async fn insert_location(
        &mut self,
        tenant: &TenantId,
        id: &LocationId,
        new: &PutLocation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO locations (tenant_id, id, name, name_key, kind, details_json, version, created_at, modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7) ON CONFLICT DO NOTHING",
                params![tenant, id, &new.name, new.name.to_lowercase(), new.kind, to_json(&new.details)?, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces everything but the id. The row must be held.
    pub(crate) async fn update_location(
        &mut self,
        tenant: &TenantId,
        id: &LocationId,
        new: &PutLocation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE locations
                SET name = $3, name_key = $4, kind = $5, details_json = $6, version = version + 1, modified_at = $7
              WHERE tenant_id = $1 AND id = $2",
            params![tenant, id, &new.name, new.name.to_lowercase(), new.kind, to_json(&new.details)?, now],
        )
        .await?;
        Ok(())
    }

    /// Deletes a place and its links.
    pub(crate) async fn delete_location(&mut self, tenant: &TenantId, id: &LocationId) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM legal_entity_locations WHERE tenant_id = $1 AND location_id = $2",
            params![tenant, id],
        )
        .await?;
        self.execute("DELETE FROM locations WHERE tenant_id = $1 AND id = $2", params![tenant, id]).await?;
        Ok(())
    }

    /// No place serves the entity any more.
    pub(crate) async fn unlink_locations(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM legal_entity_locations WHERE tenant_id = $1 AND legal_entity_id = $2",
            params![tenant, entity],
        )
        .await?;
        Ok(())
    }

    /// Lets a place serve the entity; `false` when there is no such place.
    pub(crate) async fn link_location(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        id: &LocationId,
    ) -> Result<bool, StoreError> {
        let rows =
            self.query_locked("SELECT id FROM locations WHERE tenant_id = $1 AND id = $2", params![tenant, id]).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        self.execute(
            "INSERT INTO legal_entity_locations (tenant_id, legal_entity_id, location_id) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            params![tenant, entity, id],
        )
        .await?;
        Ok(true)
    }
}
