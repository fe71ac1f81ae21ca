//! Customers and their credentials.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::customer::{Customer, Profile};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, LegalEntityId, SiteId, TenantId, Timestamp};

/// A credential as stored.
pub(crate) struct CredentialRow {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) is_initial: bool,
    pub(crate) created_at: Timestamp,
}

/// A customer to be stored.
pub(crate) struct NewCustomer<'a> {
    pub(crate) id: &'a CustomerId,
    pub(crate) kind: CustomerKind,
    pub(crate) email: Option<&'a Email>,
    pub(crate) state: CustomerState,
    pub(crate) profile: &'a Profile,
}

fn customer(row: &Row) -> Result<Customer, StoreError> {
    let mut profile: Profile = from_json(&row.get::<String>(9)?, "customers.profile_json")?;
    profile.given_name = row.get(3)?;
    profile.family_name = row.get(4)?;
    profile.company_name = row.get(5)?;
    profile.language = row.get(6)?;
    profile.currency = row.get(7)?;
    profile.site = row.get::<Option<SiteId>>(8)?;
    Ok(Customer {
        id: row.get(0)?,
        kind: row.get(1)?,
        email: row.get(2)?,
        profile,
        state: row.get(10)?,
        last_login_at: row.get(11)?,
        version: row.get(12)?,
        created_at: row.get(13)?,
        modified_at: row.get(14)?,
        email_verified_at: row.get(15)?,
    })
}

impl Reader {
    pub(crate) async fn customer(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
    ) -> Result<Option<Customer>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, kind, email, given_name, family_name, company_name, language, currency, site_id, profile_json,
                        state, last_login_at, version, created_at, modified_at, email_verified_at
                   FROM customers WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted'",
                params![tenant, id],
            )
            .await?;
        row.map(|row| customer(&row)).transpose()
    }

    /// The customer an address belongs to.
    pub(crate) async fn customer_by_email(
        &mut self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Customer>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, kind, email, given_name, family_name, company_name, language, currency, site_id, profile_json,
                        state, last_login_at, version, created_at, modified_at, email_verified_at
                   FROM customers WHERE tenant_id = $1 AND email_key = $2 AND state <> 'deleted'",
                params![tenant, key],
            )
            .await?;
        row.map(|row| customer(&row)).transpose()
    }

    /// Customers after `after`, by id. The key filter is optional.
    pub(crate) async fn customers(
        &mut self,
        tenant: &TenantId,
        after: &str,
        email_key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Customer>, StoreError> {
        self.query(
            "SELECT id, kind, email, given_name, family_name, company_name, language, currency, site_id, profile_json,
                    state, last_login_at, version, created_at, modified_at, email_verified_at
               FROM customers
              WHERE tenant_id = $1 AND id > $2 AND state <> 'deleted' AND ($3 IS NULL OR email_key = $3)
              ORDER BY id LIMIT $4",
            params![tenant, after, email_key, limit],
        )
        .await?
        .iter()
        .map(customer)
        .collect()
    }

    /// Customers assigned to `entity`, after `after`, by id.
    pub(crate) async fn customers_of_entity(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        after: &str,
        email_key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Customer>, StoreError> {
        self.query(
            "SELECT c.id, c.kind, c.email, c.given_name, c.family_name, c.company_name, c.language, c.currency, c.site_id,
                    c.profile_json, c.state, c.last_login_at, c.version, c.created_at, c.modified_at,
                    c.email_verified_at
               FROM contact_assignments a JOIN customers c ON c.tenant_id = $1 AND c.id = a.customer_id
              WHERE a.tenant_id = $1 AND a.legal_entity_id = $2 AND a.customer_id > $3 AND c.state <> 'deleted'
                AND ($4 IS NULL OR c.email_key = $4)
              ORDER BY a.customer_id LIMIT $5",
            params![tenant, entity, after, email_key, limit],
        )
        .await?
        .iter()
        .map(customer)
        .collect()
    }

    /// How many customers there are, of one entity when named; counted up to a million.
    pub(crate) async fn count_customers(
        &mut self,
        tenant: &TenantId,
        entity: Option<&LegalEntityId>,
    ) -> Result<i64, StoreError> {
        let row = match entity {
            None => {
                self.query_one(
                    "SELECT COUNT(*) FROM
                        (SELECT 1 FROM customers WHERE tenant_id = $1 AND state <> 'deleted' LIMIT 1000000) AS counted",
                    params![tenant],
                )
                .await?
            }
            Some(entity) => {
                self.query_one(
                    "SELECT COUNT(*) FROM contact_assignments WHERE tenant_id = $1 AND legal_entity_id = $2",
                    params![tenant, entity],
                )
                .await?
            }
        };
        row.map_or(Ok(0), |row| row.get(0))
    }

    /// The active password of a customer.
    pub(crate) async fn password(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
    ) -> Result<Option<CredentialRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, secret, is_initial, created_at FROM credentials
                  WHERE tenant_id = $1 AND customer_id = $2 AND kind = 'password' AND state = 'active'",
                params![tenant, customer],
            )
            .await?;
        row.map(|row| {
            Ok(CredentialRow { id: row.get(0)?, secret: row.get(1)?, is_initial: row.get(2)?, created_at: row.get(3)? })
        })
        .transpose()
    }
}

impl Tx<'_> {
    /// `false` when the id or the address is taken.
    pub(crate) async fn insert_customer(
        &mut self,
        tenant: &TenantId,
        customer: &NewCustomer<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let profile = customer.profile;
        let changed = self
            .execute(
                "INSERT INTO customers (tenant_id, id, kind, email, email_key, given_name, family_name, company_name,
                                        language, currency, site_id, state, state_at, profile_json, version, created_at,
                                        modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $13, $13)
                 ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    customer.id,
                    customer.kind,
                    customer.email.map(Email::as_str),
                    customer.email.map(Email::key),
                    &profile.given_name,
                    &profile.family_name,
                    &profile.company_name,
                    &profile.language,
                    &profile.currency,
                    profile.site.as_ref(),
                    customer.state,
                    now,
                    to_json(profile)?
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Replaces the profile; `false` when the customer is gone or `version` is stale.
    pub(crate) async fn update_profile(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
        profile: &Profile,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers
                    SET given_name = $3, family_name = $4, company_name = $5, language = $6, currency = $7, site_id = $8,
                        profile_json = $9, version = version + 1, modified_at = $10
                  WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted' AND ($11 IS NULL OR version = $11)",
                params![
                    tenant, id, &profile.given_name, &profile.family_name, &profile.company_name, &profile.language,
                    &profile.currency, profile.site.as_ref(), to_json(profile)?, now, version
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes that a mail to the customer's address arrived with them; the first time counts.
    pub(crate) async fn verify_email(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers SET email_verified_at = $3, version = version + 1, modified_at = $3
                  WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted' AND email_verified_at IS NULL",
                params![tenant, id, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Changes the address a customer logs in with, which is proven by that; `false` when the customer is gone or the address is somebody
    /// else's. When two ask for it at once, the slower one is refused by the unique index.
    pub(crate) async fn update_email(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
        email: &Email,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers SET email = $3, email_key = $4, email_verified_at = $5, version = version + 1,
                        modified_at = $5
                  WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted'
                    AND NOT EXISTS (SELECT 1 FROM customers o
                                     WHERE o.tenant_id = $1 AND o.email_key = $4 AND o.id <> $2 AND o.state <> 'deleted')",
                params![tenant, id, email.as_str(), email.key(), now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Holds the customer's row until the end of the transaction, as every login does; `false` when they are gone.
    pub(crate) async fn hold_customer(&mut self, tenant: &TenantId, id: &CustomerId) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers SET state_at = state_at WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted'",
                params![tenant, id],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes that a password was used; `false` when it was replaced after it was checked.
    pub(crate) async fn use_password(
        &mut self,
        tenant: &TenantId,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE credentials SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
                params![tenant, id, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Moves a customer to another state; returns whether something changed. Takes the row's lock, which every login
    /// takes as well.
    pub(crate) async fn move_customer(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
        state: CustomerState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers SET state = $3, state_at = $4, version = version + 1, modified_at = $4
                  WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted' AND state <> $3",
                params![tenant, id, state, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes a login and holds the customer's row until the end of the transaction, so that switching the customer
    /// off either comes first and is seen, or comes later and ends the session made here.
    pub(crate) async fn note_login(
        &mut self,
        tenant: &TenantId,
        id: &CustomerId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE customers SET last_login_at = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
                params![tenant, id, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Sets the customer's one active password, retiring the one before.
    pub(crate) async fn set_password(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        id: &str,
        phc: &str,
        is_initial: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE credentials SET state = 'replaced', secret = '-'
              WHERE tenant_id = $1 AND customer_id = $2 AND kind = 'password' AND state = 'active'",
            params![tenant, customer],
        )
        .await?;
        self.execute(
            "INSERT INTO credentials (tenant_id, id, customer_id, kind, secret, is_initial, state, created_at)
             VALUES ($1, $2, $3, 'password', $4, $5, 'active', $6)",
            params![tenant, id, customer, phc, is_initial, now],
        )
        .await?;
        Ok(())
    }

    /// Replaces the stored hash by a stronger one of the same password; `false` when it was changed meanwhile.
    pub(crate) async fn rehash_password(
        &mut self,
        tenant: &TenantId,
        id: &str,
        old: &str,
        new: &str,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE credentials SET secret = $4
                  WHERE tenant_id = $1 AND id = $2 AND secret = $3 AND state = 'active'",
                params![tenant, id, old, new],
            )
            .await?;
        Ok(changed == 1)
    }
}
