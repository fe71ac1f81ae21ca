//! Postal addresses of customers.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::addresses::{Address, AddressBody};
use prokura_domain::{AddressId, CustomerId, TenantId, Timestamp};

fn address(row: &Row) -> Result<Address, StoreError> {
    Ok(Address {
        id: row.get(0)?,
        body: AddressBody {
            is_default: row.get(1)?,
            details: from_json(&row.get::<String>(2)?, "customer_addresses.address_json")?,
            tags: from_json(&row.get::<String>(3)?, "customer_addresses.tags_json")?,
        },
        version: row.get(4)?,
        created_at: row.get(5)?,
        modified_at: row.get(6)?,
    })
}

impl Reader {
    /// A customer's addresses, oldest first.
    pub(crate) async fn addresses(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<Vec<Address>, StoreError> {
        self.query(
            "SELECT id, is_default, address_json, tags_json, version, created_at, modified_at
               FROM customer_addresses WHERE tenant_id = $1 AND customer_id = $2 ORDER BY created_at, id",
            params![tenant, customer],
        )
        .await?
        .iter()
        .map(address)
        .collect()
    }

    pub(crate) async fn address(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &AddressId,
    ) -> Result<Option<Address>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, is_default, address_json, tags_json, version, created_at, modified_at
                   FROM customer_addresses WHERE tenant_id = $1 AND customer_id = $2 AND id = $3",
                params![tenant, customer, id],
            )
            .await?;
        row.map(|row| address(&row)).transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_address(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &AddressId,
        body: &AddressBody,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO customer_addresses (tenant_id, id, customer_id, is_default, address_json, tags_json, version,
                                             created_at, modified_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)",
            params![tenant, id, customer, body.is_default, to_json(&body.details)?, to_json(&body.tags)?, now],
        )
        .await?;
        Ok(())
    }

    /// Replaces an address. The customer's row must be held.
    pub(crate) async fn update_address(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &AddressId,
        body: &AddressBody,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE customer_addresses
                SET is_default = $4, address_json = $5, tags_json = $6, version = version + 1, modified_at = $7
              WHERE tenant_id = $1 AND customer_id = $2 AND id = $3",
            params![tenant, customer, id, body.is_default, to_json(&body.details)?, to_json(&body.tags)?, now],
        )
        .await?;
        Ok(())
    }

    /// No address but `id` is the customer's default one.
    pub(crate) async fn clear_default_address(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &AddressId,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE customer_addresses SET is_default = 0
              WHERE tenant_id = $1 AND customer_id = $2 AND id <> $3 AND is_default = 1",
            params![tenant, customer, id],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_address(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &AddressId,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "DELETE FROM customer_addresses WHERE tenant_id = $1 AND customer_id = $2 AND id = $3",
                params![tenant, customer, id],
            )
            .await?;
        Ok(changed == 1)
    }
}
